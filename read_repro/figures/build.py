"""Everything under `results/` that is made of records: tables, claims, figures, report.

`python -m read_repro.figures.build --results results` (`make tables`). Pure functions of the records: no torch, no
Hydra, no clock; a second run changes no byte.
"""

import argparse
import logging
from pathlib import Path

from read_repro.figures.content import drawings
from read_repro.figures.draw import draw_figures
from read_repro.figures.html import write_report
from read_repro.tables.build import all_tables
from read_repro.tables.load import Store, read_store
from read_repro.tables.table import write

log = logging.getLogger(__name__)


def build_outputs(results: Path) -> Store:
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
    store = build_outputs(results)
    print(f"{len(store.runs)} runs, {len(store.planned)} plans, {len(store.reference)} GPU records; ", end="")
    print(f"{len(store.broken)} left out. Tables, figures and report.html are in {results}.")


if __name__ == "__main__":
    main()
