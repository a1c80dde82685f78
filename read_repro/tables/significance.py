"""READ against each baseline over the same tasks and seeds: a paired bootstrap of the difference, seeded.

Tasks are drawn with replacement, then seeds within each drawn task; the mean of the drawn tasks' means is one
resample. The interval is the middle 95% of the resamples; the share at or below zero is the one-sided p.
"""

from dataclasses import dataclass

import numpy as np

from read_repro.paper import method_name
from read_repro.tables.aggregate import MethodRows, Stat, methods_of, value_of
from read_repro.tables.load import Store, for_scores
from read_repro.tables.table import DASH, Cell, Column, Table, number, text

RESAMPLES = 10_000
SEED = 0


@dataclass(frozen=True)
class Difference:
    """READ's score minus a baseline's: mean, 95% interval, share of resamples at or below zero."""

    mean: float
    low: float
    high: float
    share_below: float
    tasks: int
    pairs: int
    runs: tuple[str, ...]


def paired_bootstrap(differences: list[list[float]], runs: tuple[str, ...] = ()) -> Difference | None:
    """The mean difference of tasks, each given as a list with one number a seed; None without any number."""
    tasks = [np.asarray(task) for task in differences if task]
    if not tasks:
        return None
    generator = np.random.default_rng(SEED)
    drawn = generator.integers(len(tasks), size=(RESAMPLES, len(tasks)))
    means = np.empty(drawn.shape)
    for index, task in enumerate(tasks):
        here = drawn == index
        means[here] = task[generator.integers(len(task), size=(int(here.sum()), len(task)))].mean(axis=1)
    resampled = means.mean(axis=1)
    low, high = np.quantile(resampled, [0.025, 0.975])
    mean = float(np.mean([task.mean() for task in tasks]))
    pairs = sum(len(task) for task in tasks)
    return Difference(mean, float(low), float(high), float((resampled <= 0).mean()), len(tasks), pairs, runs)


def compare(ours: MethodRows, baseline: MethodRows) -> Difference | None:
    """`ours` minus `baseline` on the tasks and seeds that both have."""
    differences, runs = [], []
    for task in sorted(set(ours.chosen) & set(baseline.chosen)):
        left, right = _by_seed(ours, task), _by_seed(baseline, task)
        seeds = sorted(set(left) & set(right))
        differences.append([left[seed][0] - right[seed][0] for seed in seeds])
        runs += [side[seed][1] for seed in seeds for side in (left, right)]
    return paired_bootstrap(differences, tuple(runs))


def significance_table(store: Store) -> list[Table]:
    """READ against every other method, block by block; scores alone, see `for_scores`."""
    store = for_scores(store)
    columns = tuple(Column(title) for title in ("READ against", "mean difference", "95% interval", "p (one-sided)"))
    columns += (Column("tasks", ".0f"), Column("pairs", ".0f"))
    note = f"Points of test score, READ minus the other; {RESAMPLES} resamples of tasks, then seeds; p: share <= 0."
    few = "With few tasks or seeds the interval can only be rough; a p of 0 means below 1 in the number of resamples."
    tables = []
    for block in store.blocks:
        methods = methods_of(store, block)
        rows: list[tuple[Cell, ...]] = []
        for name, baseline in methods.items():
            found = compare(methods["read"], baseline) if name != "read" else None
            if found is not None:
                mean = number(Stat(found.mean, runs=found.runs), columns[1])
                interval = text(f"{found.low:.2f} to {found.high:.2f}")
                share = number(Stat(found.share_below), Column("", ".4f"))
                counts = (text(found.tasks), text(found.pairs))
                rows.append((text(method_name(name)), mean, interval, share, *counts))
            elif name != "read":
                rows.append((text(method_name(name)), *(text(DASH) for _ in columns[1:])))
        tables.append(Table(f"Significance: {block.label}", columns, tuple(rows), (), (note, few)))
    return tables


def _by_seed(method: MethodRows, task: str) -> dict[int, tuple[float, str]]:
    rows = ((row, value_of(row.get("test/score"))) for row in method.chosen[task])
    return {row["seed"]: (value, row["run"]) for row, value in rows if value is not None}
