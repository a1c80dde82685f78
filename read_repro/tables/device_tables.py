"""Tables that need no trained weights: memory as the planner counts it, and steps measured on a GPU (Table 3 too)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from read_repro import paper
from read_repro.paper import BACKBONES, METHODS, method_name
from read_repro.tables.aggregate import Stat, value_of
from read_repro.tables.load import Store
from read_repro.tables.table import Cell, Column, Table, number, text
from read_repro.units import SECONDS_PER_HOUR

WARNING = "GPU rows are one run each on random weights of the backbone's shape."
GPU_COLUMNS = {
    "time/step_s": Column("step (s)", ".3g"),
    "memory/train_peak_gib": Column("peak training memory (GiB)", ".2f"),
    "energy/eq4_power_kw": Column("power, Eq. (4) (kW)", ".3f"),
    "energy/counter_power_kw": Column("power, counter (kW)", ".3f"),
    "eq4_per_kilostep_kwh": Column("energy a 1,000 steps, Eq. (4) (kWh)", ".3g"),
    "counter_per_kilostep_kwh": Column("energy a 1,000 steps, counter (kWh)", ".3g"),
    "time/latency_s": Column("inference (s an example)", ".3g"),
    "memory/inference_gib": Column("inference memory (GiB)", ".3f"),
}


def planned_row(store: Store, backbone: str, variant: str, phase: str | None = None) -> dict[str, Any] | None:
    """The planner's record of a method; of several, the one that changes fewest options of the method's file."""
    rows = [row for row in store.planned_rows if (row["backbone"], row["variant"]) == (backbone, variant)]
    rows = [row for row in rows if phase in (None, row["phase"])]
    return min(rows, key=lambda r: (r["setting"].count("="), r["setting"], r["run"]), default=None)


def reference_row(store: Store, gpu: str, backbone: str, variant: str) -> dict[str, Any] | None:
    """The GPU reference record of a method, None if it was not measured."""
    rows = [r for r in store.reference_rows if (r["device"], r["backbone"], r["variant"]) == (gpu, backbone, variant)]
    return min(rows, key=lambda row: row["run"], default=None)


def gpus(store: Store) -> list[str]:
    """Every GPU that reference records come from."""
    return sorted({row["device"] for row in store.reference_rows})


def stat_of(row: Mapping[str, Any] | None, metric: str) -> Stat:
    """One record's metric; the energy of 1,000 steps (`..._per_kilostep_kwh`) is its power times its step time."""
    if row is None:
        return Stat()
    if metric.endswith("_per_kilostep_kwh"):
        power = value_of(row.get(f"energy/{metric.split('_')[0]}_power_kw"))
        step = value_of(row.get("time/step_s"))
        value = None if power is None or step is None else power * step * 1000 / SECONDS_PER_HOUR
    else:
        value = value_of(row.get(metric))
    return Stat() if value is None else Stat(value, runs=(row["run"],))


def table_3(store: Store) -> list[Table]:
    """Inference memory by backbone and method: as planned, as measured on each GPU, and as the paper prints it."""
    columns = (Column("backbone"), Column("source"), *(Column(method_name(m), ".3f") for m in METHODS))
    rows, lacking = [], []
    for backbone in BACKBONES:
        plans = {method: planned_row(store, backbone, method, "infer") for method in METHODS}
        stats = [stat_of(plans[method], "memory/inference_gib") for method in METHODS]
        lacking += [(backbone, method) for method, stat in zip(METHODS, stats, strict=True) if stat.mean is None]
        batches = sorted({str(row["batch_size"]) for row in plans.values() if row})
        rows.append(_row_3(backbone, ", batch ".join(["planned", *batches]), stats, columns))
        for gpu in gpus(store):
            found = [stat_of(reference_row(store, gpu, backbone, m), "memory/inference_gib") for m in METHODS]
            rows.append(_row_3(backbone, f"measured, {gpu}", found, columns))
        printed = [Stat(paper.table3()[backbone, method]["inference_gib"]) for method in METHODS]
        rows.append(_row_3(backbone, "paper", printed, columns))
    notes = ["GiB throughout: the paper's GB are GiB (T5-3B's fp32 weights alone are 10.62 GiB or 11.41 GB).",
             "Planned: the project's own method classes under fake tensors. Bold: the least of a row."]  # fmt: skip
    notes += (
        [WARNING] if gpus(store) else ["No GPU record: `python scripts/gpu_reference.py --budget-s 540 --out DIR`."]
    )
    return [Table("Table 3: inference memory (GiB)", columns, tuple(rows), (), (*notes, *_plan_commands(lacking)))]


def _row_3(backbone: str, source: str, stats: list[Stat], columns: tuple[Column, ...]) -> tuple[Cell, ...]:
    means = [stat.mean for stat in stats if stat.mean is not None]
    cells = [number(stat, column) for stat, column in zip(stats, columns[2:], strict=True)]
    cells = [replace(cell, bold=cell.stat.mean is not None and cell.stat.mean == min(means)) for cell in cells]
    return (text(backbone), text(source), *cells)


def _plan_commands(lacking: list[tuple[str, str]]) -> list[str]:
    commands: dict[str, list[str]] = {}
    for backbone, method in lacking:
        commands.setdefault(backbone, []).append(method)
    return [
        f"Not planned on {backbone}: {', '.join(methods)}: "
        f"`python train.py experiment=table3 backbone={backbone} method={','.join(methods)}`."
        for backbone, methods in commands.items()
    ]


def reference_table(store: Store) -> list[Table]:
    """One row a GPU reference record: a step's time, memory, power and energy, then inference's time and memory."""
    head = (Column("GPU"), Column("backbone"), Column("method"))
    rows = []
    for row in sorted(store.reference_rows, key=_reference_order):
        cells = [number(stat_of(row, metric), column) for metric, column in GPU_COLUMNS.items()]
        rows.append((text(row["device"]), text(row["backbone"]), text(method_name(row["variant"])), *cells))
    if not rows:
        rows = [tuple(text(None) for _ in (*head, *GPU_COLUMNS))]
    note = "To fill: `python scripts/gpu_reference.py --budget-s 540 --out DIR` on a GPU machine."
    return [Table("Steps on a GPU", (*head, *GPU_COLUMNS.values()), tuple(rows), (), (WARNING, note))]


def planned_table(store: Store) -> list[Table]:
    """Peak training memory by backbone and method; the records say how much of it is weights, states and so on."""
    columns = (Column("backbone"), Column("source"), *(Column(method_name(m), ".3f") for m in METHODS))
    rows, lacking = [], []
    for backbone in BACKBONES:
        stats = [stat_of(planned_row(store, backbone, m, "train"), "memory/train_peak_gib") for m in METHODS]
        lacking += [backbone] if any(stat.mean is None for stat in stats) else []
        rows.append(_row_3(backbone, "planned", stats, columns))
        for gpu in gpus(store):
            found = [stat_of(reference_row(store, gpu, backbone, m), "memory/train_peak_gib") for m in METHODS]
            rows.append(_row_3(backbone, f"measured, {gpu}", found, columns))
    command = f"To fill: `python train.py experiment=figure5 backbone={','.join(lacking)}`."
    notes = ("The paper printed only a picture (Figure 5, right).", *((command,) if lacking else ()))
    return [Table("Peak training memory (GiB)", columns, tuple(rows), (), notes)]


def _reference_order(row: Mapping[str, Any]) -> tuple[str, int, str, int, str]:
    backbone = BACKBONES.index(row["backbone"]) if row["backbone"] in BACKBONES else len(BACKBONES)
    method = METHODS.index(row["variant"]) if row["variant"] in METHODS else len(METHODS)
    return (row["device"], backbone, row["backbone"], method, row["variant"])
