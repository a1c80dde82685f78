"""Which GPUs a run gets, and what a cluster that takes no runs says."""

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from read_repro.errors import InputError
from read_repro.sweep.clusters import Slurm
from read_repro.sweep.launchers import Local, run_all, visible_gpus

SHOW = """
import json, os, sys, time
json.dump([os.environ.get("CUDA_VISIBLE_DEVICES"), time.time(), time.sleep(0.3), time.time()], open(sys.argv[1], "w"))
"""


def ran(pool: Local, folder: Path, runs: int) -> list[tuple[str | None, float, float]]:
    """What each run saw of the GPUs, and when it began and ended."""
    places = [folder / f"{number}.json" for number in range(runs)]
    dict(run_all([(place, ("-c", SHOW, str(place)), folder / "log") for place in places], pool))
    return [(seen, start, end) for seen, start, _, end in (json.loads(place.read_text()) for place in places)]


def test_each_run_has_a_gpu_of_its_own_as_long_as_it_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, eight runs at once all began on the first GPU."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8f2b1c3e,GPU-8f2b9a77")
    found = ran(Local(at_once=2), tmp_path, runs=5)
    assert {seen for seen, *_ in found} == {"GPU-8f2b1c3e", "GPU-8f2b9a77"}
    for seen, start, end in found:
        others = [other for other in found if other[0] == seen and other != (seen, start, end)]
        assert all(end <= began or ended <= start for _, began, ended in others)


def test_a_run_of_two_devices_has_both_and_gpus_are_shared_when_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert [seen for seen, *_ in ran(Local(at_once=1, gpus=2), tmp_path, runs=2)] == ["0,1", "0,1"]
    assert [seen for seen, *_ in ran(Local(at_once=3, gpus=0), tmp_path, runs=3)] == ["0,1"] * 3


def test_more_runs_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(InputError, match=r"at_once=3: at 1 for each run that takes 3 GPUs, and 2 are here; .*gpus=0"):
        Local(at_once=3)
    with pytest.raises(InputError, match=r"at_once=1: at 4 for each run that takes 4 GPUs"):
        Local(at_once=1, gpus=4)


@pytest.mark.parametrize(
    ("given", "seen"),
    [("", ()), ("-1", ()), (" 1 , 0 ", ("1", "0")), ("MIG-1,,2", ("MIG-1",)), ("GPU-a", ("GPU-a",))],
)
def test_gpus_are_those_of_the_environment(given: str, seen: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert visible_gpus() == seen


@pytest.mark.parametrize(
    ("script", "seen"),
    [("echo GPU-a; echo GPU-b", ("GPU-a", "GPU-b")), ("echo 'NVIDIA-SMI has failed'; exit 9", ()), (None, ())],
)
def test_gpus_are_else_those_of_the_driver(
    script: str | None, seen: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin" if script else str(tmp_path))
    if script:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    assert visible_gpus() == seen


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Slurm]:
    """A cluster whose ``sbatch`` is a script, for submitit believes in Slurm where there is a ``srun``."""
    pytest.importorskip("submitit", reason="pip install 'read-repro[slurm]'")

    def put(sbatch: str) -> Slurm:
        for name, script in (("sbatch", sbatch), ("srun", "exit 0"), ("sacct", "echo no accounting >&2; exit 1")):
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        return Slurm(at_once=1, cluster="slurm", folder=str(tmp_path / "jobs"), parameters={"timeout_min": 1})

    return put


def test_what_slurm_refuses_is_one_line(slurm: Callable[[str], Slurm], tmp_path: Path) -> None:
    pool = slurm("echo 'sbatch: error: Batch job submission failed: Invalid account' >&2; exit 1")
    with pytest.raises(InputError) as refused:
        pool.start(("-c", "pass"), tmp_path / "log")
    assert str(refused.value).count("\n") == 0
    assert "does not take this run: " in str(refused.value)
    assert "Invalid account" in str(refused.value)


def test_without_accounting_slurm_says_so_once(
    slurm: Callable[[str], Slurm], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slurm("echo Submitted batch job 7")
    with caplog.at_level(logging.WARNING):
        for call in range(5):
            logging.getLogger("submitit").warning("Call #%d - Bypassing sacct error, status may be inaccurate.", call)
    assert caplog.text.count("Bypassing sacct") <= 1


def test_a_missing_launcher_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    options: Any = {"at_once": 1, "cluster": "local", "folder": "nowhere", "parameters": {}}
    with pytest.raises(InputError, match=r"read-repro\[slurm\]"):
        Slurm(**options)
