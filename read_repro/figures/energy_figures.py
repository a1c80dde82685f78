"""Figures 1 and 2 of our records: energy relative to full-tuning's, and quality against energy and memory."""

from collections.abc import Sequence

from read_repro.figures.figure import PAPER, Drawing, Panel, Point, Series
from read_repro.figures.spread import apart
from read_repro.paper import LARGER, TASK_NAMES, method_name, table1
from read_repro.tables.aggregate import MethodRows, Stat, methods_of
from read_repro.tables.blocks import Block
from read_repro.tables.load import Store
from read_repro.tables.missing import few_readings

DATA = {"hub": "GLUE", "local": "local GLUE", "synthetic": "synthetic tasks"}
BACKBONE_TITLES = {"minilm": "MiniLM"}
SMALL_KWH = 0.1  # energies below it are shown in Wh
FIGURE_1 = (
    "Bars over the line at 1.0 took more energy than full-tuning. The epochs that each method was trained stand under "
    "the axes. Error bars: standard deviation over seeds. The paper printed only a picture: it has no points here."
)
FIGURE_2 = (
    "Average score over the tasks of a row; a method that lacks one is left out. Bars: standard deviation over seeds; "
    "a point without bars is one seed. Ringed: the Pareto front, no other method being better in one and not worse in "
    "the other; where bars overlap, neither counts as better. Pale: the paper's Table 1 (means of its columns); of "
    "memory it printed only a picture."
)


def figure_1(store: Store) -> Drawing:
    """The energy of each method on each task, over full-tuning's."""
    rows = tuple((_relative_energy(store, block),) for block in store.blocks)
    return Drawing("figure1", "Figure 1: energy relative to full-tuning", rows, FIGURE_1)


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
    shown = [methods[one.method] for one in series]
    note = "; ".join(filter(None, (_epochs(shown), few_readings(shown))))
    y = f"energy over full-tuning's ({kind})"
    return Panel(block_words(block), "", y, tuple(series), ticks, note=note, line=1.0)


def _epochs(methods: Sequence[MethodRows]) -> str:
    """`epochs: Full-tuning 3, READ 10`."""
    means = [(method_name(method.variant), method.mean_cost("epochs").mean) for method in methods]
    words = ", ".join(f"{name} {mean:.3g}" for name, mean in means if mean is not None)
    return f"epochs: {words}" if words else ""


def figure_2(store: Store) -> Drawing:
    """Quality against energy and against peak training memory, a row a block."""
    rows = tuple((_against_energy(store, block), _against_memory(store, block)) for block in store.blocks)
    return Drawing("figure2", "Figure 2: quality against energy and peak training memory", rows, FIGURE_2)


def _against_energy(store: Store, block: Block) -> Panel:
    metric, kind = block.energy
    found = [(method, method.total(metric)) for method in _contenders(store, block)]
    printed = table1() if block.of_paper else {}
    pale = []
    for (backbone, name), row in printed.items():
        point = Point(row["energy_kwh"], row["avg"])
        pale.append(Series(_style(name, backbone), method_name(name, backbone), (point,), source=PAPER))
    largest = max((cost.mean for _, cost in found if cost.mean is not None), default=SMALL_KWH)
    unit, factor = ("Wh", 1000) if largest < SMALL_KWH else ("kWh", 1)
    weak = few_readings([method for method, _ in found])
    return _quality(block, f"training energy ({unit}, {kind})", found, pale, factor, weak)


def _against_memory(store: Store, block: Block) -> Panel:
    resident = block.device == "CPU"
    metric = "memory/train_resident_gib" if resident else "memory/train_peak_gib"
    found = [(method, method.mean_cost(metric)) for method in _contenders(store, block)]
    return _quality(block, f"peak training memory (GiB{', resident' if resident else ''})", found)


def _contenders(store: Store, block: Block) -> list[MethodRows]:
    methods = list(methods_of(store, block).values())
    if block.backbone in LARGER:
        methods.append(methods_of(store, block._replace(backbone=LARGER[block.backbone]))["read"])
    return methods


def _quality(
    block: Block,
    x: str,
    found: Sequence[tuple[MethodRows, Stat]],
    pale: Sequence[Series] = (),
    factor: float = 1,
    weak: str = "",
) -> Panel:
    """Average score against a cost, which is multiplied by `factor` for its unit."""
    ours, partial, unmeasured = [], [], []
    for method, cost in found:
        score, backbone = method.average(), method.block.backbone
        name = method_name(method.variant, backbone)
        if score.mean is None:
            continue
        if cost.mean is None:
            unmeasured.append(name)
        elif not (score.whole and cost.whole):
            partial.append(name)
        else:
            error = None if cost.sd is None else factor * cost.sd
            point = Point(factor * cost.mean, score.mean, error, score.sd, score.runs)
            ours.append(Series(_style(method.variant, backbone), name, (point,)))
    best = unbeaten([one.points[0] for one in ours])
    scale = "log" if _wide([one.points[0] for one in (*pale, *ours)]) else "linear"
    marks, close = apart([*pale, *ours], scale)
    ringed = tuple(new.points[0] for old, new in zip(ours, marks[len(pale) :], strict=True) if old.points[0] in best)
    front = (Series("front", "Pareto front", ringed, "front"),) if len(ours) > 1 else ()
    notes = (
        f"left out, not run on every task: {', '.join(partial)}" if partial else "",
        f"no point, not measured: {', '.join(unmeasured)}" if unmeasured else "",
        close,
        weak,
    )
    note = "; ".join(filter(None, notes))
    return Panel(block_words(block), x, "average score", (*front, *marks), x_scale=scale, note=note)


def unbeaten(points: Sequence[Point]) -> list[Point]:
    """The Pareto front: the points than which none is better in cost (x) or quality (y) and not worse in the other.

    Better is only what is better by more than both error bars.
    """
    return [point for point in points if not any(_beats(other, point) for other in points)]


def _beats(one: Point, other: Point) -> bool:
    cheaper = _below(one.x, one.x_error, other.x, other.x_error)
    dearer = _below(other.x, other.x_error, one.x, one.x_error)
    worse = _below(one.y, one.y_error, other.y, other.y_error)
    better = _below(other.y, other.y_error, one.y, one.y_error)
    return (cheaper and not worse) or (better and not dearer)


def _below(low: float, low_error: float | None, high: float, high_error: float | None) -> bool:
    return low + (low_error or 0.0) < high - (high_error or 0.0)


def block_words(block: Block) -> str:
    """`MiniLM on local GLUE, 1,000 training examples, CPU`."""
    backbone = BACKBONE_TITLES.get(block.backbone, block.backbone.replace("t5-", "T5-").replace("3b", "3B"))
    data = DATA.get(block.data, block.data)
    if block.train_limit is not None:
        amount = f"{block.train_limit:,} training examples"
    else:
        amount = "part of the data" if block.cut else "all training examples"
    words = [f"{backbone} on {data}", amount, block.shared.replace("_", " ").replace("=", " "), block.device]
    return ", ".join(filter(None, [*words, "other tasks" if block.other_tasks else ""]))


def _style(method: str, backbone: str) -> str:
    return f"{method}-large" if backbone.endswith("-large") else method


def _wide(points: Sequence[Point]) -> bool:
    """Whether the x values span more than a decade."""
    xs = [point.x for point in points]
    return bool(xs) and min(xs) > 0 and max(xs) / min(xs) > 10
