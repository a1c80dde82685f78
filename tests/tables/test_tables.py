"""Tables are pure functions of the records: right numbers, dashes for what is missing, footnotes that name it."""

import csv
import hashlib
import random
import statistics

import pytest
from store_factory import CPU, fill, run_record, table_named, write_planned, write_run

from read_repro import paper
from read_repro.figures.build import build_outputs
from read_repro.figures.content import drawings
from read_repro.figures.html import write_report
from read_repro.tables.aggregate import methods_of
from read_repro.tables.build import all_tables
from read_repro.tables.claim_cells import our_cells
from read_repro.tables.claims import claims_table
from read_repro.tables.cost_tables import costs
from read_repro.tables.device_tables import table_3
from read_repro.tables.extra_tables import lst_against_read
from read_repro.tables.load import read_store
from read_repro.tables.score_tables import PAPER_SOURCE, table_1, table_2
from read_repro.tables.table import DASH, latex, markdown, write


def cells(table, method, source="ours"):
    """The cells of a row by their column's title."""
    row = next(row for row in table.rows if (row[0].text, row[1].text) == (method, source))
    return {column.title: cell for column, cell in zip(table.columns, row, strict=True)}


def test_an_empty_store_has_only_dashes_on_our_side(tmp_path):
    store = read_store(tmp_path)
    for table in [*table_1(store), *table_2(store)]:
        ours = [row for row in table.rows if row[1].text in ("ours", "data")]
        assert ours
        assert {cell.text for row in ours for cell in row[2:]} == {DASH}
        assert len(table.numbered) >= 4
    (third,) = table_3(store)
    assert {cell.text for row in third.rows if row[1].text != "paper" for cell in row[2:]} == {DASH}
    build_outputs(tmp_path)
    assert (tmp_path / "report.html").exists()


def test_table_1_is_the_mean_over_seeds_of_the_chosen_setting(full):
    read = cells(table_named(table_1(full), "minilm"), "READ")
    scores = [60 + 2 * 6 + 0.5 * seed - 1 for seed in (0, 1, 2)]
    assert read["CoLA"].stat.mean == pytest.approx(statistics.fmean(scores))
    assert read["CoLA"].stat.sd == pytest.approx(statistics.stdev(scores))
    assert read["CoLA"].stat.n == 3
    assert read["CoLA"].text == "71.50 ± 0.50 (3)"
    assert read["Avg."].stat.mean == pytest.approx(
        statistics.fmean(score - rank for score in scores for rank in range(3))
    )
    assert all("lr=0.001" in run for run in read["CoLA"].stat.runs)


def test_energy_is_summed_over_tasks_and_power_is_over_the_same_hours(full):
    measured = cells(table_named(table_1(full), "t5-base"), "Full-tuning")
    assert measured["energy (kWh)"].stat.mean == pytest.approx(12)
    assert measured["power (kW)"].stat.mean == pytest.approx(1.2)
    estimate = cells(table_named(table_1(full), "minilm"), "Full-tuning")
    assert estimate["energy, CPU estimate (kWh)"].stat.mean == pytest.approx(3 * 0.02)
    assert estimate["search energy, CPU estimate (kWh)"].stat.mean == pytest.approx(3 * (0.02 + 0.01))
    assert estimate["energy (kWh)"].text == estimate["power (kW)"].text == DASH


def test_no_estimate_ever_stands_in_a_measured_column(full):
    for table in [*table_1(full), *costs(full)]:
        for index, column in enumerate(table.columns):
            if "kW" in column.title and "CPU" in table.title and "estimate" not in column.title:
                assert all(row[index].stat.mean is None or row[1].text == PAPER_SOURCE for row in table.rows)


def test_the_best_whole_row_is_bold_and_a_partial_mean_is_not(tmp_path):
    for task, score in (("cola", 45), ("mrpc", 55)):
        write_run(tmp_path, run_record(task, "lora", score=score))
    write_run(tmp_path, run_record("cola", "read", score=50))  # its partial mean equals the best whole one
    table = table_named(table_1(read_store(tmp_path)), "minilm")
    read, lora = cells(table, "READ"), cells(table, "LoRA")
    assert read["CoLA"].bold
    assert not lora["CoLA"].bold
    assert read["Avg."].text.endswith("[1/2]")
    assert lora["Avg."].bold
    assert not read["Avg."].bold
    assert read["Avg."].mark is not None


def test_hardware_is_not_mixed_in_a_cost_but_may_be_in_a_score(tmp_path):
    for seed, energy in ((0, 0.01), (1, 0.01)):
        write_run(tmp_path, run_record(seed=seed, energy_kwh=energy))
    write_run(tmp_path, run_record(seed=2, energy_kwh=5.0, hardware=CPU | {"name": "Another CPU"}))
    store = read_store(tmp_path)
    read = cells(table_named(table_1(store), "minilm"), "READ")
    assert read["CoLA"].stat.n == 3
    assert read["energy, CPU estimate (kWh)"].stat.mean == pytest.approx(0.01)
    assert read["energy, CPU estimate (kWh)"].stat.n == 2
    titles = [table.title for table in costs(store)]
    assert sum("Some CPU" in title for title in titles) == sum("Another CPU" in title for title in titles) == 1


def test_averages_and_sums_go_over_the_columns_shown_and_other_tasks_have_their_own(tmp_path):
    for method, gain in (("full", 0), ("read", 2)):
        for task, score in (("cola", 45), ("mrpc", 55), ("rte", 91), ("wnli", 81)):
            write_run(tmp_path, run_record(task, method, score=score + gain, energy_kwh=0.01))
    store = read_store(tmp_path)
    glue, others = [table for table in table_1(store) if "minilm" in table.title]
    assert [column.title for column in others.columns][-3:] == ["rte", "wnli", "Avg."]
    assert others.title == f"{glue.title}, other tasks"
    for table, average in ((glue, 51), (others, 87)):
        row = cells(table, "READ")
        assert row["Avg."].text == f"{average:.2f} (1)"
        assert row["energy, CPU estimate (kWh)"].stat.mean == pytest.approx(0.02)
        assert row["search energy, CPU estimate (kWh)"].stat.mean == pytest.approx(0.02)
    assert cells(others, "Majority class", "data")["Avg."].text == "50.00"
    assert not any(row[1].text == PAPER_SOURCE for row in others.rows)
    assert not any("cola" in note for note in others.numbered)
    sums = [row[3].stat.mean for table in costs(store) if "minilm" in table.title for row in table.rows[:1]]
    assert sums == pytest.approx([0.2, 0.2])  # 360 s a task
    assert all("other tasks" not in column.title for column in claims_table(store)[0].columns)
    all_tables(store), drawings(store)


def test_no_inference_memory_of_a_cpu_is_shown(full, tmp_path):
    """Records hold it, but it was read after training had freed a heap to grow into."""
    assert any(row.get("memory/inference_resident_gib") for row in full.run_rows)
    for table in costs(full):
        shown = [column.title for column in table.columns if column.title.startswith("inference memory")]
        assert shown == ([] if "CPU" in table.title else ["inference memory (GiB)"]), table.title
    assert not [row for row in lst_against_read(full)[0].rows if "CPU" in row[0].text and "inference m" in row[1].text]
    cpu = next(block for block in full.blocks if block.device == "CPU")
    assert not [name for name in our_cells(full, cpu).numbers if name[0] == "inference"]
    write_report(full, all_tables(full), (), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "memory/train_resident_gib" in page
    assert "inference_resident" not in page


def test_the_papers_numbers_stand_beside_ours_and_its_average_is_recomputed(full):
    theirs = cells(table_named(table_1(full), "t5-base"), "Full-tuning", PAPER_SOURCE)
    assert theirs["Avg."].text == "84.10"
    assert theirs["Avg. as printed"].text == "84.52"
    assert theirs["energy (kWh)"].stat.mean == 12.52
    assert cells(table_named(table_1(full), "t5-base"), "READ-large", PAPER_SOURCE)["MNLI"].bold
    assert cells(table_named(table_2(full), "t5-base"), "READ without recurrence", PAPER_SOURCE)["MRPC"].text == "89.02"


def test_trainable_percent_comes_from_the_planner_where_no_run_is(tmp_path):
    write_planned(tmp_path, "t5-base", "read", "train", 8.0, **{"params/percent_paper": 0.796})
    read = cells(table_1(read_store(tmp_path))[0], "READ")["trainable (%)"]
    assert (read.text, read.stat.runs) == ("0.796", ("planned/t5-base/read",))


def test_the_majority_class_is_a_row(full):
    row = cells(table_named(table_1(full), "minilm"), "Majority class", "data")
    assert row["CoLA"].text == "50.00"


def test_table_2_keeps_recurrence_apart(tmp_path):
    write_run(tmp_path, run_record(score=50))
    write_run(tmp_path, run_record(score=90, setting={"recurrent": False}))
    store = read_store(tmp_path)
    table = table_named(table_2(store), "minilm")
    assert cells(table, "READ")["CoLA"].stat.mean == 49
    assert cells(table, "READ without recurrence")["CoLA"].stat.mean == 89
    assert cells(table_named(table_1(store), "minilm"), "READ")["CoLA"].stat.mean == 49


def stored(record):
    """The same record of a run that read its frozen states from a store on disk."""
    record["metrics"] |= {"store/share": 1.0, "filling/time_s": 60.0, "filling/cpu_estimate_kwh": 0.001}
    return record


def test_where_frozen_states_came_from_parts_rows_of_energy_and_joins_rows_of_scores(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path, run_record(seed=seed, score=50))
    for seed in (1, 2):  # seed 1 was made both ways, and counts once
        write_run(tmp_path, stored(run_record(seed=seed, score=50, setting={"cache.place": "disk"})))
    store = read_store(tmp_path)
    first = table_named(table_1(store), "minilm")
    assert cells(first, "READ")["CoLA"].stat.n == 2
    assert cells(first, "READ, cache.place=disk")["CoLA"].stat.n == 2
    assert any("from the store" in note and "READ, cache.place=disk" in note for note in first.notes)
    second = table_named(table_2(store), "minilm")
    assert cells(second, "READ")["CoLA"].stat.n == 3
    assert not any("cache" in row[0].text for row in second.rows)


def test_a_method_that_always_read_from_the_store_needs_no_further_name(tmp_path):
    write_run(tmp_path, run_record(method="full"))
    write_run(tmp_path, stored(run_record(setting={"cache.place": "disk"})))
    first = table_named(table_1(read_store(tmp_path)), "minilm")
    assert cells(first, "READ")["CoLA"].stat.n == cells(first, "Full-tuning")["CoLA"].stat.n == 1
    assert [note.rpartition(": ")[2] for note in first.notes if "from the store" in note] == ["READ."]


def test_states_in_16_bit_are_another_row_even_of_scores(tmp_path):
    write_run(tmp_path, run_record(score=50))
    write_run(tmp_path, stored(run_record(score=50, setting={"cache.place": "disk", "cache.dtype": "fp16"})))
    second = table_named(table_2(read_store(tmp_path)), "minilm")
    assert cells(second, "READ")["CoLA"].stat.n == 1


def test_table_3_is_labelled_and_bold_is_the_least_of_a_row(full):
    (table,) = table_3(full)
    planned = cells(table, "t5-base", "planned, batch 48")
    assert planned["Full-tuning"].bold
    assert not planned["READ"].bold
    assert cells(table, "t5-base", "paper")["LST"].text == "1.358"
    assert cells(table, "t5-large", "measured, Some GPU")["LST"].stat.mean == pytest.approx(8.1 + 0.06)
    assert cells(table, "t5-3b", "measured, Some GPU")["LST"].text == DASH


def test_deleting_half_names_what_is_gone(tmp_path):
    paths = fill(tmp_path)
    gone = random.Random(0).sample(paths, len(paths) // 2)
    for path in gone:
        path.unlink()
    store = read_store(tmp_path)
    for block in store.blocks:
        table = table_named(table_1(store), block.label)
        for name, method in methods_of(store, block).items():
            notes = [note for note in table.numbered if note.startswith(f"{paper.method_name(name)}: ")]
            lacking = [task for task in paper.TASKS if task not in method.chosen]
            if lacking:
                assert f"task={','.join(lacking)}" in notes[0]
                assert f"method={name} " in notes[0]
            for task, rows in method.chosen.items():
                for seed in {0, 1, 2} - {row["seed"] for row in rows}:
                    assert any(task in part and "seed" in part and str(seed) in part for part in notes[0].split(";"))
    all_tables(store)
    drawings(store)


def test_a_corrupt_record_leaves_the_other_cells_as_they_were(tmp_path):
    paths = fill(tmp_path, tasks=("cola",), seeds=(0, 1))
    before = cells(table_named(table_1(read_store(tmp_path)), "minilm"), "LoRA")
    bad = next(path for path in paths if "minilm/local/cola/read" in path.as_posix() and "seed=1" in path.as_posix())
    bad.write_text("{")
    store = read_store(tmp_path)
    assert len(store.broken) == 1
    assert cells(table_named(table_1(store), "minilm"), "LoRA") == before
    assert cells(table_named(table_1(store), "minilm"), "READ")["CoLA"].stat.n == 1
    write_report(store, all_tables(store), (), tmp_path / "report.html")
    assert bad.relative_to(tmp_path).as_posix() in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_second_run_changes_no_byte(tmp_path):
    fill(tmp_path, tasks=("cola", "mrpc"), seeds=(0, 1))
    sums = []
    for _ in range(2):
        build_outputs(tmp_path)
        files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
        sums.append({path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files})
    assert sums[0] == sums[1]
    assert {"table1.md", "table1.tex", "table1.csv", "figure6.pdf", "report.html"} <= {path.name for path in sums[0]}


def test_the_csv_spells_out_mean_deviation_and_seeds(tmp_path):
    fill(tmp_path, tasks=("cola",))
    write(table_1(read_store(tmp_path)), tmp_path, "table1")
    with (tmp_path / "table1.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    row = next(r for r in rows if "minilm" in r["table"] and r["method"] == "READ" and r["source"] == "ours")
    assert (float(row["CoLA"]), float(row["CoLA sd"]), row["CoLA seeds"]) == (71.5, 0.5, "3")
    assert row["MNLI"] == DASH


def test_latex_is_balanced_and_escaped(full, tmp_path):
    for stem, tables in all_tables(full).items():
        for table in tables:
            words = latex(table)
            assert words.count(r"\toprule") == words.count(r"\bottomrule") == 1, stem
            assert words.count("{") - words.count(r"\{") == words.count("}") - words.count(r"\}"), stem
            body = words.split(r"\midrule")[1].split(r"\bottomrule")[0]
            ends = {line.replace(r"\&", "").count("&") for line in body.splitlines() if line.endswith(r"\\")}
            assert ends == {len(table.columns) - 1}, stem


def test_markdown_has_as_many_cells_as_columns(full):
    for tables in all_tables(full).values():
        for table in tables:
            lines = [line for line in markdown(table).splitlines() if line.startswith("|")]
            assert {line.replace("\\|", "").count("|") for line in lines} == {len(table.columns) + 1}
