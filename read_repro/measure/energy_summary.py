"""The ``energy/...`` metrics of a run's windows, and the labels that say what a figure is worth or why it is missing.

Utilisation says only whether some kernel ran in the last 1/6 to 1 s, so with each figure by Eq. (4) stand the number of
its readings, the standard error of their mean, and how much of the window they cover.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import stdev

from read_repro.measure.energy_formulas import Energy, Window, counter, cpu_estimate, cpu_package, eq4, integrated
from read_repro.units import SECONDS_PER_HOUR

MEANINGS: dict[str, Callable[[Window], Energy]] = {
    "eq4": eq4,
    "counter": counter,
    "integrated": integrated,
    "cpu_estimate": cpu_estimate,
    "cpu_package": cpu_package,
}
MEASURED = ("counter", "integrated", "cpu_package")  # by sensors; the others are a proxy and an estimate
ENOUGH_READINGS = 10  # of so many intervals at least, the mean and its standard error say something
DISAGREEMENT = 0.10  # figures of one energy further apart than this are flagged

ESTIMATED = "energy estimated from CPU time"
FEW_READINGS = f"energy by Eq. (4) from fewer than {ENOUGH_READINGS} interval readings"
WHOLE_PACKAGE = "energy/cpu_package_kwh: whole package, all processes"


def energies(window: Window) -> dict[str, Energy]:
    """Each meaning that applies: the three of a GPU or the CPU's estimate, never both; and the packages' counters."""
    wanted = ["eq4", "counter", "integrated"] if window.gpus else ["cpu_estimate"]
    wanted += ["cpu_package"] if window.package_ranges_j else []
    return {name: MEANINGS[name](window) for name in wanted}


def main_energy(window: Window) -> Energy:
    """By Eq. (4), or without a GPU what stands in its place."""
    return eq4(window) if window.gpus else cpu_estimate(window)


def so_far_kwh(windows: Sequence[Window]) -> float | None:
    """The main energy of windows, the last still open, up to its last reading; those at epochs' ends count here."""
    last = windows[-1].without_pauses()
    last = replace(last, samples=tuple(replace(sample, epoch_end=False) for sample in last.samples))
    return _total([main_energy(window).kwh for window in (*_seen(windows[:-1]), last)])


def _seen(windows: Sequence[Window]) -> list[Window]:
    """Windows without their pauses. One killed before its first interval ended has no energy and hides no other's."""
    return [w for window in windows if (w := window.without_pauses()).duration_s > 0]


def duration_s(windows: Sequence[Window]) -> float:
    """The time that windows have seen, without their pauses."""
    return math.fsum(window.without_pauses().duration_s for window in windows)


def summarise(windows: Sequence[Window]) -> dict[str, float | None]:
    """The ``energy/...`` metrics over one window, or over those of a run that was killed and resumed."""
    windows = _seen(windows) or [window.without_pauses() for window in windows[-1:]]
    parts = [energies(window) for window in windows]
    metrics: dict[str, float | None] = {}
    for name in MEANINGS:
        of_windows = [part.get(name, Energy()) for part in parts]
        kwh = _total([energy.kwh for energy in of_windows])
        hours = math.fsum(energy.covered_s for energy in of_windows) / SECONDS_PER_HOUR
        metrics[f"energy/{name}_kwh"] = kwh
        metrics[f"energy/{name}_power_kw"] = kwh / hours if kwh is not None and hours else None
    return metrics | _carbon(windows, parts) | _statistics(windows)


def across(summaries: Sequence[dict[str, float | None]]) -> dict[str, float | None]:
    """The metrics of devices that were measured apart at the same time, such as several nodes', as those of them all.

    Eq. (4) sums over all GPUs. What one of them did not measure is not known of all.
    """
    if len(summaries) == 1:
        return summaries[0]
    return {key: _combined(key, [each.get(key) for each in summaries]) for key in summaries[0]}


def _combined(key: str, values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    if key == "energy/std_error_kwh":
        return math.sqrt(math.fsum(value * value for value in known))
    combine = {"energy/coverage": min, "energy/longest_gap_s": max}.get(key, math.fsum)
    return combine(known)


def labels(windows: Sequence[Window]) -> list[str]:
    """Why a figure is missing, weak or an estimate, each once."""
    windows = [window.without_pauses() for window in windows]
    found = [label for window in windows for label in _labels(window)]
    if 0 < sum(map(interval_readings, windows)) < ENOUGH_READINGS:
        found.append(FEW_READINGS)
    return list(dict.fromkeys(found))


def interval_readings(window: Window) -> int:
    """How many intervals Eq. (4) has a reading for."""
    return sum(sample.utilisation_percent is not None for sample in window.readings[1:])


def std_error_kwh(window: Window) -> float | None:
    """Standard error of Eq. (4)'s mean utilisation, as energy; the reading at the opening counts here.

    A few readings do not tell their spread (two idle ones would give an error of 0). CPU time is no sample but an
    integral, so it has no such error.
    """
    read = [s.utilisation_percent for s in window.readings if s.utilisation_percent is not None]
    if interval_readings(window) < ENOUGH_READINGS:
        return None
    return stdev(read) / math.sqrt(len(read)) / 100 * window.p0_kw * window.duration_s / SECONDS_PER_HOUR


def _carbon(windows: Sequence[Window], parts: Sequence[dict[str, Energy]]) -> dict[str, float | None]:
    """Grams of CO2 equivalent of what was measured, where the grid's figure was stated."""
    if any(window.carbon_g_per_kwh is None for window in windows):
        return {}
    grams: dict[str, float | None] = {}
    for name in MEASURED:
        kwh = [part.get(name, Energy()).kwh for part in parts]
        stated = [window.carbon_g_per_kwh or 0.0 for window in windows]
        grams[f"energy/{name}_gco2e"] = _total([k if k is None else k * g for k, g in zip(kwh, stated, strict=True)])
    return grams


def _statistics(windows: Sequence[Window]) -> dict[str, float | None]:
    """How well the windows were seen, by the readings behind Eq. (4) or behind the CPU's estimate."""
    main = [main_energy(window) for window in windows]
    seen_s = duration_s(windows)
    squares = _total([None if (e := std_error_kwh(window)) is None else e * e for window in windows])
    limits = [window.power_limit_w for window in windows if window.power_limit_w is not None]
    return {
        "energy/samples": sum(len(window.readings) for window in windows),
        "energy/std_error_kwh": None if squares is None else math.sqrt(squares),
        "energy/coverage": math.fsum(e.covered_s for e in main) / seen_s if seen_s else None,
        "energy/longest_gap_s": max(e.longest_gap_s for e in main) if seen_s else None,
        "energy/overhead_s": math.fsum(s.read_s for window in windows for s in window.samples),
        "energy/power_limit_w": limits[-1] if limits else None,
    }


def _labels(window: Window) -> list[str]:
    found = [] if window.gpus else [ESTIMATED]
    found += window.reasons
    errors = Counter(error for sample in window.samples for error in sample.errors)
    found += [f"{error} (at {n} of {len(window.samples)} readings)" for error, n in errors.items()]
    by_name = energies(window)
    found += [f"energy/{name}_kwh: {energy.reason}" for name, energy in by_name.items() if energy.reason]
    if not window.closed:
        found.append(f"energy window not closed: up to {window.interval_s:g} s after its last reading are missing")
    if "cpu_package" in by_name:
        found.append(WHOLE_PACKAGE)
    found += _disagreement("integrated power", by_name.get("counter"), by_name.get("integrated"))
    return found + _disagreement("Eq. (4)", by_name.get("counter"), by_name.get("eq4"))


def _disagreement(what: str, counted: Energy | None, other: Energy | None) -> list[str]:
    a, b = (None if energy is None else energy.kwh for energy in (counted, other))
    if a is None or b is None or abs(a - b) <= DISAGREEMENT * max(a, b):
        return []
    return [f"energy counter and {what} are {abs(a - b) / max(a, b):.0%} apart"]


def _total(values: Sequence[float | None]) -> float | None:
    """The sum, or None where a part is missing: a part is not the whole."""
    known = [value for value in values if value is not None]
    return math.fsum(known) if known and len(known) == len(values) else None
