"""Every table that is made of records, by the stem of its files."""

from read_repro.tables import extra_tables as beyond
from read_repro.tables.claims import claims_table
from read_repro.tables.cost_tables import costs
from read_repro.tables.device_tables import planned_table, reference_table, table_3
from read_repro.tables.load import Store
from read_repro.tables.score_tables import table_1, table_2
from read_repro.tables.significance import significance_table
from read_repro.tables.table import Table


def all_tables(store: Store) -> dict[str, list[Table]]:
    """Every table by the stem of its files, in the order of the report."""
    more = [costs, beyond.lst_against_read, beyond.each_backbone, significance_table]
    more += [reference_table, planned_table, beyond.splits]
    return {
        "table1": table_1(store),
        "table2": table_2(store),
        "table3": table_3(store),
        "hyperparameters": beyond.hyperparameters(store),
        "beyond": [table for make in more for table in make(store)],
        "claims": claims_table(store),
    }
