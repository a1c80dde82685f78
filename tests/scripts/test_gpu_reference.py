"""The GPU reference, on the CPU with the tiny shape: records come, and a second call makes none again."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from places import ROOT

from read_repro.machine import cpu_model
from read_repro.records.record import ReferenceRecord
from read_repro.records.store import read_as

SCRIPT = ROOT / "scripts" / "gpu_reference.py"
TINY = ["--device", "cpu", "--shape", "tiny", "--window-s", "1", "--batch-size", "4", "--methods", "full,read"]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_reference", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_records_on_the_cpu_and_none_made_twice(tmp_path: Path, script: ModuleType) -> None:
    command = [sys.executable, str(SCRIPT), "--budget-s", "120", "--out", str(tmp_path), *TINY]
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": ".", "OMP_NUM_THREADS": "1"})
    paths = sorted(tmp_path.rglob("*.json"))
    assert [path.relative_to(path.parent.parent).as_posix() for path in paths] == [
        "t5-tiny/full.json",
        "t5-tiny/read.json",
    ]
    for path in paths:
        record = read_as(ReferenceRecord, path)
        assert "random weights" in record.labels
        for key in ("time/step_s", "time/latency_s", "energy/cpu_estimate_kwh", "params/trainable"):
            assert record.metrics[key] > 0
        assert record.metrics["energy/eq4_kwh"] is None
    stamps = {path: path.stat().st_mtime_ns for path in paths}
    assert script.main(["--budget-s", "120", "--out", str(tmp_path), *TINY]) == 0
    assert {path: path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*.json"))} == stamps


def test_a_budget_that_is_too_small_starts_nothing(tmp_path: Path, script: ModuleType) -> None:
    assert script.main(["--budget-s", "1", "--out", str(tmp_path), *TINY]) == 0
    assert list(tmp_path.iterdir()) == []


def test_what_another_folder_holds_is_not_made_again(tmp_path: Path, script: ModuleType) -> None:
    made, out = tmp_path / "made", tmp_path / "out"
    for method in ("full", "read"):
        path = made / script.place_of(cpu_model()) / "t5-tiny" / f"{method}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    assert script.main(["--budget-s", "120", "--out", str(out), "--results", str(made), *TINY]) == 0
    assert not out.exists()


def test_batches_have_mnlis_lengths(script: ModuleType) -> None:
    batches = script.make_batches(number=50, batch_size=48, vocab_size=512)
    lengths = [int(row.sum()) for batch in batches for row in batch["attention_mask"]]
    assert 42 < sum(lengths) / len(lengths) < 46  # 44.3, less what was cut
    assert batches[0]["input_ids"].shape == (48, 128)  # the longest first: the peak is the planner's
    assert all((batch["input_ids"] * (1 - batch["attention_mask"])).sum() == 0 for batch in batches)
    padding = 1 - sum(lengths) / sum(batch["input_ids"].numel() for batch in batches)
    assert padding < 0.05


def test_the_cards_own_limit_scales_equation_4(script: ModuleType) -> None:
    energy = {"energy/power_limit_w": 700.0, "energy/eq4_kwh": 0.25, "energy/eq4_power_kw": 0.2}
    assert script.own_limit(energy) == pytest.approx(
        {"energy/eq4_own_limit_kwh": 0.7, "energy/eq4_own_limit_power_kw": 0.56}
    )


def test_windows(script: ModuleType) -> None:
    long = [(b, m) for b in script.ORDER for m in script.METHODS if script.window_of(b, m) == 60.0]
    assert long == [*(("t5-base", m) for m in script.METHODS), ("t5-large", "read")]
