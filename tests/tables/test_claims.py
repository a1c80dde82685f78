"""Claims are judged by small functions over cells, and the table shows each function as it stands in the code."""

import csv
import shutil

import pytest
from store_factory import fill, run_record, write_run

from read_repro import paper
from read_repro.paper.claim import decreasing, reaches
from read_repro.tables.claim_cells import our_cells, paper_cells
from read_repro.tables.claims import CLAIMS, FAILS, HOLDS, NO_TABLE, claims_table, judge
from read_repro.tables.cost_tables import costs
from read_repro.tables.load import read_store
from read_repro.tables.score_tables import table_1


def verdicts(store, cells=None):
    (table,) = claims_table(store, cells)
    return {(row[0].text, row[1].text): row[4].text for row in table.rows}


def verdict(found, words):
    return next(value for (_, says), value in found.items() if words in says)


def test_what_follows_from_the_papers_own_tables_and_what_does_not(tmp_path):
    found = verdicts(read_store(tmp_path))
    for words in (
        "84% reduction",
        "68% less",
        "70% less",
        "80% less",
        "38% GPU",
        "uses 5% less",
        "40% more",
        "60% less",
    ):
        assert verdict(found, words) == HOLDS, words
    for words in ("69% less", "except for a tiny task, MRPC", "saving more than 84%", "does not grow"):
        assert verdict(found, words) == FAILS, words
    for words in ("56% reduction", "up to 90%", "at least 25%", "43%", "15% less", "77% longer"):
        assert verdict(found, words) == NO_TABLE, words


def test_changing_one_cell_of_a_csv_flips_a_verdict(tmp_path, monkeypatch):
    folder = tmp_path / "paper"
    folder.mkdir()
    for name in ("table1", "table2", "table3", "counts"):
        shutil.copy(f"{paper.__path__[0]}/{name}.csv", folder)
    path = folder / "table1.csv"
    rows = list(csv.reader(path.open(encoding="utf-8")))
    column = rows[0].index("energy_kwh")
    row = next(row for row in rows if row[:2] == ["read", "t5-base"])
    row[column] = "9.00"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    store = read_store(tmp_path)
    before = verdicts(store)
    monkeypatch.setattr(paper, "__file__", str(folder / "__init__.py"))
    after = verdicts(store)
    flipped = {key[1] for key in before if before[key] != after[key]}
    assert (verdict(before, "84% reduction"), verdict(after, "84% reduction")) == (HOLDS, FAILS)
    assert "using 80% less energy consumption" in flipped
    assert all("energy" in says for says in flipped)


def test_ours_are_judged_and_labelled(tmp_path):
    fill(tmp_path)
    store = read_store(tmp_path)
    memory = next(claim for claim in CLAIMS if "56% reduction" in claim.says)
    found = judge(memory, our_cells(store, store.blocks[0]))
    assert found.value == pytest.approx(1 - 2 / 8)
    assert (found.holds, found.labels) == (True, ("planned",))
    assert found.runs == ("planned/t5-base/read", "planned/t5-base/full")
    energy = next(claim for claim in CLAIMS if "84% reduction" in claim.says)
    cpu = next(block for block in store.blocks if block.device == "CPU")
    assert judge(energy, our_cells(store, cpu)).labels[0] == "CPU estimate"


def test_a_claim_on_energy_states_the_epochs_of_both_sides(tmp_path):
    for task, read, full in (("cola", 8, 2), ("mrpc", 7, 3)):
        write_run(tmp_path, run_record(task, "read", energy_kwh=0.01) | {"epochs": read})
        write_run(tmp_path, run_record(task, "full", energy_kwh=0.02) | {"epochs": full})
    store = read_store(tmp_path)
    energy = next(claim for claim in CLAIMS if "84% reduction" in claim.says)
    assert judge(energy, our_cells(store, store.blocks[1])).labels == (
        "CPU estimate",
        "epochs: READ 7.5, Full-tuning 2.5",
    )
    quality = next(claim for claim in CLAIMS if "retaining high" in claim.says)
    assert judge(quality, our_cells(store, store.blocks[1])).labels == ()
    shown = {row[1].text: row[7].text for row in claims_table(store)[0].rows}
    assert shown[energy.says] == "50.0% (CPU estimate; epochs: READ 7.5, Full-tuning 2.5)"
    table = next(table for table in table_1(store) if "minilm" in table.title)
    column = [column.title for column in table.columns].index("epochs")
    assert [row[column].text for row in table.rows if row[0].text == "READ"] == ["7.5", "–"]
    table = next(table for table in costs(store) if "minilm" in table.title)
    column = [column.title for column in table.columns].index("epochs trained")
    assert [row[column].text for row in table.rows if row[0].text == "Full-tuning"] == ["2.5"]
    assert any("more or fewer epochs" in note for note in table.notes)


def test_a_partial_average_or_sum_is_no_cell(tmp_path):
    for path in fill(tmp_path):
        if "minilm/local/cola/read" in path.as_posix():
            path.unlink()
    store = read_store(tmp_path)
    cpu = next(block for block in store.blocks if block.device == "CPU")
    cells = our_cells(store, cpu)
    assert ("table1", "read", "avg") not in cells.numbers
    assert ("table1", "read", "energy_kwh") not in cells.numbers
    assert {("table1", "lora", "avg"), ("table1", "lora", "energy_kwh")} <= set(cells.numbers)


def test_every_claim_is_well_formed_and_reads_cells_that_exist_somewhere(tmp_path):
    fill(tmp_path)
    store = read_store(tmp_path)
    sources = [paper_cells(), *(our_cells(store, block) for block in store.blocks)]
    for claim in CLAIMS:
        assert claim.form in ("number", "percent")
        for source in sources:
            judge(claim, source)
            assert source.asked == []  # a judgement leaves nothing behind in the source
    unmeasured = [claim.says for claim in CLAIMS if all(judge(claim, source).value is None for source in sources)]
    assert unmeasured == ["reduce GPU energy consumption by up to 90% compared to full-tuning (the best task)"]


def test_the_formula_is_the_source_of_the_functions():
    claims = {claim.says: claim for claim in CLAIMS}
    energy = claims["an 84% reduction in the GPU energy usage"]
    assert energy.formula == '1 - energy("read") / energy("full"); reaches(value, 0.84)'
    assert not energy.averaged
    layers = next(claim for claim in CLAIMS if "independent from the number of backbone layers" in claim.says)
    assert layers.formula == (
        '(trainable("read", "large") - trainable("read", "base")) / (trainable("read", "base") - '
        'trainable("read", "small")); abs(value - 1) <= 0.01'
    )
    assert claims["READ-large outperforms Adapter by 0.8%"].averaged


def test_every_lambda_begins_on_a_line_of_its_own():
    for claim in CLAIMS:
        assert claim.value.__code__.co_firstlineno != claim.holds.__code__.co_firstlineno, claim.says
        assert "value" in claim.formula.split("; ")[1], claim.says


def test_what_the_claims_mean_by_reaches_and_decreasing():
    assert reaches(0.8355, 0.84)
    assert not reaches(0.82, 0.84)
    assert decreasing([3, 2, 1])
    assert not decreasing([1, 2])
    assert not decreasing([2, 2])
