"""Is one utilisation reading a minute enough? Eq. (4) replayed over known traces, against the energy that they hold.

Each trace is read as the meter reads a GPU: at the opening, every interval, at the end, whatever the phase between the
readings and the work. What Eq. (4) makes of the readings stands against the sum over every second, as a relative
error, and against the standard error that a record states. Traces: a square wave of training and validation, a ramp,
random bursts, and those that ``record`` has taken of a real machine.

    python scripts/energy_stability.py record --seconds 600 --name <what runs meanwhile>
    python scripts/energy_stability.py replay                 writes results/bench/energy_stability.{json,png}
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from read_repro.measure.energy_formulas import Sample, Window, eq4
from read_repro.measure.energy_summary import std_error_kwh
from read_repro.records.record import Hardware
from read_repro.records.store import write_json
from read_repro.training.provenance import commit, hardware_of
from read_repro.units import SECONDS_PER_HOUR

matplotlib.use("Agg")
import matplotlib.pyplot as plt

OUT = Path("results/bench")
INTERVALS_S = (1, 5, 15, 30, 60, 120)
MINUTES = (1, 3, 10, 30, 100, 300, 600)
PHASES = 24  # moments at which a run may begin, spread evenly over a period of the trace
P0_KW = 0.25  # the paper's; a relative error does not turn on it
Trace = np.ndarray  # percent, one number a second


def square(seconds: int) -> Trace:
    """95% for 50 s of training, 30% for 10 s of validation: a period of a whole minute, the worst for Eq. (4)."""
    return np.where(np.arange(seconds) % 60 < 50, 95.0, 30.0)


def slower_square(seconds: int) -> Trace:
    """95% for 77 s, 20% for 14 s: a period that no interval divides."""
    return np.where(np.arange(seconds) % 91 < 77, 95.0, 20.0)


def ramp(seconds: int) -> Trace:
    """From idle to full load, as where batches grow longer."""
    return np.linspace(0.0, 100.0, seconds)


def bursts(seconds: int) -> Trace:
    """Idle or busy for random times of 8 s on average, as where data loading is the bottleneck; seeded."""
    generator = np.random.default_rng(0)
    lengths = generator.geometric(1 / 8, size=seconds)
    return np.repeat(np.arange(seconds) % 2 * 90.0 + 5.0, lengths)[:seconds]


MADE = {"square, 60 s": square, "square, 91 s": slower_square, "ramp": ramp, "bursts": bursts}


def window_of(trace: Trace, interval_s: int) -> Window:
    """The readings that the meter would take: each sees the second before it, the opening one the first second."""
    ends = len(trace)
    times = [*range(0, ends, interval_s), ends]
    samples = tuple(
        Sample(time_s=float(at), utilisation_percent=float(trace[max(at - 1, 0)]), last=at == ends) for at in times
    )
    return Window(interval_s=interval_s, p0_kw=P0_KW, cpu_p0_kw=0.0, gpus=("trace",), samples=samples)


def errors(trace: Trace, interval_s: int, seconds: int) -> Iterator[tuple[float, float | None]]:
    """For runs of ``seconds`` that begin at each phase: (relative error, stated standard error over the energy)."""
    last = len(trace) - seconds
    for start in np.unique(np.linspace(0, min(last, 10 * interval_s), PHASES).astype(int)):
        cut = trace[start : start + seconds]
        window, true_kwh = window_of(cut, interval_s), float(cut.sum()) / 100 * P0_KW / SECONDS_PER_HOUR
        kwh, stated = eq4(window).kwh, std_error_kwh(window)
        if kwh is not None:
            yield kwh / true_kwh - 1, None if stated is None else stated / true_kwh


def row(name: str, trace: Trace, interval_s: int, minutes: int) -> dict[str, Any] | None:
    """The errors of one trace, interval and length over all phases; None where the trace is too short."""
    if len(trace) < 60 * minutes + interval_s:
        return None
    found = list(errors(trace, interval_s, 60 * minutes))
    if not found:
        return None
    relative, stated = [error for error, _ in found], [error for _, error in found if error is not None]
    within = [abs(error) <= 2 * told for error, told in found if told is not None]
    return {
        "trace": name, "interval_s": interval_s, "minutes": minutes, "phases": len(found),
        "rms": math.sqrt(statistics.fmean(error**2 for error in relative)), "worst": max(map(abs, relative)),
        "stated": statistics.fmean(stated) if stated else None,
        "within_two_stated": statistics.fmean(within) if within else None,
    }  # fmt: skip


def replay(out: Path) -> dict[str, Any]:
    """Every trace through every interval, length and phase."""
    recorded = {path.stem: json.loads(path.read_text()) for path in sorted(out.glob("utilisation-*.json"))}
    traces: dict[str, Trace] = {name: make(60 * max(MINUTES) + 1200) for name, make in MADE.items()}
    traces |= {content["name"]: np.asarray(content["percent"]) for content in recorded.values()}
    rows = [row(name, trace, i, m) for name, trace in traces.items() for i in INTERVALS_S for m in MINUTES]
    sources = {content["name"]: content["hardware"] for content in recorded.values()}
    return {"rows": [found for found in rows if found], "recorded": sources, "commit": commit()}


def draw(found: Mapping[str, Any], path: Path) -> None:
    """The error of one reading a minute against a run's length, and against the error that a record states."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.0), layout="constrained")
    names = list(dict.fromkeys(each["trace"] for each in found["rows"]))
    for name in names:
        rows = [each for each in found["rows"] if each["trace"] == name and each["interval_s"] == 60]
        left.plot([each["minutes"] for each in rows], [100 * each["rms"] for each in rows], "o-", label=name, ms=4)
        told = [each for each in found["rows"] if each["trace"] == name and each["stated"]]
        right.scatter([100 * e["stated"] for e in told], [100 * e["rms"] for e in told], s=12, label=name)
    most = 100 * max(each["stated"] for each in found["rows"] if each["stated"])
    right.plot([0, most], [0, most], "k:", lw=1, label="error as stated")
    left.set(title="One reading a minute", xlabel="length of the run (minutes)", ylabel="error of Eq. (4) (%, rms)")
    left.set_xscale("log")
    left.set_xticks(MINUTES, [str(minutes) for minutes in MINUTES], minor=False)
    left.minorticks_off()
    left.axhline(0, color="0.7", lw=0.8)
    right.set(
        title="All intervals, runs of 10 readings or more",
        xlabel="standard error as the record states it (%)",
        ylabel="error of Eq. (4) (%, rms)",
    )
    left.legend(fontsize=7)
    right.legend(fontsize=7)
    figure.savefig(path, dpi=130)


def record(seconds: int, name: str, out: Path) -> None:
    """The utilisation of all processors each second, as the kernel counts it."""
    percent, (busy, whole) = list[float](), _ticks()
    next_s = time.monotonic()
    for _ in range(seconds):
        next_s += 1
        time.sleep(max(0.0, next_s - time.monotonic()))
        now_busy, now_whole = _ticks()
        percent.append(round(100 * (now_busy - busy) / max(1, now_whole - whole), 1))
        busy, whole = now_busy, now_whole
    hardware = asdict(Hardware(**hardware_of(accelerator="cpu", precision="32-true")))
    file = out / f"utilisation-{name.replace(' ', '-')}.json"
    write_json(file, {"name": f"recorded: {name}", "percent": percent, "hardware": hardware, "commit": commit()})


def _ticks() -> tuple[int, int]:
    """Busy and whole ticks of all processors since the machine was started."""
    numbers = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(numbers) - numbers[3] - numbers[4], sum(numbers)  # but for idle and waiting for a disk


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("record", "replay"))
    parser.add_argument("--seconds", type=int, default=600, help="of the recording")
    parser.add_argument("--name", default="training", help="of the recording: what runs meanwhile")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    if options.command == "record":
        record(options.seconds, options.name, options.out)
        return
    found = replay(options.out)
    write_json(options.out / "energy_stability.json", found)
    draw(found, options.out / "energy_stability.png")
    for each in found["rows"]:
        if each["interval_s"] == 60:
            told = "-" if each["stated"] is None else f"{each['stated']:.1%}"
            spread = f"rms {each['rms']:.1%}  worst {each['worst']:.1%}  stated {told}"
            print(f"{each['trace']:<28}{each['minutes']:>5} min  {spread}")


if __name__ == "__main__":
    main()
