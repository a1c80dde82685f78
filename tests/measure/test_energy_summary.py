"""What a record says of its energy: the metrics, and the labels that tell what they are worth."""

import math
from dataclasses import replace
from typing import Any

import pytest
from energy_windows import GPUS, make_window, minutes

from read_repro.measure.energy_formulas import Sample, Window
from read_repro.measure.energy_summary import FEW_READINGS, across, duration_s, labels, so_far_kwh, summarise


def steady(readings: int = 11, *, use: float = 50.0, power_w: float = 200.0, counter_w: float = 200.0) -> list[Sample]:
    return minutes(
        utilisation_percent=[use] * readings,
        power_w=[power_w] * readings,
        counters_j=[(60.0 * counter_w * k,) for k in range(readings)],
    )


def test_a_steady_window_has_all_figures_of_a_gpu_and_none_of_a_cpu() -> None:
    window = make_window(*steady(use=80.0))
    metrics = summarise([window])
    assert metrics["energy/eq4_kwh"] == pytest.approx(0.2 / 6)
    assert metrics["energy/counter_kwh"] == metrics["energy/integrated_kwh"] == pytest.approx(0.2 / 6)
    for name in ("eq4", "counter", "integrated"):
        assert metrics[f"energy/{name}_power_kw"] == pytest.approx(0.2)
    assert metrics["energy/cpu_estimate_kwh"] is metrics["energy/cpu_package_kwh"] is None
    assert (metrics["energy/samples"], metrics["energy/coverage"], metrics["energy/longest_gap_s"]) == (11, 1, 60)
    assert (metrics["energy/power_limit_w"], metrics["energy/std_error_kwh"]) == (300, 0)
    assert not any(key.endswith("gco2e") for key in metrics)
    assert labels([window]) == []


def test_the_standard_error_is_that_of_the_mean_reading() -> None:
    values = [7.0, *[50.0, 100.0, 20.0] * 4]
    mean = sum(values) / 13
    error = math.sqrt(sum((value - mean) ** 2 for value in values) / 12 / 13)
    metrics = summarise([make_window(*minutes(utilisation_percent=values))])
    assert metrics["energy/std_error_kwh"] == pytest.approx(error / 100 * 0.25 * 12 / 60)


# ------------------------------------------------------------------------------------------------------- short runs


def test_three_seconds_between_two_idle_looks_are_labelled_and_claim_no_error_of_0() -> None:
    """A run at full load that no reading fell into."""
    window = make_window(*(Sample(time_s=t, utilisation_percent=0.0, last=t == 3) for t in (0, 3)))
    assert summarise([window])["energy/eq4_kwh"] == 0
    assert summarise([window])["energy/std_error_kwh"] is None
    assert FEW_READINGS in labels([window])


@pytest.mark.parametrize(("readings", "labelled"), [(10, True), (11, False)])
def test_ten_intervals_are_enough(readings: int, labelled: bool) -> None:
    assert (FEW_READINGS in labels([make_window(*steady(readings, use=80.0))])) == labelled


def test_readings_that_failed_or_belong_to_epochs_are_not_counted() -> None:
    samples = steady(12, use=80.0)
    holes = [Sample(time_s=s.time_s, errors=("lost",)) if k in (3, 4) else s for k, s in enumerate(samples)]
    extra = [Sample(time_s=200 + k, utilisation_percent=50.0, epoch_end=True) for k in range(5)]
    assert FEW_READINGS in labels([make_window(*sorted([*holes, *extra], key=lambda s: s.time_s))])


def test_an_estimate_from_cpu_time_is_an_integral_and_needs_no_number_of_readings() -> None:
    window = make_window(*minutes(cpu_s=[0.0, 30.0]), gpus=())
    assert labels([window]) == ["energy estimated from CPU time"]


# ---------------------------------------------------------------------------------------------------- disagreements


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"use": 80.0, "counter_w": 215.0}, []),
        ({"use": 80.0, "counter_w": 230.0}, ["integrated power are 13%", "Eq. (4) are 13%"]),
        ({"use": 30.0}, ["Eq. (4) are 62%"]),
        ({"use": 0.0}, ["Eq. (4) are 100%"]),
    ],
)
def test_figures_more_than_a_tenth_apart_are_said_to_be(changes: dict[str, float], told: list[str]) -> None:
    found = labels([make_window(*steady(**changes))])
    assert found == [f"energy counter and {words} apart" for words in told]


# ---------------------------------------------------------------------------------------------- epochs, killed tries


def test_energy_so_far_comes_from_the_reading_at_the_epochs_end_not_from_the_idle_opening() -> None:
    opening = Sample(time_s=0, utilisation_percent=0.0)
    first = Sample(time_s=1, utilisation_percent=100.0, epoch_end=True)
    second = Sample(time_s=3, utilisation_percent=50.0, epoch_end=True)
    assert so_far_kwh([make_window(opening, first)]) == pytest.approx(0.25 / 3600)
    assert so_far_kwh([make_window(opening, first, second)]) == pytest.approx(2 * 0.25 / 3600)


def test_energy_so_far_is_none_where_the_reading_failed() -> None:
    failed = Sample(time_s=1, errors=("lost",), epoch_end=True)
    assert so_far_kwh([make_window(Sample(time_s=0, utilisation_percent=0.0), failed)]) is None


def test_windows_of_a_resumed_run_add_up_and_one_killed_at_once_hides_none_but_is_told() -> None:
    first = make_window(*minutes(utilisation_percent=[40.0] * 4))
    killed_at_once = make_window(Sample(time_s=9000, utilisation_percent=1.0))
    second = make_window(*minutes(9999, utilisation_percent=[80.0] * 3))
    metrics = summarise([first, killed_at_once, second])
    assert metrics["energy/eq4_kwh"] == pytest.approx((3 * 40 + 2 * 80) * 0.25 / 6000)
    assert metrics["energy/coverage"] == 1
    assert "not closed: up to 60 s" in " ".join(labels([first, killed_at_once, second]))


@pytest.mark.parametrize("samples", [(), (Sample(time_s=5, utilisation_percent=80.0),)])
def test_a_try_killed_before_an_interval_ended_has_no_figure_and_says_so(samples: tuple[Sample, ...]) -> None:
    window = make_window(*samples)
    assert summarise([window])["energy/eq4_kwh"] is None
    assert "energy window not closed: up to 60 s after its last reading are missing" in labels([window])


# ----------------------------------------------------------------------------------------------- packages and carbon


def with_packages(**changes: Any) -> Window:
    columns = {"cpu_s": [0.0, 30.0, 60.0], "package_j": [(10.0,), (6010.0,), (12_010.0,)]}
    return make_window(*minutes(**columns), **({"gpus": (), "package_ranges_j": (262_143.0,)} | changes))


def test_a_package_counter_stands_beside_the_estimate_and_says_what_it_counts() -> None:
    metrics = summarise([with_packages()])
    assert metrics["energy/cpu_package_kwh"] == pytest.approx(12_000 / 3.6e6)
    assert metrics["energy/cpu_package_power_kw"] == pytest.approx(0.1)
    assert metrics["energy/cpu_estimate_kwh"] == pytest.approx(60 / 3600 * 0.004)
    assert "energy/cpu_package_kwh: whole package, all processes" in labels([with_packages()])


def test_grams_of_co2_stand_beside_measured_energy_only_and_only_where_the_grid_is_stated() -> None:
    metrics = summarise([with_packages(carbon_g_per_kwh=400.0)])
    grams = {key: value for key, value in metrics.items() if key.endswith("_gco2e")}
    assert grams == {
        "energy/cpu_package_gco2e": pytest.approx(400 * 12_000 / 3.6e6),
        "energy/counter_gco2e": None,
        "energy/integrated_gco2e": None,
    }
    on_gpu = summarise([make_window(*steady(), carbon_g_per_kwh=400.0)])
    assert on_gpu["energy/counter_gco2e"] == pytest.approx(400 * 0.2 / 6)


def test_two_windows_on_different_grids_are_each_multiplied_by_their_own() -> None:
    windows = [with_packages(carbon_g_per_kwh=grams) for grams in (100.0, 300.0)]
    assert summarise(windows)["energy/cpu_package_gco2e"] == pytest.approx(400 * 12_000 / 3.6e6)


def test_a_lost_gpu_gives_no_energy_but_says_how_far_it_came() -> None:
    columns = {"utilisation_percent": [50.0] * 3 + [None] * 9, "errors": [()] * 3 + [("GPU is lost",)] * 9}
    window = make_window(*minutes(**columns), gpus=GPUS[:1])
    assert summarise([window])["energy/coverage"] == pytest.approx(2 / 11)
    assert labels([window])[:2] == [
        "GPU is lost (at 9 of 12 readings)",
        "energy/eq4_kwh: readings cover only 18% of the window (0.00417 kWh in it)",
    ]


# ------------------------------------------------------------------------------------------------------------ pauses


def paused_window(**changes: Any) -> Window:
    """Half used for a minute, a pause of 100 s at 150 J, half used for a minute at 200 W, and closed."""
    readings = [
        Sample(time_s=0, utilisation_percent=0.0, power_w=200.0, counters_j=(0.0,), cpu_s=0.0, package_j=(99_990.0,)),
        Sample(
            time_s=30,
            utilisation_percent=50.0,
            counters_j=(6000.0,),
            cpu_s=3.0,
            package_j=(99_995.0,),
            epoch_end=True,
            pause=True,
        ),
        Sample(time_s=130, counters_j=(6150.0,), cpu_s=70.0, package_j=(20.0,), epoch_end=True),
        Sample(
            time_s=160, utilisation_percent=50.0, power_w=200.0, counters_j=(12150.0,), cpu_s=73.0, package_j=(22.0,)
        ),
        Sample(
            time_s=220,
            utilisation_percent=50.0,
            power_w=200.0,
            counters_j=(24150.0,),
            cpu_s=79.0,
            package_j=(25.0,),
            last=True,
        ),
    ]
    return make_window(**{"samples": tuple(readings), "package_ranges_j": (100_000.0,)} | changes)


def test_what_is_spent_in_a_pause_is_no_part_of_any_figure() -> None:
    found = summarise([paused_window()])
    assert found["energy/eq4_kwh"] == pytest.approx(2 * 0.125 / 60)  # two minutes, half used
    assert found["energy/counter_kwh"] == pytest.approx(24_000 / 3.6e6)
    assert found["energy/integrated_kwh"] == pytest.approx(24_000 / 3.6e6)
    assert found["energy/cpu_package_kwh"] == pytest.approx(10 / 3.6e6)  # the counter began again in the pause
    assert found["energy/coverage"] == pytest.approx(1)
    assert duration_s([paused_window()]) == 120
    without = tuple(replace(sample, counters_j=None) for sample in paused_window().samples)
    cpu = summarise([paused_window(gpus=(), samples=without)])
    assert cpu["energy/cpu_estimate_kwh"] == pytest.approx(12 * 0.004 / 3600)
    assert so_far_kwh([paused_window(), paused_window()]) == pytest.approx(4 * 0.125 / 60)


def test_a_window_that_ends_within_a_pause_ends_where_the_pause_began() -> None:
    window = paused_window()
    killed = replace(window, samples=window.samples[:2])
    assert duration_s([killed]) == 30
    assert duration_s([replace(killed, closed_s=100.0)]) == 30
    ended = replace(window, samples=(*window.samples[:2], replace(window.samples[2], last=True)))
    assert duration_s([ended]) == 30
    assert summarise([ended])["energy/counter_kwh"] == pytest.approx(6000 / 3.6e6)


def test_a_pause_whose_reading_failed_leaves_no_counters_figure() -> None:
    window = paused_window()
    lost = tuple(replace(s, counters_j=None) if s.pause else s for s in window.samples)
    found = summarise([replace(window, samples=lost)])
    assert found["energy/counter_kwh"] is None
    assert found["energy/eq4_kwh"] == pytest.approx(2 * 0.125 / 60)


# ------------------------------------------------------------------------------------------- several nodes or processes


def test_the_energy_of_several_nodes_is_their_sum_as_eq_4_sums_over_all_gpus() -> None:
    one, other = make_window(*steady(use=40.0)), make_window(*steady(use=60.0))
    found = across([summarise([one]), summarise([other])])
    assert found["energy/eq4_kwh"] == pytest.approx(10 * 0.25 / 60)
    assert found["energy/counter_kwh"] == pytest.approx(2 * 10 * 200 / 60 / 1000)
    assert found["energy/power_limit_w"] == 600
    assert found["energy/samples"] == 22
    assert found["energy/coverage"] == 1
    assert found["energy/longest_gap_s"] == 60
    assert across([summarise([one])]) == summarise([one])


def test_what_one_node_did_not_measure_is_not_known_of_all() -> None:
    lost = make_window(Sample(time_s=0), Sample(time_s=60, errors=("lost",), last=True))
    assert across([summarise([make_window(*steady())]), summarise([lost])])["energy/eq4_kwh"] is None
