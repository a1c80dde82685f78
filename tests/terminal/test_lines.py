"""Lines for people: what a terminal and what a file get of them."""

import logging

import pytest
from rich.table import Table

from read_repro.terminal.lines import LineHandler, plain, say, waiting
from read_repro.terminal.words import columns, duration, energy, score_name


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("read_repro.terminal")
    monkeypatch.setattr(logger, "handlers", [LineHandler()])
    monkeypatch.setattr(logger, "propagate", False)
    logger.setLevel(logging.INFO)


def wide() -> Table:
    return columns(("", "here"), [("key", "value " * 40)])


@pytest.mark.usefixtures("handler")
def test_a_file_gets_whole_lines_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    say(wide())
    say("[bold]words[/] :smile: " + "x" * 300)
    with waiting("loading ..."):
        pass
    printed = capsys.readouterr().err
    assert not set(printed) & set("\x1b\r")
    assert printed.splitlines()[1].split() == ["key", *["value"] * 40]
    assert printed.splitlines()[2:] == ["[bold]words[/] :smile: " + "x" * 300, "loading ..."]


def test_plain_text_has_no_spaces_at_the_ends_of_lines() -> None:
    assert all(line == line.rstrip() for line in plain(wide()).splitlines())


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.26, "0.3 s"), (7, "7 s"), (200, "3 min 20 s"), (3599.7, "60 min 00 s"), (7500, "2 h 05 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(("kwh", "words"), [(0.000837, "0.837 Wh"), (0.0999, "99.9 Wh"), (2.5, "2.5 kWh")])
def test_energies(kwh: float, words: str) -> None:
    assert energy(kwh) == words


def test_a_task_with_two_parts_has_their_mean() -> None:
    assert score_name({"val/accuracy": 1, "val/f1": 1, "val/score": 1, "val/loss": 1, "test/x": 1}, "val") == (
        "mean of accuracy and f1"
    )
    assert score_name({"val/matthews": 1, "val/score": 1}, "val") == "matthews"
