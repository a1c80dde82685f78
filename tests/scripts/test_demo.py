"""The demo says what each method was trained for, what that cost, and which way the result fell."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from places import ROOT
from store_factory import record_of, run_record

from read_repro.records.record import Record


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo", ROOT / "scripts" / "demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def records(scores: dict[str, float]) -> dict[str, Record]:
    epochs = {"read": (16, 19), "head": (2, 5), "full": (3, 4)}
    costs = {"read": 0.001, "head": 0.0001, "full": 0.004}
    return {
        name: record_of(
            run_record("mnli", name, score=score, energy_kwh=costs[name], time_s=1e5 * costs[name])
            | {"best_epoch": epochs[name][0], "epochs": epochs[name][1]}
        )
        for name, score in scores.items()
    }


def test_the_table_has_the_best_epoch_of_each_method(demo: ModuleType) -> None:
    lines = demo.table_text(records({"read": 70, "head": 40, "full": 80})).splitlines()
    heading = next(line for line in lines if line.startswith("method"))
    end = heading.index("best epoch") + len("best epoch")
    for name, epochs in (("READ", "16 of 19"), ("head alone", "2 of 5"), ("full-tuning", "3 of 4")):
        assert next(line for line in lines if line.startswith(name))[:end].endswith(f" {epochs}")


@pytest.mark.parametrize(
    ("read", "says"), [(70, "10.0 points below full-tuning"), (85, "5.0 points above full-tuning")]
)
def test_the_reading_falls_as_the_numbers_do(demo: ModuleType, read: float, says: str) -> None:
    first, second = demo.reading(records({"read": read, "head": 40, "full": 80}))
    assert says in first
    assert "READ (16 of 19 epochs)" in first
    assert "25% of its energy, 25% of its time" in first
    assert "no evidence" in second


def test_each_method_stops_by_validation_and_read_reads_the_store(demo: ModuleType) -> None:
    assert all(any(each.startswith("trainer.patience=") for each in run) for run in demo.RUNS.values())
    assert "cache=disk" in demo.RUNS["read"]
    assert "cache=disk" not in demo.RUNS["full"]


def test_the_picture_is_drawn(demo: ModuleType, tmp_path: Path) -> None:
    demo.draw_picture(records({"read": 70, "head": 40, "full": 80}), tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000
