"""Energy without a GPU: an estimate from CPU time, the packages' counters beside it, and runs that are killed."""

import os
import signal
import time
from pathlib import Path

import pytest
from energy_windows import P0, burn, journal_labels, read_journal, write_package

from read_repro.measure import energy_meter
from read_repro.measure.energy_meter import EnergyMeter


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a package counter, near its end."""
    monkeypatch.setattr(energy_meter, "POWERCAP", tmp_path / "powercap")
    return write_package(tmp_path / "powercap", "262140000000")


def test_cpu_time_is_an_estimate_under_its_own_key_and_the_package_counter_a_measurement(
    packages: Path, tmp_path: Path
) -> None:
    before_s = time.process_time()
    with EnergyMeter(interval_s=0.02, **P0, journal_path=tmp_path / "journal.jsonl") as meter:
        burn(0.2)
        packages.write_text("33000000")  # from 262,140 J through 262,143 J to 33 J
        assert 0 < meter.so_far_kwh() <= 1  # type: ignore[operator]
    metrics, used_s = meter.summary(), time.process_time() - before_s
    assert metrics["energy/cpu_estimate_kwh"] == pytest.approx(used_s / 3600 * 0.004, rel=0.1)
    assert metrics["energy/cpu_package_kwh"] == pytest.approx(36 / 3.6e6)
    assert [metrics[f"energy/{x}_kwh"] for x in ("eq4", "counter", "integrated")] == [None] * 3
    assert 0 < metrics["energy/overhead_s"] < 0.1  # type: ignore[operator]
    assert meter.summary_labels() == [
        "energy estimated from CPU time",
        "energy/cpu_package_kwh: whole package, all processes",
    ]
    assert read_journal(tmp_path / "journal.jsonl") == metrics


def test_an_unwritable_journal_costs_a_warning_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    with EnergyMeter(interval_s=0.01, **P0, journal_path=tmp_path / "file" / "journal.jsonl") as meter:
        burn(0.05)
    assert meter.summary()["energy/cpu_estimate_kwh"] is not None
    assert "journal not written" in caplog.text


# ------------------------------------------------------------------------------------------------------ killed runs


@pytest.mark.parametrize(("interval_s", "missing"), [(0.02, False), (60, True)])
def test_a_killed_run_leaves_its_energy_or_says_that_it_is_missing(
    tmp_path: Path, interval_s: float, missing: bool
) -> None:
    path = tmp_path / "journal.jsonl"
    run = os.fork()
    if run == 0:
        try:
            EnergyMeter(interval_s=interval_s, **P0, journal_path=path).start()
            burn(0.3)
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.waitpid(run, 0)[1] == signal.SIGKILL
    assert (read_journal(path)["energy/cpu_estimate_kwh"] is None) == missing
    assert any(f"not closed: up to {interval_s:g} s" in label for label in journal_labels(path))
