"""What the store of frozen states saves, and what narrow states cost: whole runs, not single steps.

    epochs   30 epochs of READ from an empty store, filling and validation included, against full-tuning's 30, which
             are extrapolated from 3: time and CPU energy. --backbone minilm or t5-base (its shape, random weights).
    search   every learning rate and seed of a search of READ, really run from one filling, against as many runs of
             full-tuning, extrapolated from two.
    narrow   READ on states stored in 32, 16 and 8 bit: do predictions agree, do scores differ?

Each needs GLUE (--path) and writes ``results/bench/one_pass-<command>[-<backbone>].json``.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from read_repro.config.composition import composed
from read_repro.methods.base import Method
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
    """CoLA on MiniLM; 200 examples of MRPC on random weights of T5-base's shape."""
    if backbone == "minilm":
        return ("backbone=minilm", "task=cola", "data=local", f"data.path={path}", "data.batch_size=32")
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
    common = setting_of(options.backbone, options.path)
    with scratch() as folder:
        store = ("cache=disk", f"cache.path={folder / 'store'}")
        never_early = ("trainer.max_epochs=30", "trainer.patience=30")
        read = train(folder / "read", *common, "method=read", "method.hidden=128", *never_early, *store)
        full = train(folder / "full", *common, "method=full", "trainer.max_epochs=3", "trainer.patience=3")
    ours, theirs = spent(read.metrics), spent(full.metrics)
    ratios = {f"{key}_ratio": ours[key] / (10 * theirs[key]) for key in ("time_s", "energy_wh")}
    return {"read_30_epochs": ours, "full_3_epochs": theirs, **ratios, "read_share_stored": read.metrics["store/share"]}


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


def narrow(options: argparse.Namespace) -> Found:
    """See the module's docstring."""
    dtypes = ("fp32", "fp16", "bf16", "int8")
    scores: dict[str, list[Found]] = {}
    agreement: dict[str, Found] = {dtype: {} for dtype in dtypes[1:]}
    with scratch() as folder:
        for task in ("mrpc", "stsb", "sst2"):
            common = (
                "backbone=minilm", f"task={task}", "data=local", f"data.path={options.path}", "data.batch_size=32",
                "data.train_limit=1000", "trainer.max_epochs=10", "method=read", "method.hidden=128",
            )  # fmt: skip
            for seed in range(3):
                runs = {
                    dtype: train(
                        folder / f"{task}-{seed}-{dtype}", *common, f"seed={seed}", "cache=disk",
                        f"cache.path={folder / task}", f"cache.dtype={dtype}",
                    )
                    for dtype in dtypes
                }  # fmt: skip
                scores.setdefault(task, []).append({dtype: run.metrics["test/score"] for dtype, run in runs.items()})
                exact = runs["fp32"]
                wide = predictions(exact.parts.method, exact.parts)
                for dtype in dtypes[1:]:
                    shares = agreement[dtype].setdefault(task, [])
                    shares.append(agreeing(wide, predictions(exact.parts.method, runs[dtype].parts), task))
    differences = {
        dtype: [row[dtype] - row["fp32"] for rows in scores.values() for row in rows] for dtype in dtypes[1:]
    }
    return {
        "agreement_of_predictions": agreement,
        "test_scores": scores,
        "paired_difference": {dtype: interval(values) for dtype, values in differences.items()},
    }


def predictions(method: Method, parts: Parts) -> torch.Tensor:
    """What a method answers to the test examples, as the data of another run brings them."""
    method.eval()
    return torch.cat([method.predict(batch) for batch in parts.data.test_dataloader()])


def agreeing(wide: torch.Tensor, small: torch.Tensor, task: str) -> float:
    """The share of examples with the same answer; a number may differ by 0.05."""
    same = (wide - small).abs() <= 0.05 if task == "stsb" else wide == small
    return float(same.float().mean())


def interval(values: list[float]) -> Found:
    """Mean with its 95% interval by Student's t over all pairs."""
    from scipy.stats import t

    half = t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    mean = statistics.fmean(values)
    return {"mean": mean, "low": mean - half, "high": mean + half, "pairs": len(values)}


COMMANDS = {"epochs": epochs, "search": search, "narrow": narrow}


def main() -> None:
    """Run one of the commands and write what it found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--path", required=True, help="folder of GLUE")
    parser.add_argument("--backbone", choices=("minilm", "t5-base"), default="minilm")
    parser.add_argument("--rates", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    options.path = os.path.abspath(options.path)
    found = COMMANDS[options.command](options)
    hardware = hardware_of(accelerator="cpu", precision="32-true")
    record = {
        "command": options.command,
        "backbone": options.backbone,
        **found,
        "hardware": hardware,
        "commit": commit(),
    }
    OUT.mkdir(parents=True, exist_ok=True)
    named = f"one_pass-{options.command}" + (f"-{options.backbone}" if options.command == "epochs" else "")
    write_json(OUT / f"{named}.json", record)
    print({key: value for key, value in record.items() if key != "rows"})


if __name__ == "__main__":
    main()
