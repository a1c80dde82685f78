"""The meter and its sampler: a reader that fails in every way costs the run nothing but its energy, with the reason."""

import logging
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from energy_windows import GPUS, P0, journal_labels, read_journal, write_package

from read_repro.errors import InputError
from read_repro.measure import energy_meter
from read_repro.measure.energy_formulas import Sample
from read_repro.measure.energy_journal import read_windows
from read_repro.measure.energy_meter import EnergyMeter
from read_repro.measure.energy_summary import FEW_READINGS


class Scripted:
    """A GPU in GpuReader's place, always half used; ``deeds`` are done at its readings, by number, or its opening."""

    power_limit_w: float | None = None

    def __init__(self, **deeds: Callable[[], None]) -> None:
        self.deeds = deeds
        self.calls = 0
        self.killed, self.closed = threading.Event(), False

    def open(self) -> None:
        self._do("open")
        self.power_limit_w = 300.0

    def read(self) -> Sample:
        time_s = time.monotonic()
        self.calls += 1
        self._do(f"at{self.calls - 1}")
        counters = (1000 + 200 * time_s,)
        return Sample(time_s=time_s, utilisation_percent=50.0, power_w=200.0, counters_j=counters, read_s=1e-4)

    def close(self) -> None:
        self.closed = True

    def kill(self) -> None:
        self.killed.set()

    def hang(self) -> None:
        self.killed.wait(30)

    def _do(self, name: str) -> None:
        self.deeds.get(name, lambda: None)()


def fail() -> None:
    raise RuntimeError("GPU is gone")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scripted]:
    """Puts a scripted reader in the place of the real one."""

    def put(**deeds: Callable[[], None]) -> Scripted:
        reader = Scripted(**deeds)
        monkeypatch.setattr(energy_meter, "GpuReader", lambda uuids: reader)
        return reader

    return put


def meter_of_gpu(**changes: Any) -> EnergyMeter:
    return EnergyMeter(**({"interval_s": 0.005, **P0, "gpu_uuids": GPUS[:1]} | changes))


def wait(condition: Callable[[], bool], seconds: float = 20) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.002)


# ------------------------------------------------------------------------------------------------ a window of a GPU


def test_a_window_has_an_opening_its_intervals_and_a_closing(gpu: Callable[..., Scripted], tmp_path: Path) -> None:
    reader = gpu()
    with meter_of_gpu(journal_path=tmp_path / "journal.jsonl") as meter:
        wait(lambda: reader.calls >= 12)
    metrics = meter.summary()
    [window] = read_windows(tmp_path / "journal.jsonl")
    assert metrics["energy/samples"] == reader.calls == len(window.samples)
    assert metrics["energy/eq4_power_kw"] == pytest.approx(0.125)
    assert metrics["energy/counter_power_kw"] == pytest.approx(0.2)
    assert (metrics["energy/coverage"], metrics["energy/power_limit_w"]) == (1, 300)
    assert [sample.last for sample in window.samples[-2:]] == [False, True]
    assert read_journal(tmp_path / "journal.jsonl") == metrics
    assert journal_labels(tmp_path / "journal.jsonl") == meter.summary_labels()
    assert reader.closed


def test_start_and_stop_count_once(gpu: Callable[..., Scripted]) -> None:
    reader = gpu()
    meter = meter_of_gpu(interval_s=10)
    meter.stop()
    for _ in range(2):
        meter.start()
    for _ in range(2):
        meter.stop()
    assert meter.summary()["energy/samples"] == reader.calls == 2


def test_energy_so_far_takes_a_reading_of_its_own_and_leaves_the_interval_alone(
    gpu: Callable[..., Scripted], tmp_path: Path
) -> None:
    """An hour's interval: without that reading the first minutes would have the opening's energy."""
    gpu()
    meter = meter_of_gpu(interval_s=3600, journal_path=tmp_path / "journal.jsonl")
    with meter:
        start_s = time.monotonic()
        time.sleep(0.05)
        so_far = meter.so_far_kwh()
        assert so_far is not None
        assert 0.05 <= so_far / 0.125 * 3600 <= time.monotonic() - start_s + 0.05
        assert meter.so_far_kwh() > so_far
    assert meter.summary()["energy/samples"] == 2
    assert FEW_READINGS in meter.summary_labels()
    assert [s.epoch_end for s in read_windows(tmp_path / "journal.jsonl")[0].samples] == [False, True, True, False]


def test_no_energy_no_time_and_no_regular_reading_fall_into_a_pause(
    gpu: Callable[..., Scripted], tmp_path: Path
) -> None:
    reader = gpu()
    meter = meter_of_gpu(interval_s=0.1, journal_path=tmp_path / "journal.jsonl")
    with meter:
        time.sleep(0.02)
        with meter.paused():
            before = reader.calls
            time.sleep(0.5)
            assert reader.calls == before
        time.sleep(0.02)
    [window] = read_windows(tmp_path / "journal.jsonl")
    assert window.duration_s > 0.5
    assert 0.04 <= window.without_pauses().duration_s < 0.2
    assert meter.summary()["energy/counter_kwh"] < 0.2 * 0.2 / 3600  # 200 W, and less than 0.2 s
    assert [sample.pause for sample in window.samples] == [False, True, False, False]


def test_a_meter_counts_the_windows_that_it_goes_on_with(gpu: Callable[..., Scripted], tmp_path: Path) -> None:
    gpu()
    with meter_of_gpu(interval_s=10, journal_path=tmp_path / "journal.jsonl") as first:
        time.sleep(0.05)
    earlier = tuple(read_windows(tmp_path / "journal.jsonl"))
    with meter_of_gpu(interval_s=10, journal_path=tmp_path / "journal.jsonl", earlier=earlier) as meter:
        time.sleep(0.02)
        assert meter.so_far_kwh() > first.summary()["energy/eq4_kwh"]
    both = [window.duration_s * 0.125 / 3600 for window in read_windows(tmp_path / "journal.jsonl")]
    assert meter.summary()["energy/eq4_kwh"] == pytest.approx(sum(both))
    assert meter.summary() == read_journal(tmp_path / "journal.jsonl")


def test_a_pause_at_a_reader_that_hangs_costs_no_more_than_patience(gpu: Callable[..., Scripted]) -> None:
    reader = gpu()
    reader.deeds["at1"] = reader.hang
    meter = meter_of_gpu(interval_s=10, patience_s=0.1)
    started_s = time.monotonic()
    with meter, meter.paused():
        pass
    assert time.monotonic() - started_s < 5


def test_the_packages_counters_stand_beside_a_gpus(
    gpu: Callable[..., Scripted], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu()
    monkeypatch.setattr(energy_meter, "POWERCAP", tmp_path)
    counter = write_package(tmp_path, "7000000")
    with meter_of_gpu() as meter:
        counter.write_text("9000000")
    assert meter.summary()["energy/cpu_package_kwh"] == pytest.approx(2 / 3.6e6)


# ----------------------------------------------------------------------------------------------- readers that fail


def test_a_reader_that_cannot_be_opened_is_one_warning_and_no_figure(
    gpu: Callable[..., Scripted], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gpu(open=fail)
    with caplog.at_level(logging.WARNING), meter_of_gpu(journal_path=tmp_path / "journal.jsonl") as meter:
        assert meter.so_far_kwh() is None
    assert [record.getMessage() for record in caplog.records] == ["energy not measured: GPU is gone"]
    names = ("eq4", "counter", "integrated", "cpu_estimate", "cpu_package")
    assert [meter.summary()[f"energy/{name}_kwh"] for name in names] == [None] * 5
    assert meter.summary_labels() == journal_labels(tmp_path / "journal.jsonl") == ["energy not measured: GPU is gone"]


def test_a_reader_that_ends_early_is_not_taken_for_the_whole_window(
    gpu: Callable[..., Scripted], tmp_path: Path
) -> None:
    reader = gpu(at5=fail)
    with meter_of_gpu(journal_path=tmp_path / "journal.jsonl") as meter:
        wait(lambda: reader.closed)
        time.sleep(0.3)
        assert meter.so_far_kwh() is None
    metrics = meter.summary()
    assert metrics["energy/eq4_kwh"] is None
    assert metrics["energy/coverage"] < 0.9  # type: ignore[operator]
    assert meter.summary_labels()[0] == "energy not measured after 5 readings: GPU is gone"
    assert read_journal(tmp_path / "journal.jsonl") == metrics
    assert journal_labels(tmp_path / "journal.jsonl") == meter.summary_labels()


@pytest.mark.parametrize("deed", ["open", "at0", "at3"])
def test_a_hanging_reader_blocks_nobody(gpu: Callable[..., Scripted], tmp_path: Path, deed: str) -> None:
    reader = gpu(**{deed: lambda: reader.hang()})
    meter = meter_of_gpu(patience_s=0.1, journal_path=tmp_path / "journal.jsonl")
    start_s = time.monotonic()
    meter.start()
    wait(lambda: reader.calls >= 4 or deed != "at3")
    for _ in range(20):
        assert meter.so_far_kwh() is None
    meter.stop()
    assert time.monotonic() - start_s < 2
    assert reader.killed.is_set()
    labels, samples = meter.summary_labels(), meter.summary()["energy/samples"]
    assert "energy sampler gave no answer within 0.1 s: a reading hangs" in labels
    assert ("no reading within 0.1 s of the opening: the energy before it is missing" in labels) == (deed != "at3")
    wait(lambda: reader.closed)
    assert (meter.summary_labels(), meter.summary()["energy/samples"]) == (labels, samples)  # nothing comes later
    assert journal_labels(tmp_path / "journal.jsonl") == labels


def test_a_thread_that_cannot_start_costs_the_energy_and_not_the_run(
    gpu: Callable[..., Scripted], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    gpu()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with meter_of_gpu(journal_path=tmp_path / "journal.jsonl") as meter:
        assert meter.so_far_kwh() is None
    assert meter.summary()["energy/eq4_kwh"] is None
    assert meter.summary_labels() == ["energy not measured: can't start new thread"]
    assert journal_labels(tmp_path / "journal.jsonl") == meter.summary_labels()


def test_a_failing_reading_warns_once(gpu: Callable[..., Scripted], caplog: pytest.LogCaptureFixture) -> None:
    reader = gpu()
    reader.read = lambda: Sample(time_s=time.monotonic(), errors=("power not read",))  # type: ignore[method-assign]
    with caplog.at_level(logging.WARNING), meter_of_gpu() as meter:
        time.sleep(0.05)
    assert [record.getMessage() for record in caplog.records] == ["power not read"]
    assert any(label.startswith("power not read (at ") for label in meter.summary_labels())


@pytest.mark.parametrize(
    "changes",
    [{"interval_s": 0}, {"p0_kw": -0.25}, {"cpu_p0_kw": 0.0}, {"p0_kw": math.nan}, {"carbon_g_per_kwh": -1}],
)
def test_settings_that_make_no_sense_are_named(changes: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(changes))):
        EnergyMeter(**({"interval_s": 60, **P0} | changes))
