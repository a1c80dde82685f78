"""The trainer and the loggers as their files name them, and what a run leaves of torch's and logging's own settings."""

import logging
import warnings
from pathlib import Path

import pytest
import torch

from read_repro.config.composition import composed
from read_repro.training.checkpoints import CheckpointFiles
from read_repro.training.loggers import close
from read_repro.training.trainer import lightnings_settings

CPU = ("trainer.accelerator=cpu", "trainer.progress_bar=false")


@pytest.mark.parametrize("logger", ["csv", "none", pytest.param("wandb", marks=pytest.mark.slow)])
def test_every_logger_is_built_from_its_file_and_writes_into_the_runs_folder(
    logger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_SILENT", "true")
    config = composed(f"logger={logger}", *CPU)
    built = config.logger.build()(tmp_path)
    trainer = config.trainer.build()(tmp_path, built, [], CheckpointFiles("run", tmp_path))
    if built is not None:
        built.log_metrics({"train/loss": 0.5}, step=1)
        built.save()
    close(built)
    assert trainer.loggers == ([] if built is None else [built])
    assert any(path.is_file() for path in tmp_path.rglob("*")) == (logger != "none")


def test_the_trainer_takes_what_its_file_says() -> None:
    trainer = composed(*CPU, "trainer.max_epochs=7", "trainer.accumulate_grad_batches=3").trainer.build()(
        Path(), None, [], CheckpointFiles("run", Path())
    )
    assert (trainer.max_epochs, trainer.accumulate_grad_batches, trainer.gradient_clip_val) == (7, 3, 1.0)


def test_a_run_changes_torchs_and_loggings_settings_only_while_it_lasts() -> None:
    def settings() -> tuple[object, ...]:
        level = logging.getLogger("pytorch_lightning.utilities.rank_zero").level
        return level, torch.utils.deterministic.fill_uninitialized_memory, list(warnings.filters)

    before = settings()
    with lightnings_settings():
        assert settings() != before
    assert settings() == before
