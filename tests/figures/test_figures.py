"""Figures show what the records hold: no more, and the paper's points where it printed numbers."""

import re

import pytest
from store_factory import fill, run_record, write_run

from read_repro.figures.content import drawings
from read_repro.figures.curves import learning_curves
from read_repro.figures.draw import draw, draw_figures
from read_repro.figures.energy_figures import figure_1, figure_2, unbeaten
from read_repro.figures.figure import EMPTY, Point, Series, stairs
from read_repro.figures.size_figures import figure_5, figure_6
from read_repro.figures.spread import apart, groups, under_ours
from read_repro.figures.svg import svg
from read_repro.tables.load import read_store


def test_an_empty_store_draws_only_the_papers_points(tmp_path):
    store = read_store(tmp_path)
    series = [one for drawing in drawings(store) for row in drawing.rows for panel in row for one in panel.series]
    assert series
    assert all(one.pale for one in series)
    for drawing in drawings(store):
        assert EMPTY in words_of(draw(drawing))


def words_of(figure):
    inside = [text.get_text() for axes in figure.axes for text in [*axes.texts, axes.title, axes.xaxis.label]]
    return " ".join([*inside, figure.get_supxlabel()])


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
    assert "left out, not run on every task: LoRA" in panel.note


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
    assert [(point.x, point.y) for point in stairs(unbeaten(points))] == [(1, 1), (2, 3), (4, 4)]


def test_points_whose_bars_overlap_are_not_called_better():
    full, read = Point(0.57, 25.79), Point(0.66, 25.86, 0.01, 2.85)
    assert unbeaten([full, read]) == [full]  # READ is dearer, and not clearly better
    cheap = Point(0.24, 25.86, 0.02, 2.85)
    assert unbeaten([full, cheap]) == [cheap]  # cheaper, and not clearly worse
    alike = [Point(1, 10, 0.5, 1), Point(1.2, 10.5, 0.5, 1)]
    assert unbeaten(alike) == alike


def test_titles_are_words_and_energies_have_a_unit_that_people_read(tmp_path):
    fill(tmp_path)
    store = read_store(tmp_path)
    titles = [panel.title for drawing in drawings(store) for row in drawing.rows for panel in row]
    assert "MiniLM on local GLUE, 1,000 training examples, CPU" in titles
    assert not any(sign in title for title in titles for sign in "=_")
    energy = figure_2(store).rows[1][0]
    assert energy.x == "training energy (Wh, CPU estimate)"
    read = next(one for one in energy.series if one.method == "read")
    assert read.points[0].x == pytest.approx(1000 * 3 * 0.008)
    assert figure_2(store).rows[0][0].x == "training energy (kWh, Eq. (4))"


def test_a_panel_without_records_is_a_line_of_text(tmp_path):
    write_run(tmp_path, run_record(method="full"))
    store = read_store(tmp_path)
    for drawing in drawings(store):
        figure = draw(drawing)
        shown = [panel for row in drawing.rows for panel in row if panel.series]
        assert sum(axes.axison for axes in figure.axes) == len(shown)
        for row in drawing.rows:
            for panel in row:
                assert panel.series or EMPTY in words_of(figure)
                assert svg(panel, {}, "a").startswith("<figure" if panel.series else "<p>")
    assert "T5-base on GLUE" in figure_1(store).undrawn[0]


def test_a_figure_has_one_legend_with_each_method_once(tmp_path):
    fill(tmp_path)
    for drawing in drawings(read_store(tmp_path)):
        figure = draw(drawing)
        assert len(figure.legends) == 1
        assert all(axes.get_legend() is None for axes in figure.axes)
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
        assert len(labels) == len(set(labels))
        assert {"LST", "READ"} <= set(labels)


def test_marks_that_hide_each_other_are_moved_apart_and_named(tmp_path):
    same = [Series("lora", "LoRA", (Point(1.0, 5.0),)), Series("bitfit", "BitFit", (Point(1.0, 5.0),))]
    moved, note = apart([*same, Series("read", "READ", (Point(2.0, 9.0),))], "linear")
    assert moved[0].points[0].x < 1.0 < moved[1].points[0].x
    assert moved[0].points[0].true_x == 1.0
    assert moved[2].points[0].x == 2.0
    assert note.endswith("LoRA, BitFit")
    assert groups([1, 2, 3, 9], lambda a, b: abs(a - b) <= 1) == [[1, 2, 3]]
    fill(tmp_path)
    latency = figure_6(read_store(tmp_path)).rows[0][0]
    assert len({one.points[0].x for one in latency.series}) == len(latency.series)
    assert "(at T5-large)" in latency.note


def test_the_papers_marks_that_lie_under_ours_are_named():
    ours = Series("read", "READ", (Point(0, 1.0), Point(1, 100.0)), "line")
    theirs = [Series("read", "READ", (Point(1, 101.0),), source="paper"), Series("lst", "LST", (Point(1, 99.0),))]
    assert under_ours([ours, *theirs], "log", ("small", "base")) == "the paper's mark lies under ours: READ (at base)"
    assert under_ours([ours], "log", ("small", "base")) == ""


def test_titles_are_wrapped_so_that_those_of_one_row_stay_apart(tmp_path):
    write_run(tmp_path, run_record(setting={"batch_size": 32}))
    figure = draw(figure_2(read_store(tmp_path)))
    titles = [axes.title for axes in figure.axes if axes.get_title()]
    assert len(titles) > 1
    assert max(len(line) for title in titles for line in title.get_text().splitlines()) <= 50


def test_learning_curves_have_a_line_a_run(tmp_path):
    fill(tmp_path)
    drawing = learning_curves(read_store(tmp_path))
    assert len(drawing.rows) == 1 + 3  # T5-base on CoLA, and three tasks of MiniLM
    epochs, energy = drawing.rows[1]
    assert {one.label for one in epochs.series if one.method == "read"} == {f"READ, seed {seed}" for seed in (0, 1, 2)}
    read = next(one for one in energy.series if one.method == "read")
    assert [point.y for point in read.points] == [62, 70, 72, 71]
    assert [point.x for point in read.points] == pytest.approx([2, 4, 6, 8])  # of 8 Wh
    assert (epochs.x_label, energy.x_label) == ("epoch", "training energy (Wh, CPU estimate)")
    assert learning_curves(read_store(tmp_path / "nothing")).rows == ()


def test_the_scales_are_named_and_large_numbers_are_powers_of_ten(tmp_path):
    fill(tmp_path)
    store = read_store(tmp_path)
    left, right = figure_5(store).rows[0]
    assert (left.y_label, right.y_label) == ("trainable parameters, log scale", "peak training memory (GiB), log scale")
    assert figure_6(store).rows[0][1].y_label == "growth (%), linear up to 1, log scale above"
    drawn = svg(left, {}, "left")
    assert re.search(r"<tspan[^>]*>6</tspan>", drawn), "powers of ten are raised"
    assert "e+" not in drawn


def test_figure_1_has_a_line_at_full_tuning_and_the_epochs(tmp_path):
    write_run(tmp_path, run_record(method="full") | {"epochs": 3})
    write_run(tmp_path, run_record(method="read") | {"epochs": 10})
    panel = figure_1(read_store(tmp_path)).rows[1][0]
    assert panel.line == 1.0
    assert panel.note == "epochs: Full-tuning 3, READ 10"
    assert "epochs" in figure_1(read_store(tmp_path)).caption


def test_a_method_without_a_point_is_named(tmp_path):
    lst = run_record(method="lst")
    lst["metrics"]["memory/train_resident_gib"] = None  # as after LST's pruning
    for record in (run_record(method="full"), run_record(method="read"), lst):
        write_run(tmp_path, record)
    energy, memory = figure_2(read_store(tmp_path)).rows[1]
    assert "LST" in {one.name for one in energy.series}
    assert "LST" not in {one.name for one in memory.series}
    assert "no point, not measured: LST" in memory.note


def test_files_carry_no_date_and_no_version(tmp_path):
    draw_figures(drawings(read_store(tmp_path)), tmp_path / "figures")
    contents = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert sorted(contents) == sorted(f"figure{n}.{kind}" for n in (1, 2, 5, 6) for kind in ("pdf", "png"))
    assert not any(word in content for content in contents.values() for word in (b"CreationDate", b"Matplotlib"))
