"""The cells that the claims' functions name: from the paper's tables, and from one block of our records."""

from collections.abc import Iterator

from read_repro import paper
from read_repro.paper import BACKBONES, LARGER, METHODS, TASKS, UNROLLED, method_name
from read_repro.paper.claim import CellName, Cells, Number
from read_repro.tables.aggregate import MethodRows, Stat, methods_of
from read_repro.tables.blocks import Block
from read_repro.tables.device_tables import gpus, planned_row, reference_row, stat_of
from read_repro.tables.load import Store
from read_repro.tables.missing import few_readings
from read_repro.tables.score_tables import trainable_percent


def paper_cells() -> Cells:
    """Every cell of the paper's tables, and the parameter counts its percentages come to."""
    numbers: dict[CellName, Number] = {}
    for table, rows in (("table1", paper.table1()), ("table2", paper.table2())):
        for (backbone, method), columns in rows.items():
            numbers |= {(table, row_name(method, backbone), key): Number(value) for key, value in columns.items()}
            count = (paper.untied_count(backbone) or 0) * columns["trainable_params_pct"] / 100
            numbers[table, row_name(method, backbone), "trainable"] = Number(count)
    for (backbone, method), columns in paper.table3().items():
        numbers["inference", size_name(backbone), method] = Number(columns["inference_gib"])
    return Cells("the paper's tables", numbers | _sizes())


def our_cells(store: Store, block: Block) -> Cells:
    """The cells of one block; the paper's block also has the planner's and the reference GPU's for T5."""
    found = dict(_block_cells(store, block))
    found |= dict(_t5_cells(store) if block.backbone in BACKBONES else _own_memory(store, block))
    numbers = {name: number for name, number in found.items() if number is not None}
    return Cells(block.label, numbers | (_sizes() if block.backbone in BACKBONES else {}))


def row_name(method: str, backbone: str) -> str:
    """`read`, `read-large`, `read-unrolled`, `read-large-unrolled`, `lora`, ..."""
    size = "-large" if backbone.endswith("-large") else ""
    return f"read{size}-unrolled" if method == UNROLLED else f"{method}{size}"


def size_name(backbone: str) -> str:
    """`base` of `t5-base`."""
    return backbone.removeprefix("t5-")


def _sizes() -> dict[CellName, Number]:
    return {("size", size_name(b), "size"): Number(float(paper.untied_count(b) or 0)) for b in BACKBONES}


def _number(stat: Stat, label: str = "", trained: str = "") -> Number | None:
    """A number of ours; one that was not measured, or not on every task that it should cover, is none."""
    return Number(float(stat.mean), label, trained, stat.runs) if stat.mean is not None and stat.whole else None


def _block_cells(store: Store, block: Block) -> Iterator[tuple[CellName, Number | None]]:
    methods = list(methods_of(store, block).values())
    if block.backbone in LARGER:
        larger = block._replace(backbone=LARGER[block.backbone])
        methods += [m for m in methods_of(store, larger).values() if m.variant in ("read", UNROLLED)]
    for method in methods:
        row = row_name(method.variant, method.block.backbone)
        percent = trainable_percent(store, method)
        for table in ("table1", "table2"):
            yield (table, row, "trainable_params_pct"), _number(percent)
            yield (table, row, "trainable"), _number(_counted(method, percent))
            yield (table, row, "avg"), _number(method.average())
            yield from (((table, row, task), _number(method.score(task))) for task in TASKS)
        yield from _energies(method, row)


def _energies(method: MethodRows, row: str) -> Iterator[tuple[CellName, Number | None]]:
    """Energies by Eq. (4), or on a CPU the estimate, labelled; each with the epochs of its runs."""
    metric, kind = method.block.energy
    label = kind if method.block.device == "CPU" else "fewer than 10 readings" if few_readings([method]) else ""
    epochs = method.mean_cost("epochs").mean
    trained = "" if epochs is None else f"{method_name(method.variant, method.block.backbone)} {epochs:.3g}"
    yield ("table1", row, "energy_kwh"), _number(method.total(metric), label, trained)
    for task in TASKS:
        yield ("task_energy", row, task), _number(method.cost(task, metric), label, trained)


def _counted(method: MethodRows, percent: Stat) -> Stat:
    if (stat := method.values("params/trainable")).mean is not None:
        return stat
    count = paper.untied_count(method.block.backbone)
    return Stat(percent.mean * count / 100, runs=percent.runs) if percent.mean is not None and count else Stat()


def _t5_cells(store: Store) -> Iterator[tuple[CellName, Number | None]]:
    gpu = next(iter(gpus(store)), "")
    measured = {
        "gpu_memory": "memory/train_peak_gib", "latency": "time/latency_s", "step_energy": "eq4_per_kilostep_kwh"
    }  # fmt: skip
    for backbone in BACKBONES:
        for method in METHODS:
            train, infer = (planned_row(store, backbone, method, phase) for phase in ("train", "infer"))
            yield ("memory", size_name(backbone), method), _number(stat_of(train, "memory/train_peak_gib"), "planned")
            yield ("trainable", size_name(backbone), method), _number(stat_of(train, "params/trainable"))
            yield ("inference", size_name(backbone), method), _number(stat_of(infer, "memory/inference_gib"), "planned")
            row = reference_row(store, gpu, backbone, method)
            for table, metric in measured.items():
                yield (table, size_name(backbone), method), _number(stat_of(row, metric), f"{gpu}, random weights")


def _own_memory(store: Store, block: Block) -> Iterator[tuple[CellName, Number | None]]:
    """Another backbone's own memory and latency stand where the claims say T5-base.

    On a CPU the inference memory is not among them: what a process that has trained still grows by says nothing.
    """
    cpu = block.device == "CPU"
    metrics = {"memory": "memory/train_resident_gib" if cpu else "memory/train_peak_gib", "latency": "time/latency_s"}
    metrics |= {} if cpu else {"inference": "memory/inference_gib"}
    for name, method in methods_of(store, block).items():
        for table, metric in metrics.items():
            label = "CPU, resident" if cpu and table != "latency" else block.device
            yield (table, "base", name), _number(method.mean_cost(metric), label)
