"""The numbers that records have on the report's page, and the addresses that lead to them."""

from collections.abc import Iterable, Mapping

from read_repro.tables.load import Store

Links = Mapping[str, int]


def numbered(store: Store) -> Links:
    """Every record's number, by its place below `results`: runs first, then plans, then GPU records."""
    kinds = (store.run_rows, store.planned_rows, store.reference_rows)
    runs = [run for rows in kinds for run in sorted(row["run"] for row in rows)]
    return {run: index for index, run in enumerate(runs)}


def address(runs: Iterable[str], links: Links) -> str:
    """`#run-62`, or `#runs-3-5` where there are several; empty without any."""
    known = [str(links[run]) for run in dict.fromkeys(runs) if run in links]
    return f"#run{'s' if len(known) > 1 else ''}-{'-'.join(known)}" if known else ""
