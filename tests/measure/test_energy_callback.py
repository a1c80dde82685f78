"""The energy window of fits that end in every way, and what the history of a fit says of its energy."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from energy_windows import P0, burn, read_journal

from read_repro.errors import InputError
from read_repro.measure.energy_callback import EnergyCallback
from read_repro.measure.energy_journal import read_windows

pytestmark = pytest.mark.filterwarnings("ignore")
STEP_S = 0.03


class OneWeight(pl.LightningModule):
    """One weight; ``step`` is called in every training step."""

    def __init__(self, step: Callable[[], None]) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.step = step

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
        self.step()
        return self.layer(batch[0]).sum()

    def validation_step(self, batch: list[torch.Tensor], index: int) -> None: ...

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Curve(pl.Callback):
    """The energy so far at each epoch's end, as the history takes it."""

    def __init__(self, energy: EnergyCallback) -> None:
        self.energy, self.kwh = energy, []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.kwh.append(self.energy.so_far_kwh)


def fit(path: Path, step: Callable[[], None], *, interval_s: float = 60, epochs: int = 1) -> tuple[Any, Curve]:
    energy = EnergyCallback(interval_s=interval_s, **P0, carbon_g_per_kwh=None, journal_path=path)
    curve = Curve(energy)
    quiet: dict[str, Any] = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    trainer = pl.Trainer(max_epochs=epochs, accelerator="cpu", devices=1, callbacks=[energy, curve], **quiet)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(4, 2)), batch_size=2)
    trainer.fit(OneWeight(step), loader, loader)
    return energy.meter, curve


def closed(path: Path) -> bool:
    """The last reading was taken as such, by the sampler itself."""
    return [window.samples[-1].last for window in read_windows(path)] == [True]


def test_each_epoch_has_the_energy_up_to_its_end_though_the_interval_is_longer_than_the_run(tmp_path: Path) -> None:
    meter, curve = fit(tmp_path / "journal.jsonl", lambda: burn(STEP_S), epochs=3)
    epoch_kwh = 2 * STEP_S / 3600 * 0.004
    total = meter.summary()["energy/cpu_estimate_kwh"]
    assert len(curve.kwh) == 3
    assert epoch_kwh <= curve.kwh[0] < curve.kwh[1] < curve.kwh[2] <= total
    assert closed(tmp_path / "journal.jsonl")


def stop() -> None:
    burn(STEP_S)
    raise RuntimeError("in the middle of fit")


def interrupt() -> None:
    burn(STEP_S)
    os.kill(os.getpid(), signal.SIGINT)


def terminate() -> None:
    burn(STEP_S)
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("end", [stop, interrupt, terminate])
def test_a_fit_that_is_broken_off_within_the_interval_leaves_its_energy(
    tmp_path: Path, end: Callable[[], None]
) -> None:
    """By an exception, Ctrl-C or SIGTERM: the handler takes one reading, and it closes the window."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        fit(tmp_path / "journal.jsonl", end)
    except (RuntimeError, KeyboardInterrupt, SystemExit, pl.utilities.exceptions.SIGTERMException):
        pass
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
    assert closed(tmp_path / "journal.jsonl")
    assert read_journal(tmp_path / "journal.jsonl")["energy/cpu_estimate_kwh"] >= STEP_S / 3600 * 0.004


def test_settings_that_make_no_sense_are_named_before_the_fit() -> None:
    with pytest.raises(InputError, match="p0_kw=-1"):
        EnergyCallback(interval_s=60, p0_kw=-1, cpu_p0_kw=0.004, carbon_g_per_kwh=None)
