"""The report is one file that needs nothing else; it opens with what was measured, and folds what was not."""

import re
from html.parser import HTMLParser

import pytest
from store_factory import fill, run_record, write_run

from read_repro.figures.build import build_outputs
from read_repro.figures.report_tables import hollow, table_html
from read_repro.figures.svg import quantity
from read_repro.figures.verdict import condensed, tally, verdict_table
from read_repro.tables.aggregate import Stat
from read_repro.tables.load import read_store
from read_repro.tables.table import DASH, Cell, Column, Table, number, text

VOID = {"meta", "input", "br"}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    fill(folder, tasks=("cola", "mrpc"))
    build_outputs(folder)
    return (folder / "report.html").read_text(encoding="utf-8")


def test_nothing_is_fetched(page):
    assert not re.findall(r"""(?:src|href)=["'](?!#)""", page)
    assert "@import" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert len(page.encode()) < 5_000_000


def test_tags_are_balanced(page):
    class Balance(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attrs):
            if tag not in VOID:
                self.open.append(tag)

        def handle_endtag(self, tag):
            if tag not in VOID:
                assert self.open.pop() == tag

    balance = Balance()
    balance.feed(page)
    assert balance.open == []


def test_every_link_leads_to_a_run(page):
    runs = set(re.findall(r'<details id="run-(\d+)"', page))
    asked = {run for group in re.findall(r'href="#runs?-([\d-]+)"', page) for run in group.split("-")}
    assert asked
    assert asked <= runs


def test_every_id_stands_once(page):
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    named = set(re.findall(r'aria-labelledby="([^"]+)"', page)) | set(re.findall(r'href="#([^"]+)"', page))
    assert {name for name in named if not name.startswith("runs-")} <= set(ids)


def test_it_opens_with_what_was_measured_and_its_verdict(page):
    opening = page[page.index("<main>") : page.index('<section id="table1">')]
    assert "measurements on a GPU." in opening
    verdicts = re.findall(r"<td[^>]*>([^<]*(?:quality|points) [^<]*memory)</td>", opening)
    assert "12.00 points better for 40% of the energy and 40% of the memory" in verdicts
    assert "by the paper&#x27;s own tables: " in opening


def test_a_verdict_says_only_what_was_measured(tmp_path):
    records = [run_record(method=method) for method in ("full", "read")]
    records[1]["metrics"] |= {"energy/cpu_estimate_kwh": None, "test/score": records[0]["metrics"]["test/score"] - 0.9}
    for record in records:
        write_run(tmp_path, record)
    table = verdict_table(read_store(tmp_path))
    (row,) = table.rows
    assert row[1].text == "the same quality for 100% of the memory"
    assert row[6].text == DASH
    assert verdict_table(read_store(tmp_path / "nothing")).rows == ()


def test_claims_name_only_the_blocks_that_judge_them():
    titles = ("place", "sentence", "formula", "the paper's tables", "verdict")
    titles += ("ours: T5", "verdict: T5", "ours: MiniLM", "verdict: MiniLM")
    first = ("Abstract", "less", "f", "1", "holds", "–", "–", "2", "does not hold")
    second = ("Abstract", "more", "f", "–", "no table", "3", "holds", "4", "holds")
    rows = tuple(tuple(map(Cell, row)) for row in (first, second))
    claims = Table("Claims", tuple(map(Column, titles)), rows)
    assert [row[4].text for row in condensed(claims).rows] == [
        "MiniLM: 2, does not hold",
        "T5: 3, holds\nMiniLM: 4, holds",
    ]
    assert tally(claims) == [
        "by the paper's own tables: 1 hold, 1 cannot be judged",
        "by T5: 1 hold, 1 cannot be judged",
        "by MiniLM: 1 hold, 1 do not hold",
    ]


def test_what_is_empty_is_folded(page):
    columns = (Column("method"), Column("source"), Column("a", seeds=True), Column("b"))
    some = number(Stat(1.0), columns[2])
    rows = [
        (text("READ"), text("ours"), some, text(None)),
        (text("READ"), text("paper: T5"), some, some),
        (text("LoRA"), text("ours"), text(None), text(None)),
        (text("LoRA"), text("paper: T5"), some, some),
    ]
    assert hollow(Table("", columns, tuple(rows))) == ({2, 3}, {3})
    assert len(hollow(Table("", columns, tuple(rows[2:])))[0]) == 2  # all of it: nothing of ours
    empty = table_html(Table("Nothing", columns, tuple(rows[2:])), {}, "empty-1")
    assert empty.startswith('<details class="empty"><summary><h3 id="empty-1">Nothing</h3> no records yet')
    shown = re.sub(
        r'<(td|th|tr)[^>]* class="hollow".*?</\1>', "", re.sub(r'<details class="empty".*?</details>', "", page)
    )
    cells = re.findall(r"<t[dh](?: [^>]*)?>(.*?)</t[dh]>", shown.split('<section id="runs">')[0])
    assert sum(cell.startswith("–") for cell in cells) < 0.1 * len(cells)


def test_a_runs_classes_and_their_confusions_are_shown(tmp_path):
    record = run_record()
    scores = {"precision": None, "recall": 75.0, "f1": 60.0, "examples": 4}
    record["classes"] = [{"name": name, **scores} for name in ("good <&>", "bad")]
    record["confusion"] = [[3, 1], [2, 2]]
    write_run(tmp_path, record)
    build_outputs(tmp_path)
    entry = re.search(r'<details id="run-0".*?</details>', (tmp_path / "report.html").read_text()).group()
    assert '<th scope="col">told as good &lt;&amp;&gt;</th>' in entry
    row = '<th scope="row">bad</th><td>–</td><td>75.0</td><td>60.0</td><td>4</td><td>2</td><td>2</td>'
    assert row in entry


def test_tooltips_have_units():
    assert quantity("training energy (Wh, CPU estimate)", 0.6612, 0.0137) == (
        "training energy 0.6612 ± 0.0137 Wh (CPU estimate)"
    )
    assert quantity("peak training memory (GiB)", 1.52) == "peak training memory 1.52 GiB"
    assert quantity("energy over full-tuning's (CPU estimate)", 1.16) == "energy over full-tuning's 1.16 (CPU estimate)"
    assert quantity("average score", 25.86) == "average score 25.86"
    assert quantity("trainable parameters", 1_970_688) == "trainable parameters 1,970,688"


def test_each_mark_has_a_tooltip_and_takes_the_focus(page):
    marks = re.findall(r'<(a|g)( [^>]*class="point"[^>]*)>', page)
    assert len(marks) > 100
    for tag, attributes in marks:
        assert 'data-tip="' in attributes
        assert ('href="#run' if tag == "a" else 'tabindex="0"') in attributes
    assert 'data-tip="READ, planned: peak training memory ' in page
    assert " GiB; T5-base" in page


def test_each_run_has_its_learning_curve(page):
    plots = page.split('<section id="curves">')[1].split("</section>")[0]
    assert 'data-tip="READ, seed 2: validation score ' in plots
    assert " Wh (CPU estimate)" in plots
    entry = re.search(
        r"<details id=.run-\d+.><summary>runs/minilm/local/cola/read,lr=0.001,.*?</details>", page
    ).group()
    assert '<th scope="col">validation score</th>' in entry
    assert "validation score 62 to 72, energy (Wh)" in entry


def test_what_a_record_says_is_escaped(tmp_path):
    evil = "<script>alert(1)</script>"
    record = run_record(backbone="minilm") | {"method": evil, "task": evil, "labels": [evil]}
    record["run"] = "minilm/local/evil/evil/seed=0"
    record["hardware"] = record["hardware"] | {"name": f'"><img src=x onerror=1>{evil}'}
    write_run(tmp_path, record)
    build_outputs(tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert evil not in page
    assert "<img" not in page
