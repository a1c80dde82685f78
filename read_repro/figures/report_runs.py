"""The records at the end of the report, one folded entry each, with what a run learned epoch by epoch."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from read_repro.figures.links import Links
from read_repro.records.record import AnyRecord, PlannedRecord, Record
from read_repro.tables.load import Store

# Records made before it was left out hold the growth of a process that had trained, which is next to nothing.
NOT_SHOWN = ("memory/inference_resident_gib",)
HISTORY = {  # what the columns of an epoch are called, and the factor for their unit
    "epoch": ("epoch", 1), "train/loss": ("training loss", 1), "val/score": ("validation score", 1),
    "time_s": ("time (s)", 1), "energy_kwh": ("energy (Wh)", 1000),
}  # fmt: skip
WIDTH, HEIGHT = 180, 60
MOST_SHOWN = 20  # whose confusions are shown; those of more are in the record


def runs_html(store: Store, links: Links) -> str:
    """A filter, and every record in the order of their numbers."""
    rows = {row["run"]: row for rows in (store.run_rows, store.planned_rows, store.reference_rows) for row in rows}
    if not rows:
        return "<p>No records yet.</p>"
    entries = "".join(_entry(rows[run], index) for run, index in links.items())
    field = '<label>Filter <input type="search" id="filter" placeholder="cola read seed=0"></label>'
    return f'<p>{field} <span id="count" role="status">{len(rows)} records</span></p>{entries}'


def _entry(row: Mapping[str, Any], index: int) -> str:
    """One record: its folder, labels and metrics, and a run's history."""
    record: AnyRecord = row["record"]
    epochs = (record.epochs, record.best_epoch) if isinstance(record, Record) else (None, None)
    facts: dict[str, Any] = {"labels": ", ".join(record.labels) or None, "epochs": epochs[0], "best epoch": epochs[1]}
    facts |= {"hardware": row.get("hardware") or row.get("device")}
    facts |= {"commit": None if isinstance(record, PlannedRecord) else record.commit}
    facts |= {key: value for key, value in sorted(record.metrics.items()) if key not in NOT_SHOWN}
    shown = {key: value for key, value in facts.items() if value is not None and value == value}  # NaN: no such metric
    lines = "".join(f'<tr><th scope="row">{escape(k)}</th><td>{escape(_short(v))}</td></tr>' for k, v in shown.items())
    history = _history(record.history) + _classes(record) if isinstance(record, Record) else ""
    table = f"<table><tbody>{lines}</tbody></table>"
    return f'<details id="run-{index}"><summary>{escape(row["run"])}</summary>{history}{table}</details>'


def _history(history: Sequence[Mapping[str, float | None]]) -> str:
    """Two small curves of the validation score, and the numbers behind them."""
    keys = [key for key in HISTORY if any(entry.get(key) is not None for entry in history)]
    if not keys:
        return ""
    head = "".join(f'<th scope="col">{HISTORY[key][0]}</th>' for key in keys)
    rows = "".join(f"<tr>{''.join(_epoch_cell(entry, key) for key in keys)}</tr>" for entry in history)
    curves = "".join(_curve(history, key) for key in ("epoch", "energy_kwh"))
    return f'<div class="curves">{curves}</div><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _epoch_cell(entry: Mapping[str, float | None], key: str) -> str:
    value = entry.get(key)
    return f"<td>{'–' if value is None else f'{HISTORY[key][1] * value:.4g}'}</td>"


def _curve(history: Sequence[Mapping[str, float | None]], key: str) -> str:
    """The validation score against `key` as a line, its range in words; nothing for fewer than two points."""
    name, factor = HISTORY[key]
    pairs = [(entry.get(key), entry.get("val/score")) for entry in history]
    points = [(factor * x, y) for x, y in pairs if x is not None and y is not None]
    if len(points) < 2:
        return ""
    xs, ys = zip(*points, strict=True)
    x_span, y_span = max(xs) - min(xs) or 1, max(ys) - min(ys) or 1
    at = (f"{WIDTH * (x - min(xs)) / x_span:.1f},{HEIGHT * (max(ys) - y) / y_span:.1f}" for x, y in points)
    says = f"validation score {min(ys):.4g} to {max(ys):.4g}, {name} {min(xs):.3g} to {max(xs):.3g}"
    view = f'viewBox="-2 -2 {WIDTH + 4} {HEIGHT + 4}"'
    line = f'<svg {view} role="img" aria-label="{says}"><polyline points="{" ".join(at)}"/></svg>'
    return f"<figure>{line}<figcaption>{says}</figcaption></figure>"


def _classes(record: Record) -> str:
    """Each class's scores on the test split, and what its examples were taken for; nothing where there are none."""
    if not record.classes:
        return ""
    told = record.confusion if len(record.classes) <= MOST_SHOWN else ()
    titles = ["class", "precision", "recall", "F1", "examples"]
    titles += [f"told as {each.name}" for each in record.classes] if told else []
    rows = []
    for index, each in enumerate(record.classes):
        numbers = [
            *map(_percent, (each.precision, each.recall, each.f1)),
            each.examples,
            *(told[index] if told else ()),
        ]
        cells = "".join(f"<td>{number}</td>" for number in numbers)
        rows.append(f'<tr><th scope="row">{escape(each.name)}</th>{cells}</tr>')
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    inner = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f'<div class="scroll" role="region" tabindex="0" aria-label="Classes of {escape(record.run)}">{inner}</div>'


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
