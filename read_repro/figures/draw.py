"""Figures 1, 2, 5 and 6 as PDF and PNG.

One style for all: colours that colour-blind readers tell apart, and a marker or a hatch a method for print in grey.
"""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from read_repro.figures.figure import EMPTY, PAPER, Drawing, Panel, Series, stairs

# Okabe and Ito's palette without its yellow, which is faint on white.
STYLES = {  # method: colour, marker, hatch
    "full": ("#000000", "s", ""), "adapter": ("#E69F00", "^", "///"), "lora": ("#56B4E9", "v", "\\\\\\"),
    "bitfit": ("#009E73", "D", "..."), "prompt": ("#CC79A7", "P", "xxx"), "lst": ("#0072B2", "X", "+++"),
    "read": ("#D55E00", "o", "ooo"), "read-large": ("#D55E00", "*", "OOO"), "head": ("#999999", "p", "---"),
}  # fmt: skip
OTHER = ("#7A4A1E", "h", "|||")
RC: Any = {
    "font.size": 8, "axes.titlesize": 8, "legend.fontsize": 7, "axes.grid": True, "grid.alpha": 0.25,
    "axes.spines.top": False, "axes.spines.right": False, "hatch.linewidth": 0.5, "axes.axisbelow": True,
    "font.family": "DejaVu Sans", "svg.hashsalt": "read",
}  # fmt: skip
PANEL_INCHES = (3.7, 2.8)
LEGEND_INCHES = 1.2
LETTERS = 100  # on a line as wide as all panels of a row
PALE = 0.35
SYMLOG_TICKS = (0, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)


def draw_figures(found: Sequence[Drawing], folder: Path) -> None:
    """`figure{1,2,5,6}.{pdf,png}`; the files carry no date and no version, so equal records give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for drawing in found:
        with rc_context(RC):
            figure = draw(drawing)
            figure.savefig(folder / f"{drawing.stem}.png", dpi=150, metadata={"Software": None})
            figure.savefig(
                folder / f"{drawing.stem}.pdf", metadata={"CreationDate": None, "Producer": None, "Creator": None}
            )


def draw(drawing: Drawing) -> Figure:
    """The panels that have something to show, one legend for all, and the caption with a line for each other panel."""
    rows = drawing.drawn
    columns = len(rows[0]) if rows else 1
    width = PANEL_INCHES[0] * max(columns, 1.8) + LEGEND_INCHES
    figure = Figure(figsize=(width, PANEL_INCHES[1] * len(rows) + 1.2), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(drawing.title, fontsize=10, fontweight="bold")
    paragraphs = [drawing.caption, *drawing.undrawn]
    figure.supxlabel("\n".join(textwrap.fill(words, int(17 * width)) for words in paragraphs), fontsize=6.5)
    if rows:
        grid = figure.subplots(len(rows), columns, squeeze=False)
        for axes_row, panel_row in zip(grid, rows, strict=True):
            for axes, panel in zip(axes_row, panel_row, strict=True):
                _with_words(axes, panel, letters=LETTERS // columns)
        figure.legend(handles=_legend(rows), loc="outside right upper", frameon=False, handlelength=1.8)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # the PNG has set the layout, and the PDF must have the same
    return figure


def _with_words(axes: Axes, panel: Panel, letters: int) -> None:
    """A panel under its title and above its notes, on lines of so many letters; a line of text if it is empty."""
    if not panel.series:
        axes.set_axis_off()
        axes.text(0.5, 0.5, f"{panel.title}\n{panel.x or panel.y}: {EMPTY}", transform=axes.transAxes, ha="center")
        return
    draw_panel(axes, panel)
    axes.set_title(textwrap.fill(panel.title, letters))
    axes.set_xlabel("\n".join(filter(None, (panel.x_label, *(textwrap.fill(words, letters) for words in panel.words)))))


def draw_panel(axes: Axes, panel: Panel) -> None:
    """The panel's axes and series. What belongs to series 3 has the gid `series-3`, its second mark `mark-3-1`."""
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    bars = [series.method for series in panel.series if series.kind == "bar"]
    for index, series in enumerate(panel.series):
        if series.kind == "bar":
            artists = _bars(axes, series, bars.index(series.method), len(bars))
        elif series.kind == "front":
            artists = _front(axes, series)
        else:
            artists = _points(axes, series)
        for artist in artists:
            artist.set_gid(f"series-{index}")
        for place, mark in enumerate(() if series.kind == "front" else artists[: len(series.points)]):
            mark.set_gid(f"mark-{index}-{place}")
    if panel.line is not None:
        axes.axhline(panel.line, color="0.2", lw=0.9, ls="--", zorder=3)
    _scale(axes, panel)


def _scale(axes: Axes, panel: Panel) -> None:
    axes.set_xscale(panel.x_scale)
    if panel.y_scale == "symlog":
        axes.set_yscale("symlog", linthresh=1, linscale=0.9)  # so that 0 to 1 is as long as 1 to 10
        axes.set_yticks(SYMLOG_TICKS, [f"{tick:g}" for tick in SYMLOG_TICKS])
        axes.set_yticks([], minor=True)
        highest = max(point.y for series in panel.series for point in series.points)
        axes.set_ylim(min(-0.2, *(point.y for series in panel.series for point in series.points)), 1.3 * highest)
    elif panel.y_scale == "log":
        axes.set_yscale("log")
        _plain_powers(axes, max(point.y for series in panel.series for point in series.points))
    if panel.ticks:
        axes.set_xticks(range(len(panel.ticks)), panel.ticks)
        axes.set_xlim(-0.5, len(panel.ticks) - 0.5)
    elif panel.x_scale == "linear":  # small energies would else get an offset or long decimals
        whole = all(point.x == round(point.x) for series in panel.series for point in series.points)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=whole))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))


def _plain_powers(axes: Axes, highest: float) -> None:
    """Numbers up to 10,000 are written out, and between powers of ten only where the axis has no power of ten."""
    if highest < 10_000:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        low, high = axes.get_ylim()
        within_a_decade = high / low < 10
        axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}" if within_a_decade else ""))


# Each of these gives the artists that it drew: first one for each point, then lines and error bars.


def _bars(axes: Axes, series: Series, index: int, count: int) -> list[Artist]:
    colour, _, hatch = STYLES.get(series.method, OTHER)
    width = 0.84 / max(count, 6)
    xs = [point.x + (index - (count - 1) / 2) * width for point in series.points]
    heights = [point.y for point in series.points]
    bars = axes.bar(xs, heights, width, color=colour, hatch=hatch, edgecolor="white", lw=0.3)
    errors = [point.y_error or 0 for point in series.points]
    lines = axes.errorbar(xs, heights, yerr=errors, fmt="none", elinewidth=0.7, ecolor="0.3") if any(errors) else ()
    return [*bars, *_parts(lines)]


def _front(axes: Axes, series: Series) -> list[Artist]:
    """A ring around each point of the front, and a step line through those that go up."""
    rings = axes.plot([p.x for p in series.points], [p.y for p in series.points], ls="none", marker="o", ms=11,
                      mfc="none", mec="0.45", mew=0.8, zorder=1)  # fmt: skip
    steps = stairs(series.points)
    line = axes.step([p.x for p in steps], [p.y for p in steps], where="post", color="0.4", lw=0.8, ls="--", zorder=1)
    return [*rings, *line]


def _points(axes: Axes, series: Series) -> list[Artist]:
    xs, ys = [point.x for point in series.points], [point.y for point in series.points]
    shared: dict[str, Any] = {"alpha": PALE if series.pale else 1, "zorder": 2 if series.pale else 3}
    look = _look(series)
    lines = axes.errorbar(
        xs, ys,
        xerr=[point.x_error or 0 for point in series.points] if any(p.x_error for p in series.points) else None,
        yerr=[point.y_error or 0 for point in series.points] if any(p.y_error for p in series.points) else None,
        color=look["color"], ls=look["ls"], lw=1, elinewidth=0.8, capsize=2, **shared,
    )  # fmt: skip
    marks = [axes.plot([x], [y], **look | {"ls": "none"}, **shared)[0] for x, y in zip(xs, ys, strict=True)]
    return [*marks, *_parts(lines)]


def _parts(container: ErrorbarContainer | tuple[()]) -> Iterator[Artist]:
    """The line, the caps and the bars of an error bar's container."""
    for part in container:
        yield from part if isinstance(part, tuple) else [part] if part is not None else []


def _look(series: Series) -> dict[str, Any]:
    colour, marker, _ = STYLES.get(series.method, OTHER)
    edge = {"mec": colour, "mew": 0.9, "mfc": "none"} if series.hollow else {"mec": "0.2", "mew": 0.4, "mfc": colour}
    size = 7 if marker == "*" else 5
    return {"color": colour, "marker": marker, "ms": size, "ls": "-" if series.kind == "line" else "none", **edge}


def _legend(rows: Sequence[Sequence[Panel]]) -> list[Artist]:
    """Each method once, in the order of the paper, then what pale and hollow marks and rings are."""
    series = [one for row in rows for panel in row for one in panel.series]
    order = list(STYLES)
    named: dict[str, Series] = {}
    for one in sorted(series, key=lambda one: (one.pale, one.hollow)):
        if one.kind != "front":
            named.setdefault(one.name, one)
    first = sorted(named.values(), key=lambda one: order.index(one.method) if one.method in order else len(order))
    handles = [_handle(one) for one in first]
    grey: dict[str, Any] = {"color": "0.4", "ls": "none", "marker": "o", "ms": 5}
    if any(one.pale for one in series):
        handles.append(Line2D([], [], **grey, alpha=PALE, label=f"pale: the {PAPER}"))
    if any(one.hollow for one in series):
        handles.append(Line2D([], [], **grey, mfc="none", label="hollow: measured"))
    if any(one.kind == "front" for one in series):
        handles.append(
            Line2D([], [], color="0.45", ls="--", lw=0.8, marker="o", ms=9, mfc="none", label="Pareto front")
        )
    return handles


def _handle(series: Series) -> Artist:
    colour, _, hatch = STYLES.get(series.method, OTHER)
    if series.kind == "bar":
        return Patch(facecolor=colour, hatch=hatch, edgecolor="white", lw=0.3, label=series.name)
    return Line2D([], [], **_look(series), label=series.name)
