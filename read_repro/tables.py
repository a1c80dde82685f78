"""Everything under `results/` that is made of records: tables, claims, figures, report.

`python -m read_repro.tables --results results` (`make tables`). Pure functions of the records: no torch, no Hydra, no
clock; a second run changes no byte.
"""

import argparse
import logging
from pathlib import Path

from read_repro import beyond
from read_repro.claims import claims_table
from read_repro.devices import planned_table, reference_table, table_3
from read_repro.figures import draw_figures
from read_repro.frame import Store, read_store
from read_repro.layout import Table, write
from read_repro.plots import drawings
from read_repro.quality import table_1, table_2
from read_repro.report import write_report
from read_repro.significance import significance_table

log = logging.getLogger(__name__)


def all_tables(store: Store) -> dict[str, list[Table]]:
    """Every table by the stem of its files, in the order of the report."""
    more = [beyond.costs, beyond.lst_against_read, beyond.each_backbone, significance_table]
    more += [reference_table, planned_table, beyond.splits]
    return {
        "table1": table_1(store),
        "table2": table_2(store),
        "table3": table_3(store),
        "hyperparameters": beyond.hyperparameters(store),
        "beyond": [table for make in more for table in make(store)],
        "claims": claims_table(store),
    }


def build(results: Path) -> Store:
    """Reads the store and writes `tables/`, `figures/` and `report.html` beside its records."""
    store = read_store(results)
    tables = all_tables(store)
    for stem, found in tables.items():
        write(found, results / "tables", stem)
    plots = drawings(store)
    draw_figures(plots, results / "figures")
    write_report(store, tables, plots, results / "report.html")
    return store


def main() -> None:
    """The command line of `make tables`."""
    parser = argparse.ArgumentParser(description="tables, claims, figures and the report, from the records")
    parser.add_argument("--results", type=Path, default=Path("results"))
    results = parser.parse_args().results
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    store = build(results)
    print(f"{len(store.runs)} runs, {len(store.planned)} plans, {len(store.reference)} GPU records; ", end="")
    print(f"{len(store.broken)} left out. Tables, figures and report.html are in {results}.")


if __name__ == "__main__":
    main()
