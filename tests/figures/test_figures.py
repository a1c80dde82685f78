"""Figures show what the records hold: no more, and the paper's points where it printed numbers."""

import pytest
from store_factory import fill, run_record, write_run

from read_repro.figures.content import drawings, figure_1, figure_2, figure_5, figure_6, pareto
from read_repro.figures.draw import draw, draw_figures
from read_repro.figures.figure import EMPTY, Point
from read_repro.tables.load import read_store


def test_an_empty_store_draws_only_the_papers_points(tmp_path):
    store = read_store(tmp_path)
    series = [one for drawing in drawings(store) for row in drawing.rows for panel in row for one in panel.series]
    assert series
    assert all(one.pale for one in series)
    for drawing in drawings(store):
        words = " ".join(text.get_text() for axes in draw(drawing).axes for text in [*axes.texts, axes.xaxis.label])
        assert EMPTY in words


def test_the_papers_points_stand_only_where_it_printed_numbers(tmp_path):
    fill(tmp_path)
    store = read_store(tmp_path)
    pale = {
        (drawing.stem, row, column): sum(one.pale for one in panel.series)
        for drawing in drawings(store)
        for row, panels in enumerate(drawing.rows)
        for column, panel in enumerate(panels)
    }
    assert {key for key, count in pale.items() if count} == {("figure2", 0, 0), ("figure5", 0, 0), ("figure6", 0, 1)}
    assert pale["figure2", 0, 0] == 8
    assert all("picture" in drawing.caption for drawing in drawings(store))


def test_figure_1_is_relative_to_full_tuning(tmp_path):
    fill(tmp_path)
    panel = figure_1(read_store(tmp_path)).rows[1][0]
    full, read = (next(one for one in panel.series if one.method == name) for name in ("full", "read"))
    assert [point.y for point in full.points] == [1, 1, 1]
    assert read.points[0].y == pytest.approx(0.008 / 0.02)
    assert panel.ticks == ("CoLA", "MRPC", "STS-B")


def test_figure_2_leaves_out_and_names_who_lacks_a_task(tmp_path):
    for method in ("full", "read"):
        for task in ("cola", "mrpc"):
            write_run(tmp_path, run_record(task, method))
    write_run(tmp_path, run_record("cola", "lora"))
    panel = figure_2(read_store(tmp_path)).rows[1][0]
    assert {one.name for one in panel.series} == {"Full-tuning", "READ", "Pareto front"}
    assert panel.note.endswith("LoRA")


def test_figure_2_has_error_bars_over_seeds(tmp_path):
    fill(tmp_path)
    panel = figure_2(read_store(tmp_path)).rows[1][0]
    read = next(one for one in panel.series if one.method == "read")
    assert read.points[0].y_error == pytest.approx(0.5)
    assert len(read.points[0].runs) == 9


def test_figures_5_and_6_keep_planned_and_measured_apart(tmp_path):
    fill(tmp_path)
    store = read_store(tmp_path)
    memory = figure_5(store).rows[0][1]
    assert {one.source for one in memory.series} == {"planned", "Some GPU"}
    assert all(one.hollow == (one.source == "Some GPU") for one in memory.series)
    latency, growth = figure_6(store).rows[0]
    assert {one.source for one in latency.series} == {"Some GPU"}
    assert {one.source for one in growth.series} == {"paper", "planned", "Some GPU"}
    theirs = next(one for one in growth.series if one.pale and one.method == "lst")
    assert theirs.points[1].y == pytest.approx(100 * (1.358 / 0.943 - 1))


def test_the_pareto_front():
    points = [Point(1, 1), Point(2, 3), Point(3, 2), Point(4, 4), Point(1, 0)]
    assert [(point.x, point.y) for point in pareto(points)] == [(1, 1), (2, 3), (4, 4)]


def test_files_carry_no_date_and_no_version(tmp_path):
    draw_figures(drawings(read_store(tmp_path)), tmp_path / "figures")
    contents = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert sorted(contents) == sorted(f"figure{n}.{kind}" for n in (1, 2, 5, 6) for kind in ("pdf", "png"))
    assert not any(word in content for content in contents.values() for word in (b"CreationDate", b"Matplotlib"))
