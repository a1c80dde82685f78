"""A panel as inline SVG for the report: the marks of the figures, with tooltips and links to their runs.

matplotlib draws it, by the code that draws the figures' files. A drawing of our own took twice the lines and had to
be kept equal to that code; what the page needs beyond it (tooltips with units, marks that take the focus, the page's
own colour in place of black) is set on the elements that matplotlib names after its artists.
"""

import re
from html import escape
from io import StringIO
from xml.etree import ElementTree

from matplotlib import rc_context
from matplotlib.figure import Figure

from read_repro.figures.draw import OTHER, PALE, PANEL_INCHES, RC, STYLES, draw_panel
from read_repro.figures.figure import EMPTY, Panel, Point, Series
from read_repro.figures.links import Links, address

NAMESPACE = re.compile(r"\{.*\}")
INK = re.compile("#(000000|333333|4c4c4c)")  # what is to be read on white and on black: lines, error bars, full-tuning
GID = re.compile(r"(series|mark)-(\d+)(?:-(\d+))?")


def svg(panel: Panel, links: Links, name: str) -> str:
    """The panel as a `<figure>` with a legend; `name` is its own on the page, and the ids inside begin from it."""
    if not panel.series:
        return f"<p>{escape(panel.title)}, {escape(panel.x or panel.y)}: {EMPTY}.</p>"
    root = _drawn(panel, name)
    for group in root.iter("g"):
        if found := GID.fullmatch(group.attrib.pop("id", "")):
            kind, index, place = found.groups()
            group.set("data-series", index)
            if kind == "mark":
                series = panel.series[int(index)]
                _link(group, _tip(panel, series, series.points[int(place)]), series.points[int(place)], links)
    drawn = re.sub(r">\s+<", "><", INK.sub("currentColor", ElementTree.tostring(root, encoding="unicode")))
    notes = "".join(f'<p class="notes">{escape(words)}</p>' for words in panel.words)
    return f'<figure class="plot"><h4>{escape(panel.title)}</h4>{drawn}{_legend(panel)}{notes}</figure>'


def _drawn(panel: Panel, name: str) -> ElementTree.Element:
    """matplotlib's SVG of the panel without backgrounds, metadata and XML's namespaces; its words stay words."""
    text = StringIO()
    with rc_context({**RC, "svg.fonttype": "none", "svg.hashsalt": name}):
        figure = Figure(figsize=PANEL_INCHES, layout="constrained")
        axes = figure.subplots()
        draw_panel(axes, panel)
        figure.patch.set_visible(False)
        axes.patch.set_visible(False)
        for bar in axes.patches:
            bar.set_hatch("")  # for print in grey; as SVG, circles of a hatch are a hundred kilobytes
        figure.savefig(text, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(text.getvalue())
    for element in root.iter():
        element.tag = NAMESPACE.sub("", element.tag)
        element.attrib = {NAMESPACE.sub("", key): value for key, value in element.attrib.items()}
    for unwanted in [child for child in root if child.tag == "metadata" or child.find("style") is not None]:
        root.remove(unwanted)
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "group", "aria-label": panel.title}
    return root


def _link(group: ElementTree.Element, tip: str, point: Point, links: Links) -> None:
    """Makes a mark a link to its runs, or what only takes the focus where it has none; both carry their tooltip."""
    runs = address(point.runs, links)
    if runs:
        group.tag = "a"
        group.set("href", runs)
    else:
        group.attrib |= {"role": "img", "tabindex": "0"}
    group.attrib |= {"class": "point", "aria-label": tip, "data-tip": tip}


def _tip(panel: Panel, series: Series, point: Point) -> str:
    """`READ: average score 25.86 ± 2.85; training energy 0.661 ± 0.014 Wh (CPU estimate)`."""
    x = point.x if point.true_x is None else point.true_x
    place = panel.ticks[round(x)] if panel.ticks else quantity(panel.x, x, point.x_error)
    return f"{series.label}: {quantity(panel.y, point.y, point.y_error)}; {place}"


def quantity(label: str, value: float, error: float | None = None) -> str:
    """A value with the words of its axis, `memory (GiB, resident)`: `memory 1.52 GiB (resident)`."""
    name, _, rest = label.partition(" (")
    unit, _, kind = rest.removesuffix(")").partition(", ")
    if " " in unit:  # words about the quantity, no unit
        unit, kind = "", rest.removesuffix(")")
    spread = f" ± {error:.3g}" if error is not None else ""
    number = f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return " ".join(filter(None, (name, number + spread, unit, f"({kind})" if kind else "")))


def _legend(panel: Panel) -> str:
    items = []
    for index, series in enumerate(panel.series):
        colour = "#737373" if series.kind == "front" else STYLES.get(series.method, OTHER)[0]
        opacity = f";opacity:{PALE}" if series.pale else ""
        swatch = f'<i style="background:{INK.sub("currentColor", colour)}{opacity}"></i>{escape(series.label)}'
        items.append(f'<button type="button" aria-pressed="true" data-toggle="{index}">{swatch}</button>')
    return f"<figcaption>{''.join(items)}</figcaption>"
