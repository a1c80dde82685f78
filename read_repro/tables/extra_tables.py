"""What the paper's reviewers asked for and its tables do not hold: LST beside READ, splits, the choices made."""

import math

from read_repro.paper import BACKBONES, TASK_NAMES, method_name, table3
from read_repro.tables.aggregate import MethodRows, RunRow, Stat, methods_of, over_seeds, task_order
from read_repro.tables.device_tables import gpus, planned_row, reference_row, stat_of
from read_repro.tables.load import Store
from read_repro.tables.table import DASH, Cell, Column, Table, embolden, number, text

QUANTITIES = {
    "memory/train_peak_gib": "peak training memory (GiB)",
    "memory/train_resident_gib": "training memory, resident (GiB)",
    "memory/saved_gib": "saved for backward (GiB)",
    "memory/inference_gib": "inference memory (GiB)",
    "time/latency_s": "inference (s an example)",
}


def lst_against_read(store: Store) -> list[Table]:
    """LST's memory and inference time divided by READ's, one row for each place where both were measured."""
    columns = (
        Column("where"),
        Column("quantity"),
        Column("READ", ".3g"),
        Column("LST", ".3g"),
        Column("LST / READ", ".2f"),
    )
    rows = []
    for block in store.blocks:
        methods = methods_of(store, block)
        names = ["memory/train_resident_gib"] if block.device == "CPU" else []
        for metric in [*names, "memory/train_peak_gib", "memory/saved_gib", "memory/inference_gib", "time/latency_s"]:
            pair = _same_tasks(methods["read"], methods["lst"], metric)
            if all(stat.mean is not None for stat in pair):
                rows.append(_ratio(block.label, metric, (pair[0], pair[1]), columns))
    for backbone in BACKBONES:
        for phase, metric in (("train", "memory/train_peak_gib"), ("infer", "memory/inference_gib")):
            pair = [stat_of(planned_row(store, backbone, name, phase), metric) for name in ("read", "lst")]
            rows.append(_ratio(f"{backbone}, planned", metric, (pair[0], pair[1]), columns))
        for gpu in gpus(store):
            for metric in ("memory/train_peak_gib", "memory/inference_gib", "time/latency_s"):
                pair = [stat_of(reference_row(store, gpu, backbone, name), metric) for name in ("read", "lst")]
                rows.append(_ratio(f"{backbone}, {gpu}, random weights", metric, (pair[0], pair[1]), columns))
        printed = [Stat(table3()[backbone, name]["inference_gib"]) for name in ("read", "lst")]
        rows.append(_ratio(f"{backbone}, paper", "memory/inference_gib", (printed[0], printed[1]), columns))
    return [Table("LST against READ", columns, tuple(rows), (), ("Over the tasks that both have.",))]


def _same_tasks(left: MethodRows, right: MethodRows, metric: str) -> list[Stat]:
    """The mean of a cost over the tasks that both methods have it for."""
    tasks = [t for t in left.tasks if left.cost(t, metric).mean is not None and right.cost(t, metric).mean is not None]
    if not tasks:
        return [Stat(), Stat()]
    out = []
    for method in (left, right):
        stats = [method.cost(task, metric) for task in tasks]
        mean = math.fsum(stat.mean for stat in stats if stat.mean is not None) / len(stats)
        out.append(Stat(mean, runs=tuple(run for stat in stats for run in stat.runs)))
    return out


def _ratio(where: str, metric: str, pair: tuple[Stat, Stat], columns: tuple[Column, ...]) -> tuple[Cell, ...]:
    read, lst = pair
    ratio = lst.mean / read.mean if lst.mean is not None and read.mean else None
    cells = (number(stat, column) for stat, column in zip((read, lst, Stat(ratio)), columns[2:], strict=True))
    return (text(where), text(QUANTITIES[metric]), *cells)


def each_backbone(store: Store) -> list[Table]:
    """The average score of every method (rows) in every block (columns)."""
    columns = (Column("method"), *(Column(block.label, ".2f", "max", seeds=True) for block in store.blocks))
    found = [methods_of(store, block) for block in store.blocks]
    names = list(dict.fromkeys(name for methods in found for name in methods))
    rows = []
    for name in names:
        stats = [methods[name].average() if name in methods else Stat() for methods in found]
        cells = [number(stat, column) for stat, column in zip(stats, columns[1:], strict=True)]
        rows.append((text(method_name(name)), *cells))
    notes = (
        "Mean over the tasks there are, [k/n] where a row lacks some of its block's; Table 1 names the missing runs.",
    )
    return [Table("Each method on each backbone: average score", columns, tuple(embolden(rows, columns)), (), notes)]


def splits(store: Store) -> list[Table]:
    """The sizes of the splits the records were made on, by block and task."""
    titles = ("data", "train", "validation", "test", "majority class", "cut at 128 tokens (%)", "fingerprint")
    columns = (Column("task"), *(Column(title) for title in titles))
    seen: dict[tuple[str, str], RunRow] = {}
    for row in store.run_rows:
        seen.setdefault((row["block"].label, row["task"]), row)
    rows = []
    for (label, task), row in sorted(seen.items(), key=lambda item: (item[0][0], task_order(item[0][1]))):
        info = row["record"].data_info
        sizes = [text(info.sizes.get(split)) for split in ("train", "validation", "test")]
        share = info.truncated_share
        majority = number(over_seeds([row], "test/majority"), Column(""))
        cells = (majority, text(None if share is None else f"{100 * share:.2f}"), text(row["fingerprint"][:12]))
        rows.append((text(TASK_NAMES.get(task, task)), text(label), *sizes, *cells))
    return [Table("Split sizes", columns, tuple(rows or [tuple(text(DASH) for _ in columns)]))]


def hyperparameters(store: Store) -> list[Table]:
    """The setting that validation chose for each method and task, and how many settings it was chosen from."""
    titles = ("method", "task", "setting", "validation score", "settings tried", "seeds")
    columns = tuple(Column(title) for title in titles)
    tables = []
    for block in store.blocks:
        rows = [
            _choice(method, task, columns)
            for method in methods_of(store, block).values()
            for task in method.tasks or (None,)
        ]
        note = "Chosen by validation score on the lowest seed; what is not named is as in conf/."
        tables.append(Table(f"Chosen hyperparameters: {block.label}", columns, tuple(rows), (), (note,)))
    return tables


def _choice(method: MethodRows, task: str | None, columns: tuple[Column, ...]) -> tuple[Cell, ...]:
    name, chosen = text(method_name(method.variant)), method.chosen.get(task or "", [])
    if not chosen:
        return (name, text(TASK_NAMES.get(task or "", task)), *(text(DASH) for _ in columns[2:]))
    tried = len({row["choice"] for row in method.search[task or ""]})
    seeds = ", ".join(str(row["seed"]) for row in chosen)
    score = number(over_seeds(chosen, "val/score"), columns[3])
    return (
        name,
        text(TASK_NAMES.get(task or "", task)),
        text(chosen[0]["setting"] or "as in conf/"),
        score,
        text(tried),
        text(seeds),
    )
