"""The energy window of a fit, as a Lightning callback."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch.distributed

from read_repro.measure.energy_formulas import Window
from read_repro.measure.energy_meter import EnergyMeter, check_constants
from read_repro.measure.energy_summary import across
from read_repro.measure.gpu_reader import visible_uuids


class EnergyCallback(pl.Callback):
    """Opens a window when fit starts and closes it however fit ends.

    Of several processes the first of each node measures all GPUs that the run uses there, and without GPUs each
    measures its own processor time; ``summary``, ``summary_labels`` and ``so_far_kwh`` are of all of them together.

    On an exception, Ctrl-C or SIGTERM Lightning calls neither ``on_train_end`` nor ``teardown``, only ``on_exception``.
    ``so_far_kwh`` is the energy up to the end of the last validation, when an epoch's score is known; it comes from a
    reading of its own, taken before other callbacks save weights while the device idles.

    Args: as ``EnergyMeter``'s. ``earlier`` are the windows of the tries that the fit resumes, if it does.
    """

    def __init__(
        self,
        *,
        interval_s: float,
        p0_kw: float,
        cpu_p0_kw: float,
        carbon_g_per_kwh: float | None,
        journal_path: Path | str | None = None,
    ) -> None:
        check_constants(interval_s=interval_s, p0_kw=p0_kw, cpu_p0_kw=cpu_p0_kw, carbon_g_per_kwh=carbon_g_per_kwh)
        self._meter = partial(
            EnergyMeter,
            interval_s=interval_s,
            p0_kw=p0_kw,
            cpu_p0_kw=cpu_p0_kw,
            carbon_g_per_kwh=carbon_g_per_kwh,
        )
        self._journal_path = journal_path
        self.earlier: tuple[Window, ...] = ()
        self.meter: EnergyMeter | None = None
        self.so_far_kwh: float | None = None

    def meter_for(
        self, trainer: pl.Trainer, journal_path: Path | str | None = None, earlier: tuple[Window, ...] = ()
    ) -> EnergyMeter:
        """A meter, not yet started, of the devices that ``trainer`` uses."""
        on_gpu = trainer.strategy.root_device.type == "cuda"
        gpus = visible_uuids(trainer.device_ids) if on_gpu else ()
        return self._meter(gpu_uuids=gpus, journal_path=journal_path, earlier=earlier)

    def summary(self) -> dict[str, float | None]:
        """The ``energy/...`` metrics of the fit."""
        return across([found for found in gathered(self.meter and self.meter.summary()) if found is not None])

    def summary_labels(self) -> list[str]:
        """Why a figure of them is missing or weak, or no measurement but an estimate."""
        told = gathered([] if self.meter is None else self.meter.summary_labels())
        return list(dict.fromkeys(label for labels in told for label in labels))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Around what is done during a fit but is no part of training."""
        with self.meter.paused() if self.meter is not None else nullcontext():
            yield

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.local_rank == 0 or trainer.strategy.root_device.type != "cuda":
            self.meter = self.meter_for(trainer, self._journal_path, self.earlier)
            self.meter.start()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        parts = gathered(None if self.meter is None else {"kwh": self.meter.so_far_kwh()})
        self.so_far_kwh = across([part for part in parts if part is not None])["kwh"]

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._close()

    def _close(self) -> None:
        if self.meter is not None:
            self.meter.stop()


def gathered(value: Any) -> list[Any]:
    """What each process of a run has in this place, by rank; all of them have to come here."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [value]
    values = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values
