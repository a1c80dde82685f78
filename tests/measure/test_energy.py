"""Energy: Eq. (4) by example and property, and the meter over a fake NVML that is really compiled and loaded."""

import ctypes
import logging
import math
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given
from hypothesis import strategies as st

from read_repro.errors import InputError
from read_repro.measure import gpu_reader as nvml
from read_repro.measure.energy_formulas import Sample, Window, labels, summarise
from read_repro.measure.energy_journal import read_windows
from read_repro.measure.energy_meter import EnergyCallback, EnergyMeter, equation4_kwh, journal_labels, read_journal

GPUS = (
    "GPU-8f2b1c3e-5d6a-4f70-9b1e-2c3d4e5f6071",
    "GPU-8f2b9a77-0c1d-4e2f-8a3b-4c5d6e7f8091",
    "GPU-13adb09e-7c55-4b1a-a0de-99f1d2c3b4a5",
)
MIG = "MIG-5c1f2e3d-4b6a-5978-8e9f-a0b1c2d3e4f5"
UTILISATION, POWER, COUNTER = range(3)  # as in fake_nvml.c
UNKNOWN, LOST = 999, 15  # NVML_ERROR_UNKNOWN, NVML_ERROR_GPU_IS_LOST
P0: dict[str, Any] = {"p0_kw": 0.25, "cpu_p0_kw": 0.005}
SOURCE = Path(__file__).parent / "fake_nvml.c"


# ---------------------------------------------------------------------------------------------------------- Eq. (4)


def test_equation_4_of_the_paper_to_the_digit() -> None:
    utilisation = [97.0, 100.0, 13.0, 88.0, 71.0]
    assert equation4_kwh(utilisation, [60.0] * 5, p0_kw=0.25) == sum(utilisation) * 0.25 / 6000


def test_an_hour_at_full_use_is_p0() -> None:
    assert equation4_kwh([100.0] * 60, [60.0] * 60, p0_kw=0.25) == 0.25


readings = st.lists(st.tuples(st.floats(0, 800), st.floats(0.01, 7200)), min_size=1, max_size=30)


@given(st.lists(st.integers(0, 800), min_size=1, max_size=200), st.floats(0.01, 2))
def test_whole_minutes_give_the_unweighted_sum(utilisation: list[int], p0_kw: float) -> None:
    assert equation4_kwh(utilisation, [60] * len(utilisation), p0_kw=p0_kw) == sum(utilisation) * p0_kw / 6000


@given(readings, st.integers(2, 5))
def test_an_interval_cut_in_parts_of_the_same_reading_is_the_same_energy(
    read: list[tuple[float, float]], parts: int
) -> None:
    cut = [(u, dt / parts) for u, dt in read for _ in range(parts)]
    assert math.isclose(_kwh(cut), _kwh(read), rel_tol=1e-9, abs_tol=1e-12)


@given(readings)
def test_energy_lies_between_the_least_and_the_most_used_reading(read: list[tuple[float, float]]) -> None:
    full_kwh = math.fsum(dt for _, dt in read) / 3600 * 0.25 / 100
    low, high = (f(u for u, _ in read) * full_kwh for f in (min, max))
    assert low * (1 - 1e-9) <= _kwh(read) <= high * (1 + 1e-9)


def _kwh(read: Sequence[tuple[float, float]]) -> float:
    return equation4_kwh([u for u, _ in read], [dt for _, dt in read], p0_kw=0.25)


# --------------------------------------------------------------------------------------------- statistics of a window


def _window(*samples: Sample, gpus: tuple[str, ...] = GPUS[:1], **changes: object) -> Window:
    return Window(**({"interval_s": 60, **P0, "gpus": gpus, "power_limit_w": 300.0, "samples": samples} | changes))


def test_the_opening_has_no_weight_and_the_closing_ends_its_part_interval() -> None:
    window = _window(
        *(Sample(time_s=t, utilisation_percent=u) for t, u in [(0, 7), (60, 50), (120, 100), (150, 20)]),
    )
    metrics = summarise([window])
    assert metrics["energy/eq4_kwh"] == pytest.approx((50 + 100 + 20 / 2) * 0.25 / 6000, rel=1e-12)
    assert metrics["energy/eq4_power_kw"] == pytest.approx(160 * 0.25 / 6000 * 3600 / 150)
    # the mean of 7, 50, 100, 20 has the standard error sqrt(5116.75 / 3) / 2 points; over 150 s of 0.25 kW
    assert metrics["energy/std_error_kwh"] == pytest.approx(math.sqrt(5116.75 / 3) / 2 / 100 * 0.25 * 150 / 3600)
    assert (metrics["energy/samples"], metrics["energy/coverage"], metrics["energy/longest_gap_s"]) == (4, 1, 60)


def test_a_single_reading_is_no_measurement() -> None:
    metrics = summarise([_window(Sample(time_s=5, utilisation_percent=80.0))])
    assert metrics["energy/eq4_kwh"] is None
    assert metrics["energy/std_error_kwh"] is None
    assert metrics["energy/samples"] == 1


def test_windows_of_a_resumed_run_add_up_and_one_killed_at_once_hides_none() -> None:
    first = _window(*(Sample(time_s=60.0 * k, utilisation_percent=40.0) for k in range(4)))
    killed_at_once = _window(Sample(time_s=9000, utilisation_percent=1.0))
    second = _window(*(Sample(time_s=9999 + 60.0 * k, utilisation_percent=80.0) for k in range(3)))
    metrics = summarise([first, killed_at_once, second])
    assert metrics["energy/eq4_kwh"] == pytest.approx((3 * 40 + 2 * 80) * 0.25 / 6000)
    assert metrics["energy/coverage"] == 1


# --------------------------------------------------------------------------------------------------- the fake NVML


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the fake libnvidia-ml.so.1."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to build the fake NVML with")
    target = tmp_path_factory.mktemp("nvml") / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(target), str(SOURCE)], check=True)
    return target.parent


class Fake:
    """The fake's controls; its clock is a minute further at each reading, so that a trace has an exact energy."""

    def __init__(self, path: Path) -> None:
        self.lib = ctypes.CDLL(str(path))
        self.lib.fake_reset()
        self.gpus: list[str] = []

    def add(
        self,
        gpu: str,
        utilisation: Sequence[int] = (50,),
        *,
        power_w: float | None = 200.0,
        counter_w: float | None = 200.0,
        limit_w: float = 300.0,
        mig: int = -1,
    ) -> None:
        self.lib.fake_add(gpu.encode(), mig, int(limit_w * 1000))
        self.gpus.append(gpu)
        self.trace(UTILISATION, list(utilisation))
        if power_w is not None:
            self.trace(POWER, [int(power_w * 1000)])
        if counter_w is not None:
            self.trace(COUNTER, [10**12 + int(counter_w * 60_000 * k) for k in range(64)])

    def trace(self, quantity: int, values: Sequence[int]) -> None:
        self.lib.fake_trace(len(self.gpus) - 1, quantity, (ctypes.c_ulonglong * len(values))(*values), len(values))

    def fail(self, quantity: int, at: range, error: int, *, gpu: int = 0) -> None:
        self.lib.fake_fail(gpu, quantity, at.start, at.stop, error)

    def meter(self, **changes: object) -> EnergyMeter:
        settings = {"interval_s": 0.005, **P0, "gpu_uuids": tuple(self.gpus)} | changes
        return EnergyMeter(**settings)

    def measure(self, readings: int = 8, **changes: object) -> tuple[EnergyMeter, int]:
        """A window of at least so many readings, and how many they were."""
        with self.meter(**changes) as meter:
            _wait(lambda: self.lib.fake_calls(0) >= readings - 1)
        return meter, self.lib.fake_calls(0)


@pytest.fixture
def fake(library: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    """The fake in pynvml's place, with a clock by its readings."""
    fake = Fake(library / "libnvidia-ml.so.1")
    monkeypatch.setattr(pynvml, "nvmlLib", fake.lib)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    monkeypatch.setattr(nvml, "time", SimpleNamespace(monotonic=lambda: 60.0 * fake.lib.fake_calls(0)))
    yield fake
    fake.lib.fake_hang(0)


def _wait(condition: Callable[[], bool], seconds: float = 20) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.002)


def test_a_known_trace_gives_the_known_energies(fake: Fake) -> None:
    trace = [99, 10, 20, 100, 0, 65, 80, 55, 30, 40]
    fake.add(GPUS[0], trace)
    meter, n = fake.measure()
    metrics, seen = meter.summary(), [*trace, *[40] * n][:n]
    assert metrics["energy/eq4_kwh"] == sum(seen[1:]) * 0.25 / 6000
    assert metrics["energy/counter_kwh"] == pytest.approx(0.2 * (n - 1) / 60)
    assert metrics["energy/integrated_kwh"] == pytest.approx(0.2 * (n - 1) / 60)
    assert metrics["energy/counter_power_kw"] == pytest.approx(0.2)
    assert metrics["energy/power_limit_w"] == 300
    assert metrics["energy/cpu_estimate_kwh"] is None
    assert metrics["energy/samples"] == n
    assert metrics["energy/coverage"] == 1
    assert meter.so_far_kwh() == metrics["energy/eq4_kwh"]
    assert meter.summary_labels() == []


def test_two_gpus_are_summed_whatever_the_order_of_their_uuids(fake: Fake) -> None:
    fake.add(GPUS[0], [30], power_w=100, counter_w=100)
    fake.add(GPUS[1], [90], power_w=250, counter_w=250)
    fake.add(GPUS[2], [77], power_w=290, counter_w=290)  # not ours
    meter, n = fake.measure(gpu_uuids=(GPUS[1], GPUS[0]))
    metrics = meter.summary()
    assert metrics["energy/eq4_kwh"] == 120 * (n - 1) * 0.25 / 6000
    assert metrics["energy/counter_power_kw"] == pytest.approx(0.35)
    assert metrics["energy/integrated_power_kw"] == pytest.approx(0.35)
    assert metrics["energy/power_limit_w"] == 600


def test_a_failing_reading_leaves_a_longer_interval_to_the_next_and_warns_once(
    fake: Fake, caplog: pytest.LogCaptureFixture
) -> None:
    fake.add(GPUS[0], [40])
    fake.fail(UTILISATION, range(2, 4), UNKNOWN)
    with caplog.at_level(logging.WARNING):
        meter, n = fake.measure()
    assert meter.summary()["energy/eq4_kwh"] == pytest.approx(40 * (n - 1) * 0.25 / 6000)
    assert meter.summary()["energy/longest_gap_s"] == 180
    assert [r.getMessage() for r in caplog.records] == ["utilisation of GPU-8f2b1c3e not read: Unknown Error"]
    assert meter.summary_labels() == [
        f"utilisation of GPU-8f2b1c3e not read: Unknown Error (at 2 of {n} readings)",
    ]


def test_a_reading_over_100_percent_is_false(fake: Fake) -> None:
    fake.add(GPUS[0], [100, 2**31])
    assert fake.measure()[0].summary()["energy/eq4_kwh"] is None


def test_a_lost_gpu_gives_no_energy_but_says_how_far_it_came(fake: Fake, caplog: pytest.LogCaptureFixture) -> None:
    fake.add(GPUS[0])
    fake.add(GPUS[1])
    for quantity in (UTILISATION, POWER, COUNTER):
        fake.fail(quantity, range(3, 10**6), LOST, gpu=1)
    with caplog.at_level(logging.WARNING):
        meter, _ = fake.measure(12)
    metrics = meter.summary()
    assert [metrics[f"energy/{x}_kwh"] for x in ("eq4", "counter", "integrated")] == [None] * 3
    assert metrics["energy/coverage"] < 0.5  # type: ignore[operator]
    assert len(caplog.records) == 3  # one a quantity, however many readings fail
    assert any("GPU is lost" in label for label in meter.summary_labels())
    assert any("readings cover only" in label for label in meter.summary_labels())


def test_a_counter_that_goes_back_is_no_energy(fake: Fake) -> None:
    fake.add(GPUS[0])
    fake.trace(COUNTER, [5_000_000, 17_000_000, 1_000_000, 29_000_000, 41_000_000])
    meter, _ = fake.measure()
    assert meter.summary()["energy/counter_kwh"] is None
    assert meter.summary()["energy/integrated_kwh"] is not None
    assert meter.summary_labels() == ["energy/counter_kwh: the counter went back"]


def test_a_counter_beyond_the_power_limit_is_neither_kept_nor_clamped(fake: Fake) -> None:
    fake.add(GPUS[0], counter_w=391)  # 1.3 x 300 W is 390 W
    meter, _ = fake.measure()
    assert meter.summary()["energy/counter_kwh"] is None
    assert "1.3 x the power limit" in meter.summary_labels()[0]


def test_counter_and_power_more_than_a_tenth_apart_are_flagged(fake: Fake) -> None:
    fake.add(GPUS[0], power_w=200, counter_w=230)
    meter, _ = fake.measure()
    assert meter.summary()["energy/counter_kwh"] is not None
    assert meter.summary_labels() == ["energy counter and integrated power are 13% apart"]


def test_a_board_without_counter_has_the_rest(fake: Fake) -> None:
    fake.add(GPUS[0], counter_w=None)
    meter, n = fake.measure()
    assert meter.summary()["energy/counter_kwh"] is None
    assert meter.summary()["energy/eq4_kwh"] is not None
    assert meter.summary_labels() == [
        f"energy counter of GPU-8f2b1c3e not read: Not Supported (at {n} of {n} readings)"
    ]


@pytest.mark.parametrize("name", [MIG, MIG.removeprefix("MIG-"), GPUS[0]])
def test_mig_has_no_utilisation(fake: Fake, name: str) -> None:
    fake.add(MIG)
    fake.add(GPUS[0], mig=1)
    with fake.meter(gpu_uuids=(name,)) as meter:
        time.sleep(0.02)
    metrics = meter.summary()
    assert [metrics[f"energy/{x}_kwh"] for x in ("eq4", "counter", "integrated", "cpu_estimate")] == [None] * 4
    assert "MIG slice has no utilisation" in meter.summary_labels()[0]


def test_a_gpu_that_is_not_there_is_no_energy(fake: Fake) -> None:
    fake.add(GPUS[0])
    with fake.meter(gpu_uuids=(GPUS[2],)) as meter:
        pass
    assert meter.summary()["energy/eq4_kwh"] is None
    assert meter.summary_labels() == ["energy not measured: Not Found"]


@pytest.mark.parametrize("after", [0, 3])
def test_a_hanging_call_blocks_nobody(fake: Fake, after: int, tmp_path: Path) -> None:
    """From the first reading on, or after some."""
    fake.add(GPUS[0])
    fake.lib.fake_hang(after == 0)
    meter = fake.meter(patience_s=0.1, journal_path=tmp_path / "journal.jsonl")
    start_s = time.monotonic()
    meter.start()
    _wait(lambda: fake.lib.fake_calls(0) >= after)
    fake.lib.fake_hang(1)
    meter.stop()
    assert time.monotonic() - start_s < 2
    assert "a reading hangs" in meter.summary_labels()[0]
    seen = meter.summary()["energy/samples"]
    fake.lib.fake_hang(0)
    time.sleep(0.05)
    assert meter.summary()["energy/samples"] == seen  # what comes later belongs to no window


def test_hung_for_most_of_the_window_is_no_measurement() -> None:
    samples = [Sample(time_s=60.0 * k, utilisation_percent=50.0) for k in range(4)]
    metrics = summarise([_window(*samples, closed_s=600.0)])
    assert metrics["energy/eq4_kwh"] is None
    assert metrics["energy/coverage"] == 0.3
    assert metrics["energy/longest_gap_s"] == 420


# -------------------------------------------------------------------------------------------- which GPUs are in use

FORMS = {
    None: GPUS,
    "": (),
    "-1": (),
    "0": GPUS[:1],
    "2,0": (GPUS[2], GPUS[0]),
    " 1 , 2 ": GPUS[1:],
    "0,-1,2": GPUS[:1],
    "1,7,0": GPUS[1:2],
    "0,0": (),
    GPUS[1]: GPUS[1:2],
    "GPU-13adb09e": GPUS[2:],
    "GPU-13a, GPU-8f2b1": (GPUS[2], GPUS[0]),
    "GPU-8f2b": (),  # two begin so
    "GPU-ffffffff": (),
    MIG: (MIG,),
    "none": (),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_cuda_visible_devices(fake: Fake, monkeypatch: pytest.MonkeyPatch, form: str | None) -> None:
    for gpu in (*GPUS, MIG):
        fake.add(gpu)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 3)  # NVML does not list slices among its boards
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if form is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", form)
    shown = nvml.visible_uuids()
    assert shown == FORMS[form]
    nvml.GpuReader(shown).open()  # each is really found


def test_torch_gives_uuids_without_prefix_and_they_are_found(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    for gpu, use in zip(GPUS, (10, 20, 40), strict=True):
        fake.add(gpu, [use])
    of_torch = [SimpleNamespace(uuid=uuid.UUID(gpu.removeprefix("GPU-"))) for gpu in (GPUS[2], GPUS[0])]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: of_torch[i])
    reader = nvml.GpuReader(nvml.visible_uuids([0, 1]))
    reader.open()
    assert reader.read().utilisation_percent == 50


# ---------------------------------------------------------------------------------------------------- without a GPU


def _burn(seconds: float) -> None:
    limit = time.process_time() + seconds
    while time.process_time() < limit:
        pass


def test_without_a_gpu_cpu_time_is_an_estimate_under_its_own_key(tmp_path: Path) -> None:
    before = time.process_time()
    with EnergyMeter(interval_s=0.02, **P0, journal_path=tmp_path / "journal.jsonl") as meter:
        _burn(0.3)
        assert 0 < meter.so_far_kwh() <= 1  # type: ignore[operator]
    used_s = time.process_time() - before
    metrics = meter.summary()
    assert metrics["energy/cpu_estimate_kwh"] == pytest.approx(used_s / 3600 * 0.005, rel=0.1)
    assert [metrics[f"energy/{x}_kwh"] for x in ("eq4", "counter", "integrated")] == [None] * 3
    assert metrics["energy/coverage"] == pytest.approx(1)
    assert 0 < metrics["energy/overhead_s"] < 0.1  # type: ignore[operator]
    assert meter.summary_labels() == ["energy estimated from CPU time"]
    assert read_journal(tmp_path / "journal.jsonl") == metrics
    assert journal_labels(tmp_path / "journal.jsonl") == meter.summary_labels()


def test_start_and_stop_count_once() -> None:
    meter = EnergyMeter(interval_s=10, **P0)
    meter.stop()
    for _ in range(2):
        meter.start()
    for _ in range(2):
        meter.stop()
    assert meter.summary()["energy/samples"] == 2


def test_an_unwritable_journal_costs_a_warning_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    with EnergyMeter(interval_s=0.01, **P0, journal_path=tmp_path / "file" / "journal.jsonl") as meter:
        _burn(0.05)
    assert meter.summary()["energy/cpu_estimate_kwh"] is not None
    assert "journal not written" in caplog.text


@pytest.mark.parametrize("changes", [{"interval_s": 0}, {"p0_kw": -0.25}, {"cpu_p0_kw": 0.0}, {"p0_kw": math.nan}])
def test_settings_that_make_no_sense_are_named(changes: dict[str, float]) -> None:
    for kind in (EnergyMeter, EnergyCallback):
        with pytest.raises(InputError, match=next(iter(changes))):
            kind(**({"interval_s": 60, **P0} | changes))


def test_a_journal_cut_within_a_line_keeps_what_was_before(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "journal.jsonl"
    for _ in range(2):  # the second window follows a cut line
        with EnergyMeter(interval_s=0.01, **P0, journal_path=path):
            _burn(0.05)
        path.write_text(path.read_text() + '{"sample": {"time_s": 12')
    assert [window.samples[-1].last for window in read_windows(path)] == [True, True]
    assert "is cut and left out" in caplog.text


# --------------------------------------------------------------------------------------- runs that end in every way


class Tiny(pl.LightningModule):
    """One weight; ``ends`` is called in every step."""

    def __init__(self, ends: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.ends = ends

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
        self.ends()
        return self.layer(batch[0]).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def _fit(callback: EnergyCallback, ends: Callable[[], None] = lambda: None) -> None:
    quiet: dict[str, Any] = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    trainer = pl.Trainer(max_epochs=1, accelerator="cpu", devices=1, callbacks=[callback], **quiet)
    trainer.fit(Tiny(ends), torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(4, 2)), batch_size=2))


def _raise() -> None:
    raise RuntimeError("in the middle of fit")


@pytest.mark.filterwarnings("ignore")
def test_fit_opens_and_closes_the_window(tmp_path: Path) -> None:
    callback = EnergyCallback(interval_s=0.01, **P0, journal_path=tmp_path / "journal.jsonl")
    _fit(callback, lambda: _burn(0.05))
    assert callback.meter is not None
    burnt_kwh = 2 * 0.05 / 3600 * 0.005  # two steps
    assert callback.meter.summary()["energy/cpu_estimate_kwh"] >= burnt_kwh  # type: ignore[operator]
    assert _closed(tmp_path / "journal.jsonl")


@pytest.mark.filterwarnings("ignore")
def test_an_exception_in_fit_closes_the_window(tmp_path: Path) -> None:
    callback = EnergyCallback(interval_s=0.01, **P0, journal_path=tmp_path / "journal.jsonl")
    with pytest.raises(RuntimeError, match="in the middle of fit"):
        _fit(callback, _raise)
    assert _closed(tmp_path / "journal.jsonl")


def _run_every_ending(folder: Path, library: Path) -> None:
    """Runs in a fresh process, whose loader looks for libraries in ``folder``: each ending leaves its journal there."""
    loaded = folder / "libnvidia-ml.so.1"
    loaded.write_text("no library")  # it also hides the library of a machine that has a GPU
    with EnergyMeter(interval_s=60, **P0, gpu_uuids=GPUS[:1], journal_path=folder / "without.jsonl"):
        pass
    shutil.copy(library / "libnvidia-ml.so.1", loaded)
    _in_a_fork(lambda: _be_killed(folder / "SIGKILL.jsonl"))
    for number in (signal.SIGINT, signal.SIGTERM):
        callback = EnergyCallback(interval_s=0.01, **P0, journal_path=folder / f"{number.name}.jsonl")
        _in_a_fork(lambda: _fit(callback, lambda: os.kill(os.getpid(), number)))  # noqa: B023 called at once


def _be_killed(path: Path) -> None:
    fake = Fake(Path("libnvidia-ml.so.1"))  # by the loader's path, as pynvml finds it
    fake.add(GPUS[0])
    fake.meter(interval_s=0.02, journal_path=path).start()
    _wait(lambda: fake.lib.fake_calls(0) >= 12)
    os.kill(os.getpid(), signal.SIGKILL)


def _in_a_fork(run: Callable[[], None]) -> None:
    """In a process of its own, without importing torch again."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        run()
    finally:
        os._exit(0)


@pytest.fixture(scope="session")
def endings(library: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder with the journals, and what was said."""
    folder = tmp_path_factory.mktemp("endings")
    script = (
        "import sys; from pathlib import Path; import test_energy as t; t._run_every_ending(*map(Path, sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, folder, library],
        env=os.environ | {"LD_LIBRARY_PATH": str(folder), "PYTHONPATH": str(SOURCE.parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return folder, done.stderr


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_in_fit_closes_the_window(endings: tuple[Path, str], name: str) -> None:
    path = endings[0] / f"{name}.jsonl"
    assert _closed(path)
    assert read_journal(path)["energy/cpu_estimate_kwh"] is not None


def test_a_killed_run_leaves_its_energy(endings: tuple[Path, str]) -> None:
    path = endings[0] / "SIGKILL.jsonl"
    metrics = read_journal(path)
    [window] = read_windows(path)
    assert len(window.samples) >= 10
    assert metrics["energy/eq4_kwh"] == pytest.approx(0.5 * 0.25 * window.duration_s / 3600)
    assert metrics["energy/integrated_power_kw"] == pytest.approx(0.2)
    assert any("window not closed" in label for label in labels([window]))


def test_no_library_at_all_is_one_warning_and_no_figure(endings: tuple[Path, str]) -> None:
    path = endings[0] / "without.jsonl"
    assert endings[1].count("energy not measured") == 1
    metrics = read_journal(path)
    assert [metrics[f"energy/{x}_kwh"] for x in ("eq4", "counter", "integrated", "cpu_estimate")] == [None] * 4
    assert journal_labels(path) == ["energy not measured: NVML Shared Library Not Found"]


def _closed(path: Path) -> bool:
    """The last reading was taken as such, by the sampler itself."""
    return [window.samples[-1].last for window in read_windows(path)] == [True]
