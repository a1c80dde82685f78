"""What a figure is before it is drawn: panels of series of points. `figures` prints them, `svg` shows them."""

from dataclasses import dataclass

EMPTY = "no records yet"
PAPER = "paper"


@dataclass(frozen=True)
class Point:
    """One point or bar: position, half-widths of its error bars, the runs it stands for."""

    x: float
    y: float
    x_error: float | None = None
    y_error: float | None = None
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Series:
    """The points of one method: `method` decides its look, `name` and `source` (where not a run) are its label.

    `pale` are the paper's points, `hollow` those measured where others are planned.
    """

    method: str
    name: str
    points: tuple[Point, ...]
    kind: str = "scatter"  # scatter, line, bar or front
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
    """One pair of axes; `ticks` names the whole numbers of a categorical x axis."""

    title: str
    x: str
    y: str
    series: tuple[Series, ...]
    ticks: tuple[str, ...] = ()
    x_scale: str = "linear"  # linear, log or asinh (linear near 0, logarithmic far from it)
    y_scale: str = "linear"
    note: str = ""


@dataclass(frozen=True)
class Drawing:
    """A figure: rows of panels and the words under them."""

    stem: str
    title: str
    rows: tuple[tuple[Panel, ...], ...]
    caption: str
