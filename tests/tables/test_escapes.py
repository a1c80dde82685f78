"""Words from a record do nothing in a spreadsheet or a browser; numbers stay numbers."""

import csv
import io

import pytest

from read_repro.tables.aggregate import Stat
from read_repro.tables.table import Cell, Column, Table, comma_separated, markdown, number, text

FORMULAS = (
    "=1+1", "=HYPERLINK(\"http://x\")", "+cmd|' /C calc'!A0", "-1+cmd|' /C calc'!A0", "-2+SUM(A1)", "@SUM(1)",
    " =1", "\t=1", "\r=1", "＝1+1", "－x", "-method", "-1 (=x|y)",
)  # fmt: skip
NUMBERS = (
    "-16.6%", "-4.98 to -0.80", "-7.78 to 0.52", "+3", "-1e-05", "-52.59 ± 0.40 (3)", "-0.021", "-83.2% (planned)",
    "-16.6% (CPU estimate; epochs: READ 10, Full-tuning 3)", "–", "lora", "52.59 ± 0.40 (3) [2/7]",
)  # fmt: skip


def cells_of(words: str) -> list[str]:
    """What a CSV reader gets of a title and a cell of these words."""
    table = Table(words, (Column("method"), Column("score")), ((text(words), number(Stat(-1.5), Column("score"))),))
    (row,) = csv.DictReader(io.StringIO(comma_separated([table])))
    assert row["score"] == "-1.5"
    return [row["table"], row["method"]]


@pytest.mark.parametrize("words", FORMULAS)
def test_what_begins_like_a_formula_is_words_in_a_spreadsheet(words: str) -> None:
    assert cells_of(words) == [f"'{words}".replace("\r", " ")] * 2


@pytest.mark.parametrize("words", NUMBERS)
def test_numbers_stay_numbers(words: str) -> None:
    assert cells_of(words) == [words] * 2


@pytest.mark.parametrize(
    ("words", "escaped"),
    [
        ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
        ("<img src=x onerror=y>", "&lt;img src=x onerror=y>"),
        ("<!-- hidden", "&lt;!-- hidden"),
        ("<?php", "&lt;?php"),
        ("![seen](http://x/y.png)", "!\\[seen]\\(http://x/y.png)"),
        ("[click](http://x)", "[click]\\(http://x)"),
        ("one\ntwo", "one two"),
        ("p: share <= 0, a < b", "p: share <= 0, a < b"),
    ],
)
def test_markdown_holds_no_html_image_or_link_of_a_record(words: str, escaped: str) -> None:
    table = Table(words, (Column(words),), ((Cell(words, mark=1, bold=True),),), numbered=(words,), notes=(words,))
    lines = markdown(table).splitlines()
    assert lines == [
        f"## {escaped}",
        "",
        f"| {escaped} |",
        "| --- |",
        f"| **{escaped}**<sup>1</sup> |",
        "",
        f"1. {escaped}",
        f"- {escaped}",
    ]
