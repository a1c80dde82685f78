"""What the chosen runs cost, method by method: time, energy, epochs and memory, on one hardware a table."""

from typing import NamedTuple

from read_repro.paper import method_name
from read_repro.tables.aggregate import MethodRows, hardware_names, methods_of
from read_repro.tables.blocks import Block
from read_repro.tables.load import Store
from read_repro.tables.missing import few_readings, from_the_store, missing_runs
from read_repro.tables.score_tables import EPOCHS_NOTE
from read_repro.tables.table import Cell, Column, Table, embolden, number, text

COST_NOTES = (
    "Times and energies: sums over tasks of means over seeds; the others: means over both. One hardware only.",
    "Before training: LST's pruning, and computing the frozen states that a run reads from the store, whoever computed "
    "them; a dash where there is neither. Both: the sum, which Table 1, the claims and the figures use.",
    EPOCHS_NOTE,
)
CPU_NOTE = "Inference memory is not measured on a CPU: in a process that has trained, freed memory hides it."


class Cost(NamedTuple):
    """A column of the costs: the metric it shows, and whether that is summed over tasks or averaged."""

    metric: str
    column: Column
    summed: bool = False


def costs(store: Store) -> list[Table]:
    """Time, energy, epochs and memory of the chosen runs: a table a block and hardware, none mixes two."""
    return [_costs(store, block, name) for block in store.blocks for name in hardware_names(store, block) or [""]]


def _costs(store: Store, block: Block, hardware: str) -> Table:
    shown = _shown(block)
    columns = (Column("method"), *(cost.column for cost in shown))
    rows, numbered = [], []
    methods = methods_of(store, block, hardware or None)
    for method in methods.values():
        note = missing_runs(method)
        numbered += [note] if note else []
        mark = len(numbered) if note else None
        rows.append((text(method_name(method.variant)), *(_cell(method, cost, mark) for cost in shown)))
    title = f"Costs: {block.label}" + (f" ({hardware})" if hardware else "")
    of_methods = from_the_store(methods.values()), few_readings(methods.values())
    notes = (*COST_NOTES, CPU_NOTE if block.device == "CPU" else "", *of_methods)
    return Table(title, columns, tuple(embolden(rows, columns)), tuple(numbered), tuple(filter(None, notes)))


def _shown(block: Block) -> list[Cost]:
    metric, kind = block.energy
    energy = metric.removeprefix("sum/")
    return [
        Cost("train_h", Column("training (h)", ".3g", seeds=True), summed=True),
        Cost("before_h", Column("before training (h)", ".3g"), summed=True),
        Cost("sum_h", Column("both (h)", ".3g", "min", seeds=True), summed=True),
        Cost(energy, Column(f"training, {kind} (kWh)", ".3g", seeds=True), summed=True),
        Cost(f"before/{energy}", Column(f"before training, {kind} (kWh)", ".3g"), summed=True),
        Cost(metric, Column(f"both, {kind} (kWh)", ".3g", "min", seeds=True), summed=True),
        Cost("to_best_kwh", Column(f"energy to 99% of the best, {kind} (kWh)", ".3g", "min", seeds=True), summed=True),
        Cost("epochs", Column("epochs trained", ".3g")),
        Cost("best_epoch", Column("epochs to the best", ".1f", "min", seeds=True)),
        Cost("time/examples_per_s", Column("examples a second", ".3g", "max", seeds=True)),
        Cost("latency_ms", Column("inference (ms an example)", ".3g", "min", seeds=True)),
        *(_on_cpu() if block.device == "CPU" else _on_gpu()),
    ]


def _on_cpu() -> list[Cost]:
    return [
        Cost("memory/train_resident_gib", Column("peak training memory, resident (GiB)", ".3g", "min")),
        Cost("memory/saved_gib", Column("saved for backward (GiB)", ".3g", "min")),
    ]


def _on_gpu() -> list[Cost]:
    return [
        Cost("memory/train_peak_gib", Column("peak training memory (GiB)", ".3g", "min")),
        Cost("memory/saved_gib", Column("saved for backward (GiB)", ".3g", "min")),
        Cost("memory/inference_gib", Column("inference memory (GiB)", ".3g", "min")),
        Cost("sum/energy/counter_kwh", Column("both, hardware counter (kWh)", ".3g", "min"), summed=True),
    ]


def _cell(method: MethodRows, cost: Cost, mark: int | None) -> Cell:
    stat = method.total(cost.metric) if cost.summed else method.mean_cost(cost.metric)
    nothing = (
        cost.metric.startswith("before") and stat.mean is None
    )  # most methods have nothing here, so none is missing
    return number(stat, cost.column, None if stat.whole or nothing else mark)
