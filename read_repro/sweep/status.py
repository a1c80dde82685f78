"""How far the runs of a sweep are, and what those that are left will take, judged by like runs that have a record.

A run is done if it has a valid record, and running if a process holds the lock of its folder; nothing else counts.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

from filelock import FileLock, Timeout

from read_repro.records.fingerprint import flatten
from read_repro.records.record import Metrics, PlannedRecord, Record
from read_repro.records.store import RESULT, another_run, read_as, read_record, records
from read_repro.sweep.jobs import Job
from read_repro.sweep.wanted import differences
from read_repro.units import SECONDS_PER_HOUR

logger = logging.getLogger(__name__)
STATES = ("done", "running", "failed", "missing")
TO_START = ("failed", "missing")  # the states of runs that a sweep would start
ENERGIES = ("energy/eq4_kwh", "energy/cpu_estimate_kwh")  # Eq. (4), or without a GPU what stands in its place
SHOWN_OF_CAUSE = 160  # so many characters of what ended a run are shown; the whole of it is in the run's folder


def record_of(job: Job) -> Record | PlannedRecord | None:
    """The job's record, if there is a valid one and it is this very run's."""
    record = _found(job)
    return None if _strange(record, job) else record


def refusal(job: Job) -> str | None:
    """Why the record in a job's place is another run's; None if it is the job's, or if there is none.

    The run itself would refuse it in the same words, so that a sweep need not start it.
    """
    found = _strange(_found(job), job)
    return str(another_run(job.record, found)) if found else None


def _strange(record: Record | PlannedRecord | None, job: Job) -> list[str]:
    return differences(record, job.config) if isinstance(record, Record) and job.config is not None else []


def _found(job: Job) -> Record | PlannedRecord | None:
    """What can be read in a job's place; a file is read once, as long as it stays the same."""
    try:
        status = job.record.stat()
        return _read(Record if job.trains else PlannedRecord, job.record, (status.st_ino, status.st_mtime_ns))
    except (OSError, ValueError):
        return None


@cache
def _read(
    kind: type[Record] | type[PlannedRecord], path: Path, written: tuple[int, int]
) -> Record | PlannedRecord | None:
    """The record that a path holds since a moment."""
    return read_as(kind, path)


def state(job: Job) -> str:
    """One of ``STATES``; a run in whose place another run's record stands would fail, and counts as failed."""
    if record_of(job) is not None:
        return "done"
    return "failed" if refusal(job) is not None else unfinished(job.record.parent if job.trains else None)


def unfinished(folder: Path | None) -> str:
    """The state of a run without a valid record. One that a signal ended counts as missing, not as failed."""
    if folder is None or not folder.exists():
        return "missing"
    return "running" if locked(folder) else "missing" if cause(folder) is None else "failed"


def locked(folder: Path) -> bool:
    """Whether a process holds the lock of a run's folder."""
    if not folder.exists():
        return False
    try:
        with FileLock(folder / ".lock", timeout=0):
            return False
    except Timeout:
        return True


def cause(folder: Path, *, since_s: float = 0.0) -> str | None:
    """What ended a failed run: the last unindented line of its ``error.txt``, if that was written after ``since_s``."""
    path = folder / "error.txt"
    try:
        if path.stat().st_mtime < since_s:
            return None
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return None
    last = next((line for line in reversed(lines) if line.strip() and not line[0].isspace()), "")
    return (
        None
        if last.startswith(("KeyboardInterrupt", "SystemExit", "read_repro.errors.Stopped"))
        else last[:SHOWN_OF_CAUSE]
    )


@dataclass
class StateLine:
    """One line of a forecast: how many runs are in which state, and what those that are to be started will take.

    ``unknown`` counts those of them that resemble no run with a record, so that nobody can say what they take.
    """

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    hours: float = 0.0
    energy_kwh: float = 0.0
    unknown: int = 0

    @property
    def left(self) -> int:
        """Runs that a sweep would start."""
        return sum(self.counts[state] for state in TO_START)

    def add(self, state: str, cost: tuple[float, float] | None, *, times: int = 1) -> None:
        """Count ``times`` runs in a state; those that are to be started add their cost in hours and kWh, if known."""
        self.counts[state] += times
        if state not in TO_START:
            return
        if cost is None:
            self.unknown += times
        else:
            hours, energy_kwh = cost
            self.hours += times * hours
            self.energy_kwh += times * energy_kwh


def mean_costs(results: Path) -> dict[tuple[Any, ...], tuple[float, float]]:
    """The mean hours and kWh of the training runs that have a record, by `Job.cost`."""
    found: dict[tuple[Any, ...], list[tuple[float, float]]] = {}
    for _, record in records(results):
        if isinstance(record, Record) and (measured := _measured(record.metrics)) is not None:
            found.setdefault(_cost_key(record), []).append(measured)
    return {key: (fmean(hours for hours, _ in each), fmean(kwh for _, kwh in each)) for key, each in found.items()}


def _measured(metrics: Metrics) -> tuple[float, float] | None:
    time_s = metrics.get("time/train_s")
    energy_kwh = next((value for key in ENERGIES if (value := metrics.get(key)) is not None), None)
    return None if time_s is None or energy_kwh is None else (time_s / SECONDS_PER_HOUR, energy_kwh)


def _cost_key(record: Record) -> tuple[Any, ...]:
    epochs = flatten(record.config).get("trainer.max_epochs")
    return (record.backbone, record.data, record.method, record.task, record.data_info.train_limit, epochs)


def forecast_lines(
    jobs: Iterable[Job], results: Path, *, unnamed: Mapping[tuple[Any, ...], int]
) -> dict[str, StateLine]:
    """Lines by backbone and method, in the order of ``jobs``.

    Args:
        unnamed: by `Job.cost`, how many more runs will be needed whose setting the search has yet to find.
    """
    known = mean_costs(results)
    lines: dict[str, StateLine] = {}
    for job in jobs:
        lines.setdefault(f"{job.cost[0]} {job.cost[2]}", StateLine()).add(state(job), known.get(job.cost))
    for cost, times in unnamed.items():
        lines.setdefault(f"{cost[0]} {cost[2]}", StateLine()).add("missing", known.get(cost), times=times)
    return lines


def stored(results: Path) -> dict[str, StateLine]:
    """The same lines, of every run that has a folder among the results; what is left of them is not estimated."""
    lines: dict[str, StateLine] = {}
    for folder in _folders(results / "runs"):
        backbone, _, _, method, _ = folder.relative_to(results / "runs").parts
        try:
            now = "done" if read_record(folder / RESULT) is not None else unfinished(folder)
        except ValueError as error:
            logger.warning("%s: it counts as not there", error)
            now = unfinished(folder)
        lines.setdefault(f"{backbone} {method.split(',')[0]}", StateLine()).add(now, None)
    return lines


def _folders(runs: Path) -> Iterator[Path]:
    return (path for path in sorted(runs.glob("*/*/*/*/seed=*")) if path.is_dir())


def as_text(lines: Mapping[str, StateLine]) -> str:
    """The lines and their sum, as text; a dash where no record tells the cost."""
    total = StateLine()
    for line in lines.values():
        total.counts = {name: total.counts[name] + line.counts[name] for name in STATES}
        total.hours, total.energy_kwh = total.hours + line.hours, total.energy_kwh + line.energy_kwh
        total.unknown += line.unknown
    rows = [("", *STATES, "hours", "kWh"), *(_row(name, line) for name, line in [*lines.items(), ("all", total)])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    texts = [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    if 0 < total.unknown < total.left:
        texts.append(f"hours and kWh leave out {total.unknown:,} runs whose like has not been made yet")
    return "\n".join(texts)


def _row(name: str, line: StateLine) -> tuple[str, ...]:
    known = line.left == 0 or line.unknown < line.left
    spent = (f"{line.hours:.2f}", f"{line.energy_kwh:.3f}") if known else ("-", "-")
    return (name, *(f"{line.counts[state]:,}" for state in STATES), *spent)
