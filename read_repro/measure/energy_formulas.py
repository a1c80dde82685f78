"""A window of readings and the energy in it: Eq. (4) of READ (arXiv 2305.15348, section 3.4), as pure functions.

Eq. (4) adds one utilisation reading a minute: E = (sum_i u_i) p0 / 6000, u_i in percent summed over the GPUs, p0 in kW.
With true intervals dt_i (s), each ending with its reading, the same sum is E = (sum_i u_i dt_i / 60) p0 / 6000.
Beside this proxy stand the boards' energy counters and their integrated power. Utilisation says only whether some
kernel ran in the last 1/6 to 1 s, so the standard error of its mean belongs to the figure.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import stdev

JOULES_PER_KWH = 3.6e6
MIN_COVERAGE = 0.95  # readings over less of a window than this do not stand for the window
GUARD = 1.3  # no board draws more than this times its power limit, so a larger reading is false
DISAGREEMENT = 0.10  # counter and integrated power further apart than this are flagged


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One look at the devices: what could not be read is None, and ``errors`` say why."""

    time_s: float  # monotonic
    utilisation_percent: float | None = None  # summed over the GPUs in use
    power_w: float | None = None  # likewise
    counters_j: tuple[float, ...] | None = None  # one a GPU: in their sum a counter that goes back could hide
    cpu_s: float | None = None  # processor time of this process
    read_s: float = 0.0  # what the look itself took
    errors: tuple[str, ...] = ()
    last: bool = False  # the reading that closes the window


@dataclass(frozen=True, kw_only=True)
class Window:
    """The readings from the opening to the closing, with the constants that turn them into energy."""

    interval_s: float
    p0_kw: float
    cpu_p0_kw: float
    gpus: tuple[str, ...]  # UUIDs; empty: the CPU is estimated instead
    started: str = ""  # wall clock, a label only
    power_limit_w: float | None = None  # summed over the GPUs
    reasons: tuple[str, ...] = ()  # what went wrong beside single readings
    samples: tuple[Sample, ...] = ()
    closed_s: float | None = None  # where it is not the time of the last sample: the sampler hung

    @property
    def end_s(self) -> float:
        return self.closed_s if self.closed_s is not None else self.samples[-1].time_s

    @property
    def duration_s(self) -> float:
        return self.end_s - self.samples[0].time_s if self.samples else 0.0


@dataclass(frozen=True, kw_only=True)
class Energy:
    """The energy of one window in one meaning; ``kwh`` is None where it was not measured, and ``reason`` says why."""

    kwh: float | None = None
    covered_s: float = 0.0
    longest_gap_s: float = 0.0
    reason: str | None = None


def equation4_kwh(utilisation_percent: Sequence[float], interval_s: Sequence[float], *, p0_kw: float) -> float:
    """Eq. (4) with each reading weighted by the interval that ends with it; whole minutes give Eq. (4) to the digit."""
    minutes = (u * (dt / 60) for u, dt in zip(utilisation_percent, interval_s, strict=True))
    return math.fsum(minutes) * p0_kw / 6000


def eq4(window: Window) -> Energy:
    """The paper's proxy; the reading at the opening has no weight, for no interval ends with it."""
    read = [s for s in window.samples[1:] if s.utilisation_percent is not None]
    times = [s.time_s for s in (*window.samples[:1], *read)]
    utilisation = [s.utilisation_percent or 0.0 for s in read]
    return _checked(window, times, equation4_kwh(utilisation, _steps(times), p0_kw=window.p0_kw))


def counter(window: Window) -> Energy:
    """The hardware's own counters, each of which must never go back."""
    read = [(s.time_s, s.counters_j) for s in window.samples if s.counters_j is not None]
    steps = [b - a for (_, old), (_, new) in pairwise(read) for a, b in zip(old, new, strict=True)]
    if any(step < 0 for step in steps):
        return Energy(reason="the counter went back")
    return _guarded(window, [t for t, _ in read], math.fsum(steps) / JOULES_PER_KWH)


def integrated(window: Window) -> Energy:
    """The boards' power, integrated by the trapezoid rule."""
    read = [(s.time_s, s.power_w) for s in window.samples if s.power_w is not None]
    areas = [(p + q) / 2 * (t - s) for (s, p), (t, q) in pairwise(read)]
    return _guarded(window, [t for t, _ in read], math.fsum(areas) / JOULES_PER_KWH)


def cpu_estimate(window: Window) -> Energy:
    """Eq. (4) on the process's CPU utilisation (percent of one core, summed) with the rated power of one core."""
    read = [(s.time_s, s.cpu_s) for s in window.samples if s.cpu_s is not None]
    steps = [(t - s, b - a) for (s, a), (t, b) in pairwise(read) if t > s]
    utilisation = [100 * cpu_s / dt for dt, cpu_s in steps]
    return _checked(
        window, [t for t, _ in read], equation4_kwh(utilisation, [dt for dt, _ in steps], p0_kw=window.cpu_p0_kw)
    )


def std_error_kwh(window: Window) -> float | None:
    """Standard error of Eq. (4)'s mean utilisation, as energy; the reading at the opening counts here.

    CPU time is no sample but an integral, so it has no such error.
    """
    read = [s.utilisation_percent for s in window.samples if s.utilisation_percent is not None]
    if len(read) < 2:
        return None
    return stdev(read) / math.sqrt(len(read)) / 100 * window.p0_kw * window.duration_s / 3600


MEANINGS = {"eq4": eq4, "counter": counter, "integrated": integrated, "cpu_estimate": cpu_estimate}


def energies(window: Window) -> dict[str, Energy]:
    """Each meaning that applies: the three of a GPU, or the CPU's estimate, never both."""
    return {name: f(window) for name, f in MEANINGS.items() if (name == "cpu_estimate") != bool(window.gpus)}


def summarise(windows: Sequence[Window]) -> dict[str, float | None]:
    """The ``energy/...`` metrics over one window, or over those of a run that was killed and resumed."""
    # A window that was killed before its first interval ended holds no energy, and hides none of the others'.
    windows = [w for w in windows if w.duration_s > 0] or list(windows[-1:])
    parts = [energies(window) for window in windows]
    metrics: dict[str, float | None] = {}
    for name in MEANINGS:
        of_windows = [part.get(name, Energy()) for part in parts]
        kwh = _total([energy.kwh for energy in of_windows])
        hours = math.fsum(energy.covered_s for energy in of_windows) / 3600
        metrics[f"energy/{name}_kwh"] = kwh
        metrics[f"energy/{name}_power_kw"] = kwh / hours if kwh is not None and hours else None
    return metrics | _statistics(windows, [next(iter(part.values())) for part in parts])


def labels(windows: Sequence[Window]) -> list[str]:
    """Why a figure is missing or an estimate, each once."""
    return list(dict.fromkeys(label for window in windows for label in _labels(window)))


def _statistics(windows: Sequence[Window], main: Sequence[Energy]) -> dict[str, float | None]:
    """How well the windows were seen, by the readings behind Eq. (4) or behind the CPU's estimate."""
    duration_s = math.fsum(window.duration_s for window in windows)
    squares = _total([None if (e := std_error_kwh(window)) is None else e * e for window in windows])
    limits = [window.power_limit_w for window in windows if window.power_limit_w is not None]
    return {
        "energy/samples": sum(len(window.samples) for window in windows),
        "energy/std_error_kwh": None if squares is None else math.sqrt(squares),
        "energy/coverage": math.fsum(e.covered_s for e in main) / duration_s if duration_s else None,
        "energy/longest_gap_s": max(e.longest_gap_s for e in main) if duration_s else None,
        "energy/overhead_s": math.fsum(s.read_s for window in windows for s in window.samples),
        "energy/power_limit_w": limits[-1] if limits else None,
    }


def _labels(window: Window) -> list[str]:
    found = [] if window.gpus else ["energy estimated from CPU time"]
    found += window.reasons
    errors = Counter(error for sample in window.samples for error in sample.errors)
    found += [f"{error} (at {n} of {len(window.samples)} readings)" for error, n in errors.items()]
    by_name = energies(window)
    found += [f"energy/{name}_kwh: {energy.reason}" for name, energy in by_name.items() if energy.reason]
    if window.samples and not window.samples[-1].last and window.closed_s is None:
        found.append(f"energy window not closed: up to {window.interval_s:g} s after its last reading are missing")
    return found + _disagreement(by_name)


def _disagreement(by_name: dict[str, Energy]) -> list[str]:
    counted, summed = (by_name.get(name, Energy()).kwh for name in ("counter", "integrated"))
    if counted is None or summed is None or abs(counted - summed) <= DISAGREEMENT * max(counted, summed):
        return []
    apart = abs(counted - summed) / max(counted, summed)
    return [f"energy counter and integrated power are {apart:.0%} apart"]


def _guarded(window: Window, times: Sequence[float], kwh: float) -> Energy:
    """An invalid figure is dropped with its reason: clamping it would invent a number."""
    energy = _checked(window, times, kwh)
    if energy.kwh is None:
        return energy
    if window.power_limit_w is None:
        return Energy(reason="no power limit to check it against")
    most_kwh = GUARD * window.power_limit_w * energy.covered_s / JOULES_PER_KWH
    if 0 <= kwh <= most_kwh:
        return energy
    return Energy(reason=f"{kwh:.3g} kWh is outside 0 to {most_kwh:.3g}, {GUARD} x the power limit")


def _checked(window: Window, times: Sequence[float], kwh: float) -> Energy:
    """``times`` are those of the readings; too little of the window covered is no measurement of it."""
    covered_s = times[-1] - times[0] if times else 0.0
    longest_gap_s = max(_steps([*times, window.end_s]), default=0.0) if times else window.duration_s
    reason = None
    if covered_s <= 0:
        # Where nothing was read, or readings failed, that is the reason.
        told = not window.samples or any(s.errors for s in window.samples)
        reason = None if told else "no interval was measured"
    elif covered_s < MIN_COVERAGE * window.duration_s:
        reason = f"readings cover only {covered_s / window.duration_s:.0%} of the window ({kwh:.3g} kWh in it)"
    valid = reason is None and covered_s > 0
    return Energy(kwh=kwh if valid else None, covered_s=covered_s, longest_gap_s=longest_gap_s, reason=reason)


def _steps(times: Sequence[float]) -> list[float]:
    return [b - a for a, b in pairwise(times)]


def _total(values: Sequence[float | None]) -> float | None:
    """The sum, or None where a part is missing: a part is not the whole."""
    known = [value for value in values if value is not None]
    return math.fsum(known) if known and len(known) == len(values) else None
