"""Eq. (4) and its companions, by example and property, on windows written by hand."""

import math
from collections.abc import Sequence

import pytest
from energy_windows import GPUS, make_window, minutes
from hypothesis import given
from hypothesis import strategies as st

from read_repro.measure.energy_formulas import Sample, counter, cpu_package, eq4, equation4_kwh, integrated

# ---------------------------------------------------------------------------------------------------------- Eq. (4)


def test_equation_4_of_the_paper_to_the_digit() -> None:
    utilisation = [97.0, 100.0, 13.0, 88.0, 71.0]
    assert equation4_kwh(utilisation, [60.0] * 5, p0_kw=0.25) == sum(utilisation) * 0.25 / 6000


def test_an_hour_at_full_use_is_p0() -> None:
    assert equation4_kwh([100.0] * 60, [60.0] * 60, p0_kw=0.25) == 0.25


readings = st.lists(st.tuples(st.floats(0, 800), st.floats(0.01, 7200)), min_size=1, max_size=30)


@given(readings, st.integers(2, 5))
def test_an_interval_cut_in_parts_of_the_same_reading_is_the_same_energy(
    read: list[tuple[float, float]], parts: int
) -> None:
    cut = [(u, dt / parts) for u, dt in read for _ in range(parts)]
    assert math.isclose(kwh(cut), kwh(read), rel_tol=1e-9, abs_tol=1e-12)


@given(readings)
def test_energy_lies_between_the_least_and_the_most_used_reading(read: list[tuple[float, float]]) -> None:
    full_kwh = math.fsum(dt for _, dt in read) / 3600 * 0.25 / 100
    low, high = (f(u for u, _ in read) * full_kwh for f in (min, max))
    assert low * (1 - 1e-9) <= kwh(read) <= high * (1 + 1e-9)


def kwh(read: Sequence[tuple[float, float]]) -> float:
    return equation4_kwh([u for u, _ in read], [dt for _, dt in read], p0_kw=0.25)


def test_the_opening_has_no_weight_and_the_closing_ends_its_part_interval() -> None:
    trace = [(0, 7), (60, 50), (120, 100), (150, 20)]
    energy = eq4(make_window(*(Sample(time_s=t, utilisation_percent=u) for t, u in trace)))
    assert energy.kwh == pytest.approx((50 + 100 + 20 / 2) * 0.25 / 6000, rel=1e-12)
    assert (energy.covered_s, energy.longest_gap_s) == (150, 60)


def test_readings_at_the_ends_of_epochs_change_no_figure_of_the_window() -> None:
    regular = minutes(utilisation_percent=[0, 80, 60, 40, 20], power_w=[100, 200, 200, 200, 100])
    extra = [Sample(time_s=t, utilisation_percent=0, power_w=0, epoch_end=True) for t in (30, 95, 200)]
    window, with_extra = make_window(*regular), make_window(*sorted([*regular, *extra], key=lambda s: s.time_s))
    for meaning in (eq4, integrated):
        assert meaning(with_extra) == meaning(window)


def test_a_killed_window_ends_with_its_last_reading_whichever_it_is() -> None:
    samples = (Sample(time_s=0, utilisation_percent=0), Sample(time_s=40, utilisation_percent=90, epoch_end=True))
    assert eq4(make_window(*samples)).kwh == pytest.approx(90 * 40 / 60 * 0.25 / 6000)


# --------------------------------------------------------------------------------------------------------- coverage


@pytest.mark.parametrize("missing", [range(1, 10), range(2, 4)])
def test_intervals_without_a_valid_reading_are_not_covered_and_too_little_is_no_figure(missing: range) -> None:
    """Nine of eleven readings failed, or two: what was between is nobody's to guess."""
    values = [None if k in missing else 50.0 for k in range(11)]
    energy = eq4(make_window(*minutes(utilisation_percent=values)))
    assert energy.kwh is None
    assert energy.covered_s == 60 * (10 - len(missing))
    assert energy.longest_gap_s == 60 * (len(missing) + 1)
    assert f"cover only {10 * (10 - len(missing))}% of the window" in str(energy.reason)


def test_one_hole_in_forty_minutes_is_a_figure_of_the_rest() -> None:
    values = [None if k == 7 else 50.0 for k in range(41)]
    energy = eq4(make_window(*minutes(utilisation_percent=values)))
    assert energy.kwh == pytest.approx(39 * 50 * 0.25 / 6000)
    assert energy.covered_s == 39 * 60


def test_integrated_power_needs_both_ends_of_an_interval() -> None:
    values = [None if k == 20 else 200.0 for k in range(81)]
    energy = integrated(make_window(*minutes(power_w=values)))
    assert energy.covered_s == 78 * 60
    assert energy.kwh == pytest.approx(0.2 * 78 / 60)


def test_a_counter_loses_nothing_where_a_reading_failed() -> None:
    values = [None if k in (1, 2, 3) else (12_000.0 * k,) for k in range(6)]
    energy = counter(make_window(*minutes(counters_j=values)))
    assert energy.covered_s == 300
    assert energy.kwh == pytest.approx(0.2 * 5 / 60)


def test_hung_for_most_of_the_window_is_no_measurement() -> None:
    energy = eq4(make_window(*minutes(utilisation_percent=[50.0] * 4), closed_s=600.0))
    assert energy.kwh is None
    assert (energy.covered_s, energy.longest_gap_s) == (180, 420)


# --------------------------------------------------------------------------------------------------------- counters


def test_a_counter_that_goes_back_is_no_energy() -> None:
    energy = counter(make_window(*minutes(counters_j=[(5e3,), (17e3,), (1e3,), (29e3,)])))
    assert (energy.kwh, energy.reason) == (None, "the counter went back")


def test_a_counter_that_goes_back_does_not_hide_in_the_sum() -> None:
    window = make_window(*minutes(counters_j=[(5e3, 1e3), (4e3, 9e3)]), gpus=GPUS[:2])
    assert counter(window).kwh is None


@pytest.mark.parametrize(("power_w", "valid"), [(389, True), (391, False)])
def test_a_counter_beyond_the_power_limit_is_neither_kept_nor_clamped(power_w: float, valid: bool) -> None:
    """1.3 x 300 W is 390 W."""
    energy = counter(make_window(*minutes(counters_j=[(60.0 * power_w * k,) for k in range(5)])))
    assert (energy.kwh is not None) == valid
    assert ("1.3 x the power limit" in str(energy.reason)) != valid


@given(
    st.floats(0, 260_000),
    st.lists(st.floats(0, 50_000), min_size=1, max_size=20),
)
def test_a_package_counter_is_followed_through_its_wrap_around(start_j: float, steps_j: list[float]) -> None:
    most = 262_143.32885
    totals = [start_j + math.fsum(steps_j[:k]) for k in range(len(steps_j) + 1)]
    window = make_window(*minutes(package_j=[(total % most,) for total in totals]), package_ranges_j=(most,))
    assert cpu_package(window).kwh == pytest.approx(math.fsum(steps_j) / 3.6e6, abs=1e-12)


def test_two_packages_are_summed_each_with_its_own_range() -> None:
    counts = [(900.0, 65_000.0), (100.0, 500.0)]
    window = make_window(*minutes(package_j=counts), package_ranges_j=(1e6, 65_536.0))
    assert cpu_package(window).kwh == pytest.approx((1e6 - 800 + 1036) / 3.6e6)


def test_a_package_counter_that_may_have_wrapped_twice_is_no_energy() -> None:
    window = make_window(*minutes(package_j=[(0.0,), (1.0,)]), package_ranges_j=(59_000.0,))
    assert cpu_package(window).kwh is None
    assert "more than once" in str(cpu_package(window).reason)
