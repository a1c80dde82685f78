"""Tables of the report: sortable, each number a link to its runs, and what is empty folded away."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape

from read_repro.figures.links import Links, address
from read_repro.tables.table import DASH, Cell, Table


def words(text: str) -> str:
    """Escaped words, with `code` as code, line by line."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text)).replace("\n", "<br>")


def table_html(table: Table, links: Links, name: str) -> str:
    """A heading, the table and its notes; a table without any number of ours is folded behind its heading."""
    heading = f'<h3 id="{name}">{escape(table.title)}</h3>'
    rows, columns = hollow(table)
    if len(rows) == len(table.rows):
        inner = _table(table, links, name, frozenset(), frozenset()) + _notes(table)
        return f'<details class="empty"><summary>{heading} no records yet</summary>{inner}</details>'
    return heading + _more(rows, columns) + _table(table, links, name, rows, columns) + _notes(table)


def hollow(table: Table) -> tuple[frozenset[int], frozenset[int]]:
    """The rows and columns in which nothing of ours stands: dashes, and the paper's numbers without ours beside."""
    every = range(len(table.columns))
    labels = [i for i in every if all(row[i].text != DASH and row[i].stat.mean is None for row in table.rows)]
    values = [i for i in every if i not in labels]
    if not values:
        return frozenset(), frozenset()
    theirs = {n for n, row in enumerate(table.rows) if any(row[i].text.startswith("paper") for i in labels)}
    filled = {n for n, row in enumerate(table.rows) if n not in theirs and any(row[i].text != DASH for i in values)}
    beside = {table.rows[n][0].text for n in filled}
    shown = filled | {n for n in theirs if table.rows[n][0].text in beside}
    empty = {i for i in values if filled and all(table.rows[n][i].text == DASH for n in filled)}
    return frozenset(range(len(table.rows))) - shown, frozenset(empty)


def _more(rows: frozenset[int], columns: frozenset[int]) -> str:
    """The button that shows what is empty; nothing where nothing is."""
    counts = {"row": len(rows), "column": len(columns)}
    hidden = " and ".join(f"{count} {name}{'s' * (count > 1)}" for name, count in counts.items() if count)
    label = f"show {hidden} without a number of ours"
    return f'<button type="button" class="more" aria-pressed="false">{label}</button>' if hidden else ""


def _table(table: Table, links: Links, name: str, rows: frozenset[int], columns: frozenset[int]) -> str:
    hide = [' class="hollow"' if index in columns else "" for index in range(len(table.columns))]
    head = "".join(
        f'<th scope="col"{hidden}><button type="button">{escape(column.title)}</button></th>'
        for column, hidden in zip(table.columns, hide, strict=True)
    )
    body = []
    for number, row in enumerate(table.rows):
        cells = "".join(_cell(cell, links, i == 0, hide[i]) for i, cell in enumerate(row))
        hidden = ' class="hollow"' if number in rows else ""
        body.append(f"<tr{hidden}>{cells}</tr>")
    inner = f'<table aria-labelledby="{name}"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    return f'<div class="scroll" role="region" tabindex="0" aria-labelledby="{name}">{inner}</div>'


def _cell(cell: Cell, links: Links, first: bool, hidden: str) -> str:
    """A cell; `data-value` is what it sorts by."""
    inner = f"<b>{words(cell.text)}</b>" if cell.bold else words(cell.text)
    value = "" if cell.stat.mean is None else f' data-value="{cell.stat.mean!r}"'
    if runs := address(cell.stat.runs, links):
        inner = f'<a href="{runs}">{inner}</a>'
    mark = f"<sup>{cell.mark}</sup>" if cell.mark is not None else ""
    tag, scope = ("th", ' scope="row"') if first else ("td", "")
    return f"<{tag}{scope}{value}{hidden}>{inner}{mark}</{tag}>"


def _notes(table: Table) -> str:
    numbered = "".join(f"<li>{words(note)}</li>" for note in table.numbered)
    notes = "".join(f"<p>{words(note)}</p>" for note in table.notes)
    summary = f"<summary>{len(table.numbered)} notes on missing runs, with their commands</summary>"
    folded = f"<details>{summary}<ol>{numbered}</ol></details>" if numbered else ""
    return f'<div class="notes">{folded}{notes}</div>'


def in_words(table: Table, names: Mapping[str, str]) -> Table:
    """The table with blocks named in words, where its title and its headings name them by their keys."""

    def said(text: str) -> str:
        for key in sorted(names, key=len, reverse=True):
            text = text.replace(key, names[key])
        return text

    columns = tuple(replace(column, title=said(column.title)) for column in table.columns)
    return replace(table, title=said(table.title), columns=columns)


def section(name: str, title: str, inner: str | Sequence[str]) -> str:
    """A part of the page under a heading that leads to itself."""
    body = inner if isinstance(inner, str) else "".join(inner)
    return f'<section id="{name}"><h2><a href="#{name}">{escape(title)}</a></h2>{body}</section>'
