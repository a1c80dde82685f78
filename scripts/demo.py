"""``make demo``: READ, full-tuning and the head on a synthetic task, offline, each in a process of its own.

Prints a small Table 1 and draws quality against energy. Records go to results/demo, which git ignores; a run that has a
record there is not made again. The task comes from a small grammar (read_repro/data/synthetic.py), so these numbers
say nothing about GLUE.
"""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from read_repro.errors import Stopped, signals_stop
from read_repro.records.record import Record
from read_repro.records.store import RESULT, read_record
from read_repro.sweep.launchers import bound

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path("results/demo")
COMMON = (
    "backbone=minilm",
    "data=synthetic",
    "task=mnli",
    "seed=0",
    "data.batch_size=32",
    "data.train_limit=2000",
    f"results_dir={RESULTS}",
)
STORED = ("cache=disk", f"cache.path={RESULTS / 'states'}")  # READ fills the store; the head finds what it reads there
RUNS = {
    "read": ("method.hidden=128", "optim.lr=3e-3", "trainer.max_epochs=8", *STORED),
    "head": ("trainer.max_epochs=3", *STORED),
    "full": ("optim.lr=1e-4", "trainer.max_epochs=2"),
}
MARKERS = {"head": "s", "read": "o", "full": "^"}


def run_to_its_end(command: list[str]) -> int:
    """The exit code of Python with a command, which is stopped where we are; Ctrl-C reaches it by itself."""
    process = subprocess.Popen(bound(command))
    try:
        return process.wait()
    except Stopped as stopped:
        if stopped.signal == "SIGTERM":
            process.terminate()
        process.wait()
        raise


def demo_record(method: str) -> Record:
    """The record of a demo run, which is made first if it is not there."""
    found = sorted(RESULTS.glob(f"runs/minilm/synthetic/mnli/{method},*/seed=0/{RESULT}"))
    if not found:
        print(f"--- {method}", flush=True)
        command = [str(ROOT / "train.py"), f"method={method}", *COMMON, *RUNS[method]]
        if (code := run_to_its_end(command)) != 0:
            sys.exit(code)  # it has said why
        found = sorted(RESULTS.glob(f"runs/minilm/synthetic/mnli/{method},*/seed=0/{RESULT}"))
    record = read_record(found[0])
    assert record is not None
    return record


def energy_kwh(metrics: Mapping[str, Any]) -> float:
    """Eq. (4) where a GPU was read, else the estimate from CPU time; with the whole filling of the states it read."""
    meaning = "cpu_estimate_kwh" if metrics["energy/eq4_kwh"] is None else "eq4_kwh"
    return metrics[f"energy/{meaning}"] + (metrics.get(f"filling/{meaning}") or 0.0)


def time_s(metrics: Mapping[str, Any]) -> float:
    """The time of training, with the whole filling of the states it read."""
    return metrics["time/train_s"] + (metrics.get("filling/time_s") or 0.0)


def table_row(name: str, record: Record) -> str:
    """One method's line of the table."""
    metrics: Mapping[str, Any] = record.metrics
    peak = metrics.get("memory/train_peak_gib", metrics.get("memory/train_resident_gib"))
    return (
        f"{name:<14}{metrics['params/trainable']:>12,}{record.epochs:>8}{metrics['test/score']:>10.1f}"
        f"{1e3 * energy_kwh(metrics):>12.3f}{peak:>10.2f}{metrics['memory/saved_gib'] * 1024:>14.1f}"
        f"{time_s(metrics):>10.0f}"
    )


def table_text(records: dict[str, Record]) -> str:
    """The small Table 1, labelled for what it is."""
    read: Mapping[str, Any] = records["read"].metrics
    full: Mapping[str, Any] = records["full"].metrics
    gpu = read["energy/eq4_kwh"] is not None
    heading = f"{'method':<14}{'trainable':>12}{'epochs':>8}{'accuracy':>10}{'energy Wh':>12}{'peak GiB':>10}"
    heading += f"{'backward MiB':>14}{'time s':>10}"
    saved = read["memory/saved_gib"] / full["memory/saved_gib"]
    return "\n".join(
        [
            "",
            f"Synthetic MNLI, MiniLM, {records['read'].data_info.sizes['train']:,} training examples, one seed, "
            f"{records['read'].hardware.name}",
            heading,
            *(table_row(name, record) for name, record in records.items()),
            f"{'majority class':<14}{'':>20}{read['test/majority']:>10.1f}",
            f"READ ({records['read'].epochs} epochs) over full ({records['full'].epochs} epochs): "
            f"{read['params/trainable'] / full['params/trainable']:.3f} of the trainable parameters, "
            f"{energy_kwh(read) / energy_kwh(full):.2f} of the energy, {saved:.2f} of the bytes kept for backward, "
            f"{time_s(read) / time_s(full):.2f} of the time, "
            f"{read['time/step_s'] / full['time/step_s']:.2f} of the time a step.",
            "How to read it: READ and the head compute each sentence's frozen states once and train on what was kept; "
            "their energy and time hold that one pass.",
            "Energy is Eq. (4) of the paper." if gpu else "Energy is estimated from CPU time: no GPU was measured.",
            "Peak is what torch allocated." if gpu else "Peak is resident memory above that before training.",
        ]
    )


def draw_picture(records: dict[str, Record], path: Path) -> None:
    """Quality against energy and against the memory that training needs beside the weights, one point a method."""
    gpu = records["read"].metrics["energy/eq4_kwh"] is not None
    costs: dict[str, Callable[[Mapping[str, Any]], float]] = {
        f"training energy (Wh{'' if gpu else ', estimated from CPU time'})": lambda metrics: 1e3 * energy_kwh(metrics),
        "kept for the backward pass (MiB)": lambda metrics: metrics["memory/saved_gib"] * 1024,
    }
    figure, row = plt.subplots(1, len(costs), figsize=(9, 3.6), sharey=True, layout="constrained")
    for axes, (title, cost) in zip(row, costs.items(), strict=True):
        for name, record in records.items():
            place = (cost(record.metrics), float(record.metrics["test/score"] or 0))
            axes.plot(*place, MARKERS[name], color="black", markersize=9)
            axes.annotate(f"{name}, {record.epochs} epochs", place, xytext=(8, -3), textcoords="offset points")
        majority = records["read"].metrics["test/majority"]
        axes.axhline(majority or 0.0, color="grey", linestyle=":", label="majority class")
        axes.set(xlabel=title, xlim=(0, 1.5 * max(cost(record.metrics) for record in records.values())))
        axes.margins(y=0.15)
    row[0].set_ylabel("test accuracy")
    row[0].legend(loc="lower right")
    figure.suptitle("Synthetic MNLI, MiniLM, one seed: further left is cheaper, further up is better")
    figure.savefig(path, dpi=150)


def main() -> None:
    """Run what is missing, then show all."""
    records = {method: demo_record(method) for method in RUNS}
    print(table_text(records))
    draw_picture(records, RESULTS / "quality_against_cost.png")
    print(f"Picture: {RESULTS / 'quality_against_cost.png'}; records: {RESULTS / 'runs'}")


if __name__ == "__main__":
    with signals_stop():
        main()
