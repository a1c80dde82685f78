"""What the store of frozen states saves: whole runs, not single steps.

    epochs   30 epochs of READ from an empty store, filling and validation included, against full-tuning's 30, which
             are extrapolated from 3 (SmolLM2: from 1): time and CPU energy. --backbone minilm, t5-base (its shape,
             random weights) or smollm2.
    search   every learning rate and seed of a search of READ, really run from one filling, against as many runs of
             full-tuning, extrapolated from two.

Each needs GLUE (--path) and writes ``results/bench/one_pass-<command>[-<backbone>].json``.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from read_repro.config.composition import composed
from read_repro.records.record import Hardware
from read_repro.records.store import write_json
from read_repro.training.checks import check
from read_repro.training.fit import train_and_test
from read_repro.training.parts import Parts, build
from read_repro.training.provenance import commit, hardware_of

OUT = Path("results/bench")
T5_BASE = "{vocab_size: 32128, d_model: 768, d_ff: 3072, d_kv: 64, num_layers: 12, num_heads: 12}"
QUIET = ("trainer.progress_bar=false", "trainer.accelerator=cpu", "logger=none")
Found = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A run that was done here: its parts, with the trained method, and what the record would hold."""

    parts: Parts
    found: Found

    @property
    def metrics(self) -> Found:
        return self.found["metrics"]


def train(folder: Path, *overrides: str) -> Run:
    """One run as ``train.py`` does it, in this process and without a record."""
    config = composed(*QUIET, *overrides)
    inputs = check(config, folder)
    parts = build(config, inputs)
    folder.mkdir(parents=True, exist_ok=True)
    hardware = Hardware(**hardware_of(accelerator="cpu", precision="32-true"))
    return Run(parts, train_and_test(parts, config, folder, folder, hardware, {}))


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="one-pass-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def setting_of(backbone: str, path: str) -> tuple[str, ...]:
    """CoLA on MiniLM; 200 examples of MRPC on random weights of T5-base's shape; 1,000 of SST-2 on SmolLM2."""
    if backbone == "minilm":
        return ("backbone=minilm", "task=cola", "data=local", f"data.path={path}", "data.batch_size=32")
    if backbone == "smollm2":
        limits = ("data.train_limit=1000", "data.batch_size=16")
        return ("backbone=smollm2", "task=sst2", "data=local", f"data.path={path}", *limits)
    shape = (f"backbone.shape={T5_BASE}", "data.train_limit=200", "data.batch_size=8", "data.eval_batch_size=51")
    return ("backbone=t5-random", "task=mrpc", "data=local", f"data.path={path}", *shape)


def spent(metrics: Found) -> dict[str, float]:
    """Time and CPU energy of a run, with the whole filling of what it read."""
    filling_s, filling_kwh = metrics.get("filling/time_s") or 0.0, metrics.get("filling/cpu_estimate_kwh") or 0.0
    return {
        "time_s": metrics["time/train_s"] + filling_s,
        "energy_wh": 1000 * (metrics["energy/cpu_estimate_kwh"] + filling_kwh),
        "filling_s": filling_s,
    }


def epochs(options: argparse.Namespace) -> Found:
    """See the module's docstring."""
    common, full_epochs = setting_of(options.backbone, options.path), 1 if options.backbone == "smollm2" else 3
    with scratch() as folder:
        store = ("cache=disk", f"cache.path={folder / 'store'}")
        never_early = ("trainer.max_epochs=30", "trainer.patience=30")
        read = train(folder / "read", *common, "method=read", "method.hidden=128", *never_early, *store)
        full = train(folder / "full", *common, "method=full", f"trainer.max_epochs={full_epochs}", "trainer.patience=3")
    ours, theirs = spent(read.metrics), spent(full.metrics)
    ratios = {f"{key}_ratio": ours[key] * full_epochs / (30 * theirs[key]) for key in ("time_s", "energy_wh")}
    found = {"read_30_epochs": ours, f"full_{full_epochs}_epochs": theirs}
    return {**found, **ratios, "read_share_stored": read.metrics["store/share"]}


def search(options: argparse.Namespace) -> Found:
    """See the module's docstring."""
    common = (*setting_of("minilm", options.path), "trainer.max_epochs=5", "trainer.patience=5")
    rates = [float(f"{rate:.3g}") for rate in np.geomspace(1e-6, 3e-3, options.rates)]
    rows: list[Found] = []
    with scratch() as folder:
        store = ("cache=disk", f"cache.path={folder / 'store'}")
        started_s, cpu_s = time.perf_counter(), time.process_time()
        for rate in rates:
            for seed in range(options.seeds):
                one = ("method=read", "method.hidden=128", f"optim.lr={rate}", f"seed={seed}")
                run = train(folder / f"{rate}-{seed}", *common, *one, *store)
                rows.append(
                    {"lr": rate, "seed": seed, "val": run.metrics["val/score"], "test": run.metrics["test/score"]}
                )
        wall_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_s
        started_s, full_cpu_s = time.perf_counter(), time.process_time()
        for seed in range(2):
            train(folder / f"full-{seed}", *common, "method=full", f"seed={seed}")
        full_s, full_cpu_s = (time.perf_counter() - started_s) / 2, (time.process_time() - full_cpu_s) / 2
    runs = len(rows)
    return {
        "runs": runs, "read_wall_s": wall_s, "read_cpu_s": cpu_s,
        "full_wall_s_a_run": full_s, "full_cpu_s_a_run": full_cpu_s,
        "wall_ratio": wall_s / (runs * full_s), "cpu_ratio": cpu_s / (runs * full_cpu_s), "rows": rows,
    }  # fmt: skip


COMMANDS = {"epochs": epochs, "search": search}


def write(found: Found, name: str, out: Path = OUT) -> None:
    """Keep what a script has found, with the machine and the commit."""
    hardware = hardware_of(accelerator="cpu", precision="32-true")
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / f"{name}.json", {**found, "hardware": hardware, "commit": commit()})
    print({key: value for key, value in found.items() if key != "rows"})


def main() -> None:
    """Run one of the commands and write what it found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--path", required=True, help="folder of GLUE")
    parser.add_argument("--backbone", choices=("minilm", "t5-base", "smollm2"), default="minilm")
    parser.add_argument("--rates", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    options.path = os.path.abspath(options.path)
    found = {"command": options.command, **COMMANDS[options.command](options)}
    if options.command == "search":
        write(found, "one_pass-search")
    else:
        write({**found, "backbone": options.backbone}, f"one_pass-{options.command}-{options.backbone}")


if __name__ == "__main__":
    main()
