"""A run of READ as files for anybody: what they load says what the run says."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import publish
import pytest
import torch
from hub_server import HubServer
from nonsense import sentence, write_glue
from transformers import BertConfig, BertModel, T5Config, T5ForConditionalGeneration

from read_repro import AutoReadModel, InputError, load
from read_repro.backbones.random_tokenizer import train_tokenizer
from read_repro.hf.pooled import PooledClassifier
from read_repro.training import entry

pytestmark = pytest.mark.filterwarnings("ignore")
ROWS = 48
T5 = {"d_model": 32, "d_ff": 64, "d_kv": 8, "num_heads": 4, "num_layers": 2, "decoder_start_token_id": 0}
BERT = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64, "num_hidden_layers": 2}


def trained(folder: Path, kind: str, *settings: str) -> Path:
    """A run on a tiny model, by the command itself; returns its folder."""
    glue = write_glue(folder, one_token=False, rows=ROWS)
    texts = [f"cola sentence: {sentence(row, one_token=False)['sentence']} acceptable 0 1" for row in range(ROWS)]
    torch.manual_seed(0)
    made: Any = {
        "t5": lambda: T5ForConditionalGeneration(T5Config(**T5, vocab_size=200)),
        "bert": lambda: BertModel(BertConfig(**BERT, vocab_size=200, initializer_range=0.2)),
    }[kind]()
    made.save_pretrained(folder / "backbone")
    train_tokenizer(texts, vocab_size=200).save_pretrained(folder / "backbone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [
            "train.py", "task=cola", f"backbone=local-{kind}", "backbone.name=mine", "data=local", "logger=none",
            f"backbone.path={folder / 'backbone'}", f"data.path={glue}", "data.targets=digits", "optim.lr=0.01",
            "trainer.max_epochs=2", "trainer.accelerator=cpu", "trainer.progress_bar=false",
            f"results_dir={folder / 'results'}", *settings,
        ])  # fmt: skip
        entry.main()
    (result,) = (folder / "results").rglob("result.json")
    return result.parent


@pytest.fixture(scope="module")
def t5_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("t5"), "t5", "method=read", "method.hidden=8")


@pytest.fixture(scope="module")
def bert_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("bert"), "bert", "method=read", "method.hidden=8", "method.cell=lstm")


def encoded(predictor: Any, text: str) -> dict[str, torch.Tensor]:
    return predictor.tokenizer([text], return_tensors="pt")


@torch.no_grad()
def test_an_encoders_run_is_a_classifier_with_its_pooling(bert_run: Path, tmp_path: Path) -> None:
    assert publish.main([f"run={bert_run}", f"to={tmp_path / 'read'}"]) == 0
    model, predictor = AutoReadModel.from_pretrained(tmp_path / "read"), load(bert_run)
    assert isinstance(model.base, PooledClassifier)
    assert model.active.config.cell == "lstm"
    for row in range(4):
        text = str(sentence(row, one_token=False)["sentence"])
        inputs = encoded(predictor, text)
        chances = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits.softmax(dim=1)[0]
        expected = predictor(text)
        named = {model.config.id2label[number]: chance for number, chance in enumerate(chances.tolist())}
        assert named == pytest.approx(expected.probabilities, abs=1e-5)


@torch.no_grad()
def test_a_text_to_text_run_writes_the_runs_answers(t5_run: Path, tmp_path: Path) -> None:
    assert publish.main([f"run={t5_run}", f"to={tmp_path / 'read'}"]) == 0
    model, predictor = AutoReadModel.from_pretrained(tmp_path / "read"), load(t5_run)
    for row in range(4):
        text = str(sentence(row, one_token=False)["sentence"])
        asked = encoded(predictor, predictor.task.source({"sentence": text}, "digits"))
        inputs = {name: asked[name] for name in ("input_ids", "attention_mask")}
        told = partial(lambda inputs, ids: model(**inputs, decoder_input_ids=ids).logits, inputs)
        chances = predictor.method.backbone.answers.probabilities(told, torch.zeros(1, 1, dtype=torch.long))[0].tolist()
        assert chances == pytest.approx(list(predictor(text).probabilities.values()), abs=1e-4)


def test_the_card_tells_the_record(t5_run: Path, tmp_path: Path) -> None:
    publish.main([f"run={t5_run}", f"to={tmp_path / 'read'}"])
    text = (tmp_path / "read" / "README.md").read_text()
    assert "| test/score | " in text
    assert "| seed | 0 |" in text
    assert "kWh (estimated from CPU time)" in text
    assert "answers with one of 0, 1" in text


def test_to_the_hub(bert_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with HubServer() as hub:
        hub.patch(monkeypatch, tmp_path / "home")
        monkeypatch.chdir(tmp_path)
        assert publish.main([f"run={bert_run}", "to=me/read-cola"]) == 0
        assert "read_model.safetensors" in hub.files("me/read-cola")
        assert isinstance(AutoReadModel.from_pretrained("me/read-cola").base, PooledClassifier)


def test_another_name_for_the_model(bert_run: Path) -> None:
    assert publish.published(bert_run, "someone/tiny-bert").base.name_or_path == "someone/tiny-bert"


def test_what_cannot_be_published_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = trained(tmp_path / "head", "bert", "method=head")
    capsys.readouterr()
    for arguments, said in (
        ([f"run={head}", f"to={tmp_path / 'read'}"], "only READ's"),
        ([f"run={tmp_path}", f"to={tmp_path / 'read'}"], "no trained run"),
        (["run=x"], "usage"),
        (["run=x", "to=y", "more=z"], "usage"),
    ):
        assert publish.main(arguments) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert not (tmp_path / "read").exists()


def test_a_model_with_random_weights_is_nobodys(bert_run: Path) -> None:
    record = publish.read_record(bert_run / "result.json")
    assert publish.place_of(record).endswith("backbone")
    object.__setattr__(record, "config", {**record.config, "backbone": {"random": True}})
    with pytest.raises(InputError, match="random weights"):
        publish.place_of(record)


@pytest.mark.parametrize(
    ("place", "folder"),
    [
        ("read-cola", True),
        ("./me/x", True),
        ("/a/b", True),
        ("~/x", True),
        ("me/read-cola", False),
        ("here/read", True),
    ],
)
def test_folder_or_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, folder: bool) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here").mkdir()
    assert publish.is_folder(place) is folder
