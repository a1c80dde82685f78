"""Whatever ends a try, what was done before it stays; and what a try had done is completed."""

import logging
import os
import random
import signal
import time
from itertools import count
from pathlib import Path

import pytest
from energy_windows import make_window, minutes
from store_factory import record_of, run_record

from read_repro.measure.energy_journal import Journal, read_windows
from read_repro.records.record import Record
from read_repro.records.store import read_record, set_aside, write_record
from read_repro.training import attempt as room
from read_repro.training.attempt import begin_try, complete_last_try, end_try


def record_with(weights: str) -> Record:
    return record_of(run_record() | {"trained_weights": weights})


def do_try(folder: Path, number: str) -> None:
    """A try whose three files all say which it was."""
    attempt = begin_try(folder)
    write_journal(attempt / "journal.jsonl", number)
    (attempt / "best.safetensors").write_text(number)
    end_try(attempt, record_with(number))


def write_journal(path: Path, reason: str) -> None:
    journal = Journal(path)
    journal.open(make_window(reasons=(reason,)))
    for sample in minutes(utilisation_percent=[50.0] * 2, counters_j=[(1.0,)] * 2):
        journal.add(sample)
    journal.close()


def reasons(journal: Path) -> list[str]:
    return [reason for window in read_windows(journal) for reason in window.reasons]


def state(folder: Path) -> tuple[str | None, str, list[str]]:
    record = read_record(folder / "result.json")
    return (
        record and record.trained_weights,
        (folder / "best.safetensors").read_text(),
        reasons(folder / "journal.jsonl"),
    )


def test_a_try_that_is_whole_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    for number in ("1", "2"):
        do_try(tmp_path, number)
        assert state(tmp_path) == (number, number, [number])
    assert sorted(os.listdir(tmp_path)) == ["best.safetensors", "journal.jsonl", "result.json"]


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_a_try_that_was_killed_while_it_moved_up_is_completed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    do_try(tmp_path, "1")
    left, real = iter(range(moves)), room.move_up

    def killed(source: Path, target: Path) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(room, "move_up", killed)
    with pytest.raises(KeyboardInterrupt):
        do_try(tmp_path, "2")
    monkeypatch.undo()
    assert read_record(tmp_path / "result.json") == record_with("1")
    complete_last_try(tmp_path)
    assert state(tmp_path) == ("2", "2", ["2"])


def test_a_full_disk_loses_neither_the_old_record_nor_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    do_try(tmp_path, "1")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        do_try(tmp_path, "2")
    monkeypatch.undo()
    complete_last_try(tmp_path)
    assert state(tmp_path) == ("1", "1", ["1"])


def test_killed_at_any_moment_record_and_weights_belong_together(tmp_path: Path) -> None:
    """Real kills of a process that does one try after the other."""
    draw = random.Random()
    do_try(tmp_path, "-1")
    for round_ in range(8):
        if (child := os.fork()) == 0:
            for number in count():
                do_try(tmp_path, f"{round_}.{number}")
        time.sleep(draw.uniform(0.01, 0.2))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        complete_last_try(tmp_path)
        record, weights, _ = state(tmp_path)
        assert record == weights
        assert record is not None


def test_the_journal_of_a_killed_try_is_continued_and_that_of_a_run_that_is_done_is_not(tmp_path: Path) -> None:
    write_journal(begin_try(tmp_path) / "journal.jsonl", "killed")
    write_journal(begin_try(tmp_path) / "journal.jsonl", "killed again")
    attempt = begin_try(tmp_path)
    assert reasons(attempt / "journal.jsonl") == ["killed", "killed again"]
    end_try(attempt, record_with("1"))
    assert reasons(begin_try(tmp_path) / "journal.jsonl") == []
    assert reasons(tmp_path / "journal.jsonl") == ["killed", "killed again"]


def test_a_journal_beside_no_record_is_that_of_earlier_tries(tmp_path: Path) -> None:
    write_journal(tmp_path / "journal.jsonl", "of a try before there were folders for them")
    write_journal(begin_try(tmp_path) / "journal.jsonl", "second")
    assert len(reasons(tmp_path / "try" / "journal.jsonl")) == 2
    assert not (tmp_path / "journal.jsonl").exists()


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("try", Path.touch),
        ("try/journal.jsonl", Path.mkdir),
        ("try/journal.jsonl", os.mkfifo),
        ("try/journal.jsonl", lambda path: path.write_text("null\n5\n" + "[" * 100_000)),
        ("try/journal.jsonl", lambda path: path.write_bytes(b"\x00\xff" * 100)),
        ("try/best.safetensors", Path.mkdir),
        ("try/record.json", Path.mkdir),
        ("try/record.json", lambda path: path.write_text("{")),
        ("result.json", lambda path: path.write_text("null")),
        ("journal.jsonl", Path.mkdir),
        ("best.safetensors", Path.mkdir),
    ],
)
def test_what_cannot_stay_is_named_and_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture, name, make) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    for again in ("", ".2"):
        make(tmp_path / name)
        with caplog.at_level(logging.WARNING):
            complete_last_try(tmp_path)
            do_try(tmp_path, "1")
        record, weights, journal = state(tmp_path)
        assert (record, weights, set(journal)) == ("1", "1", {"1"})
        assert f"set aside as {Path(name).name}.broken{again}" in caplog.text
        assert os.path.lexists(tmp_path / f"{name}.broken{again}")
        (tmp_path / Path(name).parts[-1]).unlink(missing_ok=True)
        (tmp_path / name).parent.mkdir(exist_ok=True)


def test_what_is_set_aside_never_takes_the_place_of_another(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / "result.json").write_text(str(number))
        set_aside(tmp_path / "result.json")
    (tmp_path / "result.json.broken.5").symlink_to("nowhere")
    (tmp_path / "result.json").mkdir()
    assert set_aside(tmp_path / "result.json").name == "result.json.broken.6"
    names = ("", ".2", ".3", ".4")
    assert [(tmp_path / f"result.json.broken{name}").read_text() for name in names] == ["0", "1", "2", "3"]


def test_a_record_that_was_written_is_the_one_that_moves_up(tmp_path: Path) -> None:
    write_record(begin_try(tmp_path) / "record.json", record_with("1"))
    complete_last_try(tmp_path)
    assert read_record(tmp_path / "result.json") == record_with("1")
    assert not (tmp_path / "try").exists()


def test_a_run_that_diverged_leaves_no_older_runs_weights(tmp_path: Path) -> None:
    do_try(tmp_path, "1")
    attempt = begin_try(tmp_path)
    diverged = record_of(run_record() | {"status": "diverged", "diverged_step": 3})
    end_try(attempt, diverged)
    assert read_record(tmp_path / "result.json") == diverged
    assert not (tmp_path / "best.safetensors").exists()
