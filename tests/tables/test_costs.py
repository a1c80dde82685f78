"""What comes before training (LST's pruning, frozen states) belongs to time and energy in every table and figure."""

import pytest
from store_factory import GPU, run_record, write_run

from read_repro.figures.energy_figures import figure_1, figure_2
from read_repro.measure.energy_summary import FEW_READINGS
from read_repro.tables.claim_cells import our_cells
from read_repro.tables.claims import CLAIMS, judge
from read_repro.tables.cost_tables import costs
from read_repro.tables.derived import derived_metrics
from read_repro.tables.load import read_store
from read_repro.tables.score_tables import table_1
from read_repro.tables.table import DASH


def lst_record(**more):
    """A run of LST whose training took an hour and 0.01 kWh, after two hours and 0.03 kWh of pruning."""
    record = run_record(method="lst", energy_kwh=0.01, time_s=3600, **more)
    record["metrics"] |= {"init/time_s": 7200, "init/energy/cpu_estimate_kwh": 0.03, "init/energy/eq4_kwh": None}
    return record


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pruned")
    write_run(folder, lst_record())
    write_run(folder, run_record(method="read", energy_kwh=0.02, time_s=3600))
    write_run(folder, run_record(method="full", energy_kwh=0.08, time_s=3600))
    return read_store(folder)


def row_of(tables, name):
    table = next(table for table in tables if "minilm" in table.title)
    row = next(row for row in table.rows if row[0].text == name)
    return {column.title: cell for column, cell in zip(table.columns, row, strict=True)}


def test_the_claims_are_judged_on_the_sum(store):
    claim = next(claim for claim in CLAIMS if "using 80% less energy" in claim.says)
    assert judge(claim, our_cells(store, store.blocks[1])).value == pytest.approx(1 - 0.02 / 0.04)


def test_table_1_shows_the_sum_and_its_power(store):
    lst = row_of(table_1(store), "LST")
    assert lst["energy, CPU estimate (kWh)"].stat.mean == pytest.approx(0.04)
    assert lst["search energy, CPU estimate (kWh)"].stat.mean == pytest.approx(0.04)
    assert lst["power, CPU estimate (kW)"].stat.mean == pytest.approx(0.04 / 3)
    assert any("LST's pruning" in note for note in table_1(store)[1].notes)


def test_costs_show_training_what_came_before_and_their_sum(store):
    lst, read = row_of(costs(store), "LST"), row_of(costs(store), "READ")
    assert [lst[f"{part} (h)"].text for part in ("training", "before training", "both")] == ["1 (1)", "2", "3 (1)"]
    energy = [lst[f"{part}, CPU estimate (kWh)"] for part in ("training", "before training", "both")]
    assert [cell.stat.mean for cell in energy] == pytest.approx([0.01, 0.03, 0.04])
    assert read["before training (h)"].text == read["before training, CPU estimate (kWh)"].text == DASH
    assert read["both (h)"].text == read["training (h)"].text == "1 (1)"
    assert read["both (h)"].bold
    assert not lst["both (h)"].bold
    assert lst["energy to 99% of the best, CPU estimate (kWh)"].stat.mean == pytest.approx(0.03 + 0.01 * 3 / 4)


def test_figures_1_and_2_show_the_sum(store):
    bar = next(one for one in figure_1(store).rows[1][0].series if one.method == "lst")
    assert bar.points[0].y == pytest.approx(0.04 / 0.08)
    point = next(one for one in figure_2(store).rows[1][0].series if one.method == "lst")
    assert point.points[0].x == pytest.approx(1000 * 0.04)  # Wh


def test_an_initialisation_without_its_energy_leaves_the_sum_unmeasured(tmp_path):
    record = lst_record()
    record["metrics"]["init/energy/cpu_estimate_kwh"] = None
    write_run(tmp_path, record)
    lst = row_of(table_1(read_store(tmp_path)), "LST")
    assert lst["energy, CPU estimate (kWh)"].text.startswith(DASH)


def test_on_a_gpu_the_sum_is_of_eq4_and_of_the_counter(tmp_path):
    record = lst_record(hardware=GPU)
    record["metrics"] |= {"init/energy/eq4_kwh": 0.05, "init/energy/counter_kwh": 0.07}
    write_run(tmp_path, record)
    (row,) = read_store(tmp_path).run_rows
    assert row["sum/energy/eq4_kwh"] == pytest.approx(0.01 + 0.05)
    assert row["sum/energy/counter_kwh"] == pytest.approx(0.009 + 0.07)
    assert derived_metrics(row["record"])["to_best_kwh"] == pytest.approx(0.05 + 0.01 * 3 / 4)


def test_frozen_states_are_paid_whole_by_a_run_and_once_by_a_search(tmp_path):
    for lr, score in ((0.001, 60), (0.003, 50), (0.0003, 40)):
        record = run_record(method="read", energy_kwh=0.01, time_s=3600, setting={"lr": lr}, score=score)
        record["metrics"] |= {"filling/time_s": 1800, "filling/cpu_estimate_kwh": 0.04, "filling/eq4_kwh": None}
        write_run(tmp_path, record)
    store = read_store(tmp_path)
    read = row_of(table_1(store), "READ")
    assert read["energy, CPU estimate (kWh)"].stat.mean == pytest.approx(0.05)
    assert read["search energy, CPU estimate (kWh)"].stat.mean == pytest.approx(3 * 0.01 + 0.04)
    read = row_of(costs(store), "READ")
    assert [read[f"{part} (h)"].text for part in ("training", "before training", "both")] == ["1 (1)", "0.5", "1.5 (1)"]
    assert read["energy to 99% of the best, CPU estimate (kWh)"].stat.mean == pytest.approx(0.04 + 0.01 * 3 / 4)


def test_an_energy_of_few_readings_is_never_compared_without_its_label(tmp_path):
    place = {"backbone": "t5-base", "data": "hub", "train_limit": None, "hardware": GPU}
    write_run(tmp_path, run_record(method="full", energy_kwh=12, **place))
    write_run(tmp_path, run_record(method="read", energy_kwh=2, **place) | {"labels": [FEW_READINGS]})
    store = read_store(tmp_path)
    words = "Energy by Eq. (4) from fewer than 10 readings: READ on CoLA."
    assert words in table_1(store)[0].notes
    assert words in costs(store)[0].notes
    claim = next(claim for claim in CLAIMS if "84% reduction" in claim.says)
    assert "fewer than 10 readings" in judge(claim, our_cells(store, store.blocks[0])).labels
    for drawing, row in ((figure_1(store), 0), (figure_2(store), 0)):
        assert "fewer than 10 readings: READ" in drawing.rows[row][0].note
