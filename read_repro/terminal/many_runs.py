"""The progress of many runs: which of how many, what each came to, and in the end all of them, best first."""

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from read_repro.records.record import Record
from read_repro.terminal.lines import console, say
from read_repro.terminal.words import ENERGY_KINDS, UNMEASURED, columns, duration, energy, first_measured, two_digits

ALIKE = 3  # so many runs that fail alike before any other ended show that the rest would, too
ROWS_SHOWN = 40  # rows of the table at the end; the tables of results/ have all


@dataclass(frozen=True)
class EndedRun:
    """A run that is over: its name, and its record or why there is none."""

    name: str
    record: Record | None
    why: str | None = None


def outcome(run: EndedRun) -> str:
    """What a run came to, in a few words."""
    if run.record is None:
        return f"failed: {run.why}" if run.why is not None else "done"
    if not run.record.finished:
        return f"diverged at step {run.record.diverged_step}"
    metrics = run.record.metrics
    time_s = metrics.get("time/train_s")
    took = "" if time_s is None else f"  {duration(time_s)}"
    return f"validation {two_digits(metrics.get('val/score'))}  test {two_digits(metrics.get('test/score'))}{took}"


def ranking(runs: Iterable[EndedRun]) -> Table:
    """The runs with scores, best validation first within a task, then those without."""
    ordered = sorted(runs, key=_order)
    names = ("run", "validation", "test", "best epoch", "time", "energy")
    return columns(names, [_row(run) for run in ordered[:ROWS_SHOWN]])


def _order(run: EndedRun) -> tuple[bool, str, float, str]:
    record = run.record
    value = record.metrics.get("val/score") if record is not None and record.finished else None
    return value is None, "" if record is None else record.task, -(value or 0.0), run.name


def _row(run: EndedRun) -> Sequence[str]:
    record = run.record
    if record is None or not record.finished:
        return (run.name, outcome(run), *[UNMEASURED] * 4)
    metrics, spent = record.metrics, first_measured(record, ENERGY_KINDS)
    time_s = metrics.get("time/train_s")
    return (
        run.name,
        two_digits(metrics.get("val/score")),
        two_digits(metrics.get("test/score")),
        f"{record.best_epoch} of {record.epochs}",
        UNMEASURED if time_s is None else duration(time_s),
        UNMEASURED if spent is None else energy(spent[0]),
    )


def fail_alike(ended: Sequence[EndedRun]) -> str | None:
    """The cause that the first ``ALIKE`` runs of a sweep share, if all of them failed of the same; numbers and paths in
    it may differ.
    """
    causes = [run.why for run in ended[:ALIKE]]
    if len(causes) < ALIKE or len({_without_particulars(why) for why in causes}) != 1:
        return None
    return causes[0]


def _without_particulars(why: str | None) -> str | None:
    return None if why is None else re.sub(r"\S*[/=]\S*|\d+", "", why)


class SweepView:
    """Shows how many runs of a sweep are over, and a line for each that this call has ended."""

    def __init__(self, total: int) -> None:
        self.ended: list[EndedRun] = []
        self.over = self._started = 0
        self._bar = Progress(
            TextColumn("{task.completed:.0f} of {task.total:.0f} runs"), BarColumn(bar_width=24),
            TextColumn("{task.description}"), TextColumn("{task.fields[left]}", style="dim"),
            console=console(), refresh_per_second=2, transient=True, disable=not console().is_terminal,
        )  # fmt: skip
        self.total, self._began_s = total, time.monotonic()
        self._task = self._bar.add_task("", total=total, left="")
        self._bar.start()

    def expect(self, total: int) -> None:
        """Say how many runs there will be in all, once that is known."""
        self.total = total
        self._bar.update(self._task, total=total)

    def starts(self, name: str) -> None:
        """A run of this call is started."""
        self._started += 1
        number = self.over - len(self.ended) + self._started
        self._bar.update(self._task, description=f"{number}/{self.total} {name}")

    def found(self) -> None:
        """Count a run that was done before."""
        self.over += 1
        self._bar.update(self._task, completed=self.over, left=self._left())

    def ends(self, run: EndedRun) -> None:
        """Count a run of this call, and say what it came to."""
        self.ended.append(run)
        self.found()
        say(f"{self.over}/{self.total}  {run.name}  {outcome(run)}")

    def _left(self) -> str:
        """The time left, judged by the runs of this call alone: what was done before tells nothing of it."""
        if not self.ended:
            return ""
        each_s = (time.monotonic() - self._began_s) / len(self.ended)
        return f"about {duration(each_s * (self.total - self.over))} left"

    def close(self) -> None:
        """Take the bar off the screen; the lines stay."""
        self._bar.stop()
