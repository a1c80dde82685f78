"""The energy of training, measured as READ does it (arXiv 2305.15348, section 3.4, Eq. (4)), by a thread of its own.

The GPUs' utilisation is read every minute, at the opening of the window and at its closing, and journalled at once, so
that a killed run's energy is not lost. Without a GPU the process's CPU time is taken instead, under its own key.
The sampler may never slow, block or kill a run: it is a daemon that nobody waits for longer than a few seconds, and it
installs no signal handler.
"""

import logging
import math
import resource
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import pytorch_lightning as pl
import torch

from read_repro.errors import InputError
from read_repro.measure.energy_formulas import Sample, Window, energies, equation4_kwh, labels, summarise
from read_repro.measure.energy_journal import Journal, journal_labels, read_journal
from read_repro.measure.gpu_reader import GpuReader, visible_uuids

__all__ = ["EnergyCallback", "EnergyMeter", "equation4_kwh", "journal_labels", "read_journal"]

log = logging.getLogger(__name__)


class Reader(Protocol):
    """What the sampler asks of a device."""

    power_limit_w: float | None

    def open(self) -> None: ...
    def read(self) -> Sample: ...
    def close(self) -> None: ...


class CpuReader:
    """Processor time of this process and of its children that have ended (worker processes count when they end)."""

    power_limit_w: float | None = None

    def open(self) -> None: ...

    def read(self) -> Sample:
        start_s = time.monotonic()
        usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        cpu_s = math.fsum(u.ru_utime + u.ru_stime for u in usage)
        return Sample(time_s=start_s, cpu_s=cpu_s, read_s=time.monotonic() - start_s)

    def close(self) -> None: ...


class EnergyMeter:
    """One energy window: ``start()``, ``stop()`` (both idempotent) or ``with``; then ``summary()`` and its labels.

    Args:
        interval_s: time between readings.
        p0_kw: power of one GPU at full utilisation, Eq. (4)'s p0.
        cpu_p0_kw: power of one busy core, for the estimate without a GPU.
        gpu_uuids: the GPUs in use; none: the CPU is estimated.
        journal_path: a file that each reading is appended to as it comes.
        patience_s: how long to wait for the first and for the last reading before going on without it.
        notes: what the caller knows to be missing, for the labels.
    """

    def __init__(
        self,
        *,
        interval_s: float,
        p0_kw: float,
        cpu_p0_kw: float,
        gpu_uuids: tuple[str, ...] = (),
        journal_path: Path | str | None = None,
        patience_s: float = 5.0,
        notes: tuple[str, ...] = (),
    ) -> None:
        _check(interval_s=interval_s, p0_kw=p0_kw, cpu_p0_kw=cpu_p0_kw)
        self._window = Window(
            interval_s=interval_s, p0_kw=p0_kw, cpu_p0_kw=cpu_p0_kw, gpus=tuple(gpu_uuids), reasons=tuple(notes)
        )
        self._reader: Reader = GpuReader(gpu_uuids) if gpu_uuids else CpuReader()
        self._journal = Journal(None if journal_path is None else Path(journal_path))
        self._patience_s = patience_s
        self._samples: list[Sample] = []
        self._warned: set[str] = set()
        self._first_read, self._stop, self._abandoned = (threading.Event() for _ in range(3))
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is not None:
            return
        _synchronise()
        self._thread = threading.Thread(target=self._sample_until_stopped, name="energy", daemon=True)
        self._thread.start()
        self._first_read.wait(self._patience_s)

    def stop(self) -> None:
        if self._thread is None or self._stop.is_set():
            return
        _synchronise()
        asked_s = time.monotonic()
        self._stop.set()
        self._thread.join(self._patience_s)
        if self._thread.is_alive():
            self._abandoned.set()  # from here on whatever it still reads is nobody's
            self._fail(f"energy sampler gave no answer within {self._patience_s:g} s: a reading hangs")
            self._window = replace(self._window, closed_s=asked_s)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def summary(self) -> dict[str, float | None]:
        """The ``energy/...`` metrics up to the last reading; None is unmeasured, and ``summary_labels`` say why."""
        return summarise([self._seen()])

    def summary_labels(self) -> list[str]:
        """Why a figure is missing, or no measurement but an estimate."""
        return labels([self._seen()])

    def so_far_kwh(self) -> float | None:
        """Eq. (4), the last reading standing for the time since, or without a GPU the CPU's estimate, up to now."""
        window = self._seen()
        if window.samples and not self._stop.is_set():
            held = replace(window.samples[-1], time_s=time.monotonic())
            window = replace(window, samples=(*window.samples, held if window.gpus else self._reader.read()))
        return next(iter(energies(window).values())).kwh

    def _seen(self) -> Window:
        return replace(self._window, samples=tuple(self._samples))

    def _sample_until_stopped(self) -> None:
        try:
            self._open()
            self._take()
            while not self._stop.wait(self._window.interval_s):
                self._take()
            self._take(last=True)
            self._reader.close()
        except Exception as error:  # whatever it is: a run must not die of its energy
            self._fail(f"energy not measured: {error}")
            if not self._samples:
                self._journal.open(self._window)  # so that the journal, too, says why
        finally:
            self._first_read.set()
            self._journal.close()

    def _open(self) -> None:
        self._reader.open()
        self._window = replace(
            self._window,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            power_limit_w=self._reader.power_limit_w,
        )
        self._journal.open(self._window)

    def _take(self, *, last: bool = False) -> None:
        sample = replace(self._reader.read(), last=last)
        if self._abandoned.is_set():
            return
        self._samples.append(sample)
        self._journal.add(sample)
        self._first_read.set()
        for error in sample.errors:
            self._warn(error)

    def _fail(self, reason: str) -> None:
        self._window = replace(self._window, reasons=(*self._window.reasons, reason))
        self._warn(reason)

    def _warn(self, message: str) -> None:
        """Once each: a lost GPU fails at every reading."""
        if message not in self._warned:
            self._warned.add(message)
            log.warning("%s", message)


class EnergyCallback(pl.Callback):
    """Opens a window when fit starts and closes it however fit ends; ``meter`` holds the last one (rank 0 only).

    On an exception, Ctrl-C or SIGTERM Lightning calls neither ``on_train_end`` nor ``teardown``, only ``on_exception``.

    Args: as ``EnergyMeter``'s.
    """

    def __init__(
        self, *, interval_s: float, p0_kw: float, cpu_p0_kw: float, journal_path: Path | str | None = None
    ) -> None:
        _check(interval_s=interval_s, p0_kw=p0_kw, cpu_p0_kw=cpu_p0_kw)
        self._settings = {"interval_s": interval_s, "p0_kw": p0_kw, "cpu_p0_kw": cpu_p0_kw}
        self._journal_path = journal_path
        self.meter: EnergyMeter | None = None

    def meter_for(self, trainer: pl.Trainer, journal_path: Path | str | None = None) -> EnergyMeter:
        """A meter, not yet started, of the devices that ``trainer`` uses."""
        on_gpu = trainer.strategy.root_device.type == "cuda"
        seen = trainer.num_nodes == 1 if on_gpu else trainer.world_size == 1
        return EnergyMeter(
            **self._settings,
            gpu_uuids=visible_uuids(trainer.device_ids) if on_gpu else (),
            journal_path=journal_path,
            notes=() if seen else (f"energy of {'this node' if on_gpu else 'this process'} alone",),
        )

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            self.meter = self.meter_for(trainer, self._journal_path)
            self.meter.start()

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._close()

    def _close(self) -> None:
        if self.meter is not None:
            self.meter.stop()


def _check(**settings: float) -> None:
    for name, value in settings.items():
        if not (isinstance(value, int | float) and math.isfinite(value) and value > 0):
            raise InputError(f"energy.{name}={value}: give a number above 0")


def _synchronise() -> None:
    """The window begins and ends with the device idle, so that queued kernels fall on the right side of it."""
    if not (torch.cuda.is_available() and torch.cuda.is_initialized()):
        return
    try:
        torch.cuda.synchronize()
    except RuntimeError as error:  # a device that failed: the run's own exception tells of it
        log.debug("no synchronisation: %s", error)
