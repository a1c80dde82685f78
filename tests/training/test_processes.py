"""A run of several processes, each with a share of every batch, is the run of one process."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nonsense import write_glue
from places import ROOT
from safetensors.torch import load_file
from tiny_runs import TINY, do

from read_repro.records.record import Record
from read_repro.records.store import read_record

SETTING = ("+backbone.shape.dropout_rate=0.0", "data.batch_size=16", "trainer.max_epochs=2", "optim.lr=3e-3")


@pytest.fixture
def glue(tmp_path: Path) -> Path:
    """An epoch's last batch has one example, which is fewer than there are processes."""
    return write_glue(tmp_path, one_token=False, rows=161)


def in_two(glue: Path, results: Path, method: str, *more: str, launcher: tuple[str, ...] = ()) -> tuple[Record, Path]:
    """The command with two processes on the CPU."""
    command = [*launcher, "-m", "read_repro.training.entry", *TINY, "task=cola", f"method={method}", *SETTING, *more]
    places = (f"data.path={glue}", f"results_dir={results}", "trainer.devices=2")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *command, *places], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    (path,) = results.rglob("result.json")
    record = read_record(path)
    assert record is not None
    return record, path.parent


def assert_alike(one: tuple[Record, Path], two: tuple[Record, Path]) -> None:
    """Equal to rounding: the losses of every epoch, the trained weights, and all that is counted."""
    (record, folder), (shared, shared_folder) = one, two
    assert (shared.epochs, shared.steps, shared.best_epoch) == (record.epochs, record.steps, record.best_epoch)
    for row, other in zip(record.history, shared.history, strict=True):
        for key in ("train/loss", "val/loss"):
            assert other[key] == pytest.approx(row[key], rel=1e-4)
    weights, others = (load_file(place / "best.safetensors") for place in (folder, shared_folder))
    for name, weight in weights.items():
        if name.endswith(".k.bias"):  # it adds the same to all scores of a query, so its gradient is rounding alone
            continue
        assert (others[name] - weight).norm() <= 1e-3 * weight.norm() + 1e-5, name
    assert shared.metrics["test/score"] == pytest.approx(record.metrics["test/score"], abs=2.5)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["read", "full", "lora", "adapter", "bitfit", "prompt", "lst"])
def test_two_processes_are_as_one(glue: Path, tmp_path: Path, method: str) -> None:
    more = {"lst": ("method.reduction=4", "method.samples=8"), "prompt": ("method.tokens=3",)}.get(method, ())
    whole = do(glue, tmp_path / "one", method, *SETTING, *more)
    shared = in_two(glue, tmp_path / "two", method, *more)
    assert_alike(whole, shared)
    assert shared[0].hardware.count == 2
    assert sorted(path.name for path in shared[1].iterdir()) == [
        ".lock",
        "best.safetensors",
        "journal.jsonl",
        "result.json",
    ]


@pytest.mark.slow
def test_torchrun_starts_them_as_well(glue: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={port}")
    whole = do(glue, tmp_path / "one", "read", *SETTING)
    assert_alike(whole, in_two(glue, tmp_path / "two", "read", launcher=launcher))


@pytest.mark.slow
def test_a_run_of_two_processes_goes_on_where_it_was_ended(glue: Path, tmp_path: Path) -> None:
    whole = do(glue, tmp_path / "one", "read", *SETTING)
    more: Any = ("trainer.checkpoint_every_min=1e-9",)
    command = [sys.executable, "-m", "read_repro.training.entry", *TINY, "task=cola", "method=read", *SETTING, *more,
               f"data.path={glue}", f"results_dir={tmp_path / 'two'}", "trainer.devices=2"]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    while not list((tmp_path / "two").rglob("checkpoints/[0-9]*")) and process.poll() is None:
        pass
    process.kill()
    process.wait()
    shared = in_two(glue, tmp_path / "two", "read", *more)
    assert shared[0].resumed == 1
    assert_alike(whole, shared)


def test_a_multirun_in_one_process_has_one_device(glue: Path, tmp_path: Path) -> None:
    command = [sys.executable, "train.py", "--multirun", *TINY, "task=cola", "method=read", *SETTING, "seed=0,1",
               f"data.path={glue}", f"results_dir={tmp_path}", "trainer.devices=2"]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert "trainer.devices=2, trainer.num_nodes=1: a multirun in one process" in done.stderr
    assert "Traceback" not in done.stderr
