"""A line an epoch, and what it says of the time that is left."""

import logging

import pytest

from read_repro.terminal.epochs import EpochView


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def metrics(score: float) -> dict[str, float]:
    return {"train/loss": 0.5, "val/loss": 0.4, "val/accuracy": score, "val/score": score}


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="read_repro")


def test_a_line_an_epoch_with_the_best_so_far_and_the_time_left(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    view = EpochView(epochs=12, steps=10, show_bar=True, clock=clock)
    for epoch, score, best, best_epoch in ((1, 70.0, 70.0, 1), (2, 65.0, 70.0, 1)):
        view.begin(epoch)
        clock.now_s += 30
        view.step(10, lambda: 0.5)
        view.validate()
        clock.now_s += 10
        view.end(metrics(score), best=best, best_epoch=best_epoch)
    view.stop()
    assert caplog.messages == [
        "epoch  1/12  loss 0.500  validation accuracy 70.00  best 70.00 (epoch 1)  40 s, at most 7 min 20 s left",
        "epoch  2/12  loss 0.500  validation accuracy 65.00  best 70.00 (epoch 1)  40 s, at most 6 min 40 s left",
    ]


def one_epoch(epoch: int, *, of: int, took_s: float, best: float, best_epoch: int) -> None:
    """The only epoch that a view sees, whose score is 70."""
    clock = Clock()
    view = EpochView(epochs=of, steps=10, show_bar=False, clock=clock)
    view.begin(epoch)
    clock.now_s += took_s
    view.end(metrics(70.0), best=best, best_epoch=best_epoch)


def test_the_last_epoch_leaves_no_time(caplog: pytest.LogCaptureFixture) -> None:
    one_epoch(1, of=1, took_s=3, best=70.0, best_epoch=1)
    assert caplog.messages[0].endswith("(epoch 1)  3 s")


def test_a_run_that_goes_on_counts_only_the_epochs_it_has_seen(caplog: pytest.LogCaptureFixture) -> None:
    one_epoch(8, of=10, took_s=20, best=90.0, best_epoch=5)
    assert caplog.messages[0].startswith("epoch  8/10  ")
    assert caplog.messages[0].endswith("best 90.00 (epoch 5)  20 s, at most 40 s left")


def test_without_a_terminal_nobody_asks_for_the_loss_of_a_step() -> None:
    """Asking makes a GPU wait."""
    clock = Clock()
    view = EpochView(epochs=1, steps=10, show_bar=True, clock=clock)
    clock.now_s += 100

    def loss() -> float:
        raise AssertionError

    view.step(1, loss)
