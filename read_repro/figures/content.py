"""What Figures 1, 2, 5 and 6 show of the records, as panels of points."""

from dataclasses import replace

from read_repro.figures.figure import PAPER, Drawing, Panel, Point, Series
from read_repro.paper import BACKBONES, LARGER, METHODS, TASK_NAMES, Numbers, method_name, table1, table3, untied_count
from read_repro.tables.aggregate import MethodRows, Stat, methods_of
from read_repro.tables.blocks import Block
from read_repro.tables.device_tables import gpus, planned_row, reference_row, stat_of
from read_repro.tables.load import Store
from read_repro.tables.missing import few_readings

PICTURE = "The paper printed only a picture: no points of its own here."


def drawings(store: Store) -> list[Drawing]:
    """Figures 1, 2, 5 and 6."""
    return [figure_1(store), figure_2(store), figure_5(store), figure_6(store)]


def figure_1(store: Store) -> Drawing:
    """Energy of each method on each task relative to full-tuning's."""
    rows = tuple((_relative_energy(store, block),) for block in store.blocks)
    return Drawing("figure1", "Figure 1: energy relative to full-tuning", rows, PICTURE)


def _relative_energy(store: Store, block: Block) -> Panel:
    metric, kind = block.energy
    methods = methods_of(store, block)
    tasks = methods["full"].tasks
    series = []
    for name, method in methods.items():
        points = []
        for index, task in enumerate(tasks):
            full, own = methods["full"].cost(task, metric), method.cost(task, metric)
            if full.mean and own.mean is not None:
                error = own.sd / full.mean if own.sd is not None else None
                points.append(Point(index, own.mean / full.mean, None, error, own.runs))
        if points:
            series.append(Series(name, method_name(name), tuple(points), "bar"))
    ticks = tuple(TASK_NAMES.get(task, task) for task in tasks)
    return Panel(block.label, "", f"energy / full's, {kind}", tuple(series), ticks, note=few_readings(methods.values()))


def figure_2(store: Store) -> Drawing:
    """Quality against energy and against peak training memory, with Pareto fronts and error bars over seeds."""
    rows = tuple((_against_energy(store, block), _against_memory(store, block)) for block in store.blocks)
    caption = (
        "Average score over the block's tasks; who lacks one is left out. Bars: standard deviation over seeds. "
        "Line: Pareto front of ours. Pale: the paper's Table 1 (means of its columns). "
        "Of memory (right) the paper printed only a picture."
    )
    return Drawing("figure2", "Figure 2: quality against energy and peak training memory", rows, caption)


def _against_energy(store: Store, block: Block) -> Panel:
    metric, kind = block.energy
    found = [(m, m.total(metric)) for m in _contenders(store, block)]
    pale = []
    if block.of_paper:
        for (backbone, name), numbers in table1().items():
            point = Point(numbers["energy_kwh"], numbers["avg"])
            pale.append(Series(_style(name, backbone), method_name(name, backbone), (point,), source=PAPER))
    panel = _quality(block, f"training energy (kWh, {kind})", found, pale)
    weak = few_readings(method for method, _ in found)
    return replace(panel, note="; ".join(filter(None, (panel.note, weak))))


def _against_memory(store: Store, block: Block) -> Panel:
    resident = block.device == "CPU"
    metric = "memory/train_resident_gib" if resident else "memory/train_peak_gib"
    found = [(m, m.mean_cost(metric)) for m in _contenders(store, block)]
    return _quality(block, f"peak training memory (GiB{', resident' if resident else ''})", found, [])


def _contenders(store: Store, block: Block) -> list[MethodRows]:
    methods = list(methods_of(store, block).values())
    if block.backbone in LARGER:
        methods.append(methods_of(store, block._replace(backbone=LARGER[block.backbone]))["read"])
    return methods


def _quality(block: Block, x: str, found: list[tuple[MethodRows, Stat]], pale: list[Series]) -> Panel:
    series, left_out = [], []
    for method, cost in found:
        score, backbone = method.average(), method.block.backbone
        if score.mean is None or cost.mean is None:
            continue
        name = method_name(method.variant, backbone)
        if not (score.whole and cost.whole):
            left_out.append(name)
            continue
        point = Point(cost.mean, score.mean, cost.sd, score.sd, score.runs)
        series.append(Series(_style(method.variant, backbone), name, (point,)))
    points = [one.points[0] for one in series]
    front = (Series("front", "Pareto front", pareto(points), "front"),) if len(points) > 1 else ()
    note = f"left out, not on every task: {', '.join(left_out)}" if left_out else ""
    scale = "log" if _wide([*points, *(one.points[0] for one in pale)]) else "linear"
    return Panel(block.label, x, "average score", (*pale, *front, *series), x_scale=scale, note=note)


def pareto(points: list[Point]) -> tuple[Point, ...]:
    """The points that no other beats in both cost (x, low) and quality (y, high), from cheap to dear."""
    front: list[Point] = []
    for point in sorted(points, key=lambda p: (p.x, -p.y)):
        if not front or point.y > front[-1].y:
            front.append(point)
    return tuple(Point(point.x, point.y) for point in front)


def figure_5(store: Store) -> Drawing:
    """Trainable parameters and peak training memory by backbone size."""
    left = _by_size(store, "trainable parameters", "train", "params/trainable", None, _paper_counts(table1()))
    right = _by_size(store, "peak training memory (GiB)", "train", "memory/train_peak_gib", "memory/train_peak_gib", [])
    caption = (
        "Lines: planned; hollow: measured on a GPU with random weights. "
        "Pale (left): derived from Table 1's percentages and the paper's own count. "
        "Of both the paper printed only a picture."
    )
    return Drawing("figure5", "Figure 5: size and peak training memory by backbone", ((left, right),), caption)


def figure_6(store: Store) -> Drawing:
    """Inference latency and the growth of inference memory over full-tuning's, by backbone size."""
    left = _by_size(store, "inference latency (s an example)", "infer", None, "time/latency_s", [])
    growth = {key: columns["inference_gib"] for key, columns in table3().items()}
    planned = {
        (b, m): stat_of(planned_row(store, b, m, "infer"), "memory/inference_gib") for b in BACKBONES for m in METHODS
    }
    others = [method for method in METHODS if method != "full"]
    series = [_growth(m, {key: Stat(value) for key, value in growth.items()}, PAPER) for m in others]
    series += [_growth(m, planned, "planned") for m in others]
    for gpu in gpus(store):
        measured = {
            (b, m): stat_of(reference_row(store, gpu, b, m), "memory/inference_gib") for b in BACKBONES for m in METHODS
        }
        series += [_growth(m, measured, gpu) for m in others]
    kept = tuple(one for one in series if one.points)
    right = Panel("inference memory over full-tuning's", "", "growth (%)", kept, _sizes(), y_scale="asinh")
    caption = (
        "Left: measured on a GPU with random weights; the paper printed only a picture. "
        "Right: lines planned, hollow measured, pale from the paper's Table 3."
    )
    return Drawing("figure6", "Figure 6: inference latency and memory growth by backbone", ((left, right),), caption)


def _by_size(
    store: Store, title: str, phase: str, planned: str | None, measured: str | None, pale: list[Series]
) -> Panel:
    """A quantity by backbone size, a method a line; measured points lie hollow beside planned lines."""
    series = list(pale)
    for method in METHODS:
        if planned:
            stats = [stat_of(planned_row(store, backbone, method, phase), planned) for backbone in BACKBONES]
            series.append(Series(method, method_name(method), _points(stats), "line", "planned"))
        for gpu in gpus(store) if measured else []:
            stats = [stat_of(reference_row(store, gpu, backbone, method), measured or "") for backbone in BACKBONES]
            kind = "scatter" if planned else "line"
            series.append(Series(method, method_name(method), _points(stats), kind, gpu, hollow=bool(planned)))
    note = f"measured on {', '.join(gpus(store))}" if measured and gpus(store) else ""
    return Panel(title, "", title, tuple(one for one in series if one.points), _sizes(), y_scale="log", note=note)


def _points(stats: list[Stat]) -> tuple[Point, ...]:
    return tuple(Point(index, stat.mean, runs=stat.runs) for index, stat in enumerate(stats) if stat.mean is not None)


def _growth(method: str, memory: dict[tuple[str, str], Stat], source: str) -> Series:
    points = []
    for index, backbone in enumerate(BACKBONES):
        own, full = memory[backbone, method], memory[backbone, "full"]
        if own.mean is not None and full.mean:
            points.append(Point(index, 100 * (own.mean / full.mean - 1), runs=own.runs))
    measured = source not in (PAPER, "planned")
    return Series(method, method_name(method), tuple(points), "scatter" if measured else "line", source, measured)


def _paper_counts(numbers: Numbers) -> list[Series]:
    """The paper's percentages times its count of the backbone."""
    series = []
    for (backbone, method), columns in numbers.items():
        count = columns["trainable_params_pct"] / 100 * (untied_count(backbone) or 0)
        point = Point(BACKBONES.index(backbone), count)
        series.append(Series(method, method_name(method), (point,), source=PAPER))
    return series


def _sizes() -> tuple[str, ...]:
    return tuple(backbone.replace("t5-", "T5-") for backbone in BACKBONES)


def _style(method: str, backbone: str) -> str:
    return f"{method}-large" if backbone.endswith("-large") else method


def _wide(points: list[Point]) -> bool:
    """Whether the x values span more than a decade."""
    xs = [point.x for point in points]
    return bool(xs) and min(xs) > 0 and max(xs) / min(xs) > 10
