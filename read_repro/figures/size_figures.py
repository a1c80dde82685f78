"""Figures 5 and 6: parameters, memory and latency by backbone size, planned, measured on a GPU, and the paper's."""

from collections.abc import Mapping, Sequence

from read_repro.figures.figure import PAPER, Drawing, Panel, Point, Series
from read_repro.figures.spread import beside_ticks, close_at_ticks, under_ours
from read_repro.paper import BACKBONES, METHODS, method_name, table1, table3, untied_count
from read_repro.tables.aggregate import Stat
from read_repro.tables.device_tables import gpus, planned_row, reference_row, stat_of
from read_repro.tables.load import Store

SIZE_TICKS = tuple(backbone.replace("t5-", "T5-").replace("3b", "3B") for backbone in BACKBONES)
Memory = Mapping[tuple[str, str], Stat]  # by backbone and method


def figure_5(store: Store) -> Drawing:
    """Trainable parameters and peak training memory by backbone size."""
    count = [*_paper_counts(), *_planned(store, "train", "params/trainable")]
    peak = [*_planned(store, "train", "memory/train_peak_gib"), *_measured(store, "memory/train_peak_gib", hollow=True)]
    left = _by_size("Trainable parameters", "trainable parameters", count, "log")
    right = _by_size("Peak training memory", "peak training memory (GiB)", peak, "log", _where(store, peak))
    caption = (
        "Lines: planned; hollow: measured on a GPU with random weights. Pale (left): what Table 1's percentages are "
        "by the paper's own count of the backbone. Of both the paper printed only a picture."
    )
    return Drawing("figure5", "Figure 5: size and peak training memory by backbone", ((left, right),), caption)


def figure_6(store: Store) -> Drawing:
    """Inference latency, and how much more memory than full-tuning's inference takes, by backbone size."""
    latency = _measured(store, "time/latency_s", factor=1000)
    left = _by_size("Inference latency", "latency (ms, an example)", latency, "log", _where(store, latency))
    metric = "memory/inference_gib"
    planned = {(b, m): stat_of(planned_row(store, b, m, "infer"), metric) for b in BACKBONES for m in METHODS}
    growth = _growth({key: Stat(columns["inference_gib"]) for key, columns in table3().items()}, PAPER)
    growth += _growth(planned, "planned")
    for gpu in gpus(store):
        read = {(b, m): stat_of(reference_row(store, gpu, b, m), metric) for b in BACKBONES for m in METHODS}
        growth += _growth(read, gpu, hollow=True)
    right = _by_size("Inference memory over full-tuning's", "growth (%)", growth, "symlog", _where(store, growth))
    caption = (
        "Latency is measured on a GPU with random weights; the paper printed only a picture of it. Growth of memory: "
        "lines planned, hollow measured, pale from the paper's Table 3."
    )
    return Drawing("figure6", "Figure 6: inference latency and memory growth by backbone", ((left, right),), caption)


def _by_size(title: str, y: str, series: Sequence[Series], scale: str, note: str = "") -> Panel:
    kept = [one for one in series if one.points]
    near = (find(kept, scale, SIZE_TICKS) for find in (close_at_ticks, under_ours))
    notes = "; ".join(filter(None, (note, *near)))
    return Panel(title, "", y, beside_ticks(kept), SIZE_TICKS, y_scale=scale, note=notes)


def _where(store: Store, series: Sequence[Series]) -> str:
    used = [gpu for gpu in gpus(store) if any(one.source == gpu and one.points for one in series)]
    return f"measured on {', '.join(used)}" if used else ""


def _planned(store: Store, phase: str, metric: str) -> list[Series]:
    """A line a method through what the planner counts."""
    stats = {m: [stat_of(planned_row(store, b, m, phase), metric) for b in BACKBONES] for m in METHODS}
    return [Series(method, method_name(method), _points(row), "line", "planned") for method, row in stats.items()]


def _measured(store: Store, metric: str, *, factor: float = 1, hollow: bool = False) -> list[Series]:
    """What was measured on each GPU: hollow marks beside planned lines, or else lines of their own."""
    series = []
    for gpu in gpus(store):
        for method in METHODS:
            points = _points([stat_of(reference_row(store, gpu, b, method), metric) for b in BACKBONES], factor)
            series.append(Series(method, method_name(method), points, "scatter" if hollow else "line", gpu, hollow))
    return series


def _points(stats: Sequence[Stat], factor: float = 1) -> tuple[Point, ...]:
    found = enumerate(stats)
    return tuple(Point(index, factor * stat.mean, runs=stat.runs) for index, stat in found if stat.mean is not None)


def _growth(memory: Memory, source: str, hollow: bool = False) -> list[Series]:
    """How much more each method takes than full-tuning, in percent."""
    series = []
    for method in METHODS:
        points = []
        for index, backbone in enumerate(BACKBONES):
            own, full = memory[backbone, method], memory[backbone, "full"]
            if method != "full" and own.mean is not None and full.mean:
                points.append(Point(index, 100 * (own.mean / full.mean - 1), runs=own.runs))
        kind = "scatter" if hollow else "line"
        series.append(Series(method, method_name(method), tuple(points), kind, source, hollow))
    return series


def _paper_counts() -> list[Series]:
    """The paper's percentages of Table 1 times its count of the backbone."""
    series = []
    for (backbone, method), columns in table1().items():
        count = columns["trainable_params_pct"] / 100 * (untied_count(backbone) or 0)
        point = Point(BACKBONES.index(backbone), count)
        series.append(Series(method, method_name(method), (point,), source=PAPER))
    return series
