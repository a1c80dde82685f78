"""A run folder that anyone may have made is data: whatever it holds, one line says why it is not used."""

import hashlib
import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from evil import BACKBONES, RECORDS, SECRET, TASK_FILE, Place, change, copy_of, fill, tensors
from nonsense import sentence, write_glue
from transformers import T5Config, T5ForConditionalGeneration

from read_repro.backbones.random_tokenizer import train_tokenizer
from read_repro.prediction.command import main
from read_repro.training import entry

TEXT = str(sentence(1, one_token=False)["sentence"])


def save_backbone(folder: Path, texts: list[str]) -> None:
    """A tiny T5 with its tokenizer, as a checkpoint's folder."""
    torch.manual_seed(0)
    sizes = {"d_model": 32, "d_ff": 64, "d_kv": 8, "num_heads": 4, "num_layers": 2, "vocab_size": 200}
    T5ForConditionalGeneration(T5Config(**sizes, decoder_start_token_id=0)).save_pretrained(folder)
    train_tokenizer(texts, vocab_size=200).save_pretrained(folder)


@pytest.fixture(scope="module")
def genuine(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """READ on a tiny T5, trained by the command itself."""
    folder = tmp_path_factory.mktemp("genuine")
    glue = write_glue(folder, one_token=False, rows=48)
    texts = [f"cola sentence: {sentence(row, one_token=False)['sentence']} acceptable 0 1" for row in range(48)]
    save_backbone(folder / "backbone", texts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [
            "train.py", "method=read", "method.hidden=8", "task=cola", "backbone=local-t5", "backbone.name=mine",
            f"backbone.path={folder / 'backbone'}", "data=local", f"data.path={glue}", "data.targets=digits",
            "trainer.max_epochs=1", "trainer.accelerator=cpu", "trainer.progress_bar=false", "logger=none",
            f"results_dir={folder / 'results'}",
        ])  # fmt: skip
        entry.main()
    (result,) = (folder / "results").rglob("result.json")
    return Place(result.parent, folder / "backbone", folder / "canary")


@pytest.fixture(autouse=True)
def _watched(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A secret in the environment, and an end to whatever hangs."""

    def stop(*_: Any) -> None:
        raise AssertionError("it hangs")

    monkeypatch.setenv("EVIL_SECRET", SECRET)
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def refused(place: Place, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a prediction ends with; nothing ran, and nothing was told."""
    code = main([f"run={place.run}", TEXT])
    said = capsys.readouterr()
    assert not place.canary.exists(), "a payload ran"
    assert SECRET not in said.out + said.err, "a secret was told"
    assert (code, said.out) == (2, ""), said
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1, said.err
    assert said.err.strip().isprintable()
    return said.err


def ordinary(folder: Path) -> int:
    """The mode of an ordinary new file."""
    (folder / "ordinary").touch()
    return (folder / "ordinary").stat().st_mode


def test_a_genuine_run_predicts_from_where_it_was_copied_to(
    genuine: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = copy_of(genuine, tmp_path)
    assert {path.stat().st_mode for path in (genuine.result, genuine.weights)} == {ordinary(tmp_path)}
    assert main([f"run={place.run}", TEXT]) == 0
    assert capsys.readouterr().out.split("\t")[0] in ("acceptable", "unacceptable")


@pytest.mark.parametrize("name", RECORDS)
def test_an_evil_run_ends_in_one_line(
    name: str, genuine: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = copy_of(genuine, tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "installed")
    RECORDS[name](place)
    refused(place, capsys)


@pytest.mark.parametrize("name", BACKBONES)
def test_an_evil_backbone_ends_in_one_line(
    name: str, genuine: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The attacker writes the record too, with the hash of the weights as they are."""
    place = copy_of(genuine, tmp_path)
    BACKBONES[name](place)
    weights = place.backbone / "model.safetensors"
    if weights.is_file() and not os.path.samefile(weights, "/dev/zero"):
        inner = hashlib.sha256(weights.read_bytes()).hexdigest()
        change("weights", hashlib.sha256(inner.encode()).hexdigest())(place)
    refused(place, capsys)


def test_every_flipped_bit_is_named(genuine: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """60 random bits of the record, of the header of the weights and of the weights themselves."""
    place, draw = copy_of(genuine, tmp_path), random.Random(0)
    header = 8 + int.from_bytes(place.weights.read_bytes()[:8], "little")
    parts = {place.result: (0, place.result.stat().st_size), place.weights: (0, header)}
    spans = [*parts.items(), (place.weights, (header, place.weights.stat().st_size))]
    for path, (start, end) in spans * 20:
        whole = path.read_bytes()
        byte, bit = draw.randrange(start, end), draw.randrange(8)
        path.write_bytes(whole[:byte] + bytes([whole[byte] ^ 1 << bit]) + whole[byte + 1 :])
        assert path.name in refused(place, capsys), (path, byte, bit)
        path.write_bytes(whole)
    assert main([f"run={place.run}", TEXT]) == 0


def test_weights_of_another_run_of_the_same_method_are_named(
    genuine: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = copy_of(genuine, tmp_path)
    digest = place.record()["trained_weights"]
    tensors("run", fill(0.5))(place)  # whole and well signed, but not what the record was measured with
    change("trained_weights", digest)(place)
    assert "another run's" in refused(place, capsys)


def test_a_backbones_name_leads_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "a" / "b" / "c" / "results"
    monkeypatch.setattr(sys, "argv", [
        "train.py", "backbone=t5-random", "backbone.name=../../../x", "data=synthetic", f"results_dir={results}"
    ])  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("_target_: read_repro.data.tasks.Task", "_target_: os.system\ncommand: touch CANARY"),
        ("[sentence]", "[{_target_: os.system, command: touch CANARY}]"),
        ("name: mine", "name: !!python/object/apply:os.system ['touch CANARY']"),
        ("mine sentence", "${oc.env:EVIL_SECRET}"),
        ("words: [a, b]", "words: [a, '${oc.env:EVIL_SECRET}']"),
        ("mine sentence", "{sentence.__class__}"),
        ("name: mine", "name: ../../mine"),
    ],
)
def test_an_evil_task_file_ends_a_training_in_one_line(
    old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    canary = tmp_path / "canary"
    (tmp_path / "conf" / "task").mkdir(parents=True)
    assert old in TASK_FILE
    text = TASK_FILE.replace(old, new).replace("CANARY", str(canary))
    (tmp_path / "conf" / "task" / "mine.yaml").write_text(text)
    monkeypatch.setattr(sys, "argv", [
        "train.py", "--config-dir", str(tmp_path / "conf"), "task=mine", "backbone=minilm", "data=local",
        f"data.path={tmp_path}", f"results_dir={tmp_path / 'results'}",
    ])  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert not canary.exists()
    assert SECRET not in said.out + said.err
    assert not (tmp_path / "results").exists()


def test_the_corpus_is_large_enough() -> None:
    assert len(RECORDS) + len(BACKBONES) >= 100
    assert json.dumps([*RECORDS, *BACKBONES])
