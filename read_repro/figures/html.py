"""`results/report.html`: every table and figure on one self-contained page, each number leading to its runs."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from read_repro.figures.figure import Drawing
from read_repro.figures.svg import svg
from read_repro.records.record import AnyRecord, PlannedRecord, Record
from read_repro.tables.load import Store
from read_repro.tables.table import Cell, Table

PAGE = Path(__file__).parent / "page"
HEADINGS = {
    "table1": "Table 1", "table2": "Table 2", "table3": "Table 3", "hyperparameters": "Chosen hyperparameters",
    "beyond": "Beyond the paper", "claims": "Claims",
}  # fmt: skip


def write_report(store: Store, tables: Mapping[str, Sequence[Table]], plots: Sequence[Drawing], path: Path) -> None:
    """The page; style and script are inlined, nothing is fetched."""
    records = {row["run"]: row for rows in (store.run_rows, store.planned_rows, store.reference_rows) for row in rows}
    links = {run: index for index, run in enumerate(sorted(records))}
    sections = [_section(stem, found, links) for stem, found in tables.items()]
    figures = "".join(_drawing(drawing, links) for drawing in plots)
    runs = "".join(_run(records[run], index) for run, index in links.items())
    names = {stem: HEADINGS.get(stem, stem) for stem in tables} | {"figures": "Figures", "runs": "Runs"}
    nav = "".join(f'<a href="#{escape(stem)}">{escape(name)}</a>' for stem, name in names.items())
    body = (
        f"<header><h1>READ, reproduced</h1><nav>{nav}</nav></header><main>{_broken(store)}{''.join(sections)}"
        f'<section id="figures"><h2>Figures</h2>{figures}</section>'
        f'<section id="runs"><h2>Runs</h2>{runs or "<p>No records yet.</p>"}</section></main>'
        '<aside id="panel" hidden><button type="button" id="close">close</button><h3></h3><ul></ul></aside>'
        '<div id="tip" hidden></div>'
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_page(body), encoding="utf-8")


def _page(body: str) -> str:
    style, script = ((PAGE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{head}<title>READ, reproduced</title><style>{style}</style></head>'
        f"<body>{body}<script>{script}</script></body></html>\n"
    )


def _broken(store: Store) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in store.broken)
    counts = f"{len(store.runs)} runs, {len(store.planned)} plans, {len(store.reference)} GPU records."
    hint = "Click a heading to sort, a number or a point for its runs, a legend entry to hide it."
    return f"<p>{counts} {hint}</p>" + (f'<div class="broken"><b>Left out</b><ul>{items}</ul></div>' if items else "")


def _section(stem: str, tables: Sequence[Table], links: Mapping[str, int]) -> str:
    inner = "".join(_table(table, links) for table in tables)
    return f'<section id="{escape(stem)}"><h2>{escape(HEADINGS.get(stem, stem))}</h2>{inner}</section>'


def _table(table: Table, links: Mapping[str, int]) -> str:
    head = "".join(f'<th><button type="button">{escape(column.title)}</button></th>' for column in table.columns)
    rows = "".join(f"<tr>{''.join(_cell(cell, links) for cell in row)}</tr>" for row in table.rows)
    numbered = "".join(f"<li>{_words(note)}</li>" for note in table.numbered)
    notes = "".join(f"<p>{_words(note)}</p>" for note in table.notes)
    caption = f"<caption>{escape(table.title)}</caption>"
    scroll = f'<div class="scroll"><table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    return scroll + f'<div class="notes">{f"<ol>{numbered}</ol>" if numbered else ""}{notes}</div>'


def _cell(cell: Cell, links: Mapping[str, int]) -> str:
    """A cell; `data-value` is what it sorts by, `data-runs` what it leads to."""
    words = f"<b>{_words(cell.text)}</b>" if cell.bold else _words(cell.text)
    value = "" if cell.stat.mean is None else f' data-value="{cell.stat.mean!r}"'
    runs = [str(links[run]) for run in dict.fromkeys(cell.stat.runs) if run in links]
    if runs:
        words = f'<a href="#run-{runs[0]}" data-runs="{" ".join(runs)}">{words}</a>'
    mark = f"<sup>{cell.mark}</sup>" if cell.mark is not None else ""
    return f"<td{value}>{words}{mark}</td>"


def _words(text: str) -> str:
    """Escaped words, with `code` as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def _drawing(drawing: Drawing, links: Mapping[str, int]) -> str:
    rows = "".join(f'<div class="plots">{"".join(svg(panel, links) for panel in row)}</div>' for row in drawing.rows)
    title = f'<h3 id="{escape(drawing.stem)}">{escape(drawing.title)}</h3>'
    return f'{title}{rows}<p class="notes">{escape(drawing.caption)}</p>'


# Records made before it was left out hold the growth of a process that had trained, which is next to nothing.
NOT_SHOWN = ("memory/inference_resident_gib",)


def _run(row: Mapping[str, Any], index: int) -> str:
    """One record: its folder, labels and metrics."""
    record: AnyRecord = row["record"]
    epochs = (record.epochs, record.best_epoch) if isinstance(record, Record) else (None, None)
    facts: dict[str, Any] = {"labels": ", ".join(record.labels) or None, "epochs": epochs[0], "best epoch": epochs[1]}
    facts |= {"hardware": row.get("hardware") or row.get("device")}
    facts |= {"commit": None if isinstance(record, PlannedRecord) else record.commit}
    facts |= {key: value for key, value in sorted(record.metrics.items()) if key not in NOT_SHOWN}
    shown = {key: value for key, value in facts.items() if value is not None and not _absent(value)}
    lines = "".join(f"<tr><td>{escape(key)}</td><td>{escape(_short(value))}</td></tr>" for key, value in shown.items())
    return f'<details id="run-{index}"><summary>{escape(row["run"])}</summary><table>{lines}</table></details>'


def _absent(value: Any) -> bool:
    return isinstance(value, float) and value != value  # NaN: a column that other records have


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
