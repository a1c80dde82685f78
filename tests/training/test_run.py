"""One run from configuration to record, on the smallest real pieces: a tiny T5 with its own tokenizer, real files."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from nonsense import MOVING, sentence, write_glue
from tiny_runs import do, tiny
from tokenizers.processors import TemplateProcessing

from read_repro.config.composition import composed
from read_repro.config.schema import read_config
from read_repro.data.batches import collate, encode
from read_repro.errors import InputError
from read_repro.methods.base import Encoded
from read_repro.methods.from_conf import UNTRAINED
from read_repro.prediction.loading import load
from read_repro.records.record import Record
from read_repro.records.store import WEIGHTS, read_record
from read_repro.training.checks import check
from read_repro.training.parts import Parts, build, build_method
from read_repro.training.provenance import hardware_of
from read_repro.training.weights import load_trainable

LONGER = ("data.batch_size=16", "trainer.max_epochs=8", "trainer.patience=8")


@pytest.fixture
def glue(tmp_path: Path) -> Path:
    return write_glue(tmp_path, one_token=False)


def parts_of(record: Record, folder: Path) -> Parts:
    """What the run of a record was made of."""
    config = read_config(record.config)
    return build(config, check(config, folder))


def test_full_tuning_learns_a_task_of_two_labels(glue: Path, tmp_path: Path) -> None:
    record, _ = do(glue, tmp_path / "results", "full", "optim.lr=3e-3", *LONGER)
    assert record.metrics["test/score"] >= 90  # Matthews of 95% accuracy on balanced labels


def test_a_record_tells_each_class_of_the_test_split_by_name(glue: Path, tmp_path: Path) -> None:
    record, folder = do(glue, tmp_path / "results", "full", "trainer.max_epochs=1")
    assert [scores.name for scores in record.classes] == ["unacceptable", "acceptable"]
    assert sum(scores.examples for scores in record.classes) == record.data_info.sizes["test"]
    assert [sum(row) for row in record.confusion] == [scores.examples for scores in record.classes]
    (a, b), (c, d) = record.confusion
    matthews = (a * d - b * c) / ((a + b) * (c + d) * (a + c) * (b + d)) ** 0.5 if (a + c) * (b + d) else 0.0
    assert record.metrics["test/score"] == pytest.approx(100 * matthews, abs=1e-4)
    assert read_record(folder / "result.json") == record


def test_read_learns_what_turns_on_one_source_token_and_needs_the_encoders_correction(tmp_path: Path) -> None:
    glue = write_glue(tmp_path, one_token=True)
    record, folder = do(glue, tmp_path / "results", "read", "optim.lr=1e-2", *LONGER)
    parts = parts_of(record, folder)
    load_trainable(parts.method, folder / "best.safetensors")
    method = parts.method.eval()

    def accuracy() -> float:
        outcomes = [(method.predict(batch) == batch["labels"]).float() for batch in parts.data.test_dataloader()]
        return 100 * torch.cat(outcomes).mean().item()

    whole, encode = accuracy(), method.encode

    def cut_off(batch: dict[str, torch.Tensor]) -> Encoded:
        encoded = encode(batch)
        return Encoded(encoded.state, encoded.batch, torch.zeros_like(encoded.side))

    method.encode = cut_off
    assert whole >= 95
    assert accuracy() <= whole - 10


def test_two_runs_of_one_seed_leave_the_same_record_but_for_time_energy_and_memory(glue: Path, tmp_path: Path) -> None:
    first, second = (do(glue, tmp_path / place, "read", "trainer.max_epochs=2")[0] for place in ("a", "b"))

    def fixed(record: Record) -> Record:
        still = {key: value for key, value in record.metrics.items() if not key.startswith(MOVING)}
        rows = tuple({k: v for k, v in row.items() if k not in ("time_s", "energy_kwh")} for row in record.history)
        return replace(record, metrics=still, history=rows, config={}, commit=None, labels=())

    assert fixed(first) == fixed(second)
    third, _ = do(glue, tmp_path / "c", "read", "trainer.max_epochs=2", "seed=1")
    assert fixed(third).history != fixed(first).history
    assert third.data_info.fingerprint == first.data_info.fingerprint


def test_a_finished_run_is_not_run_again_unless_forced(glue: Path, tmp_path: Path) -> None:
    _, folder = do(glue, tmp_path, "read", "trainer.max_epochs=1")
    written = (folder / "result.json").stat().st_mtime_ns
    again, _ = do(glue, tmp_path, "read", "trainer.max_epochs=1")
    assert (folder / "result.json").stat().st_mtime_ns == written
    assert again.status == "finished"
    do(glue, tmp_path, "read", "trainer.max_epochs=1", "force=true")
    assert (folder / "result.json").stat().st_mtime_ns != written


def test_a_forced_run_that_is_ended_loses_nothing_of_the_one_before(
    glue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, folder = do(glue, tmp_path, "read", "trainer.max_epochs=1")
    held = {path: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}
    assert {path.name for path in held} == {"result.json", "best.safetensors", "journal.jsonl"}

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pytorch_lightning.Trainer.test", killed)
    with pytest.raises(KeyboardInterrupt):
        do(glue, tmp_path, "read", "trainer.max_epochs=1", "force=true")
    monkeypatch.undo()
    assert {path: path.read_bytes() for path in held} == held
    assert do(glue, tmp_path, "read", "trainer.max_epochs=1")[0] == old
    new, _ = do(glue, tmp_path, "read", "trainer.max_epochs=1", "force=true")
    assert new.metrics["energy/cpu_estimate_kwh_earlier_tries"] is not None  # of the try that was ended
    assert all(path.read_bytes() != content for path, content in held.items() if path.name != "best.safetensors")
    assert not (folder / "try").exists()


def test_a_record_of_other_data_is_named_and_refused(glue: Path, tmp_path: Path) -> None:
    do(glue, tmp_path, "read", "trainer.max_epochs=1")
    with (glue / "cola" / "train.jsonl").open("a") as file:
        file.write('\n{"sentence": "one more", "label": 1}')
    with pytest.raises(InputError, match=r"its data is .*force=true.*results_dir"):
        do(glue, tmp_path, "read", "trainer.max_epochs=1")


def test_a_broken_record_is_set_aside_and_the_run_done_again(glue: Path, tmp_path: Path) -> None:
    _, folder = do(glue, tmp_path, "read", "trainer.max_epochs=1")
    (folder / "result.json").write_text("{")
    record, _ = do(glue, tmp_path, "read", "trainer.max_epochs=1")
    assert record.status == "finished"
    assert (folder / "result.json.broken").read_text() == "{"


def test_a_failing_run_leaves_its_traceback_and_no_record(
    glue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("read_repro.methods.read.READ.decode", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        do(glue, tmp_path, "read", "trainer.max_epochs=1")
    (folder,) = (tmp_path / "runs").glob("*/*/*/*/*")
    assert "ZeroDivisionError" in (folder / "error.txt").read_text()
    assert not (folder / "result.json").exists()


def test_a_run_whose_loss_leaves_the_numbers_is_done_without_scores_and_names_step_and_rate(
    glue: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A rate that no weights survive. Before, such a run was "finished", with the score of one label for all."""
    record, folder = do(glue, tmp_path, "full", "optim.lr=1e30", "trainer.max_epochs=3", "trainer.gradient_clip=1e9")
    assert record.status == "diverged"
    assert record.diverged_step in (2, 3)  # the first steps whose forward pass sees weights that a step has thrown off
    assert record.epochs == 1
    assert record.history[0]["train/loss"] is None
    assert not [key for key in record.metrics if key.startswith(("val/", "test/score"))]
    assert record.metrics["energy/cpu_estimate_kwh"] > 0
    assert f"step {record.diverged_step} with optim.lr=1e+30" in caplog.text
    assert not (folder / WEIGHTS).exists()
    with pytest.raises(InputError, match="holds no trained run"):
        load(folder)
    assert do(glue, tmp_path, "full", "optim.lr=1e30", "trainer.max_epochs=3", "trainer.gradient_clip=1e9")[0] == record


def test_the_validation_loss_of_the_best_epoch_is_recorded(glue: Path, tmp_path: Path) -> None:
    record, folder = do(glue, tmp_path, "read", "trainer.max_epochs=2", "optim.lr=1e-2")
    parts = parts_of(record, folder)
    load_trainable(parts.method, folder / WEIGHTS)
    method, losses = parts.method.eval(), []
    with torch.no_grad():
        for batch in parts.data.val_dataloader():
            losses += [method.backbone.loss(method(batch), batch).item()] * len(batch["labels"])
    assert record.metrics["val/loss"] == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    assert record.metrics["val/loss"] == record.history[record.best_epoch - 1]["val/loss"]


def test_the_energy_of_a_killed_try_is_in_the_record(glue: Path, tmp_path: Path) -> None:
    record, folder = do(glue, tmp_path, "read", "trainer.max_epochs=1")
    spent = record.metrics["energy/cpu_estimate_kwh"]
    assert "energy/cpu_estimate_kwh_earlier_tries" not in record.metrics
    (folder / "result.json").unlink()  # as if killed before its record
    again, _ = do(glue, tmp_path, "read", "trainer.max_epochs=1")
    assert again.metrics["energy/cpu_estimate_kwh_earlier_tries"] == pytest.approx(spent, rel=0.05)
    assert not any(label.startswith("earlier tries") for label in again.labels)


def test_a_grid_without_carbon_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"energy\.carbon_g_per_kwh=0: a number above 0"):
        check(composed("method=read", "task=cola", f"data.path={tmp_path}", "energy.carbon_g_per_kwh=0"), tmp_path)


def test_a_try_killed_before_its_first_interval_ended_is_a_dash_and_a_label_in_the_record(
    glue: Path, tmp_path: Path
) -> None:
    _, folder = do(glue, tmp_path, "read", "trainer.max_epochs=1")
    (folder / "result.json").unlink()
    journal = (folder / "journal.jsonl").read_text().splitlines()
    window, opening = [line for line in journal if '"window"' in line or '"sample"' in line][:2]
    (folder / "journal.jsonl").write_text(f"{window}\n{opening}\n")
    again, _ = do(glue, tmp_path, "read", "trainer.max_epochs=1")
    assert again.metrics["energy/cpu_estimate_kwh_earlier_tries"] is None
    assert any("earlier tries: energy window not closed" in label for label in again.labels)


def test_the_history_has_the_energy_of_each_epoch_and_the_record_no_inference_memory_of_a_cpu(
    glue: Path, tmp_path: Path
) -> None:
    """The run is shorter than the interval, so each epoch's energy is a reading of its own."""
    record, _ = do(glue, tmp_path, "read", "trainer.max_epochs=3")
    spent = [row["energy_kwh"] for row in record.history]
    assert 0 < spent[0] < spent[1] < spent[2] <= record.metrics["energy/cpu_estimate_kwh"]
    assert not any(key.startswith("memory/inference") for key in record.metrics)


def test_the_checkpoint_holds_the_trained_weights_and_nothing_else(glue: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    record, folder = do(glue, tmp_path, "read", "trainer.max_epochs=1")
    weights = load_file(folder / "best.safetensors")
    assert sum(weight.numel() for weight in weights.values()) == record.metrics["params/trainable"]


def test_a_trained_run_labels_a_sentence_as_its_method_did(glue: Path, tmp_path: Path) -> None:
    record, folder = do(glue, tmp_path, "read", "trainer.max_epochs=1")
    parts = parts_of(record, folder)
    load_trainable(parts.method, folder / "best.safetensors")
    parts.method.eval()
    predictor = load(folder)
    for row in (10_000, 10_001, 10_002):
        text = str(sentence(row, one_token=False)["sentence"])
        said = predictor(text)
        batch = collate(encode_one(parts, text), pad_id=0)
        assert said.label == parts.task.classes[int(parts.method.predict(batch))]
        assert sum(said.probabilities.values()) == pytest.approx(1, abs=1e-5)
    with pytest.raises(InputError, match="takes sentence, and 2 texts came"):
        predictor("one", "two")


def test_decodings_strings_end_as_the_training_targets_do_whatever_the_tokenizer_adds() -> None:
    config = tiny("method=full", "task=cola", "data.path=x")
    task, checkpoint = config.task.build(), config.backbone.build()
    tokenizer = checkpoint.tokenizer(lambda: ["cola sentence: good", *task.answers("digits")])
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A", pair="$A $B", special_tokens=[])
    method = build_method(
        config.method.build,
        task=task,
        checkpoint=checkpoint,
        tokenizer=tokenizer,
        targets="digits",
        optimisation=UNTRAINED,
        seed=0,
    )
    rows = [{"sentence": "good", "label": label} for label in (0, 1)]
    options = {"text_to_text": True, "targets": "digits", "max_source_tokens": 8}
    targets = [tuple(example["target_ids"].tolist()) for example in encode(task, rows, tokenizer, **options).examples]
    assert list(method.backbone.answers.tokens) == targets
    assert {target[-1] for target in targets} == {tokenizer.eos_token_id}


def encode_one(parts: Parts, text: str) -> Any:
    options = {"text_to_text": True, "targets": "digits", "max_source_tokens": 128}
    return encode(parts.task, [{"sentence": text}], parts.tokenizer, **options).examples


def test_a_precision_that_the_hardware_lacks_is_refused() -> None:
    with pytest.raises(InputError, match="32-true"):
        hardware_of(accelerator="cpu", precision="bf16-mixed")


def test_the_head_is_refused_on_t5(glue: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="minilm"):
        do(glue, tmp_path, "head")
