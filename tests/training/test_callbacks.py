"""What is watched while a run trains: which epoch is the best, and which step left the numbers."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny import build

from read_repro.training.callbacks import BestWeights, Divergence

ALONE = SimpleNamespace(reduce=lambda value, **_: value)  # how one process agrees with itself


def validated(epoch: int, score: float, loss: float) -> Any:
    """A trainer as it is after an epoch's validation."""
    metrics = {"val/score": torch.tensor(score), "val/loss": torch.tensor(loss)}
    return SimpleNamespace(
        callback_metrics=metrics, current_epoch=epoch, is_global_zero=True, global_step=epoch, strategy=ALONE
    )


@pytest.mark.parametrize(
    ("epochs", "best"),
    [
        ([(50.0, 1.3), (50.0, 0.9), (50.0, 1.1)], 2),  # equal scores: the lowest loss
        ([(50.0, 1.3), (60.0, 2.0), (50.0, 0.1)], 2),  # the score goes before the loss
        ([(50.0, 0.5), (50.0, 0.5)], 1),  # all equal: the first
        ([(0.0, 0.7), (0.0, 0.6), (0.0, float("nan"))], 2),
    ],
)
def test_the_best_epoch(epochs: list[tuple[float, float]], best: int, tmp_path: Path) -> None:
    method, kept = build("head", "bert"), BestWeights(tmp_path, SimpleNamespace(outside=nullcontext))
    for epoch, (score, loss) in enumerate(epochs):
        kept.on_validation_end(validated(epoch, score, loss), method)
    assert kept.best_epoch == best
    assert kept.path.exists()


def train(callback: Divergence, losses: list[float], *, accumulate: int = 1) -> Any:
    """A trainer that goes through batches with these losses until it is told to stop."""
    trainer = SimpleNamespace(global_step=0, should_stop=False, strategy=ALONE)
    for index, loss in enumerate(losses):
        callback.on_train_batch_start(trainer, None)
        if (index + 1) % accumulate == 0:
            trainer.global_step += 1
        callback.on_train_batch_end(trainer, None, {"loss": torch.tensor(loss)}, None, index)
        if trainer.should_stop:
            break
    trainer.batches = index + 1
    return trainer


@pytest.mark.parametrize("lost", [float("nan"), float("inf"), float("-inf")])
def test_the_first_step_whose_loss_is_no_number(lost: float) -> None:
    callback = Divergence()
    trainer = train(callback, [1.0, 1.0, lost, 1.0, lost])
    callback.on_validation_start(trainer, None)
    assert (callback.step, trainer.should_stop) == (3, True)


def test_a_step_of_several_batches_is_counted_once() -> None:
    callback = Divergence()
    callback.on_validation_start(train(callback, [1.0, 1.0, 1.0, float("nan")], accumulate=2), None)
    assert callback.step == 2


def test_a_long_epoch_is_not_gone_through_in_vain() -> None:
    assert train(Divergence(), [float("nan")] * 1000).batches == Divergence.LOOK_EVERY


def test_losses_that_are_numbers_stop_nothing() -> None:
    callback = Divergence()
    trainer = train(callback, [1.0] * 250)
    callback.on_validation_start(trainer, None)
    trainer.callback_metrics = {"val/loss": torch.tensor(0.5)}
    callback.on_validation_end(trainer, None)
    assert (callback.step, trainer.should_stop) == (None, False)


def test_a_last_step_that_ruins_the_weights_shows_in_validation() -> None:
    callback = Divergence()
    trainer = validated(7, 50.0, float("nan"))
    callback.on_validation_end(trainer, None)
    assert (callback.step, trainer.should_stop) == (7, True)
