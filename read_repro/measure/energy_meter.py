"""The energy of training, measured as READ does it (arXiv 2305.15348, section 3.4, Eq. (4)).

The GPUs' utilisation is read every minute, at the opening of the window and at its closing, and journalled at once, so
that a killed run's energy is not lost. Without a GPU the process's CPU time is taken instead, under its own key.
"""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import torch

from read_repro.errors import InputError
from read_repro.measure.cpu_reader import POWERCAP, CpuReader, PackageCounters
from read_repro.measure.energy_formulas import Sample, Window
from read_repro.measure.energy_journal import Journal
from read_repro.measure.energy_sampler import Reader, Sampler
from read_repro.measure.energy_summary import labels, so_far_kwh, summarise
from read_repro.measure.gpu_reader import GpuReader

log = logging.getLogger(__name__)


class EnergyMeter:
    """One energy window: ``start()``, ``stop()`` (both idempotent) or ``with``; then ``summary()`` and its labels.

    Args:
        interval_s: time between readings.
        p0_kw: power of one GPU at full utilisation, Eq. (4)'s p0.
        cpu_p0_kw: power of one busy hardware thread, for the estimate without a GPU.
        carbon_g_per_kwh: grams of CO2 equivalent a kWh, for what is measured; None: not told.
        gpu_uuids: the GPUs in use; none: the CPU is estimated.
        journal_path: a file that each reading is appended to as it comes.
        patience_s: how long to wait for a reading before going on without it.
        notes: what the caller knows to be missing, for the labels.
        earlier: windows of what this one goes on with; every figure and label counts them too.
    """

    def __init__(
        self,
        *,
        interval_s: float,
        p0_kw: float,
        cpu_p0_kw: float,
        carbon_g_per_kwh: float | None = None,
        gpu_uuids: tuple[str, ...] = (),
        journal_path: Path | str | None = None,
        patience_s: float = 5.0,
        notes: tuple[str, ...] = (),
        earlier: tuple[Window, ...] = (),
    ) -> None:
        check_constants(interval_s=interval_s, p0_kw=p0_kw, cpu_p0_kw=cpu_p0_kw, carbon_g_per_kwh=carbon_g_per_kwh)
        self._packages = PackageCounters(POWERCAP)
        self._window = Window(
            interval_s=interval_s,
            p0_kw=p0_kw,
            cpu_p0_kw=cpu_p0_kw,
            carbon_g_per_kwh=carbon_g_per_kwh,
            gpus=tuple(gpu_uuids),
            package_ranges_j=self._packages.ranges_j,
        )
        self._earlier = earlier
        self._samples: list[Sample] = []
        self._reasons = list(notes)
        self._journal = Journal(None if journal_path is None else Path(journal_path))
        self._reader: Reader = GpuReader(gpu_uuids) if gpu_uuids else CpuReader()
        self._sampler = Sampler(self._reader, self, interval_s=interval_s, patience_s=patience_s)
        self._warned: set[str] = set()
        self._started = self._stopped = False

    def start(self) -> None:
        if self._started:
            return
        self._started = True
        _synchronise()
        self._window = replace(self._window, started=datetime.now(UTC).isoformat(timespec="seconds"))
        self._journal.open(self._seen())
        self._sampler.start()

    def stop(self) -> None:
        if not self._started or self._stopped:
            return
        self._stopped = True
        _synchronise()
        asked_s = time.monotonic()
        self._sampler.stop()
        if not self._seen().closed:
            self._window = replace(self._window, closed_s=asked_s)
            self._journal.tell("closed_s", asked_s)
        self._journal.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def summary(self) -> dict[str, float | None]:
        """The ``energy/...`` metrics up to the last reading; None is unmeasured, and ``summary_labels`` say why."""
        return summarise([*self._earlier, self._seen()])

    def summary_labels(self) -> list[str]:
        """Why a figure is missing or weak, or no measurement but an estimate."""
        return labels([*self._earlier, self._seen()])

    def so_far_kwh(self) -> float | None:
        """Eq. (4), or without a GPU the CPU's estimate, up to a reading that is taken now; None if none comes.

        It is no regular reading: neither the sampler's interval nor the window's figures change by it.
        """
        return so_far_kwh([*self._earlier, self._seen()]) if self._sampler.ask() else None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Around what is no part of the window, such as the writing of a checkpoint: it costs neither time nor energy.

        Before the window opens and after it closes, nothing happens.
        """
        with self._sampler.paused():
            yield

    def opened(self) -> None:
        """The sampler's: readings come next."""
        self._journal.tell("power_limit_w", self._reader.power_limit_w)

    def take(self, sample: Sample) -> None:
        """The sampler's: a reading, to which the processor packages' counters are added."""
        sample = replace(sample, package_j=self._packages.read())
        self._samples.append(sample)
        self._journal.add(sample)
        for error in sample.errors:
            self._warn(error)

    def explain(self, reason: str) -> None:
        """The sampler's: what is missing, and why."""
        self._reasons.append(reason)
        self._journal.tell("reason", reason)
        self._warn(reason)

    def _seen(self) -> Window:
        return replace(
            self._window,
            power_limit_w=self._reader.power_limit_w,
            reasons=tuple(self._reasons),
            samples=tuple(self._samples),
        )

    def _warn(self, message: str) -> None:
        """Once each: a lost GPU fails at every reading."""
        if message not in self._warned:
            self._warned.add(message)
            log.warning("%s", message)


def check_constants(**settings: float | None) -> None:
    """Refuse what no energy can be computed with; raises InputError."""
    for name, value in settings.items():
        unset = value is None and name == "carbon_g_per_kwh"
        if not unset and not (isinstance(value, int | float) and 0 < value < math.inf):
            raise InputError(f"energy.{name}={value}: give a number above 0")


def _synchronise() -> None:
    """The window begins and ends with the device idle, so that queued kernels fall on the right side of it."""
    if not (torch.cuda.is_available() and torch.cuda.is_initialized()):
        return
    try:
        torch.cuda.synchronize()
    except RuntimeError as error:  # a device that failed: the run's own exception tells of it
        log.debug("no synchronisation: %s", error)
