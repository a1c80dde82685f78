"""Every claim of the abstract and section 4, judged by the paper's own tables and by our records.

`python -m read_repro.tables.claims --results results` writes `results/tables/claims.*`, and prints how many claims hold
and which are contradicted. The claims stand in `paper/claims_*.py`; no verdict is typed by hand.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from read_repro.paper.claim import Cells, Claim, MissingCell, Value
from read_repro.paper.claims_energy_quality import ABSTRACT, READ_OUTPERFORMS
from read_repro.paper.claims_memory_size import AT_INFERENCE, SIZE, TRAINING_MEMORY
from read_repro.paper.claims_recurrence_lst import AGAINST_LST, WITHOUT_RECURRENCE
from read_repro.tables.aggregate import Stat
from read_repro.tables.claim_cells import our_cells, paper_cells
from read_repro.tables.load import Store, read_store
from read_repro.tables.table import DASH, Cell, Column, Table, text, write

CLAIMS = (
    *ABSTRACT, *READ_OUTPERFORMS, *TRAINING_MEMORY, *SIZE, *AT_INFERENCE, *WITHOUT_RECURRENCE, *AGAINST_LST
)  # fmt: skip
HOLDS, FAILS, NO_TABLE = "holds", "does not hold", "no table"
AVERAGES = {"avg_printed": "printed averages", "avg": "means of the columns"}


@dataclass(frozen=True)
class Verdict:
    """What one source gives for a claim; `holds` is None where the source lacks a cell."""

    value: Value | None = None
    holds: bool | None = None
    labels: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()


def judge(claim: Claim, cells: Cells, average: str = "avg") -> Verdict:
    """A claim's value and truth by the cells of one source."""
    cells = replace(cells, kind=average, asked=[])
    try:
        value = claim.value(cells)
    except (MissingCell, ZeroDivisionError):
        return Verdict()
    return Verdict(value, bool(claim.holds(value)), cells.labels(), cells.sources())


def claims_table(store: Store, printed: Cells | None = None) -> list[Table]:
    """A row a claim (two where averages are concerned): the paper's tables, then each block of ours."""
    theirs = printed or paper_cells()
    ours = [our_cells(store, block) for block in store.blocks if not block.other_tasks]
    titles = ["place", "sentence", "formula", "the paper's tables", "verdict"]
    titles += [title for cells in ours for title in (f"ours: {cells.title}", f"verdict: {cells.title}")]
    rows = []
    for claim in CLAIMS:
        for average in AVERAGES if claim.averaged else ("avg",):
            rows.append(_row(claim, average, theirs, ours))
    notes = (
        "`reaches`: at least that, to within one point. The formulas are the functions of `paper/claims_*.py`; "
        "`claim.py` beside them says what their names stand for.",
        "Where a claim compares energies, the epochs are those that our runs of each method were trained, on average "
        "over tasks and seeds; the paper says only `up to 30`, with early stopping.",
        "Other backbones stand where the sentence says T5-base: a check of direction, not of the number.",
    )
    return [Table("Claims of the paper", tuple(Column(title) for title in titles), tuple(rows), (), notes)]


def _row(claim: Claim, average: str, theirs: Cells, ours: list[Cells]) -> tuple[Cell, ...]:
    basis = f" ({AVERAGES[average]})" if claim.averaged else ""
    verdict = judge(claim, theirs, average)
    cells = [
        text(claim.place),
        text(claim.says + basis),
        text(f"`{claim.formula}`"),
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
    if verdict.value is None:
        return text(None)
    values = verdict.value if isinstance(verdict.value, list) else [verdict.value]
    words = ", ".join(_number(claim, value) for value in values) or "none"
    labels = f" ({'; '.join(verdict.labels)})" if verdict.labels else ""
    return Cell(words + labels, Stat(runs=verdict.runs))


def _number(claim: Claim, value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{100 * value:.1f}%" if claim.form == "percent" else f"{value:.3f}"


def summary(table: Table) -> str:
    """How many claims hold by each source, and those that a source contradicts."""
    sources = [(title.title, place) for place, title in enumerate(table.columns) if place >= 3 and place % 2]
    lines = [f"{len(table.rows)} claims, those about averages once by each kind of average"]
    for title, place in sources:
        words = [row[place + 1].text for row in table.rows]
        held, failed = words.count(HOLDS), words.count(FAILS)
        lines.append(f"  {title}: {held} hold, {failed} do not, {len(words) - held - failed} cannot be judged")
    for title, place in sources:
        contradicted = [row for row in table.rows if row[place + 1].text == FAILS]
        lines += ["", f"contradicted by {title}:"] if contradicted else []
        lines += [f"  {row[0].text}: {row[1].text}  [{row[place].text}]" for row in contradicted]
    return "\n".join(lines)


def main() -> None:
    """Writes the claims beside the tables, and prints their summary."""
    parser = argparse.ArgumentParser(description="the paper's claims, judged")
    parser.add_argument("--results", type=Path, default=Path("results"))
    results = parser.parse_args().results
    tables = claims_table(read_store(results))
    write(tables, results / "tables", "claims")
    print("\n\n".join(summary(table) for table in tables))
    print(f"\nthe whole table: {results / 'tables' / 'claims.md'}")


if __name__ == "__main__":
    main()
