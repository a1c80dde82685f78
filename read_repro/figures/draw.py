"""Figures 1, 2, 5 and 6 as PDF and PNG: one style, colours for the colour-blind, markers and hatches for grey."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from read_repro.figures.figure import EMPTY, Drawing, Panel, Series

# Okabe and Ito's palette without its yellow, faint on white; in grey the marker or hatch decides.
STYLES = {  # method: colour, marker, hatch
    "full": ("#000000", "s", ""), "adapter": ("#E69F00", "^", "///"), "lora": ("#56B4E9", "v", "\\\\\\"),
    "bitfit": ("#009E73", "D", "..."), "prompt": ("#CC79A7", "P", "xxx"), "lst": ("#0072B2", "X", "+++"),
    "read": ("#D55E00", "o", "ooo"), "read-large": ("#D55E00", "*", "OOO"), "head": ("#999999", "p", "---"),
}  # fmt: skip
OTHER = ("#7A4A1E", "h", "|||")
RC: Any = {
    "font.size": 8, "axes.titlesize": 8, "legend.fontsize": 6.5, "axes.grid": True, "grid.alpha": 0.25,
    "axes.spines.top": False, "axes.spines.right": False, "hatch.linewidth": 0.5,
    "font.family": "DejaVu Sans", "svg.hashsalt": "read",
}  # fmt: skip
PANEL_CM = (9.5, 7.0)
PALE = 0.35


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
    """All panels of a figure, its title above and its caption below."""
    rows, columns = len(drawing.rows), max(len(row) for row in drawing.rows)
    width = PANEL_CM[0] * max(columns, 2) / 2.54
    figure = Figure(figsize=(width, PANEL_CM[1] * rows / 2.54 + 1.0), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes_row, panel_row in zip(grid, drawing.rows, strict=True):
        for axes, panel in zip(axes_row, panel_row, strict=True):
            _draw_panel(axes, panel)
    figure.suptitle(drawing.title, fontsize=10, fontweight="bold")
    figure.supxlabel(textwrap.fill(drawing.caption, 130), fontsize=6.5)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once, for both files
    return figure


def _draw_panel(axes: Axes, panel: Panel) -> None:
    axes.set(
        title=panel.title, ylabel=panel.y, xscale=panel.x_scale, yscale=panel.y_scale if panel.series else "linear"
    )
    bars = [series.method for series in panel.series if series.kind == "bar"]
    for series in panel.series:
        if series.kind == "bar":
            _bars(axes, series, bars.index(series.method), len(bars))
        elif series.kind == "front":
            xs, ys = [point.x for point in series.points], [point.y for point in series.points]
            axes.step(xs, ys, where="post", color="0.4", lw=0.8, ls="--", zorder=1, label=series.name)
        else:
            _points(axes, series)
    if panel.series and not panel.ticks and panel.x_scale == "linear":  # small energies: no offset, no long decimals
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    if panel.ticks:
        axes.set_xticks(range(len(panel.ticks)), panel.ticks)
        axes.set_xlim(-0.5, len(panel.ticks) - 0.5)
    if panel.y_scale == "asinh" and panel.series:
        axes.set_yticks([0, 1, 2, 5, 10, 20, 50], ["0", "1", "2", "5", "10", "20", "50"])
    if panel.series:
        _legend(axes, panel)
    else:
        axes.text(0.5, 0.5, EMPTY, transform=axes.transAxes, ha="center", va="center", color="0.35")
    axes.set_xlabel("\n".join(filter(None, (panel.x, panel.note, _ours_missing(panel)))))


def _ours_missing(panel: Panel) -> str:
    return f"ours: {EMPTY}" if panel.series and all(series.pale for series in panel.series) else ""


def _bars(axes: Axes, series: Series, index: int, count: int) -> None:
    colour, _, hatch = STYLES.get(series.method, OTHER)
    width = 0.84 / max(count, 6)
    xs = [point.x + (index - (count - 1) / 2) * width for point in series.points]
    heights = [point.y for point in series.points]
    errors = [point.y_error or 0 for point in series.points]
    shown = errors if any(errors) else None
    axes.bar(xs, heights, width, yerr=shown, color=colour, hatch=hatch, edgecolor="white", lw=0.3, label=series.label,
             error_kw={"lw": 0.7, "ecolor": "0.3"})  # fmt: skip


def _points(axes: Axes, series: Series) -> None:
    colour, marker, _ = STYLES.get(series.method, OTHER)
    axes.errorbar(
        [point.x for point in series.points], [point.y for point in series.points],
        xerr=[point.x_error or 0 for point in series.points] if any(p.x_error for p in series.points) else None,
        yerr=[point.y_error or 0 for point in series.points] if any(p.y_error for p in series.points) else None,
        color=colour, marker=marker, ls="-" if series.kind == "line" else "none", lw=1, ms=7 if marker == "*" else 5,
        mfc="none" if series.hollow else colour, mec=colour if series.hollow else "0.2",
        mew=0.9 if series.hollow else 0.4,
        elinewidth=0.8, capsize=2, alpha=PALE if series.pale else 1, label=series.label, zorder=2 if series.pale else 3,
    )  # fmt: skip


def _legend(axes: Axes, panel: Panel) -> None:
    """Each method once, outside the axes so that it hides no point; what pale and hollow mean stands in the caption."""
    handles, labels = axes.get_legend_handles_labels()
    first: dict[str, Series] = {}
    for series in sorted(panel.series, key=lambda one: one.pale):
        first.setdefault(series.name, series)
    shown = {name: handles[labels.index(series.label)] for name, series in first.items()}
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0.2}
    axes.legend(list(shown.values()), list(shown), frameon=False, handlelength=1.6, **place)
