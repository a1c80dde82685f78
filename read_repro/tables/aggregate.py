"""Means over seeds and tasks of the runs that validation chose; nothing here knows how a table looks.

Scores may be averaged over machines of one kind; times, energies and memory only within one hardware.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from read_repro.paper import METHODS, TASKS
from read_repro.tables.blocks import Block
from read_repro.tables.load import Store
from read_repro.units import SECONDS_PER_HOUR

RunRow = dict[str, Any]


@dataclass(frozen=True)
class Stat:
    """A mean with its standard deviation over seeds, the number of seeds, and the runs it came from.

    A mean or a sum over tasks also says in `parts` how many tasks it covers, of how many that its block has.
    """

    mean: float | None = None
    sd: float | None = None
    n: int = 0
    runs: tuple[str, ...] = ()
    parts: tuple[int, int] | None = None

    @property
    def whole(self) -> bool:
        """Whether there is a number, and it covers every task that any method of its block was run on."""
        return self.mean is not None and (self.parts is None or self.parts[0] == self.parts[1])


def value_of(value: Any) -> float | None:
    """A cell of a frame as a number, None where it is empty."""
    return None if value is None or (isinstance(value, float) and math.isnan(value)) else float(value)


def over_seeds(rows: Iterable[RunRow], metric: str) -> Stat:
    """Mean and standard deviation of a metric over runs that have it."""
    found = [(value, row["run"]) for row in rows if (value := value_of(row.get(metric))) is not None]
    if not found:
        return Stat()
    values = [value for value, _ in found]
    return Stat(fmean(values), stdev(values) if len(values) > 1 else None, len(values), tuple(r for _, r in found))


@dataclass(frozen=True)
class MethodRows:
    """One row of a block: a method's chosen runs and the runs of its search, by task.

    Args:
        tasks: the tasks that any method of the block has.
        hardware: the hardware whose times, energies and memory count.
    """

    block: Block
    variant: str
    chosen: dict[str, list[RunRow]]
    search: dict[str, list[RunRow]]
    tasks: tuple[str, ...]
    hardware: str

    def score(self, task: str, metric: str = "test/score") -> Stat:
        """A task's score over seeds."""
        return over_seeds(self.chosen.get(task, []), metric)

    def average(self, metric: str = "test/score") -> Stat:
        """The mean over the tasks that this method was run on."""
        return self._over_tasks(lambda task: self.chosen.get(task, []), metric, fmean)

    def cost(self, task: str, metric: str) -> Stat:
        """A time, an energy or a memory of one task over seeds, on one hardware."""
        return over_seeds(self._here(self.chosen.get(task, [])), metric)

    def total(self, metric: str) -> Stat:
        """The sum over tasks of the mean over seeds, on one hardware."""
        return self._over_tasks(lambda task: self._here(self.chosen.get(task, [])), metric, math.fsum)

    def mean_cost(self, metric: str) -> Stat:
        """The mean over tasks of the mean over seeds, on one hardware."""
        return self._over_tasks(lambda task: self._here(self.chosen.get(task, [])), metric, fmean)

    def searched(self, energy: str) -> Stat:
        """The sum of `sum/energy/...` over every run of the search, the chosen one included.

        Filling the store of frozen states counts once a task. No number if any run was not measured on this hardware.
        """
        rows = [row for task in sorted(self.search) for row in self.search[task]]
        values = [value_of(row.get(energy)) for row in self._here(rows)]
        known = [value for value in values if value is not None]
        if not rows or len(known) < len(rows):
            return Stat()
        again = [self._paid_again(self.search[task], energy.replace("sum/", "once/", 1)) for task in self.search]
        parts = (len(self.search), len(self.tasks))
        return Stat(math.fsum(known) - math.fsum(again), None, 1, tuple(row["run"] for row in rows), parts)

    def _paid_again(self, rows: list[RunRow], metric: str) -> float:
        """How much more than once the runs of one task count what they share."""
        shared = [value for row in rows if (value := value_of(row.get(metric))) is not None]
        return math.fsum(shared) - max(shared, default=0.0)

    def power(self, energy: str) -> Stat:
        """A summed energy (`sum/energy/...`) over the summed hours of the same runs (kW)."""
        total, time = self.total(energy), self.total("sum/time/train_s")
        if total.mean is None or not time.mean or total.runs != time.runs:
            return Stat()
        return Stat(total.mean / (time.mean / SECONDS_PER_HOUR), None, total.n, total.runs, total.parts)

    def values(self, metric: str) -> Stat:
        """The mean over all chosen runs of what belongs to the method itself, such as its number of parameters."""
        stat = over_seeds([row for task in self.tasks for row in self.chosen.get(task, [])], metric)
        return Stat(stat.mean, None, stat.n, stat.runs)

    def _here(self, rows: Iterable[RunRow]) -> list[RunRow]:
        return [row for row in rows if row["hardware"] == self.hardware]

    def _over_tasks(
        self, rows: Callable[[str], list[RunRow]], metric: str, join: Callable[[list[float]], float]
    ) -> Stat:
        stats = {task: stat for task in self.tasks if (stat := over_seeds(rows(task), metric)).mean is not None}
        if not stats:
            return Stat()
        by_seed: dict[int, list[float]] = {}
        for task in stats:
            for row in rows(task):
                if (value := value_of(row.get(metric))) is not None:
                    by_seed.setdefault(row["seed"], []).append(value)
        joined = [join(values) for _, values in sorted(by_seed.items()) if len(values) == len(stats)]
        means = [stat.mean for stat in stats.values() if stat.mean is not None]
        runs = tuple(run for stat in stats.values() for run in stat.runs)
        seeds = min(stat.n for stat in stats.values())
        sd = stdev(joined) if len(joined) > 1 else None
        return Stat(join(means), sd, seeds, runs, (len(stats), len(self.tasks)))


def methods_of(store: Store, block: Block, hardware: str | None = None) -> dict[str, MethodRows]:
    """The methods of a block, the paper's first and in its order, present even when they have no run."""
    rows = [row for row in store.run_rows if row["block"] == block]
    tasks = tuple(sorted({row["task"] for row in rows}, key=task_order))
    found = sorted({row["variant"] for row in rows} - set(METHODS))
    here = hardware or main_hardware(rows)
    return {name: _method(block, name, rows, tasks, here) for name in (*METHODS, *found)}


def hardware_names(store: Store, block: Block) -> list[str]:
    """Every hardware of a block's chosen runs, by name."""
    return sorted({row["hardware"] for row in store.run_rows if row["block"] == block and row["chosen"]})


def main_hardware(rows: list[RunRow]) -> str:
    """The hardware of most chosen runs; the block's times, energies and memory are those of this one."""
    counts = Counter(row["hardware"] for row in rows if row["chosen"])
    return min(counts, key=lambda name: (-counts[name], name)) if counts else ""


def task_order(task: str) -> tuple[int, str]:
    """A key that sorts the paper's tasks in its order, and all others after them by name."""
    return (TASKS.index(task) if task in TASKS else len(TASKS), task)


def _method(block: Block, name: str, rows: list[RunRow], tasks: tuple[str, ...], hardware: str) -> MethodRows:
    own = [row for row in rows if row["variant"] == name]
    chosen = {t: sorted((r for r in own if r["task"] == t and r["chosen"]), key=lambda r: r["seed"]) for t in tasks}
    search = {t: [r for r in own if r["task"] == t and r["search"]] for t in tasks}
    keep = {task: found for task, found in chosen.items() if found}
    return MethodRows(block, name, keep, {task: found for task, found in search.items() if found}, tasks, hardware)
