"""The report is one file that needs nothing else, and its tables, plots and links work in a real browser."""

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from store_factory import fill, run_record, write_run

from read_repro.figures.build import build_outputs

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
VOID = {"meta", "line", "rect", "circle", "polygon", "polyline", "br"}


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
    asked = {run for group in re.findall(r'data-runs="([\d ]*)"', page) for run in group.split()}
    assert asked
    assert asked <= runs


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


DRIVER = """
<script>
addEventListener("load", () => {
  const out = {};
  const table = document.querySelector("#table1 .scroll:last-of-type table") || document.querySelector("#table1 table");
  const column = [...table.querySelectorAll("th")].findIndex((head) => head.textContent === "CoLA");
  const values = () => [...table.tBodies[0].rows].map((row) => row.cells[column].dataset.value)
    .filter((value) => value !== undefined).map(Number);
  const button = table.querySelectorAll("th")[column].firstChild;
  button.click();
  out.up = values();
  button.click();
  out.down = values();
  table.querySelector("td a[data-runs]").click();
  out.panel = !document.getElementById("panel").hidden;
  out.listed = document.querySelectorAll("#panel li").length;
  document.querySelector("#panel li a").click();
  out.opened = document.querySelectorAll("details[open]").length;
  const point = document.querySelector("#figures .point");
  point.dispatchEvent(new MouseEvent("mousemove", { clientX: 5, clientY: 5 }));
  out.tip = document.getElementById("tip").textContent;
  const toggle = document.querySelector("#figures [data-toggle]");
  toggle.click();
  const drawn = toggle.closest("figure").querySelector(`[data-series="${toggle.dataset.toggle}"]`);
  out.hidden = drawn.style.display;
  out.boxes = [...document.querySelectorAll("#figures svg")].every((svg) => svg.getBoundingClientRect().height > 50);
  document.title = JSON.stringify(out);
});
</script>
"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="waits for a Chromium on the PATH (Debian: the package chromium)")
def test_sorting_links_and_plots_work_in_chromium(page, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page.replace("</body>", DRIVER + "</body>"), encoding="utf-8")
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--virtual-time-budget=5000",
        "--dump-dom",
        path.as_uri(),
    ]
    dumped = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True).stdout
    assert 'data-ready="yes"' in dumped
    out = json.loads(html.unescape(re.search(r"<title>(\{.*?\})</title>", dumped).group(1)))
    assert len(out["up"]) > 3
    assert out["up"] == sorted(out["up"])
    assert out["down"] == sorted(out["down"], reverse=True)
    assert out["panel"]
    assert out["listed"] >= 1
    assert out["opened"] == 1
    assert ":" in out["tip"]
    assert out["hidden"] == "none"
    assert out["boxes"]
