"""What goes beyond the paper's tables: choices, costs, ratios, split sizes, significance."""

import pytest
from store_factory import table_named

from read_repro.tables.derived import energy_to_best
from read_repro.tables.device_tables import reference_table
from read_repro.tables.extra_tables import each_backbone, hyperparameters, lst_against_read, splits
from read_repro.tables.significance import paired_bootstrap, significance_table


def test_chosen_hyperparameters_are_a_table(full):
    table = table_named(hyperparameters(full), "minilm")
    row = next(row for row in table.rows if (row[0].text, row[1].text) == ("READ", "MRPC"))
    assert [cell.text for cell in row[2:]] == ["lr=0.001", "71.50 ± 0.50", "2", "0, 1, 2"]


def test_energy_to_99_percent_of_the_best():
    curve = [{"val/score": score, "energy_kwh": i + 1.0} for i, score in enumerate((50, 99, 100, 98))]
    assert energy_to_best(curve) == 2.0
    assert energy_to_best([{"val/score": -10.0, "energy_kwh": 1.0}, {"val/score": -5.0, "energy_kwh": 2.0}]) == 2.0
    assert energy_to_best([]) is None
    assert energy_to_best([{"val/score": 5.0}]) is None


def test_beyond_the_paper(full):
    ratio = [row for row in lst_against_read(full)[0].rows if row[0].text == "t5-base, paper"]
    assert ratio[0][4].text == "1.41"
    assert len(each_backbone(full)[0].columns) == 1 + len(full.blocks)
    assert [cell.text for cell in splits(full)[0].rows[0][:5]] == ["CoLA", full.blocks[1].label, "1000", "500", "500"]
    row = next(row for row in reference_table(full)[0].rows if (row[1].text, row[2].text) == ("t5-base", "READ"))
    assert row[7].stat.mean == pytest.approx(0.25 * 0.4 * 1000 / 3600, rel=1e-6)


def test_the_bootstrap_is_paired_seeded_and_covers_its_mean():
    found = paired_bootstrap([[1.0, 2.0, 3.0], [2.0, 2.0, 2.0]])
    assert found == paired_bootstrap([[1.0, 2.0, 3.0], [2.0, 2.0, 2.0]])
    assert found.low <= found.mean == 2.0 <= found.high
    assert found.share_below == 0
    assert paired_bootstrap([[0.0, 0.0]]).share_below == 1
    assert paired_bootstrap([[], []]) is None
    assert paired_bootstrap([[5.0], [-5.0]]).low == -5.0


def test_significance_pairs_task_and_seed(full):
    table = table_named(significance_table(full), "minilm")
    row = next(row for row in table.rows if row[0].text == "LST")
    assert row[1].stat.mean == pytest.approx(2.0)
    assert (row[4].text, row[5].text) == ("3", "9")
