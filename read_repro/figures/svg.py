"""A panel as inline SVG for the report: the same points as in the figures, with tooltips and links to their runs."""

import math
from collections.abc import Callable, Mapping
from html import escape
from itertools import pairwise

from read_repro.figures.draw import OTHER, PALE, STYLES, SYMLOG_TICKS
from read_repro.figures.figure import EMPTY, TURN, Panel, Point, Series, stairs

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 12, 26, 46
CORNERS = {
    "s": (4, 45),
    "^": (3, -90),
    "v": (3, 90),
    "D": (4, 0),
    "P": (8, 22),
    "X": (8, 0),
    "p": (5, -90),
    "h": (6, 0),
}

Scale = Callable[[float], float]
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def svg(panel: Panel, links: Mapping[str, int]) -> str:
    """The panel as an `<svg>` with a legend; `links` numbers the runs as the page does."""
    if not panel.series:
        return f"<p>{escape(panel.title)}, {escape(panel.x or panel.y)}: {EMPTY}.</p>"
    x_low, x_high = (-0.5, len(panel.ticks) - 0.5) if panel.ticks else _range([p.x for p in _all(panel)], panel.x_scale)
    tops = [p.y + (p.y_error or 0) for p in _all(panel)] + [p.y - (p.y_error or 0) for p in _all(panel)]
    tops += [0.0] if any(series.kind == "bar" for series in panel.series) else []
    tops += [panel.line] if panel.line is not None else []
    y_low, y_high = _range(tops, panel.y_scale)
    x = _scale(x_low, x_high, LEFT, WIDTH - RIGHT, panel.x_scale)
    y = _scale(y_low, y_high, HEIGHT - BOTTOM, TOP, panel.y_scale)
    names = [(float(i), name) for i, name in enumerate(panel.ticks)]
    marks = names or [(value, _tick(value)) for value in _ticks(x_low, x_high, panel.x_scale)]
    parts = [
        _text(LEFT, 14, panel.title, "title"),
        _text((LEFT + WIDTH) / 2, HEIGHT - 18, panel.x_label, "label middle"),
    ]
    parts.append(
        f'<text class="label middle" transform="translate(13,{HEIGHT / 2}) rotate(-90)">{escape(panel.y_label)}</text>'
    )
    parts += [_text(x(value), HEIGHT - BOTTOM + 15, name, "tick middle") for value, name in marks]
    for value in _ticks(y_low, y_high, panel.y_scale):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(_text(LEFT - 5, y(value) + 3, _tick(value), "tick end"))
    bars = [series for series in panel.series if series.kind == "bar"]
    for index, series in enumerate(panel.series):
        place = (bars.index(series), len(bars)) if series in bars else (0, 1)
        parts.append(f'<g data-series="{index}">{_series(series, x, y, place, links)}</g>')
    if panel.line is not None:
        level = f'y1="{y(panel.line):.1f}" y2="{y(panel.line):.1f}"'
        parts.append(f'<line class="front" x1="{LEFT}" x2="{WIDTH - RIGHT}" {level}/>')
    drawn = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(panel.title)}">{"".join(parts)}</svg>'
    notes = "".join(f'<p class="notes">{escape(words)}</p>' for words in panel.words)
    return f'<figure class="plot">{drawn}{_legend(panel)}{notes}</figure>'


def _all(panel: Panel) -> list[Point]:
    return [point for series in panel.series for point in series.points]


def _range(values: list[float], kind: str) -> tuple[float, float]:
    """A little more than the values' own range."""
    if not values:
        return (1.0, 10.0) if kind == "log" else (0.0, 1.0)
    low, high = min(values), max(values)
    if kind == "log":
        return low / 1.3, high * 1.3
    margin = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
    return (low - margin if low else 0.0), high + margin


def _scale(low: float, high: float, start: float, end: float, kind: str) -> Scale:
    turn = TURN[kind]
    return lambda v: start + (end - start) * (turn(v) - turn(low)) / (turn(high) - turn(low))


def _ticks(low: float, high: float, kind: str) -> list[float]:
    if kind == "symlog":
        return [value for value in SYMLOG_TICKS if low <= value <= high]
    if kind == "log":
        steps = (1, 2, 5) if high / low < 300 else (1,)
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        return [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
    rough = (high - low) / 4
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * n for n in (1, 2, 5, 10) if unit * n >= rough)
    return [round(step * n, 12) for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _number(value: float) -> str:
    """`0.1234`, `1,970,688`: four digits, or the whole of a large number."""
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _tick(value: float) -> str:
    """`5`, `0.25`, `10⁹`: large and small numbers as powers of ten."""
    if value == 0 or 1e-4 <= abs(value) < 1e4:
        return f"{value:g}"
    mantissa, exponent = f"{value:.0e}".split("e")
    power = f"10{str(int(exponent)).translate(SUPERSCRIPT)}"
    return power if mantissa == "1" else f"{mantissa}·{power}"


def _series(series: Series, x: Scale, y: Scale, place: tuple[int, int], links: Mapping[str, int]) -> str:
    colour, marker, _ = STYLES.get(series.method, OTHER)
    at = [(x(point.x), y(point.y)) for point in series.points]
    if series.kind == "front":
        return _front(series, x, y)
    look = f'fill="{"none" if series.hollow else colour}" stroke="{colour if series.hollow else "#333"}"'
    opacity = f' opacity="{PALE}"' if series.pale else ""
    parts = []
    if series.kind == "line":
        points = " ".join(f"{px:.1f},{py:.1f}" for px, py in at)
        parts.append(f'<polyline fill="none" stroke="{colour}" points="{points}"/>')
    for point, (px, py) in zip(series.points, at, strict=True):
        if series.kind == "bar":
            width = (x(1) - x(0)) * 0.84 / max(place[1], 6)
            px += (place[0] - (place[1] - 1) / 2) * width
            size = f'width="{width:.1f}" height="{max(y(0) - py, 0):.1f}"'
            shape = f'<rect x="{px - width / 2:.1f}" y="{py:.1f}" {size} {look}/>'
        else:
            shape = _marker(marker, px, py, look)
        parts.append(_linked(shape, series, point, links) + _errors(point, px, py, x, y))
    return f"<g{opacity}>{''.join(parts)}</g>"


def _front(series: Series, x: Scale, y: Scale) -> str:
    """A ring around each point of the front, and a step line through those that go up."""
    rings = "".join(f'<circle class="front" cx="{x(p.x):.1f}" cy="{y(p.y):.1f}" r="9"/>' for p in series.points)
    at = [(x(point.x), y(point.y)) for point in stairs(series.points)]
    corners = [f"{right[0]:.1f},{left[1]:.1f} {right[0]:.1f},{right[1]:.1f}" for left, right in pairwise(at)]
    start = f"{at[0][0]:.1f},{at[0][1]:.1f}" if at else ""
    return f'{rings}<polyline class="front" points="{" ".join([start, *corners])}"/>'


def _linked(shape: str, series: Series, point: Point, links: Mapping[str, int]) -> str:
    """A shape with its tooltip, and its runs for the page to open."""
    runs = " ".join(str(links[run]) for run in point.runs if run in links)
    error = f" ± {_number(point.y_error)}" if point.y_error is not None else ""
    x = point.x if point.true_x is None else point.true_x
    place = f"; x {_number(x)}" if series.kind == "scatter" and not series.hollow else ""
    tip = escape(f"{series.label}: {_number(point.y)}{error}{place}")
    return f'<g class="point" data-runs="{runs}" data-tip="{tip}"><title>{tip}</title>{shape}</g>'


def _errors(point: Point, px: float, py: float, x: Scale, y: Scale) -> str:
    ends = []
    if point.y_error:
        ends.append((px, px, y(point.y - point.y_error), y(point.y + point.y_error)))
    if point.x_error and point.x > point.x_error:
        ends.append((x(point.x - point.x_error), x(point.x + point.x_error), py, py))
    line = '<line class="error" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>'
    return "".join(line.format(*end) for end in ends)


def _marker(marker: str, px: float, py: float, look: str) -> str:
    if marker == "o":
        return f'<circle cx="{px:.1f}" cy="{py:.1f}" r="5" {look}/>'
    corners, turn = CORNERS.get(marker, (10, -90))
    points = []
    for corner in range(corners):
        angle = math.radians(turn + 360 * corner / corners)
        radius = 3 if marker in "PX*" and corner % 2 else 6.5
        points.append(f"{px + radius * math.cos(angle):.1f},{py + radius * math.sin(angle):.1f}")
    return f'<polygon points="{" ".join(points)}" {look}/>'


def _legend(panel: Panel) -> str:
    items = []
    for index, series in enumerate(panel.series):
        colour = "#666" if series.kind == "front" else STYLES.get(series.method, OTHER)[0]
        style = f"opacity:{PALE}" if series.pale else ""
        swatch = f'<i style="background:{colour}"></i>{escape(series.label)}'
        items.append(f'<button type="button" data-toggle="{index}" style="{style}">{swatch}</button>')
    return f"<figcaption>{''.join(items)}</figcaption>"


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'
