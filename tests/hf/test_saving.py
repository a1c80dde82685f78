"""A saved READ: three files of plain data, loaded again beside the model it was trained beside, and beside no other."""

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hub_server import Fault, HubServer
from safetensors.torch import load, load_file, save_file
from tiny import backbone
from wrapped import CAUSAL, MASKED, QA, SEQ, TEXT, TOKEN, answer, base_of, inputs_for, wrapped

from read_repro import AutoReadModel, ReadConfig, ReadModel, get_read_model
from read_repro.errors import InputError
from read_repro.hf.pooled import POOLINGS, PooledClassifier
from read_repro.hf.saved import TrainingFacts

FORMS = [
    ("bert", SEQ), ("roberta", SEQ), ("t5", SEQ), ("llama", SEQ), ("t5", TEXT), ("gpt2", CAUSAL), ("bert", TOKEN),
    ("bert", QA), ("bert", MASKED), ("bert", "AutoModel"),
]  # fmt: skip


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer() as server:
        server.patch(monkeypatch, tmp_path / "home")
        yield server


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trained(model_type: str, auto_class: str, **settings: Any) -> ReadModel:
    """READ beside a model in the folder ``base``, its head changed as by training."""
    base_of(model_type, auto_class).save_pretrained("base")
    own = {"num_labels": 3} if auto_class in (SEQ, TOKEN) else {}
    base = getattr(transformers, auto_class).from_pretrained("base", **own)
    read = get_read_model(base, ReadConfig(**{"hidden": 8, **settings}))
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in read.active.parameters():
            weight.normal_(std=0.3, generator=generator)
    return read.eval()


def said(read: ReadModel, model_type: str, auto_class: str) -> torch.Tensor:
    with torch.no_grad():
        return answer(read(**inputs_for(model_type, auto_class)))


@pytest.mark.parametrize(("model_type", "auto_class"), FORMS)
def test_it_comes_back_as_it_was_saved_with_its_base_or_beside_one(
    here: Path, model_type: str, auto_class: str
) -> None:
    read = trained(model_type, auto_class)
    read.save_pretrained("read")
    assert {path.name for path in Path("read").iterdir()} == {"read_config.json", "read_model.safetensors", "README.md"}
    expected = said(read, model_type, auto_class)
    again = AutoReadModel.from_pretrained("read")
    assert type(again) is type(read)
    assert torch.equal(said(again, model_type, auto_class), expected)
    assert not again.training
    assert not any(weight.requires_grad for weight in again.parameters())
    beside = ReadModel.from_pretrained(read.unload(), "read", is_trainable=True)
    assert torch.equal(said(beside, model_type, auto_class), expected)
    assert {name for name, weight in beside.named_parameters() if weight.requires_grad} == set(beside.state_dict())


def test_what_the_configuration_says(here: Path) -> None:
    trained("bert", SEQ, cell="lstm").save_pretrained("read")
    content = json.loads(Path("read/read_config.json").read_text())
    assert content["read"]["cell"] == "lstm"
    base = content["base"]
    assert (base["name"], base["auto_class"], base["num_labels"]) == ("base", SEQ, 3)
    assert base["id2label"] == {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}
    assert base["commit"] is None
    assert re.fullmatch("[0-9a-f]{64}", base["sha256"])
    assert content["read_repro_version"]
    assert set(load_file("read/read_model.safetensors")) == {
        *(f"side.encoder.cells.0.{name}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")),
        *(f"side.encoder.up.0.{name}" for name in ("weight", "bias")),
        *(f"heads.classifier.{name}" for name in ("weight", "bias")),
    }


def test_another_base_is_refused_and_force_admits_it(here: Path) -> None:
    read = trained("bert", SEQ)
    read.save_pretrained("read")
    other = base_of("bert", SEQ, seed=7)
    with pytest.raises(InputError, match="sha256"):
        ReadModel.from_pretrained(other, "read")
    with pytest.raises(InputError, match="precision"):
        ReadModel.from_pretrained(read.unload().to(torch.bfloat16), "read")
    with pytest.raises(InputError, match="not a 'bert'"):
        ReadModel.from_pretrained(base_of("electra", SEQ), "read")
    assert isinstance(ReadModel.from_pretrained(other, "read", force=True), ReadModel)
    with pytest.raises(InputError, match="does not fit this model"):
        ReadModel.from_pretrained(base_of("bert", SEQ, num_hidden_layers=2, hidden_size=64), "read", force=True)
    transformers.BertForSequenceClassification(other.config).save_pretrained("base")
    with pytest.raises(InputError, match="sha256"):
        AutoReadModel.from_pretrained("read")


def test_a_head_that_training_changed_is_no_other_base(here: Path) -> None:
    """Only what is frozen is compared: each load of a checkpoint without a head draws another one."""
    trained("bert", SEQ).save_pretrained("read")
    transformers.BertModel.from_pretrained("base").save_pretrained("bare")
    base = transformers.AutoModelForSequenceClassification.from_pretrained("bare", num_labels=3)
    assert isinstance(ReadModel.from_pretrained(base, "read"), ReadModel)


def test_a_decoders_padding_token_is_part_of_it(here: Path) -> None:
    """By it the last token of a text is found; a checkpoint often has none, and its user chose one."""
    read = trained("gpt2", SEQ)
    read.config.pad_token_id = 2
    read.save_pretrained("read")
    assert AutoReadModel.from_pretrained("read").config.pad_token_id == 2


def test_several_by_name_on_one_base(here: Path) -> None:
    read = trained("bert", SEQ)
    read.save_pretrained("read")
    expected = said(read, "bert", SEQ)
    one = wrapped("bert", SEQ)
    with pytest.raises(InputError, match="sha256"):
        get_read_model(base_of("bert", SEQ, seed=9), ReadConfig(hidden=8)).load_adapter("read", "second")
    one.load_adapter("read", "second")
    one.set_adapter("second")
    torch.testing.assert_close(said(one, "bert", SEQ), expected)  # the two compute attention in two ways


# ---- the card --------------------------------------------------------------------------------------------------


def test_the_card_tells_what_was_measured_and_a_dash_for_what_was_not(here: Path) -> None:
    read = trained("bert", SEQ)
    read.save_pretrained("read")
    assert "| energy | — |" in Path("read/README.md").read_text()
    read.facts = TrainingFacts(scores={"eval_accuracy": 0.8125}, seed=3, energy_kwh=0.00123, energy_how="estimate")
    read.save_pretrained("read")
    text = Path("read/README.md").read_text()
    for wanted in ("| eval_accuracy | 0.8125 |", "| seed | 3 |", "0.00123 kWh (estimate)", "library_name: read-repro"):
        assert wanted in text
    assert "another seed gives another one" in text
    assert AutoReadModel.from_pretrained("read").facts == read.facts
    Path("read/README.md").write_text("my own words")
    read.save_pretrained("read")
    assert Path("read/README.md").read_text() == "my own words"


# ---- files of anybody ------------------------------------------------------------------------------------------


def changed(change: Callable[[dict[str, Any]], None]) -> None:
    path = Path("read/read_config.json")
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["base"].update(auto_class="os.system"), "no Auto class"),
        (lambda c: c["base"].update(auto_class="BertModel"), "no Auto class"),
        (lambda c: c["base"].update(name=None), "no name"),
        (lambda c: c["base"].update(dtype="int8"), "dtype='int8'"),
        (lambda c: c["base"].update(name="no/such/base"), "cannot be had"),
        (lambda c: c["base"].update(trust_remote_code=True), "trust_remote_code"),
        (lambda c: c["read"].update(_target_="os.system"), "names code to run"),
        (lambda c: c["read"].update(cell="gated"), "cell=gated"),
        (lambda c: c["read"].update(hidden="8"), "hidden"),
        (lambda c: c["read"].update(hidden=9), "does not fit"),
        (lambda c: c.update(more=1), "more"),
        (lambda c: c.pop("base"), "base"),
        (lambda c: c["facts"].update(seed=1.5), "seed"),
    ],
)
def test_a_configuration_that_is_not_ours_is_one_line(
    here: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    trained("bert", SEQ).save_pretrained("read")
    changed(change)
    with pytest.raises(InputError, match=re.escape(said)) as refused:
        AutoReadModel.from_pretrained("read")
    assert "\n" not in str(refused.value)


def test_weights_that_are_not_whole_or_not_finite_are_one_line(here: Path) -> None:
    trained("bert", SEQ).save_pretrained("read")
    path = Path("read/read_model.safetensors")
    whole, tensors = path.read_bytes(), load(path.read_bytes())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        AutoReadModel.from_pretrained("read")
    save_file({**tensors, "more": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="left over"):
        AutoReadModel.from_pretrained("read")
    save_file({**tensors, "side.encoder.up.0.bias": torch.full((32,), float("nan"))}, path)
    with pytest.raises(InputError, match="not finite"):
        AutoReadModel.from_pretrained("read")
    path.unlink()
    with pytest.raises(InputError, match=r"read_model\.safetensors"):
        AutoReadModel.from_pretrained("read")


def test_code_and_pickles_beside_the_base_are_not_touched(here: Path) -> None:
    trained("bert", SEQ).save_pretrained("read")
    config = json.loads(Path("base/config.json").read_text())
    config["auto_map"] = {SEQ: "evil.Evil"}
    Path("base/config.json").write_text(json.dumps(config))
    Path("base/evil.py").write_text("import pathlib; pathlib.Path('ran').touch()\nclass Evil: ...\n")
    AutoReadModel.from_pretrained("read")
    os.rename("base/model.safetensors", "base/pytorch_model.bin")
    with pytest.raises(InputError, match="cannot be had"):
        AutoReadModel.from_pretrained("read")
    assert not Path("ran").exists()


# ---- the hub ---------------------------------------------------------------------------------------------------


def test_pushed_and_pulled_with_its_base_from_the_hub(hub: HubServer, here: Path) -> None:
    base_of("roberta", SEQ).save_pretrained("folder")
    commit = hub.add("someone/tiny-roberta", Path("folder"))
    base = transformers.AutoModelForSequenceClassification.from_pretrained("someone/tiny-roberta", num_labels=3)
    read = get_read_model(base, ReadConfig(hidden=8))
    with torch.no_grad():
        for weight in read.active.parameters():
            weight.normal_(std=0.3)
    first = read.push_to_hub("me/read-tickets")
    files = hub.files("me/read-tickets")
    assert set(files) == {"read_config.json", "read_model.safetensors", "README.md"}
    identity = json.loads(files["read_config.json"])["base"]
    assert (identity["name"], identity["commit"]) == ("someone/tiny-roberta", commit)
    assert b"base_model: someone/tiny-roberta" in files["README.md"]
    expected = said(read, "roberta", SEQ)
    assert torch.equal(said(AutoReadModel.from_pretrained("me/read-tickets"), "roberta", SEQ), expected)

    base_of("roberta", SEQ, seed=8).save_pretrained("other")
    hub.add("someone/tiny-roberta", Path("other"))
    later = transformers.AutoModelForSequenceClassification.from_pretrained("someone/tiny-roberta", num_labels=3)
    with pytest.raises(InputError, match="sha256"):
        ReadModel.from_pretrained(later, "me/read-tickets")
    assert torch.equal(said(AutoReadModel.from_pretrained("me/read-tickets"), "roberta", SEQ), expected), "its commit"
    with pytest.raises(InputError, match="sha256"):
        AutoReadModel.from_pretrained("me/read-tickets", base_revision="main")
    assert get_read_model(later, ReadConfig(hidden=8)).push_to_hub("me/ambiguous")
    assert json.loads(hub.files("me/ambiguous")["read_config.json"])["base"]["commit"] is None, "it may be either"

    read.facts = replace(read.facts, seed=4)
    second = read.push_to_hub("me/read-tickets", commit_message="the seed")
    assert first != second
    assert AutoReadModel.from_pretrained("me/read-tickets").facts.seed == 4
    assert AutoReadModel.from_pretrained("me/read-tickets", revision=first).facts.seed is None


def test_saved_and_pushed_in_one_go(hub: HubServer, here: Path) -> None:
    trained("bert", SEQ).save_pretrained("read-tickets", push_to_hub=True, repo_id="me/read-tickets")
    assert "read_config.json" in hub.files("me/read-tickets")
    assert Path("read-tickets/read_config.json").is_file()


def test_what_the_hub_refuses_is_one_line(hub: HubServer, here: Path) -> None:
    read = trained("bert", SEQ)
    with pytest.raises(InputError, match="cannot be had from the hub"):
        AutoReadModel.from_pretrained("me/absent")
    with pytest.raises(InputError, match="cannot be had from the hub"):
        AutoReadModel.from_pretrained("a/b/c/d")
    hub.add("me/other", {"config.json": b"{}"})
    with pytest.raises(InputError, match="save_pretrained wrote"):
        AutoReadModel.from_pretrained("me/other")
    hub.faults.append(Fault("/api/repos/create", status=403))
    with pytest.raises(InputError, match="cannot be uploaded"):
        read.push_to_hub("me/read-tickets")
    hub.faults[:] = [Fault("/storage/", status=403, method="PUT")]
    with pytest.raises(InputError, match="cannot be uploaded"):
        read.push_to_hub("me/read-tickets")


# ---- the classifier of this project's runs ---------------------------------------------------------------------


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("regression", [False, True])
def test_a_pooled_classifier_comes_back_too(here: Path, pooling: str, regression: bool) -> None:
    base_of("bert", "AutoModel").save_pretrained("base")
    labels = {0: "number"} if regression else {0: "no", 1: "yes", 2: "maybe"}
    kind = "regression" if regression else None
    model = transformers.AutoModel.from_pretrained("base")
    read = get_read_model(
        PooledClassifier(model, pooling=pooling, id2label=labels, problem_type=kind), ReadConfig(hidden=8)
    )
    examples = {name: value for name, value in inputs_for("bert", SEQ).items() if name != "labels"}
    output = read(**examples, labels=torch.tensor([0.5, 1, 2]) if regression else torch.tensor([0, 1, 2]))
    output.loss.backward()
    with torch.no_grad():
        for weight in read.active.parameters():
            weight.normal_(std=0.3)
    read.save_pretrained("read")
    again = AutoReadModel.from_pretrained("read")
    assert again.config.id2label == labels
    with torch.no_grad():
        assert torch.equal(again(**examples).logits, read(**examples).logits)


def test_pooling_reads_the_tokens_of_the_mask() -> None:
    model = backbone("bert").model
    heads = [PooledClassifier(model, pooling=pooling, id2label={0: "a", 1: "b"}) for pooling in POOLINGS]
    ids = torch.tensor([[5, 6, 7, 0, 0]])
    for head in heads:
        padded = head(input_ids=ids, attention_mask=torch.tensor([[1, 1, 1, 0, 0]])).logits
        torch.testing.assert_close(padded, head(input_ids=ids[:, :3]).logits)
    with pytest.raises(InputError, match="mean, cls, last"):
        PooledClassifier(model, pooling="max", id2label={0: "a"})
