"""Tables as such: columns and cells, whatever they mean, written as Markdown, LaTeX and CSV."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from read_repro.tables.aggregate import Stat

DASH = "–"
PM = "±"
NOTHING = Stat()
FORMULA = "=+-@＝＋－＠"  # spreadsheets take the wide signs for the others
# A number, also with its spread, unit or range, and with words in brackets, which call nothing.
NUMBER = re.compile(r"[-+]?\d[-+\d.,e%±()\[\]/ ]*( to [-+]?[\d.,e%]+)?( \([\w ,.;:-]*\))?")
HTML = re.compile(r"<(?=[A-Za-z/!?])")


@dataclass(frozen=True)
class Column:
    """A column.

    Args:
        title: its heading.
        form: the format in which its numbers are printed.
        best: which number is best and stands in bold: the `max`, the `min`, or none where this is empty.
        seeds: whether its numbers are means over seeds; the CSV then has columns for their deviation and number.
    """

    title: str
    form: str = ".2f"
    best: str = ""
    seeds: bool = False


@dataclass(frozen=True)
class Cell:
    """One cell: its text, the statistic behind it if there is one, and the number of its footnote."""

    text: str = DASH
    stat: Stat = NOTHING
    bold: bool = False
    mark: int | None = None


@dataclass(frozen=True)
class Table:
    """A titled table with numbered notes (referred to by `Cell.mark`) and plain ones."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numbered: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def text(value: object) -> Cell:
    """A cell of words; None is a dash."""
    return Cell(DASH if value is None or value == "" else str(value))


def number(stat: Stat, column: Column, mark: int | None = None) -> Cell:
    """A cell of a mean: `52.59 ± 0.40 (3)`, with `[2/7]` where it covers only some of the block's tasks."""
    if stat.mean is None:
        return Cell(DASH, stat, mark=mark)
    spread = f" {PM} {stat.sd:{column.form}}" if stat.sd is not None else ""
    seeds = f" ({stat.n})" if column.seeds and stat.n else ""
    parts = "" if stat.whole or stat.parts is None else f" [{stat.parts[0]}/{stat.parts[1]}]"
    return Cell(f"{stat.mean:{column.form}}{spread}{seeds}{parts}", stat, mark=mark)


def printed_cell(value: float | None, column: Column) -> Cell:
    """A cell of a number that stands alone, such as one the paper printed."""
    return number(Stat(value), column)


def embolden(rows: Sequence[tuple[Cell, ...]], columns: Sequence[Column]) -> list[tuple[Cell, ...]]:
    """Puts the best of each column in bold, and all that print like it; a mean over some of the tasks never is."""
    out = [list(row) for row in rows]
    for index, column in enumerate(columns):
        values = [row[index].stat.mean for row in rows if row[index].stat.whole]
        numbers = [value for value in values if value is not None]
        if not column.best or not numbers:
            continue
        best = f"{(max if column.best == 'max' else min)(numbers):{column.form}}"
        for row in out:
            mean = row[index].stat.mean
            bold = row[index].stat.whole and mean is not None and f"{mean:{column.form}}" == best
            row[index] = replace(row[index], bold=bold)
    return [tuple(row) for row in out]


def markdown(table: Table) -> str:
    """A GitHub table under a heading, with its notes."""
    lines = [f"## {_md(table.title)}", "", _line(_md(column.title) for column in table.columns)]
    lines.append("|" + " --- |" * len(table.columns))
    lines += [_line(_marked(cell, "**{}**", "<sup>{}</sup>", _md) for cell in row) for row in table.rows]
    return "\n".join([*lines, "", *map(_md, _notes(table, "{}. {}")), ""])


def latex(table: Table) -> str:
    """A booktabs table; the preamble needs booktabs, and graphicx for its width."""
    head = " & ".join(_tex(column.title) for column in table.columns)
    body = [
        " & ".join(_marked(cell, r"\textbf{{{}}}", r"\textsuperscript{{{}}}", _tex) for cell in row)
        for row in table.rows
    ]
    notes = [rf"\par\footnotesize {_tex(note)}" for note in _notes(table, "{}. {}")]
    return "\n".join([
        r"\begin{table}[t]", rf"\caption{{{_tex(table.title)}}}", r"\resizebox{\linewidth}{!}{%",
        rf"\begin{{tabular}}{{{'l' * len(table.columns)}}}", r"\toprule", rf"{head} \\", r"\midrule",
        *(rf"{line} \\" for line in body), r"\bottomrule", r"\end{tabular}}", *notes, r"\end{table}", "",
    ])  # fmt: skip


def comma_separated(tables: Sequence[Table]) -> str:
    """All tables of a file as one CSV, means, deviations and numbers of seeds in columns of their own."""
    titles: list[str] = ["table"]
    lines: list[dict[str, str]] = []
    for table in tables:
        for row in table.rows:
            line = {"table": table.title}
            for cell, column in zip(row, table.columns, strict=True):
                line |= _fields(cell, column)
            lines.append({title: _no_formula(words) for title, words in line.items()})
        titles += [name for column in table.columns for name in _fields(Cell(), column)]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(titles)), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def write(tables: Sequence[Table], folder: Path, stem: str) -> None:
    """`<stem>.md`, `<stem>.tex` and `<stem>.csv`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}.md").write_text("\n".join(markdown(table) for table in tables), encoding="utf-8")
    (folder / f"{stem}.tex").write_text("\n".join(latex(table) for table in tables), encoding="utf-8")
    (folder / f"{stem}.csv").write_text(comma_separated(tables), encoding="utf-8")


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _marked(cell: Cell, bold: str, mark: str, escape: Callable[[str], str]) -> str:
    words = escape(cell.text)
    words = bold.format(words) if cell.bold else words
    return words + (mark.format(cell.mark) if cell.mark is not None else "")


def _notes(table: Table, numbered: str) -> list[str]:
    return [numbered.format(i, note) for i, note in enumerate(table.numbered, 1)] + [
        f"- {note}" for note in table.notes
    ]


def _fields(cell: Cell, column: Column) -> dict[str, str]:
    stat = cell.stat
    if not column.seeds:
        return {column.title: cell.text if stat.mean is None else repr(round(stat.mean, 12))}
    mean = cell.text if stat.mean is None else repr(round(stat.mean, 12))
    sd = "" if stat.sd is None else repr(round(stat.sd, 12))
    return {column.title: mean, f"{column.title} sd": sd, f"{column.title} seeds": str(stat.n) if stat.n else ""}


def _no_formula(words: str) -> str:
    """The words of a CSV's cell, on one line; a spreadsheet would calculate what begins like a formula."""
    words = " ".join(words.splitlines())
    begins = words.strip()[:1]
    return f"'{words}" if begins and begins in FORMULA and not NUMBER.fullmatch(words) else words


def _md(words: str) -> str:
    """The words with what Markdown would take for HTML, an image or a link escaped; one line."""
    words = HTML.sub("&lt;", " ".join(words.splitlines()))
    return words.replace("![", "!\\[").replace("](", "]\\(")


def _tex(words: str) -> str:
    """The words with TeX's special characters escaped."""
    special = {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "–": "--",
    }
    special |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "`": ""}
    special |= {char: f"\\{char}" for char in "&%$#_{}"}
    return "".join(special.get(char, char) for char in words)
