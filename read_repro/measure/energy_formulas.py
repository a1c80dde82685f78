"""A window of readings and the energy in it: Eq. (4) of READ (arXiv 2305.15348, section 3.4), as pure functions.

Eq. (4) adds one utilisation reading a minute: E = (sum_i u_i) p0 / 6000, u_i in percent summed over the GPUs, p0 in kW.
With true intervals dt_i (s), each ending with its reading, the same sum is E = (sum_i u_i dt_i / 60) p0 / 6000.
Beside this proxy stand the boards' energy counters, their integrated power and the processor packages' counters.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from read_repro.units import JOULES_PER_KWH

MIN_COVERAGE = 0.95  # readings over less of a window than this do not stand for the window
GUARD = 1.3  # no board draws more than this times its power limit, so a larger reading is false
MOST_PACKAGE_W = 1000  # no processor package draws as much; it bounds the time in which its counter wraps around once


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One look at the devices: what could not be read is None, and ``errors`` say why."""

    time_s: float  # monotonic
    utilisation_percent: float | None = None  # summed over the GPUs in use
    power_w: float | None = None  # likewise
    counters_j: tuple[float, ...] | None = None  # one a GPU: in their sum a counter that goes back could hide
    cpu_s: float | None = None  # processor time of this process
    package_j: tuple[float, ...] | None = None  # the counter of each processor package, which wraps around
    read_s: float = 0.0  # what the look itself took
    errors: tuple[str, ...] = ()
    last: bool = False  # the reading that closes the window
    epoch_end: bool = False  # taken beside the regular ones: for the history, or at either end of a pause
    pause: bool = False  # what comes between this reading and the next is no part of the window


@dataclass(frozen=True, kw_only=True)
class Window:
    """The readings from the opening to the closing, with the constants that turn them into energy."""

    interval_s: float
    p0_kw: float
    cpu_p0_kw: float
    carbon_g_per_kwh: float | None = None
    gpus: tuple[str, ...]  # UUIDs; empty: the CPU is estimated instead
    started: str = ""  # wall clock, a label only
    power_limit_w: float | None = None  # summed over the GPUs
    package_ranges_j: tuple[float, ...] = ()  # where each package's counter starts again at 0
    reasons: tuple[str, ...] = ()  # what went wrong beside single readings
    samples: tuple[Sample, ...] = ()
    closed_s: float | None = None  # when the window was closed, if no last reading did it

    @property
    def readings(self) -> tuple[Sample, ...]:
        """The readings that energy is made of: the regular ones, and whichever is the last.

        Those at the ends of epochs always see a validation that has just ended, so they would bias the mean.
        """
        return tuple(s for s in self.samples if not s.epoch_end or s is self.samples[-1])

    @property
    def closed(self) -> bool:
        return self.closed_s is not None or any(sample.last for sample in self.samples[-1:])

    @property
    def duration_s(self) -> float:
        if not self.samples:
            return 0.0
        end_s = self.samples[-1].time_s if self.closed_s is None else self.closed_s
        return end_s - self.samples[0].time_s

    def without_pauses(self) -> "Window":
        """The window as if neither time nor energy had gone into its pauses: later readings are moved back by both.

        The reading that ends a pause is left out, being then the same as the one that began it.
        """
        kept, gone = list(self.samples[:1]), [0.0] * len(_numbers(Sample(time_s=0), self))
        for before, sample in pairwise(self.samples):
            if before.pause:
                spent = zip(gone, _numbers(before, self), _numbers(sample, self), strict=True)
                gone = [g + (b - a) for g, a, b in spent]
            if not before.pause or sample.last:
                moved = zip(_numbers(sample, self), gone, strict=True)
                kept.append(_with_numbers(sample, [number - g for number, g in moved], self))
        closed_s = self.closed_s
        if closed_s is not None:
            paused = any(sample.pause for sample in self.samples[-1:])
            closed_s = kept[-1].time_s if paused else closed_s - gone[0]
        return replace(self, samples=tuple(kept), closed_s=closed_s)


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
    """The paper's proxy: each interval that ends with a valid reading; the opening one ends none and weighs nothing.

    An interval whose reading failed is not covered: to weigh it with another reading would invent its energy.
    """
    read = [(b.time_s - a.time_s, b.utilisation_percent) for a, b in pairwise(window.readings)]
    valid = [(dt, u) for dt, u in read if u is not None]
    kwh = equation4_kwh([u for _, u in valid], [dt for dt, _ in valid], p0_kw=window.p0_kw)
    times = [s.time_s for i, s in enumerate(window.readings) if i == 0 or s.utilisation_percent is not None]
    return _checked(window, times, math.fsum(dt for dt, _ in valid), kwh)


def counter(window: Window) -> Energy:
    """The boards' own counters, each of which must never go back; a reading that failed loses nothing."""
    read = [(s.time_s, s.counters_j) for s in window.readings if s.counters_j is not None]
    steps = [b - a for (_, old), (_, new) in pairwise(read) for a, b in zip(old, new, strict=True)]
    if any(step < 0 for step in steps):
        return Energy(reason="the counter went back")
    return _guarded(window, _whole(window, [t for t, _ in read], math.fsum(steps) / JOULES_PER_KWH))


def integrated(window: Window) -> Energy:
    """The boards' power by the trapezoid rule, over each interval that valid readings begin and end."""
    pairs = [(a.time_s, a.power_w, b.time_s, b.power_w) for a, b in pairwise(window.readings)]
    valid = [(t - s, (p + q) / 2) for s, p, t, q in pairs if p is not None and q is not None]
    times = [s.time_s for s in window.readings if s.power_w is not None]
    kwh = math.fsum(dt * power_w for dt, power_w in valid) / JOULES_PER_KWH
    return _guarded(window, _checked(window, times, math.fsum(dt for dt, _ in valid), kwh))


def cpu_estimate(window: Window) -> Energy:
    """Eq. (4) on the process's CPU utilisation (percent of one thread, summed) with the power of one busy thread."""
    read = [(s.time_s, s.cpu_s) for s in window.readings if s.cpu_s is not None]
    steps = [(t - s, b - a) for (s, a), (t, b) in pairwise(read) if t > s]
    utilisation = [100 * cpu_s / dt for dt, cpu_s in steps]
    kwh = equation4_kwh(utilisation, [dt for dt, _ in steps], p0_kw=window.cpu_p0_kw)
    return _whole(window, [t for t, _ in read], kwh)


def cpu_package(window: Window) -> Energy:
    """The processor packages' counters, whatever ran on them; a step back is a counter that started again at 0."""
    read = [(s.time_s, s.package_j) for s in window.readings if s.package_j is not None]
    times, ranges = [t for t, _ in read], window.package_ranges_j
    if max(_steps(times), default=0.0) > min(ranges) / MOST_PACKAGE_W:
        return Energy(reason="readings too far apart: the counter may have started again more than once between them")
    steps = [
        b - a if b >= a else b - a + most
        for (_, old), (_, new) in pairwise(read)
        for a, b, most in zip(old, new, ranges, strict=True)
    ]
    return _whole(window, times, math.fsum(steps) / JOULES_PER_KWH)


def _whole(window: Window, times: Sequence[float], kwh: float) -> Energy:
    """Of a quantity that only grows, whose first and last reading cover all between them."""
    return _checked(window, times, times[-1] - times[0] if times else 0.0, kwh)


def _guarded(window: Window, energy: Energy) -> Energy:
    """An invalid figure is dropped with its reason: clamping it would invent a number."""
    if energy.kwh is None:
        return energy
    if window.power_limit_w is None:
        return Energy(reason="no power limit to check it against")
    most_kwh = GUARD * window.power_limit_w * energy.covered_s / JOULES_PER_KWH
    if 0 <= energy.kwh <= most_kwh:
        return energy
    return Energy(reason=f"{energy.kwh:.3g} kWh is outside 0 to {most_kwh:.3g}, {GUARD} x the power limit")


def _checked(window: Window, times: Sequence[float], covered_s: float, kwh: float) -> Energy:
    """``times`` are those of the valid readings; too little of the window covered is no measurement of it."""
    duration_s = window.duration_s
    end_s = window.samples[0].time_s + duration_s if window.samples else 0.0
    longest_gap_s = max(_steps([*times, end_s]), default=0.0) if times else duration_s
    reason = None
    if covered_s <= 0:
        # Where nothing was read, or readings failed, that is the reason.
        told = not window.samples or any(s.errors for s in window.samples)
        reason = None if told else "no interval was measured"
    elif covered_s < MIN_COVERAGE * duration_s:
        reason = f"readings cover only {covered_s / duration_s:.0%} of the window ({kwh:.3g} kWh in it)"
    valid = reason is None and covered_s > 0
    return Energy(kwh=kwh if valid else None, covered_s=covered_s, longest_gap_s=longest_gap_s, reason=reason)


def _steps(times: Sequence[float]) -> list[float]:
    return [b - a for a, b in pairwise(times)]


def _numbers(sample: Sample, window: Window) -> list[float]:
    """All of a reading that only grows, in one list; what was not read is NaN, so that no sum with it is a number."""
    cpu_s = math.nan if sample.cpu_s is None else sample.cpu_s
    counters_j = sample.counters_j or [math.nan] * len(window.gpus)
    return [sample.time_s, cpu_s, *counters_j, *(sample.package_j or [math.nan] * len(window.package_ranges_j))]


def _with_numbers(sample: Sample, numbers: Sequence[float], window: Window) -> Sample:
    """A reading with what ``_numbers`` gave of it changed; a package's counter stays below where it starts again."""
    time_s, cpu_s, *counters = numbers
    counters_j, package_j = counters[: len(window.gpus)], counters[len(window.gpus) :]
    wrapped_j = [value % most for value, most in zip(package_j, window.package_ranges_j, strict=True)]
    return replace(
        sample,
        pause=False,
        time_s=time_s,
        cpu_s=None if math.isnan(cpu_s) else cpu_s,
        counters_j=None if sample.counters_j is None or math.isnan(sum(counters_j)) else tuple(counters_j),
        package_j=None if sample.package_j is None or math.isnan(sum(package_j)) else tuple(wrapped_j),
    )
