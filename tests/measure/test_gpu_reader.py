"""GPUs read in a child process, which loads a stand-in for NVML that is really compiled: it may hang, abort or exit."""

import os
import shutil
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from energy_windows import GPUS, P0

from read_repro.measure.energy_meter import EnergyMeter
from read_repro.measure.gpu_reader import GpuReader, ReaderError, visible_uuids

MIG = "MIG-5c1f2e3d-4b6a-5978-8e9f-a0b1c2d3e4f5"
UNKNOWN, LOST = 999, 15  # NVML_ERROR_UNKNOWN, NVML_ERROR_GPU_IS_LOST
SOURCE = Path(__file__).parent / "fake_nvml.c"
Read = Callable[..., GpuReader]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the fake libnvidia-ml.so.1."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to build the fake NVML with")
    target = tmp_path_factory.mktemp("nvml") / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(target), str(SOURCE)], check=True)
    return target.parent


@pytest.fixture
def read(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Read]:
    """Makes readers of the boards that a script describes."""
    monkeypatch.setenv("LD_LIBRARY_PATH", str(library))
    monkeypatch.setenv("FAKE_NVML", str(tmp_path / "script"))
    made: list[GpuReader] = []

    def make(*script: str, gpus: tuple[str, ...] = GPUS[:1]) -> GpuReader:
        (tmp_path / "script").write_text("\n".join(script))
        made.append(GpuReader(gpus))
        return made[-1]

    yield make
    for reader in made:
        reader.close()


def board(gpu: str, use: str = "50", *, mw: str = "200000", mj: str = "1000", mig: int = -1) -> list[str]:
    quantities = {"utilisation": use, "power": mw, "counter": mj}
    return [f"board {gpu} {mig} 300000", *(f"trace {name} {values}" for name, values in quantities.items() if values)]


def test_each_reading_is_what_the_board_says_at_a_time_of_this_process(read: Read) -> None:
    reader = read(*board(GPUS[0], "99 10", mw="200000 250000", mj="5000 17000"))
    start_s = time.monotonic()
    reader.open()
    first, second = reader.read(), reader.read()
    assert reader.power_limit_w == 300
    assert [(s.utilisation_percent, s.power_w, s.counters_j, s.errors) for s in (first, second)] == [
        (99, 200, (5,), ()),
        (10, 250, (17,), ()),
    ]
    assert start_s < first.time_s <= first.time_s + first.read_s <= second.time_s < time.monotonic()


def test_two_gpus_are_summed_whatever_the_order_of_their_uuids(read: Read) -> None:
    script = board(GPUS[0], "30", mw="100000") + board(GPUS[1], "90", mw="250000", mj="7000") + board(GPUS[2], "77")
    reader = read(*script, gpus=(GPUS[1], GPUS[0]))
    reader.open()
    sample = reader.read()
    assert (sample.utilisation_percent, sample.power_w, sample.counters_j) == (120, 350, (7, 1))
    assert reader.power_limit_w == 600


def test_what_one_board_does_not_tell_is_none_with_its_reason(read: Read) -> None:
    lost = [f"fail {quantity} 1 99 {LOST}" for quantity in ("utilisation", "power", "counter")]
    reader = read(*board(GPUS[0], "40"), "fail utilisation 0 1 999", *board(GPUS[1], mj=""), *lost, gpus=GPUS[:2])
    reader.open()
    first, second = reader.read(), reader.read()
    assert (first.utilisation_percent, first.power_w, first.counters_j) == (None, 400, None)
    assert first.errors == (
        "utilisation of GPU-8f2b1c3e not read: Unknown Error",
        "energy counter of GPU-8f2b9a77 not read: Not Supported",
    )
    assert (second.utilisation_percent, second.power_w, second.counters_j) == (None, None, None)
    assert sum("GPU is lost" in error for error in second.errors) == 2


def test_a_reading_over_100_percent_is_false(read: Read) -> None:
    reader = read(*board(GPUS[0], str(2**31)))
    reader.open()
    assert reader.read().utilisation_percent is None


@pytest.mark.parametrize("name", [MIG, MIG.removeprefix("MIG-"), GPUS[0]])
def test_mig_has_no_utilisation(read: Read, name: str) -> None:
    reader = read(*board(MIG), *board(GPUS[0], mig=1), gpus=(name,))
    reader.open()
    sample = reader.read()
    assert (sample.utilisation_percent, sample.power_w, sample.counters_j) == (None, None, None)
    assert "MIG slice has no utilisation" in sample.errors[0]


# ---------------------------------------------------------------------------------------- where nothing can be read


def test_a_gpu_that_is_not_there_is_named_as_such(read: Read) -> None:
    with pytest.raises(ReaderError, match="Not Found"):
        read(*board(GPUS[0]), gpus=GPUS[2:]).open()


def test_no_library_is_named_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "libnvidia-ml.so.1").write_text("no library")  # it also hides that of a machine that has a GPU
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    reader = GpuReader(GPUS[:1])
    with pytest.raises(ReaderError, match="NVML Shared Library Not Found"):
        reader.open()
    reader.close()


@pytest.mark.parametrize(("deed", "how"), [("abort", "by SIGABRT"), ("exit", "with exit code 3")])
@pytest.mark.parametrize("at", [-1, 1])
def test_a_library_that_ends_its_process_ends_nothing_else(read: Read, deed: str, how: str, at: int) -> None:
    """At its opening, or in its second reading; this test goes on."""
    reader = read(*board(GPUS[0]), f"at {at} {deed}")

    def use() -> None:
        reader.open()
        assert reader.read().utilisation_percent == 50
        reader.read()

    with pytest.raises(ReaderError, match=f"ended {how}"):
        use()


def test_a_run_whose_library_aborts_goes_on_without_energy_and_with_the_reason(read: Read) -> None:
    read(*board(GPUS[0]), "at 2 abort")
    with EnergyMeter(interval_s=0.005, **P0, gpu_uuids=GPUS[:1]) as meter:
        time.sleep(0.3)
    assert meter.summary()["energy/eq4_kwh"] is None
    assert meter.summary_labels()[0] == (
        "energy not measured after 2 readings: the process that reads NVML ended by SIGABRT"
    )


def test_a_hanging_library_is_left_by_killing_its_process(read: Read) -> None:
    reader = read(*board(GPUS[0]), "at 0 hang")
    reader.open()
    start_s = time.monotonic()
    threading.Timer(0.1, reader.kill).start()
    with pytest.raises(ReaderError, match="by SIGKILL"):
        reader.read()
    assert time.monotonic() - start_s < 5


@pytest.mark.parametrize("deed", ["none", "hang"])
def test_the_child_ends_when_the_run_is_killed_also_while_the_library_hangs(
    read: Read, tmp_path: Path, deed: str
) -> None:
    reader = read(*board(GPUS[0]), f"at 0 {deed}")
    run = os.fork()
    if run == 0:
        try:
            reader.open()
            assert reader._child is not None
            (tmp_path / "child").write_text(str(reader._child.pid))
            threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
            while True:
                reader.read()
        finally:
            os._exit(1)
    assert os.waitpid(run, 0)[1] == signal.SIGKILL
    child = Path("/proc") / (tmp_path / "child").read_text() / "stat"
    limit_s = time.monotonic() + 10
    while child.exists() and " Z " not in child.read_text():  # a zombie has ended, whoever is to bury it
        assert time.monotonic() < limit_s, "it lives on"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_leaves_the_last_reading(read: Read, number: signal.Signals) -> None:
    reader = read(*board(GPUS[0]))
    reader.open()
    assert reader._child is not None
    os.kill(reader._child.pid, number)
    assert reader.read().utilisation_percent == 50


# ------------------------------------------------------------------------------------------- which GPUs are in use


def test_torch_gives_uuids_without_prefix_and_they_are_found(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    of_torch = [SimpleNamespace(uuid=uuid.UUID(gpu.removeprefix("GPU-"))) for gpu in (GPUS[2], GPUS[0])]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: of_torch[i])
    assert visible_uuids() == visible_uuids([0, 1])
    script = [line for gpu, use in zip(GPUS, ("10", "20", "40"), strict=True) for line in board(gpu, use)]
    reader = read(*script, gpus=visible_uuids())
    reader.open()
    assert reader.read().utilisation_percent == 50
