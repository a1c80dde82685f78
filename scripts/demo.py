"""``make demo``: READ, full-tuning and the head on a synthetic task, offline, each in a process of its own.

Each trains until validation improves no more, and is tested at the epoch that was best on validation. Prints a small
Table 1 and draws quality against energy and memory. Records go to results/demo, which git ignores; a run that has a
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
RUNS = {  # READ's epochs are cheap and its best one comes late, as the paper says; full-tuning's are neither
    "read": ("method.hidden=128", "optim.lr=3e-3", "trainer.max_epochs=16", "trainer.patience=3", *STORED),
    "head": ("trainer.max_epochs=20", "trainer.patience=3", *STORED),
    "full": ("optim.lr=1e-4", "trainer.max_epochs=4", "trainer.patience=1"),
}
NAMES = {"read": "READ", "head": "head alone", "full": "full-tuning"}
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
    best = f"{record.best_epoch} of {record.epochs}"
    return (
        f"{NAMES[name]:<14}{metrics['params/trainable']:>12,}{best:>13}{metrics['val/score']:>12.1f}"
        f"{metrics['test/score']:>7.1f}{1e3 * energy_kwh(metrics):>12.3f}{peak:>10.2f}"
        f"{metrics['memory/saved_gib'] * 1024:>14.1f}{time_s(metrics):>8.0f}"
    )


def table_text(records: dict[str, Record]) -> str:
    """The small Table 1, labelled for what it is."""
    read = records["read"]
    gpu = read.metrics["energy/eq4_kwh"] is not None
    heading = f"{'method':<14}{'trainable':>12}{'best epoch':>13}{'validation':>12}{'test':>7}{'energy Wh':>12}"
    heading += f"{'peak GiB':>10}{'backward MiB':>14}{'time s':>8}"
    return "\n".join(
        [
            "",
            f"Synthetic MNLI, MiniLM, {read.data_info.sizes['train']:,} training examples, accuracy, one seed, "
            f"{read.hardware.name}",
            heading,
            *(table_row(name, record) for name, record in records.items()),
            f"{'majority class':<51}{read.metrics['test/majority']:>7.1f}",
            "",
            *reading(records),
            "",
            "Energy and time are of the whole training, also of the epochs after the best; READ's and the head's hold "
            "the pass that fills the store of frozen states.",
            "Energy is Eq. (4) of the paper." if gpu else "Energy is estimated from CPU time: no GPU was measured.",
            "Peak is what torch allocated." if gpu else "Peak is resident memory above that before training.",
        ]
    )


def reading(records: dict[str, Record]) -> list[str]:
    """Two sentences on what the numbers say, whichever way they fall."""
    read, full = records["read"], records["full"]
    ours: Mapping[str, Any] = read.metrics
    theirs: Mapping[str, Any] = full.metrics
    apart = ours["test/score"] - theirs["test/score"]
    side = "above" if apart > 0 else "below"
    saved = ours["memory/saved_gib"] / theirs["memory/saved_gib"]
    return [
        f"Each at its own best epoch by validation, READ ({read.best_epoch} of {read.epochs} epochs) scores "
        f"{abs(apart):.1f} points {side} full-tuning ({full.best_epoch} of {full.epochs}), with "
        f"{ours['params/trainable'] / theirs['params/trainable']:.1%} of its trained parameters, "
        f"{energy_kwh(ours) / energy_kwh(theirs):.0%} of its energy, {time_s(ours) / time_s(theirs):.0%} of its time "
        f"and {saved:.0%} of the bytes that it keeps for the backward pass.",
        "The task is made up, and was chosen among several because the head alone can hardly do it: this shows that "
        "the code works and what it measures, and is no evidence for READ on real tasks.",
    ]


def draw_picture(records: dict[str, Record], path: Path) -> None:
    """Quality against energy and against the memory that training needs beside the weights, one point a method."""
    gpu = records["read"].metrics["energy/eq4_kwh"] is not None
    costs: dict[str, Callable[[Mapping[str, Any]], float]] = {
        f"energy of training, Wh ({'Eq. (4)' if gpu else 'estimated from CPU time'})": lambda metrics: (
            1e3 * energy_kwh(metrics)
        ),
        "memory kept for the backward pass, MiB": lambda metrics: metrics["memory/saved_gib"] * 1024,
    }
    metrics = [record.metrics for record in records.values()]
    best = max(float(each["test/score"] or 0) for each in metrics)
    figure, row = plt.subplots(1, len(costs), figsize=(10, 4.4), sharey=True, layout="constrained")
    for axes, (title, cost) in zip(row, costs.items(), strict=True):
        for name, record in records.items():
            place = (cost(record.metrics), float(record.metrics["test/score"] or 0))
            axes.plot(*place, MARKERS[name], color=f"C{list(RUNS).index(name)}", markersize=11)
            words = f"{NAMES[name]}\n{place[1]:.0f} %, best epoch {record.best_epoch}"
            above = {"xytext": (0, 12), "ha": "center", "va": "bottom"}
            below = {"xytext": (0, -12), "ha": "center", "va": "top"}
            beside = {"xytext": (12, 0), "ha": "left", "va": "center"}
            where = beside if name == "head" else above if place[1] == best else below  # so that no label hides a mark
            axes.annotate(words, place, textcoords="offset points", **where)
        majority, most = records["read"].metrics["test/majority"] or 0.0, max(map(cost, metrics))
        axes.axhline(majority, color="grey", linestyle=":")
        axes.set(xlabel=title, xlim=(-0.1 * most, 1.25 * most))
        axes.set(ylim=(0, 110), yticks=range(0, 101, 20))
        axes.text(0.98, majority / 110 - 0.02, "always the commonest answer", color="grey", ha="right", va="top",
                  transform=axes.transAxes, fontsize="small")  # fmt: skip
        axes.text(0.02, 0.03, "← cheaper", color="grey", transform=axes.transAxes)
        axes.grid(alpha=0.25)
    row[0].set_ylabel("right answers on test, %")
    ours, theirs = records["read"].metrics, records["full"].metrics
    figure.suptitle(
        f"READ: {ours['test/score']:.0f} % right with {energy_kwh(ours) / energy_kwh(theirs):.0%} of the energy of "
        f"full-tuning, which gets {theirs['test/score']:.0f} % right\n"
        "(MiniLM, a made-up task, one seed; each at its best epoch on validation)",
        fontsize="medium",
    )
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    """Run what is missing, then show all."""
    records = {method: demo_record(method) for method in RUNS}
    print(table_text(records))
    draw_picture(records, RESULTS / "quality_against_cost.png")
    print(f"Picture: {RESULTS / 'quality_against_cost.png'}; records: {RESULTS / 'runs'}")


if __name__ == "__main__":
    with signals_stop():
        main()
