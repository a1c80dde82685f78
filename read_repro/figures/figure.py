"""What a figure shows, before anything draws it: panels of points. `draw` prints them, `svg` puts them on the page."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

EMPTY = "no records yet"
PAPER = "paper"
SCALE_WORDS = {"linear": "", "log": "log scale", "symlog": "linear up to 1, log scale above"}
TURN: dict[str, Callable[[float], float]] = {  # where a value lies on an axis of a scale, up to a linear map
    "linear": lambda value: value,
    "log": math.log10,
    "symlog": lambda value: value if abs(value) <= 1 else math.copysign(1 + math.log10(abs(value)), value),
}


@dataclass(frozen=True)
class Point:
    """One point or bar: its place, the half-widths of its error bars, and the runs it stands for.

    Where it is drawn beside its place, so that it hides no other, `true_x` is the place.
    """

    x: float
    y: float
    x_error: float | None = None
    y_error: float | None = None
    runs: tuple[str, ...] = ()
    true_x: float | None = None


@dataclass(frozen=True)
class Series:
    """The points of one method.

    Args:
        method: decides the look.
        name: stands in the legend.
        kind: scatter, line, bar, or front (the points of a Pareto front).
        source: where the points come from if not from runs: `paper`, `planned` or a GPU.
        hollow: whether they were measured and stand beside a line that was planned.
    """

    method: str
    name: str
    points: tuple[Point, ...]
    kind: str = "scatter"
    source: str = ""
    hollow: bool = False

    @property
    def pale(self) -> bool:
        """Whether these are the paper's points."""
        return self.source == PAPER

    @property
    def label(self) -> str:
        """`READ, paper`."""
        return f"{self.name}, {self.source}" if self.source else self.name


@dataclass(frozen=True)
class Panel:
    """One pair of axes; `ticks` names the whole numbers of an x axis of names, `line` is the height of a drawn line."""

    title: str
    x: str
    y: str
    series: tuple[Series, ...]
    ticks: tuple[str, ...] = ()
    x_scale: str = "linear"
    y_scale: str = "linear"
    note: str = ""
    line: float | None = None

    @property
    def x_label(self) -> str:
        """The words beside the x axis, its scale among them."""
        return ", ".join(filter(None, (self.x, SCALE_WORDS[self.x_scale])))

    @property
    def y_label(self) -> str:
        """The words beside the y axis, its scale among them."""
        return ", ".join(filter(None, (self.y, SCALE_WORDS[self.y_scale])))

    @property
    def words(self) -> tuple[str, ...]:
        """What stands under the axes: the note, and that there is nothing of ours where all points are the paper's."""
        ours = "" if any(not series.pale for series in self.series) else f"ours: {EMPTY}"
        return tuple(filter(None, (self.note, ours)))


@dataclass(frozen=True)
class Drawing:
    """A figure: rows of panels and the words under them."""

    stem: str
    title: str
    rows: tuple[tuple[Panel, ...], ...]
    caption: str

    @property
    def drawn(self) -> tuple[tuple[Panel, ...], ...]:
        """The rows and the columns that have something to draw."""
        rows = [row for row in self.rows if any(panel.series for panel in row)]
        columns = [i for i in range(len(rows[0]) if rows else 0) if any(row[i].series for row in rows)]
        return tuple(tuple(row[i] for i in columns) for row in rows)

    @property
    def undrawn(self) -> tuple[str, ...]:
        """A line for each panel that stands in no row or column of those."""
        drawn = [id(panel) for row in self.drawn for panel in row]
        panels = [panel for row in self.rows for panel in row if id(panel) not in drawn]
        return tuple(f"{panel.title}, {panel.x or panel.y}: {EMPTY}." for panel in panels)


def stairs(points: Sequence[Point]) -> list[Point]:
    """Those of a front's points that go up from cheap to dear, for a line through them."""
    steps: list[Point] = []
    for point in sorted(points, key=lambda p: (p.x, -p.y)):
        if not steps or point.y > steps[-1].y:
            steps.append(point)
    return steps
