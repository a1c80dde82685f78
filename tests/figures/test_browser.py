"""The report in Debian's headless Chromium: what a mouse, a keyboard, a phone and a screen reader find."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from store_factory import fill

from read_repro.figures.build import build_outputs

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
WIDTHS, SCHEMES = (390, 1440), ("light", "dark")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="waits for a Chromium on the PATH (Debian: the package chromium)"),
]


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("report")
    fill(folder, tasks=("cola", "mrpc"))
    build_outputs(folder)
    return (folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, report) -> Iterator[Callable]:
    """Opens the report; at the end nothing may have been said on the console."""
    said, contexts = [], []

    def open_page(width: int = 1440, scheme: str = "light", address: str = ""):
        contexts.append(browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme))
        contexts[-1].set_default_timeout(180_000)  # a machine may have other things to do
        page = contexts[-1].new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(report + address)
        assert page.evaluate("document.documentElement.dataset.ready") == "yes"
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_no_violation(visit, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = visit(width, scheme)
    page.evaluate("document.querySelectorAll('details').forEach((entry, i) => { entry.open = i % 9 === 0; })")
    page.locator("td a[href^='#runs-']").first.click()  # with the panel open
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    assert [(each["impact"], each["id"], each["nodes"][0]["html"][:200]) for each in found] == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overflows(visit, width, scheme):
    page = visit(width, scheme)
    page.evaluate("document.querySelectorAll('details').forEach((entry) => { entry.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_first_column_stays_where_a_table_scrolls(visit):
    page = visit(390)
    place = """() => {
      const box = [...document.querySelectorAll("#table1 .scroll")].find((one) => one.scrollWidth > one.clientWidth);
      box.scrollLeft = 300;
      const [first, second] = box.querySelector("tbody tr:not(.hollow)").cells;
      return [box.scrollLeft, first.getBoundingClientRect().x - box.getBoundingClientRect().x,
              second.getBoundingClientRect().x - first.getBoundingClientRect().x];
    }"""
    scrolled, first, second = page.evaluate(place)
    assert scrolled > 0
    assert abs(first) < 2
    assert second < 0


def test_an_address_opens_its_run_and_a_click_changes_the_address(visit):
    page = visit(address="#run-62")
    page.wait_for_function("document.activeElement.parentElement.id === 'run-62'")
    assert page.locator("#run-62").get_attribute("open") is not None
    assert page.locator("#run-62 summary").is_visible()
    page.locator("#run-7 summary").click()
    assert page.url.endswith("#run-7")
    several = page.locator("td a[href^='#runs-']").first
    several.click()
    assert page.url.endswith(several.get_attribute("href"))
    page.locator("#panel li a").first.click()
    assert "#run-" in page.url
    assert not page.locator("#panel").is_visible()


def test_focus_moves_to_the_panel_and_escape_brings_it_back(visit):
    page = visit()
    several = page.locator("td a[href^='#runs-']").first
    several.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.id === 'panel'")
    assert page.locator("#panel li").count() > 1
    assert page.locator("#panel h2").inner_text()
    page.keyboard.press("Escape")
    assert not page.locator("#panel").is_visible()
    assert "#" not in page.url
    assert page.evaluate("document.activeElement.getAttribute('href')") == several.get_attribute("href")


def test_marks_headings_and_legends_work_by_keyboard(visit):
    page = visit()
    mark = page.locator("#figures .point").first
    mark.focus()
    assert ":" in page.locator("#tip").inner_text()
    page.keyboard.press("Escape")
    assert not page.locator("#tip").is_visible()
    entry = page.locator("#figures [data-toggle]").first
    entry.focus()
    page.keyboard.press("Enter")
    assert entry.get_attribute("aria-pressed") == "false"
    figure = page.locator("#figures figure").first
    hidden = figure.locator(f"[data-series='{entry.get_attribute('data-toggle')}']").first
    assert hidden.evaluate("(part) => part.style.display") == "none"
    focusable = "document.querySelectorAll('.point, h2 a, thead button').values()"
    assert page.evaluate(f"[...{focusable}].every((one) => one.tabIndex === 0)")


def test_a_heading_sorts_its_column(visit):
    page = visit()
    table = page.locator("#measured table")
    heading = table.locator("thead th").nth(4)
    values = """(table) => [...table.tBodies[0].rows].map((row) => row.cells[4].dataset.value)
      .filter((value) => value !== undefined).map(Number)"""
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    up = table.evaluate(values)
    heading.locator("button").click()
    assert len(up) > 1
    assert up == sorted(up)
    assert table.evaluate(values) == sorted(up, reverse=True)


def test_the_filter_and_what_is_empty(visit, tmp_path: Path):
    page = visit()
    page.locator("#filter").fill("cola read seed=0")
    shown = page.locator("#runs details:not([hidden]) summary").all_inner_texts()
    assert shown
    assert all("cola" in name and "read" in name and "seed=0" in name for name in shown)
    assert page.locator("#count").inner_text().startswith(f"{len(shown)} of ")
    more = page.locator(".more").first
    empty = more.locator("+ .scroll .hollow").first
    assert not empty.is_visible()
    more.click()
    assert empty.is_visible()
