"""A run that was ended goes on where it was, and its record is that of a run that nothing has ended."""

import dataclasses
import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from energy_windows import burn
from nonsense import MOVING, write_glue
from places import ROOT
from tiny_runs import TINY, do

from read_repro.backbones.checkpoint_files import file_sha256
from read_repro.measure.energy_journal import read_windows
from read_repro.measure.energy_summary import duration_s, summarise
from read_repro.methods.base import Method
from read_repro.records.record import Record
from read_repro.records.store import read_record, signed
from read_repro.training import checkpoints, weights

SETTING = ("trainer.max_epochs=3", "data.batch_size=16", "optim.lr=3e-3", "trainer.checkpoint_every_min=1e-9")


class Ended(BaseException):
    """Stands for whatever ends a process."""


@pytest.fixture
def glue(tmp_path: Path) -> Path:
    return write_glue(tmp_path, one_token=False, rows=160)


def compared(record: Record) -> dict[str, Any]:
    """A record without what two runs of one command may differ in, and without how often the run went on."""
    moving = (*MOVING, "filling/", "init/time", "init/energy")
    kept = {k: v for k, v in record.metrics.items() if not k.startswith(moving)}
    rows = [{k: v for k, v in row.items() if k not in ("time_s", "energy_kwh")} for row in record.history]
    config = {**record.config, "results_dir": None}
    changed = {"metrics": kept, "history": rows, "config": config, "labels": None, "resumed": None}
    return dataclasses.asdict(record) | changed


def ended_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let the training step with this number, counted from 1 in this process, end the process."""
    real, steps = Method.training_step, iter(range(1, step))

    def training_step(self: Method, batch: Any, batch_idx: int) -> Any:
        if next(steps, None) is None:
            raise Ended
        return real(self, batch, batch_idx)

    monkeypatch.setattr(Method, "training_step", training_step)


def do_ended(monkeypatch: pytest.MonkeyPatch, end: Callable[[], None], *arguments: Any) -> None:
    """A run that comes to an end before its record."""
    with monkeypatch.context() as patch:
        end(patch)
        with pytest.raises(Ended):
            do(*arguments)


@pytest.mark.parametrize(
    ("method", "steps", "more"),
    [
        ("full", (3, 4), ()),  # with dropout, within the first epoch and within the second
        ("full", (11, 1), ()),  # at the beginning of the second epoch, twice
        ("full", (5,), ("trainer.accumulate_grad_batches=3",)),
        ("read", (10, 12), ()),
        ("lst", (4,), ("method.reduction=4", "method.samples=8")),
        ("read", (12,), ("cache=ram",)),
        ("read", (12,), ("cache=disk", "trainer.checkpoint_every_min=null")),
    ],
)
def test_a_run_that_was_ended_leaves_the_record_of_one_that_was_not(
    glue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, steps: tuple[int, ...], more: Any
) -> None:
    cache = "cache.path=" + str(tmp_path / "store{}") if "cache=disk" in more else "seed=0"
    whole, _ = do(glue, tmp_path / "whole", method, *SETTING, *more, cache.format(1))
    arguments = (glue, tmp_path / "ended", method, *SETTING, *more, cache.format(2))
    for step in steps:
        do_ended(monkeypatch, lambda patch, step=step: ended_at(patch, step), *arguments)
    record, folder = do(*arguments)
    assert record.resumed == len(steps)
    wanted, found = compared(whole), compared(record)
    if "cache=disk" in more:
        found["config"]["cache"] = wanted["config"]["cache"]
    assert {key: found[key] for key in wanted if found[key] != wanted[key]} == {}
    assert not (folder / "try").exists()


def left(folder: Path) -> list[Path]:
    """The checkpoints of a run under way, the newest last."""
    return sorted(folder.rglob("checkpoints/[0-9]*"))


def flip(path: Path) -> None:
    """Flip one bit in the middle of a file, under this name of it alone."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.unlink()
    path.write_bytes(content)


@pytest.fixture
def under_way(glue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, ...]:
    """What ``do`` is given for a run that was ended at the twelfth of its 30 steps, in the second epoch."""
    arguments = (glue, tmp_path / "ended", "full", *SETTING)
    do_ended(monkeypatch, lambda patch: ended_at(patch, 12), *arguments)
    return arguments


def test_two_checkpoints_are_kept_and_none_of_a_run_that_is_done(under_way: tuple[Any, ...], tmp_path: Path) -> None:
    assert len(left(tmp_path)) == 2
    _, folder = do(*under_way)
    assert sorted(path.name for path in folder.iterdir()) == [
        ".lock",
        "best.safetensors",
        "journal.jsonl",
        "result.json",
    ]


@pytest.mark.parametrize("name", ["weights.safetensors", "state.pt", "best.safetensors", "checkpoint.json"])
def test_of_a_damaged_checkpoint_the_one_before_it_is_used_and_a_line_says_so(
    under_way: tuple[Any, ...], glue: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    before, last = left(tmp_path)
    flip(last / name)
    with caplog.at_level(logging.INFO):
        record, _ = do(*under_way)
    assert f"{last} is not used: {name} is damaged; the one before it is" in caplog.text
    assert f"training goes on where it was ended, from {before}" in caplog.text
    assert record.resumed == 1
    assert compared(record) == compared(do(glue, tmp_path / "whole", "full", *SETTING)[0])


def test_where_all_are_damaged_the_run_begins_anew_and_its_energy_is_that_of_earlier_tries(
    under_way: tuple[Any, ...], tmp_path: Path
) -> None:
    for path in left(tmp_path):
        (path / "state.pt").unlink()
    record, _ = do(*under_way)
    assert record.resumed == 0
    assert record.metrics["energy/cpu_estimate_kwh_earlier_tries"] > 0


def test_a_checkpoint_that_names_code_runs_none(under_way: tuple[Any, ...], tmp_path: Path) -> None:
    """A pickle in the place of the state, with digests that are right."""
    canary, (*_, last) = tmp_path / "canary", left(tmp_path)
    (last / "state.pt").write_bytes(pickle.dumps(Opens(str(canary))))
    content = json.loads((last / "checkpoint.json").read_text())
    content["files"]["state.pt"] = file_sha256(last / "state.pt")
    (last / "checkpoint.json").write_text(signed(content))
    with pytest.raises(pickle.UnpicklingError):
        do(*under_way)
    assert not canary.exists()


class Opens:
    """Makes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.path, "w")


def test_force_begins_anew_and_so_does_a_run_of_another_setting_in_that_place(
    under_way: tuple[Any, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for path in left(tmp_path):
        content = json.loads((path / "checkpoint.json").read_text())
        (path / "checkpoint.json").write_text(signed({**content, "run": "another"}))
    record, _ = do(*under_way)
    assert record.resumed == 0
    assert "it is another run's" in caplog.text
    assert do(*under_way, "force=true")[0].resumed == 0


def test_force_discards_checkpoints(under_way: tuple[Any, ...], tmp_path: Path) -> None:
    record, _ = do(*under_way, "force=true")
    assert record.resumed == 0
    assert record.metrics["energy/cpu_estimate_kwh_earlier_tries"] > 0


def test_ended_while_it_tests_a_run_trains_no_more(glue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Early stopping, too, has ended the training then, and goes on having ended it."""
    arguments = (glue, tmp_path / "ended", "read", *SETTING, "optim.lr=1e-9", "trainer.patience=1")

    def test(*_: Any, **__: Any) -> None:
        raise Ended

    do_ended(monkeypatch, lambda patch: patch.setattr(pl.Trainer, "test", test), *arguments)
    with monkeypatch.context() as patch:
        ended_at(patch, 1)
        record, _ = do(*arguments)
    assert (record.epochs, record.resumed, record.steps) == (2, 1, 20)
    assert record.metrics["time/step_s"] > 0


def test_a_full_disk_leaves_the_checkpoints_before_it(
    glue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third one cannot be written, in the middle of its state."""
    arguments = (glue, tmp_path / "ended", "full", *SETTING)
    real, saved = torch.save, iter(range(2))

    def save(content: Any, file: Any) -> None:
        if next(saved, None) is None:
            file.write(b"half")
            raise OSError(28, "No space left on device")
        real(content, file)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", save)
        with pytest.raises(OSError, match="No space"):
            do(*arguments)
    assert [int(path.name) for path in left(tmp_path)] == [1, 2]
    assert not list(tmp_path.rglob(".0*"))
    assert do(*arguments)[0].resumed == 1


def test_what_is_saved_costs_neither_time_nor_energy_and_is_a_number_of_its_own(
    glue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights and checkpoints: each write takes a second here, of processor time too."""
    setting = (*SETTING[1:3], "trainer.max_epochs=2", "trainer.checkpoint_every_min=null")
    real, writes = weights.save_tensors, []

    def save_tensors(*arguments: Any) -> str:
        burn(1.0)
        writes.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(weights, "save_tensors", save_tensors)
    monkeypatch.setattr(checkpoints, "save_tensors", save_tensors)
    record, _ = do(glue, tmp_path, "read", *setting)
    found, spent_s = record.metrics, 1.0 * len(writes)
    assert len(writes) >= 3
    assert found["time/saving_s"] >= spent_s
    assert found["time/train_s"] < spent_s
    assert found["energy/cpu_estimate_kwh"] < spent_s * 0.004 / 3600
    assert sum(row["energy_kwh"] is None for row in record.history) == 0


def test_energy_and_time_of_all_tries_are_added(under_way: tuple[Any, ...], tmp_path: Path) -> None:
    (journal,) = tmp_path.rglob("journal.jsonl")
    earlier = read_windows(journal)
    record, folder = do(*under_way)
    windows = read_windows(folder / "journal.jsonl")
    assert len(windows) == len(earlier) + 1
    found = record.metrics
    assert found["energy/cpu_estimate_kwh"] == pytest.approx(summarise(windows)["energy/cpu_estimate_kwh"])
    assert found["energy/cpu_estimate_kwh"] > summarise(earlier)["energy/cpu_estimate_kwh"] > 0
    assert found["time/train_s"] == pytest.approx(duration_s(windows), abs=0.5)
    assert "energy/cpu_estimate_kwh_earlier_tries" not in found
    spent = [row["energy_kwh"] for row in record.history]
    assert 0 < spent[0] < spent[1] < spent[2] <= found["energy/cpu_estimate_kwh"]
    assert any(label.startswith("resumed once: ") for label in record.labels)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_goes_on_wherever_temporary_files_lie(number: int, glue: Path, tmp_path: Path) -> None:
    """The command as a user gives it, twice; TMPDIR is on another file system where there is one."""
    command = [sys.executable, "train.py", *TINY, "task=cola", "method=full", *SETTING, f"data.path={glue}",
               f"results_dir={tmp_path / 'ended'}"]  # fmt: skip
    shm = Path("/dev/shm")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **({"TMPDIR": str(shm)} if shm.is_dir() else {})}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    while len(left(tmp_path)) < 2 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait() in (-signal.SIGKILL, 128 + signal.SIGTERM)
    assert left(tmp_path)
    again = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    (path,) = (tmp_path / "ended").rglob("result.json")
    record = read_record(path)
    assert record is not None
    assert record.resumed == 1
    whole, _ = do(glue, tmp_path / "whole", "full", *SETTING)
    found, named = compared(record), ("run", "setting")  # the names of a command's choices, which are more here
    assert {key: found[key] for key, value in compared(whole).items() if key not in named and found[key] != value} == {}
