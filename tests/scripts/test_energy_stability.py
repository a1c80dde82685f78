"""Eq. (4) replayed over traces: what it can and cannot see."""

import numpy as np
import pytest
from energy_stability import errors, row, square


@pytest.mark.parametrize("interval_s", [1, 7, 60])
def test_a_steady_load_has_no_error_at_any_interval(interval_s: int) -> None:
    found = list(errors(np.full(2000, 80.0), interval_s, 1200))
    assert [error for error, _ in found] == pytest.approx([0.0] * len(found))


def test_a_reading_each_second_sees_all() -> None:
    assert row("square", square(2000), 1, 10)["rms"] == pytest.approx(0)  # type: ignore[index]


def test_a_period_of_the_interval_itself_is_not_seen_and_the_stated_error_does_not_tell() -> None:
    found = row("square", square(4000), 60, 30)
    assert found is not None
    assert found["rms"] > 0.2  # each reading of a run meets the same part of the period
    assert found["stated"] < 0.01


def test_a_trace_too_short_for_a_run_is_left_out() -> None:
    assert row("square", square(100), 60, 10) is None
