"""Tables 1 and 2: what each method scores and costs in our runs, with the paper's row under it."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from read_repro import paper
from read_repro.paper import LARGER, TASK_NAMES, TASKS, UNROLLED, method_name
from read_repro.tables.aggregate import MethodRows, Stat, methods_of, value_of
from read_repro.tables.blocks import PAPER_BACKBONE, Block
from read_repro.tables.device_tables import planned_row
from read_repro.tables.load import Store, for_scores
from read_repro.tables.missing import few_readings, from_the_store, missing_runs
from read_repro.tables.table import Cell, Column, Table, embolden, number, printed_cell, text

ROW = (Column("method"), Column("source"))
COLUMNS = {  # by the names that the paper's own numbers have, where it prints them
    "trainable_params_pct": Column("trainable (%)", ".3g", "min"),
    "epochs": Column("epochs", ".3g"),
    "power_kw": Column("power (kW)", ".3g", "min"),
    "energy_kwh": Column("energy (kWh)", ".3g", "min", seeds=True),
    "search_kwh": Column("search energy (kWh)", ".3g"),
    "estimated_power_kw": Column("power, CPU estimate (kW)", ".3g", "min"),
    "estimated_energy_kwh": Column("energy, CPU estimate (kWh)", ".3g", "min", seeds=True),
    "estimated_search_kwh": Column("search energy, CPU estimate (kWh)", ".3g"),
    "avg": Column("Avg.", ".2f", "max", seeds=True),
    "avg_printed": Column("Avg. as printed", ".2f", "max"),
}
ENERGY_KEYS = ("power_kw", "energy_kwh", "search_kwh")
ESTIMATED_KEYS = tuple(f"estimated_{key}" for key in ENERGY_KEYS)
SCORE = "score/"  # stands before a task's name, so that a task named like another column is not taken for it
PAPER_SOURCE = "paper: T5, GLUE, V100"
MEANING = (
    "Mean ± standard deviation over seeds (number of seeds); [k/n]: over k of the n tasks that this block has. "
    "Best in bold, among our rows that cover every task of the block, and among the paper's."
)
OVER = (
    "Averages and sums go over the tasks that have a column here; runs on other tasks than the paper's seven stand in "
    "a table of their own (`other tasks`), with its own averages and sums."
)
EPOCHS_NOTE = (
    "Epochs: as many as the runs behind the energy were trained, on average over tasks and seeds; an energy beside "
    "another's is also that of more or fewer epochs."
)
Columns = Mapping[str, Column]  # by the key of what a column shows


def table_1(store: Store) -> list[Table]:
    """One table a block, with every column of the paper's Table 1 and the majority class in its last row."""
    return [_table_1(store, block) for block in store.blocks]


def _table_1(store: Store, block: Block) -> Table:
    costs = ("trainable_params_pct", "epochs", *ENERGY_KEYS, *(ESTIMATED_KEYS if block.device == "CPU" else ()))
    columns = {key: COLUMNS[key] for key in costs} | _score_columns(store, block)
    methods = list(methods_of(store, block).values())
    if block.backbone in LARGER:
        methods.append(methods_of(store, block._replace(backbone=LARGER[block.backbone]))["read"])
    rows, numbered = _beside(store, methods, {} if block.other_tasks else paper.table1(), columns)
    rows.append(_majority(store, block, columns))
    notes = tuple(filter(None, (*_notes(block), from_the_store(methods), few_readings(methods))))
    return Table(f"Table 1: {block.label}", (*ROW, *columns.values()), tuple(rows), numbered, notes)


def table_2(store: Store) -> list[Table]:
    """One table a block: READ with recurrence and without it; scores alone, see `for_scores`."""
    store = for_scores(store)
    note = "The paper's 6.4% for READ-large without recurrence is 0.32 x 20; built as described it comes to 7.77%."
    tables = []
    for block in store.blocks:
        columns = _score_columns(store, block) | {"trainable_params_pct": COLUMNS["trainable_params_pct"]}
        methods = [method for backbone in _family(block.backbone) for method in _pair(store, block, backbone)]
        rows, numbered = _beside(store, methods, {} if block.other_tasks else paper.table2(), columns)
        notes = (MEANING, OVER) if block.other_tasks else (MEANING, OVER, note)
        tables.append(Table(f"Table 2: {block.label}", (*ROW, *columns.values()), tuple(rows), numbered, notes))
    return tables


def _score_columns(store: Store, block: Block) -> dict[str, Column]:
    """A column for each of the paper's seven tasks, in a block of other tasks for each of those, and their average."""
    tasks = methods_of(store, block)["read"].tasks if block.other_tasks else TASKS
    columns = {f"{SCORE}{task}": Column(TASK_NAMES.get(task, task), ".2f", "max", seeds=True) for task in tasks}
    averages = ("avg",) if block.other_tasks else ("avg", "avg_printed")
    return columns | {key: COLUMNS[key] for key in averages}


def _family(backbone: str) -> list[str]:
    return [backbone, LARGER[backbone]] if backbone in LARGER else [backbone]


def _pair(store: Store, block: Block, backbone: str) -> list[MethodRows]:
    """READ on a backbone with and without recurrence, the second present even when it has no run."""
    block = block._replace(backbone=backbone)
    found = methods_of(store, block)
    read = found["read"]
    return [read, found.get(UNROLLED, MethodRows(block, UNROLLED, {}, {}, read.tasks, read.hardware))]


def _beside(
    store: Store, methods: Sequence[MethodRows], printed: paper.Numbers, columns: Columns
) -> tuple[list[tuple[Cell, ...]], tuple[str, ...]]:
    """Our rows with the paper's row of each method under it, and the footnotes of what is missing.

    The paper's row is that of the same backbone, or of T5-base; its rows without one of ours come last.
    """
    every = (*ROW, *columns.values())
    own, numbered = [], []
    for method in methods:
        note = missing_runs(method)
        numbered += [note] if note else []
        own.append(_our_row(store, method, columns, len(numbered) if note else None))
    theirs = [_paper_row(backbone, variant, numbers, columns) for (backbone, variant), numbers in printed.items()]
    left = dict(zip(printed, embolden(theirs, every), strict=True))
    rows = []
    for method, row in zip(methods, embolden(own, every), strict=True):
        key = (method.block.backbone, method.variant)
        beside = left.pop(key if key in left else (PAPER_BACKBONE, method.variant), None)
        rows += [row] if beside is None else [row, beside]
    return [*rows, *left.values()], tuple(numbered)


def _our_row(store: Store, method: MethodRows, columns: Columns, mark: int | None) -> tuple[Cell, ...]:
    stats = {"trainable_params_pct": trainable_percent(store, method), "avg": method.average()}
    stats["epochs"] = method.mean_cost("epochs")
    for (power, energy, search), kind in ((ENERGY_KEYS, "eq4"), (ESTIMATED_KEYS, "cpu_estimate")):
        metric = f"sum/energy/{kind}_kwh"
        stats |= {power: method.power(metric), energy: method.total(metric), search: method.searched(metric)}
    stats |= {key: method.score(key.removeprefix(SCORE)) for key in columns if key.startswith(SCORE)}
    unfillable = {"avg_printed", *(ENERGY_KEYS if method.block.device == "CPU" else ())}
    cells = []
    for key, column in columns.items():
        stat = stats.get(key, Stat())
        unfinished = key not in unfillable and (stat.mean is None or not stat.whole)
        cells.append(number(stat, column, mark if unfinished else None))
    return (text(method_name(method.variant, method.block.backbone)), text("ours"), *cells)


def _paper_row(backbone: str, variant: str, numbers: Mapping[str, float], columns: Columns) -> tuple[Cell, ...]:
    cells = [printed_cell(numbers.get(key.removeprefix(SCORE)), column) for key, column in columns.items()]
    return (text(method_name(variant, backbone)), text(PAPER_SOURCE), *cells)


def trainable_percent(store: Store, method: MethodRows) -> Stat:
    """The trainable parameters in percent: from the runs (on T5 as the paper counts), or else from the planner."""
    for metric in ("params/percent_paper", "params/percent"):
        if (stat := method.values(metric)).mean is not None:
            return stat
    row: dict[str, Any] = planned_row(store, method.block.backbone, method.variant) or {}
    percent = value_of(row.get("params/percent_paper"))
    return Stat() if percent is None else Stat(percent, runs=(row["run"],))


def _majority(store: Store, block: Block, columns: Columns) -> tuple[Cell, ...]:
    """What the commonest class of the training set (for a regression its mean) scores on the test set."""
    found: dict[str, float] = {}
    for row in store.run_rows:
        if row["block"] == block and (value := value_of(row.get("test/majority"))) is not None:
            found.setdefault(f"{SCORE}{row['task']}", value)
    stats = {key: Stat(value) for key, value in found.items()}
    if found:
        tasks = methods_of(store, block)["read"].tasks
        stats["avg"] = Stat(fmean(found.values()), parts=(len(found), len(tasks)))
    cells = [number(stats.get(key, Stat()), column) for key, column in columns.items()]
    return (text("Majority class"), text("data"), *cells)


def _notes(block: Block) -> tuple[str, ...]:
    notes = [
        MEANING,
        OVER,
        "Energy: Eq. (4), summed over tasks of the mean over seeds of the final runs, to their early stop. Power: that "
        "over the same runs' hours. Search energy: every run of the search, the chosen one's among them. All of them "
        "count what came before training (LST's pruning, the store's frozen states; these once in a search). The costs "
        "show it apart.",
        EPOCHS_NOTE,
        "Trainable (%): on T5 of the count with lm_head apart from the embedding; without a run, the planner's count.",
    ]
    if not block.other_tasks:
        notes.append("Avg. of the paper's rows is the mean of its seven columns; what it printed stands beside it.")
    if block.device == "CPU":
        notes.append(
            "Power and energy by Eq. (4) come from a GPU's utilisation: only runs on a GPU fill those columns."
        )
        notes.append("CPU estimate: process CPU time times an assumed power per core, not a measurement.")
    if not (block.of_paper or block.other_tasks):
        notes.append("Not the paper's setting: its rows stand here for orientation, not for comparison.")
    return tuple(notes)
