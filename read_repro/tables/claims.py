"""Every claim of the abstract and section 4, judged by the paper's own tables and by our records.

`python -m read_repro.tables.claims --results results` prints the table and writes `results/tables/claims.*`. The claims
are `paper/claims.yaml`; no verdict is typed by hand.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from read_repro.tables.aggregate import Stat
from read_repro.tables.claim_cells import Cells, MissingCell, our_cells, paper_cells
from read_repro.tables.formula import evaluate
from read_repro.tables.load import Store, read_store
from read_repro.tables.table import DASH, Cell, Column, Table, markdown, text, write

CLAIMS = Path(__file__).parent.parent / "paper" / "claims.yaml"
HOLDS, FAILS, NO_TABLE = "holds", "does not hold", "no table"
AVERAGES = {"avg_printed": "printed averages", "avg": "means of the columns"}


@dataclass(frozen=True)
class Claim:
    """One sentence: where it stands, what it says, its value as a formula and when it holds."""

    place: str
    says: str
    value: str
    holds: str
    form: str = "number"


@dataclass(frozen=True)
class Verdict:
    """What one source gives for a claim; `holds` is None where the source lacks a cell."""

    value: Any = None
    holds: bool | None = None
    labels: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()


def read_claims(path: Path = CLAIMS) -> list[Claim]:
    """The claims file; an unknown or missing key is an error of the dataclass."""
    return [Claim(**entry) for entry in yaml.safe_load(path.read_text(encoding="utf-8"))]


def judge(claim: Claim, cells: Cells, average: str = "avg") -> Verdict:
    """A claim's value and truth by the cells of one source."""
    cells.asked.clear()
    functions: dict[str, Callable[..., Any]] = {"cell": cells.cell, "ahead": cells.ahead}
    try:
        value = evaluate(claim.value, functions, {"average": average})
        holds = bool(evaluate(claim.holds, functions, {"average": average, "value": value}))
    except (MissingCell, ZeroDivisionError):
        return Verdict()
    return Verdict(value, holds, tuple(cells.labels()), cells.sources())


def claims_table(store: Store, printed: Cells | None = None) -> list[Table]:
    """A row a claim (two where averages are concerned): the paper's tables, then each block of ours."""
    theirs = printed or paper_cells()
    ours = [our_cells(store, block) for block in store.blocks]
    titles = ["place", "sentence", "formula", "the paper's tables", "verdict"]
    titles += [title for cells in ours for title in (f"ours: {cells.title}", f"verdict: {cells.title}")]
    rows = []
    for claim in read_claims():
        for average in AVERAGES if "average" in claim.value else ("avg",):
            rows.append(_row(claim, average, theirs, ours))
    notes = (
        "`reaches`: at least that, to within one point. Cells and formulas: `read_repro/paper/claims.yaml`.",
        "Other backbones stand where the sentence says T5-base: a check of direction, not of the number.",
    )
    return [Table("Claims of the paper", tuple(Column(title) for title in titles), tuple(rows), (), notes)]


def _row(claim: Claim, average: str, theirs: Cells, ours: list[Cells]) -> tuple[Cell, ...]:
    basis = f" ({AVERAGES[average]})" if "average" in claim.value else ""
    formula = " ".join(f"{claim.value}; {claim.holds}".split())
    verdict = judge(claim, theirs, average)
    cells = [
        text(claim.place),
        text(claim.says + basis),
        text(f"`{formula}`"),
        _value(claim, verdict),
        _word(verdict, NO_TABLE),
    ]
    for source in ours:
        found = judge(claim, source, average)
        cells += [_value(claim, found), _word(found, DASH)]
    return tuple(cells)


def _word(verdict: Verdict, absent: str) -> Cell:
    return text(absent if verdict.holds is None else HOLDS if verdict.holds else FAILS)


def _value(claim: Claim, verdict: Verdict) -> Cell:
    if verdict.holds is None:
        return text(None)
    values = verdict.value if isinstance(verdict.value, list) else [verdict.value]
    words = ", ".join(_number(claim, value) for value in values) or "none"
    labels = f" ({'; '.join(verdict.labels)})" if verdict.labels else ""
    return Cell(words + labels, Stat(runs=verdict.runs))


def _number(claim: Claim, value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{100 * value:.1f}%" if claim.form == "percent" else f"{value:.3f}"


def main() -> None:
    """Prints the claims and writes them beside the tables."""
    parser = argparse.ArgumentParser(description="the paper's claims, judged")
    parser.add_argument("--results", type=Path, default=Path("results"))
    results = parser.parse_args().results
    tables = claims_table(read_store(results))
    write(tables, results / "tables", "claims")
    print("\n".join(markdown(table) for table in tables))


if __name__ == "__main__":
    main()
