"""The epochs of a run: a bar for the one under way, and a line for each that is over.

The bar has no thread of its own and is drawn at most twice a second, because what it costs is part of the energy that
the run measures.
"""

import time
from collections.abc import Callable, Mapping
from statistics import fmean

from rich.progress import BarColumn, Progress, TextColumn

from read_repro.terminal.lines import console, say
from read_repro.terminal.words import duration, score_name, two_digits

REDRAW_S = 0.5
TEXT = "{task.description}"


class EpochView:
    """Shows how far a training is.

    Args:
        epochs: how many there will be at most; a training may stop early.
        steps: batches in an epoch.
        show_bar: whether a bar is wanted; without a terminal there is none in any case.
        clock: seconds.
    """

    def __init__(self, *, epochs: int, steps: int, show_bar: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.epochs, self.steps, self.epoch = epochs, steps, 1
        self.loss = self.latest = self.best = ""
        self._clock, self._started_s = clock, clock()
        self._drawn_s = self._epoch_started_s = self._started_s
        self._epoch_s: list[float] = []  # of those that this process has seen to their end
        wanted = show_bar and console().is_terminal
        self._bar = Progress(
            TextColumn(TEXT), BarColumn(bar_width=24), TextColumn("{task.fields[state]}", style="dim"),
            console=console(), auto_refresh=False, transient=True, disable=not wanted,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=steps, state="")
        self._bar.start()
        self._draw(0)

    def begin(self, epoch: int) -> None:
        """An epoch begins, counted from 1."""
        self.epoch, self._epoch_started_s = epoch, self._clock()
        self._draw(0)

    def step(self, done: int, loss: Callable[[], float]) -> None:
        """``done`` batches are over; the loss is asked for only when it is shown, because then a GPU waits."""
        if not self._bar.disable and self._clock() - self._drawn_s >= REDRAW_S:
            self.loss = f"loss {loss():.3f}"
            self._draw(done)

    def validate(self) -> None:
        """The batches of the epoch are over, and validation begins."""
        self._draw(self.steps, doing="validating")

    def end(self, metrics: Mapping[str, float], *, best: float, best_epoch: int) -> None:
        """An epoch is over: its line stays on the screen.

        Args:
            metrics: ``train/loss``, ``val/score`` and its parts.
            best: the best validation score so far, and the epoch that it is from.
        """
        self._epoch_s.append(self._clock() - self._epoch_started_s)
        self.latest = f"validation {score_name(metrics, 'val')} {two_digits(metrics['val/score'])}"
        self.best = f"best {two_digits(best)} (epoch {best_epoch})"
        left_s = (self.epochs - self.epoch) * fmean(self._epoch_s)
        left = f", at most {duration(left_s)} left" if left_s else ""
        number = f"{self.epoch:>{len(str(self.epochs))}}/{self.epochs}"
        say(
            f"epoch {number}  loss {metrics['train/loss']:.3f}  {self.latest}  {self.best}  "
            f"{duration(self._epoch_s[-1])}{left}"
        )

    def stop(self) -> None:
        """Take the bar off the screen; the lines stay."""
        self._bar.stop()

    def _left_s(self, done: int) -> float | None:
        """Seconds to the last epoch at the pace so far, None before there is a pace. Early stopping may come before."""
        if self._epoch_s:
            return fmean(self._epoch_s) * (self.epochs - self.epoch + 1 - done / self.steps)
        under_way_s = self._clock() - self._epoch_started_s
        return under_way_s / done * (self.steps * (self.epochs - self.epoch + 1) - done) if done else None

    def _draw(self, done: int, doing: str = "") -> None:
        if self._bar.disable:
            return
        self._drawn_s, left_s = self._clock(), self._left_s(done)
        left = "" if left_s is None else f"at most {duration(left_s)} left"
        state = "  ".join(text for text in (doing or self.loss, self.latest, self.best, left) if text)
        self._bar.update(self._task, completed=done, description=f"epoch {self.epoch}/{self.epochs}", state=state)
        self._bar.refresh()
