"""Tables 1 and 2, ours beside the paper's: what a method scores and what it costs."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from read_repro import paper
from read_repro.paper import LARGER, TASK_NAMES, TASKS, UNROLLED, method_name
from read_repro.tables.aggregate import MethodRows, Stat, methods_of, value_of
from read_repro.tables.blocks import Block
from read_repro.tables.device_tables import planned_row
from read_repro.tables.load import Store
from read_repro.tables.missing import missing_runs
from read_repro.tables.table import Cell, Column, Table, embolden, number, printed_cell, text

ROW = (Column("method"), Column("source"))
PARAMETERS = Column("trainable (%)", ".3g", "min")
POWER = Column("power (kW)", ".3g", "min")
ENERGY = Column("energy (kWh)", ".3g", "min", seeds=True)
SEARCH = Column("search energy (kWh)", ".3g")
ESTIMATED = (
    Column("power, CPU estimate (kW)", ".3g", "min"),
    Column("energy, CPU estimate (kWh)", ".3g", "min", seeds=True),
    Column("search energy, CPU estimate (kWh)", ".3g"),
)
SCORES = tuple(Column(TASK_NAMES[task], ".2f", "max", seeds=True) for task in TASKS)
AVERAGE = Column("Avg.", ".2f", "max", seeds=True)
PRINTED = Column("Avg. as printed", ".2f", "max")
PAPER_SOURCE = "paper: T5, GLUE, V100"
MEANING = (
    "Mean ± standard deviation over seeds (number of seeds); [k/n]: over k of the n tasks that this block has. "
    "Best in bold, among our rows that cover every task of the block, and among the paper's."
)


def table_1(store: Store) -> list[Table]:
    """One table a block: every column of the paper's Table 1, the paper's row under ours, the majority class last."""
    return [_table_1(store, block) for block in store.blocks]


def _table_1(store: Store, block: Block) -> Table:
    estimated = ESTIMATED if block.device == "CPU" else ()
    columns = (*ROW, PARAMETERS, POWER, ENERGY, SEARCH, *estimated, *SCORES, AVERAGE, PRINTED)
    methods = list(methods_of(store, block).values())
    if block.backbone in LARGER:
        methods.append(methods_of(store, block._replace(backbone=LARGER[block.backbone]))["read"])
    rows, numbered = _beside(store, methods, paper.table1(), columns)
    rows.append(_majority(store, block, columns))
    return Table(f"Table 1: {block.label}", columns, tuple(rows), numbered, _notes(block))


def table_2(store: Store) -> list[Table]:
    """READ with and without recurrence, one table a block."""
    columns = (*ROW, *SCORES, AVERAGE, PRINTED, PARAMETERS)
    note = "The paper's 6.4% for READ-large without recurrence is 0.32 x 20; built as described it comes to 7.77%."
    tables = []
    for block in store.blocks:
        methods = [method for backbone in _family(block.backbone) for method in _pair(store, block, backbone)]
        rows, numbered = _beside(store, methods, paper.table2(), columns)
        tables.append(Table(f"Table 2: {block.label}", columns, tuple(rows), numbered, (MEANING, note)))
    return tables


def _family(backbone: str) -> list[str]:
    return [backbone, LARGER[backbone]] if backbone in LARGER else [backbone]


def _pair(store: Store, block: Block, backbone: str) -> list[MethodRows]:
    """READ on a backbone with and without recurrence, the second present even when it has no run."""
    block = block._replace(backbone=backbone)
    found = methods_of(store, block)
    read = found["read"]
    return [read, found.get(UNROLLED, MethodRows(block, UNROLLED, {}, {}, read.tasks, read.hardware))]


def _beside(
    store: Store, methods: Sequence[MethodRows], printed: paper.Numbers, columns: Sequence[Column]
) -> tuple[list[tuple[Cell, ...]], tuple[str, ...]]:
    """Our rows with the paper's row of each method under it, and the footnotes of what is missing."""
    rows, numbered = [], []
    for method in methods:
        note = missing_runs(method)
        numbered += [note] if note else []
        cells = _ours(store, method, columns[2:], len(numbered) if note else None)
        rows.append((text(method_name(method.variant, method.block.backbone)), text("ours"), *cells))
    theirs = [
        (text(method_name(variant, backbone)), text(PAPER_SOURCE), *_printed(numbers, columns[2:]))
        for (backbone, variant), numbers in printed.items()
    ]
    left = {row[0].text: row for row in embolden(theirs, columns)}
    pairs = [row for own in embolden(rows, columns) for row in (own, left.pop(own[0].text, None)) if row is not None]
    return [*pairs, *left.values()], tuple(numbered)


def _ours(store: Store, method: MethodRows, columns: Sequence[Column], mark: int | None) -> list[Cell]:
    stats = {PARAMETERS: trainable_percent(store, method), AVERAGE: method.average()}
    for (power, energy, search), key in (((POWER, ENERGY, SEARCH), "eq4"), (ESTIMATED, "cpu_estimate")):
        metric = f"sum/energy/{key}_kwh"
        stats |= {power: method.power(metric), energy: method.total(metric), search: method.searched(metric)}
    stats |= {column: method.score(task) for column, task in zip(SCORES, TASKS, strict=True)}
    cells, unfillable = [], (PRINTED, POWER, ENERGY, SEARCH) if method.block.device == "CPU" else (PRINTED,)
    for column in columns:
        stat = stats.get(column, Stat())
        unfinished = column not in unfillable and (stat.mean is None or not stat.whole)
        cells.append(number(stat, column, mark if unfinished else None))
    return cells


def _printed(numbers: dict[str, float], columns: Sequence[Column]) -> list[Cell]:
    keys = {PARAMETERS: "trainable_params_pct", POWER: "power_kw", ENERGY: "energy_kwh", AVERAGE: "avg"}
    keys |= {PRINTED: "avg_printed"} | dict(zip(SCORES, TASKS, strict=True))
    return [printed_cell(numbers.get(keys.get(column, "")), column) for column in columns]


def trainable_percent(store: Store, method: MethodRows) -> Stat:
    """Trainable percent: the runs' (on T5 as the paper counts), else the planner's count over the paper's."""
    for metric in ("params/percent_paper", "params/percent"):
        if (stat := method.values(metric)).mean is not None:
            return stat
    row: dict[str, Any] = planned_row(store, method.block.backbone, method.variant) or {}
    percent = value_of(row.get("params/percent_paper"))
    return Stat() if percent is None else Stat(percent, runs=(row["run"],))


def _majority(store: Store, block: Block, columns: Sequence[Column]) -> tuple[Cell, ...]:
    """What the majority class (for a regression the training mean) scores on the test set: no method, only data."""
    found: dict[str, list[float]] = {}
    for row in store.run_rows:
        if row["block"] == block and (value := value_of(row.get("test/majority"))) is not None:
            found.setdefault(row["task"], []).append(value)
    stats = {c: Stat(found[task][0]) for c, task in zip(SCORES, TASKS, strict=True) if task in found}
    if found:
        tasks = methods_of(store, block)["read"].tasks
        stats[AVERAGE] = Stat(fmean(values[0] for values in found.values()), parts=(len(found), len(tasks)))
    cells = [number(stats.get(column, Stat()), column) for column in columns[2:]]
    return (text("Majority class"), text("data"), *cells)


def _notes(block: Block) -> tuple[str, ...]:
    notes = [
        MEANING,
        "Energy: Eq. (4), summed over tasks of the mean over seeds of the final runs, to their early stop. Power: that "
        "over the same runs' hours. Search energy: every run of the search, the chosen one's among them. All of them "
        "count the initialisation before training (LST's pruning) too; the costs show both apart.",
        "Avg. is the mean of the columns shown; the paper's own is printed beside it. Trainable (%): on T5 of the "
        "count with lm_head apart from the embedding; where no run is, the planner's count.",
    ]
    if block.device == "CPU":
        notes.append(
            "Power and energy by Eq. (4) come from a GPU's utilisation: only runs on a GPU fill those columns."
        )
        notes.append("CPU estimate: process CPU time times an assumed power per core, not a measurement.")
    if not block.of_paper:
        notes.append("Not the paper's setting: its rows stand here for orientation, not for comparison.")
    return tuple(notes)
