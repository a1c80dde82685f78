"""The progress of many runs: what is said of each, who comes first in the end, and when going on is pointless."""

import logging

import pytest
from store_factory import record_of, run_record

from read_repro.records.record import Record
from read_repro.terminal.lines import plain
from read_repro.terminal.many_runs import EndedRun, SweepView, fail_alike, ranking


def scored(value: float, task: str = "cola") -> Record:
    return record_of(run_record(task, score=value))


def failed(*causes: str | None) -> list[EndedRun]:
    return [EndedRun(f"run {place}", None, why) for place, why in enumerate(causes)]


def test_the_best_by_validation_comes_first_within_its_task() -> None:
    runs = [
        EndedRun("b", None, "ValueError: no"), EndedRun("low", scored(10)), EndedRun("other", scored(5, "sst2")),
        EndedRun("high", scored(90)),
    ]  # fmt: skip
    assert [line.split()[0] for line in plain(ranking(runs)).splitlines()] == ["run", "high", "low", "other", "b"]
    assert "failed: ValueError: no" in plain(ranking(runs))


def test_a_run_that_diverged_has_no_score_to_rank_by() -> None:
    gone = record_of({**run_record(score=99), "status": "diverged", "diverged_step": 7})
    text = plain(ranking([EndedRun("gone", gone), EndedRun("low", scored(1))]))
    assert [line.split()[0] for line in text.splitlines()] == ["run", "low", "gone"]
    assert "diverged at step 7" in text


def test_failures_are_alike_whatever_numbers_and_paths_they_name() -> None:
    alike = failed(*(f"OutOfMemoryError: tried {gib} GiB in runs/a={gib}/seed=0" for gib in (1, 2, 3)))
    assert fail_alike(alike) == alike[0].why
    assert fail_alike(alike[:2]) is None
    assert fail_alike(failed("ValueError: a", "ValueError: a", "KeyError: b")) is None
    assert fail_alike(failed("ValueError: a", "ValueError: a", None)) is None
    assert fail_alike(failed(None, None, None)) is None
    assert fail_alike([EndedRun("done", scored(1)), *alike]) is None  # what has worked once can work again


def test_each_end_says_which_of_how_many(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="read_repro")
    view = SweepView(total=4)
    view.found()
    view.starts("a")
    view.ends(EndedRun("a", scored(80)))
    view.ends(EndedRun("b", None, "ValueError: no"))
    view.close()
    assert caplog.messages == ["2/4  a  validation 80.00  test 79.00  6 min 00 s", "3/4  b  failed: ValueError: no"]
