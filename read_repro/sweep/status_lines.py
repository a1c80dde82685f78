"""How far many runs are, in lines by backbone and method: what is left of a sweep, or what a results folder holds.

What runs will take is judged by like runs that have a record on this machine, and where there are none by a guess.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from read_repro.machine import cpu_model, gpu_models
from read_repro.records.costs import RunCost, cost_of, known_costs
from read_repro.records.store import RESULT, read_record
from read_repro.sweep.jobs import Job
from read_repro.sweep.status import STATES, TO_START, state, unfinished

logger = logging.getLogger(__name__)


@dataclass
class StateLine:
    """One line of a forecast or of a status: how many runs are in which state, and hours and energy of some of them.

    A forecast counts the hours and the energy of the runs that are to be started, a status those of the runs that are
    done. Of the runs whose hours count, ``guessed`` are those that no record resembles and whose operations were
    counted, and ``unknown`` those of which nobody can say what they take.
    """

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    hours: float = 0.0
    energy_kwh: float = 0.0
    known: int = 0
    guessed: int = 0
    unknown: int = 0

    def add(self, state: str, *, times: int = 1) -> None:
        """Count ``times`` runs in a state."""
        self.counts[state] += times

    def spend(self, cost: RunCost | None, *, times: int = 1, guessed: bool = False) -> None:
        """Count what ``times`` runs take; None where that is not known."""
        if cost is None:
            self.unknown += times
            return
        self.known, self.guessed = self.known + times, self.guessed + times * guessed
        self.hours += times * cost.hours
        self.energy_kwh += times * cost.energy_kwh


def forecast_lines(
    jobs: Iterable[Job],
    results: Path,
    *,
    unnamed: Mapping[tuple[Any, ...], int],
    guess: Callable[[Job], RunCost | None] = lambda _: None,
) -> dict[str, StateLine]:
    """Lines by backbone and method, in the order of ``jobs``.

    Args:
        unnamed: by `Job.cost`, how many more runs will be needed whose setting the search has yet to find.
        guess: what a run may take that resembles none with a record on this machine.
    """
    known = {key: _mean(costs) for key, costs in known_costs(results, [cpu_model(), *gpu_models()]).items()}
    guesses: dict[tuple[Any, ...], RunCost | None] = {}
    lines: dict[str, StateLine] = {}

    def spend(line: StateLine, cost: tuple[Any, ...], times: int) -> None:
        found = known.get(cost)
        line.spend(found or guesses.get(cost), times=times, guessed=found is None)

    for job in jobs:
        line, now = lines.setdefault(f"{job.cost[0]} {job.cost[2]}", StateLine()), state(job)
        line.add(now)
        if job.cost not in known and job.cost not in guesses and (now in TO_START or job.cost in unnamed):
            guesses[job.cost] = guess(job)
        if now in TO_START:
            spend(line, job.cost, 1)
    for cost, times in unnamed.items():
        line = lines.setdefault(f"{cost[0]} {cost[2]}", StateLine())
        line.add("missing", times=times)
        spend(line, cost, times)
    return lines


def _mean(costs: Sequence[RunCost]) -> RunCost:
    return RunCost(fmean(cost.hours for cost in costs), fmean(cost.energy_kwh for cost in costs))


def stored(results: Path) -> dict[str, StateLine]:
    """The same lines, of every run that has a folder among the results, with what those that are done have taken."""
    lines: dict[str, StateLine] = {}
    for folder in _folders(results / "runs"):
        backbone, _, _, method, _ = folder.relative_to(results / "runs").parts
        line = lines.setdefault(f"{backbone} {method.split(',')[0]}", StateLine())
        try:
            record = read_record(folder / RESULT)
        except ValueError as error:
            logger.warning("%s: it counts as not there", error)
            record = None
        line.add(unfinished(folder) if record is None else "done")
        if record is not None:
            line.spend(cost_of(record))
    return lines


def _folders(runs: Path) -> Iterator[Path]:
    return (path for path in sorted(runs.glob("*/*/*/*/seed=*")) if path.is_dir())


def as_text(lines: Mapping[str, StateLine], meaning: str) -> str:
    """The lines and their sum, as text; a dash where the cost is not known.

    Args:
        lines: by what they are of.
        meaning: what hours and energy are of, in words.
    """
    total = StateLine()
    for line in lines.values():
        total.counts = {name: total.counts[name] + line.counts[name] for name in STATES}
        for name in ("hours", "energy_kwh", "known", "guessed", "unknown"):
            setattr(total, name, getattr(total, name) + getattr(line, name))
    rows = [("", *STATES, "hours", "kWh"), *(_row(name, line) for name, line in [*lines.items(), ("all", total)])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    texts = [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    return "\n".join([*texts, *_notes(total, meaning)])


def _notes(total: StateLine, meaning: str) -> Iterator[str]:
    """What hours and energy are, and of how many runs they are guesses or missing."""
    yield f"hours and kWh: {meaning}"
    if total.guessed:
        yield (
            f"~ holds a guess for {total.guessed:,} runs whose like has no record on this machine: their operations at "
            "the speed of a matrix product here, for all epochs, on a busy device; right to an order of magnitude"
        )
    if total.known and total.unknown:
        yield f"they leave out {total.unknown:,} runs of which nobody can say what they take"


def _row(name: str, line: StateLine) -> tuple[str, ...]:
    counts = (f"{line.counts[state]:,}" for state in STATES)
    if line.unknown and not line.known:
        return (name, *counts, "-", "-")
    about = "~" if line.guessed else ""
    return (name, *counts, f"{about}{line.hours:,.2f}", f"{about}{line.energy_kwh:,.3f}")
