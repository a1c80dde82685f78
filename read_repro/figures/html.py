"""`results/report.html`: what was measured, every table and figure on one page that needs nothing else."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from read_repro.figures.curves import learning_curves
from read_repro.figures.energy_figures import block_words
from read_repro.figures.figure import Drawing
from read_repro.figures.links import Links, numbered
from read_repro.figures.report_runs import runs_html
from read_repro.figures.report_tables import in_words, section, table_html
from read_repro.figures.svg import svg
from read_repro.figures.verdict import condensed, tally, verdict_table
from read_repro.tables.load import Store
from read_repro.tables.table import Table

PAGE = Path(__file__).parent / "page"
TITLE = "READ, reproduced"
HEADINGS = {  # in the order of the page
    "measured": "What was measured", "table1": "Table 1", "table2": "Table 2", "table3": "Table 3",
    "figures": "Figures", "curves": "Learning curves", "claims": "Claims",
    "hyperparameters": "Chosen hyperparameters", "beyond": "Beyond the paper", "runs": "Runs",
}  # fmt: skip
HINT = (
    "A heading sorts its column, a number or a mark leads to its runs, an entry of a legend hides its marks. What has "
    "no record yet is folded."
)


def write_report(store: Store, tables: Mapping[str, Sequence[Table]], plots: Sequence[Drawing], path: Path) -> None:
    """The page; style and script are inlined, nothing is fetched."""
    links = numbered(store)
    names = {block.label: block_words(block) for block in store.blocks}
    named = {stem: [in_words(table, names) for table in some] for stem, some in tables.items()}
    claims = named["claims"][0]
    found = {stem: _tables(stem, some, links) for stem, some in (named | {"claims": [condensed(claims)]}).items()}
    found["measured"] = _opening(store, claims, links)
    found["figures"] = "".join(_drawing(drawing, links) for drawing in plots)
    found["curves"] = _drawing(learning_curves(store), links)
    found["runs"] = runs_html(store, links)
    nav = "".join(f'<a href="#{stem}">{name}</a>' for stem, name in HEADINGS.items())
    sections = "".join(section(stem, name, found[stem]) for stem, name in HEADINGS.items())
    body = (
        f'<header><h1>{TITLE}</h1><nav aria-label="Sections">{nav}</nav></header><main>{sections}</main>'
        '<aside id="panel" tabindex="-1" aria-labelledby="panel-title" hidden><button type="button" id="close">close'
        '</button><h2 id="panel-title">Runs</h2><ul></ul></aside><div id="tip" role="tooltip" hidden></div>'
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_page(body), encoding="utf-8")


def _page(body: str) -> str:
    style, script = ((PAGE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{head}<title>{TITLE}</title><style>{style}</style></head>'
        f"<body>{body}<script>{script}</script></body></html>\n"
    )


def _opening(store: Store, claims: Table, links: Links) -> str:
    """What the records are, READ beside full-tuning in each place, and how many of the paper's claims hold."""
    counts = f"{len(store.runs)} runs, {len(store.planned)} plans, {len(store.reference)} measurements on a GPU."
    if not any(row["block"].of_paper for row in store.run_rows):
        counts += " None of them is of the paper's own setting: T5-base, the whole of GLUE, a GPU."
    judged = "".join(f"<li>{escape(sentence)}</li>" for sentence in tally(claims))
    left_out = "".join(f"<li>{escape(line)}</li>" for line in store.broken)
    broken = f'<div class="broken"><b>Left out</b><ul>{left_out}</ul></div>' if left_out else ""
    verdicts = table_html(verdict_table(store), links, "verdicts")
    listed = f'<p>The paper\'s <a href="#claims">claims</a>, judged:</p><ul>{judged}</ul>' if judged else ""
    return f"<p>{counts}</p>{broken}{verdicts}{listed}<p>{HINT}</p>"


def _tables(stem: str, tables: Sequence[Table], links: Links) -> str:
    return "".join(table_html(table, links, f"{stem}-{index}") for index, table in enumerate(tables, 1))


def _drawing(drawing: Drawing, links: Links) -> str:
    """The panels, row by row; where a row is one panel, all stand in one."""
    rows = [[svg(p, links, f"{drawing.stem}-{n}-{m}") for m, p in enumerate(row)] for n, row in enumerate(drawing.rows)]
    if all(len(row) == 1 for row in rows):
        rows = [[plot for row in rows for plot in row]]
    plots = "".join(f'<div class="plots">{"".join(row)}</div>' for row in rows)
    title = f'<h3 id="{escape(drawing.stem)}-title">{escape(drawing.title)}</h3>'
    return f'{title}{plots}<p class="notes">{escape(drawing.caption)}</p>'
