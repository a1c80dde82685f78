"""The demo's table says how long each method was trained, for its energies are those of different numbers of epochs."""

import importlib.util
from types import ModuleType

import pytest
from places import ROOT
from store_factory import record_of, run_record


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo", ROOT / "scripts" / "demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_demo_states_the_epochs_of_both_sides(demo: ModuleType) -> None:
    epochs = {"head": 3, "read": 8, "full": 2}
    records = {name: record_of(run_record("mnli", name) | {"epochs": count}) for name, count in epochs.items()}
    lines = demo.table_text(records).splitlines()
    heading = next(line for line in lines if line.startswith("method"))
    end = heading.index("epochs") + len("epochs")
    for name, count in epochs.items():
        row = next(line for line in lines if line.startswith(f"{name} "))
        assert row[:end].split()[-1] == str(count)
    assert any(line.startswith("READ (8 epochs) over full (2 epochs): ") for line in lines)
