"""A results store written to a temporary folder: made-up records for the tests of tables, figures and the report."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from read_repro.records.record import Record
from read_repro.records.typed import typed
from read_repro.tables.table import Table

CPU = {"kind": "cpu", "name": "Some CPU", "count": 1, "threads": 2}
GPU = {"kind": "cuda", "name": "Some GPU", "count": 1, "threads": 2}
OWNERS = {"lr": "optim", "weight_decay": "optim", "max_epochs": "trainer", "precision": "trainer", "batch_size": "data",
          "targets": "data", "max_source_tokens": "data", "p0_kw": "energy", "cpu_p0_kw": "energy"}  # fmt: skip
METHODS = ("full", "adapter", "lora", "bitfit", "prompt", "lst", "read", "head")


def metrics_of(score: float, hardware: dict[str, Any], energy_kwh: float, time_s: float) -> dict[str, float | None]:
    """Metrics as a run of this score and cost would leave them."""
    common = {
        "val/score": score, "test/score": score - 1.0, "test/majority": 50.0, "time/train_s": time_s,
        "time/step_s": 0.1, "time/examples_per_s": 100.0, "time/latency_s": 0.01, "memory/saved_gib": 0.2,
        "params/trainable": 1000.0, "params/percent": 1.5,
    }  # fmt: skip
    if hardware["kind"] == "cpu":
        own = {
            "energy/cpu_estimate_kwh": energy_kwh,
            "energy/eq4_kwh": None,
            "memory/train_resident_gib": energy_kwh * 50,
        }
        return common | own | {"memory/inference_resident_gib": 0.3}
    own = {"energy/eq4_kwh": energy_kwh, "energy/counter_kwh": energy_kwh * 0.9, "memory/train_peak_gib": energy_kwh}
    return common | own | {"memory/inference_gib": 0.9, "params/percent_paper": 0.8}


def config_of(method: str, setting: dict[str, Any], train_limit: int | None, seed: int) -> dict[str, Any]:
    """A configuration with the keys that matter to records, changed by a setting in its short names."""
    config: dict[str, Any] = {
        "data": {"targets": "words", "batch_size": 48, "max_source_tokens": 128, "train_limit": train_limit},
        "optim": {"lr": 1e-3, "weight_decay": 0.0},
        "trainer": {"max_epochs": 30, "precision": "32-true"},
        "energy": {"p0_kw": 0.25, "cpu_p0_kw": 0.005},
        "method": {"_target_": f"read_repro.methods.{method}.{method}"},
        "grid": {"method.hidden": [128, 256]},
        "seed": seed,
    }
    for key, value in setting.items():
        section, _, leaf = key.rpartition(".")
        config.setdefault(section or OWNERS.get(key, "method"), {})[leaf] = value
    return config


def run_record(
    task: str = "cola",
    method: str = "read",
    seed: int = 0,
    score: float = 60.0,
    *,
    backbone: str = "minilm",
    data: str = "local",
    setting: dict[str, Any] | None = None,
    train_limit: int | None = 1000,
    hardware: dict[str, Any] = CPU,
    energy_kwh: float = 0.01,
    time_s: float = 360.0,
    fingerprint: str = "",
) -> dict[str, Any]:
    """One run's record, schema 1."""
    curve = [score - 10, score - 2, score, score - 1]
    history = [
        {"epoch": i + 1, "val/score": value, "energy_kwh": energy_kwh * (i + 1) / 4, "time_s": time_s * (i + 1) / 4}
        for i, value in enumerate(curve)
    ]
    setting = setting or {}
    name = ",".join([method, *(f"{key}={setting[key]}" for key in sorted(setting))])
    info = {"fingerprint": fingerprint or f"print-{task}", "cut": train_limit is not None, "train_limit": train_limit}
    info |= {"sizes": {"train": 1000, "validation": 500, "test": 500}, "truncated_share": 0.01}
    return {
        "schema": 1, "kind": "run", "status": "finished", "run": f"{backbone}/{data}/{task}/{name}/seed={seed}",
        "backbone": backbone, "data": data, "task": task, "method": method, "setting": setting, "seed": seed,
        "config": config_of(method, setting, train_limit, seed),
        "weights": "0" * 64, "labels": ["made up <for> a test"], "history": history, "epochs": 4,
        "best_epoch": 3, "steps": 128, "data_info": info, "hardware": hardware, "versions": {}, "commit": "0" * 40,
        "metrics": metrics_of(score, hardware, energy_kwh, time_s),
    }  # fmt: skip


def record_of(content: dict[str, Any]) -> Record:
    """The typed record of what ``run_record`` made."""
    return typed({key: value for key, value in content.items() if key not in ("schema", "kind")}, Record)


def write_run(results: Path, record: dict[str, Any]) -> Path:
    """Writes a run's record where the store has it."""
    limit = record["data_info"]["train_limit"]
    path = results / "runs" / f"{record['run']}" / "result.json"
    if limit is not None:  # as the writing side does: the limit is part of the run's choices
        path = results / "runs" / record["run"].replace("/seed=", f",train_limit={limit}/seed=") / "result.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


def write_planned(results: Path, backbone: str, method: str, phase: str, gib: float, **more: float) -> None:
    """Writes a planner record."""
    metric = "memory/train_peak_gib" if phase == "train" else "memory/inference_gib"
    record = {"schema": 1, "kind": "planned", "backbone": backbone, "method": method, "setting": {}, "phase": phase}
    record |= {"batch_size": 48, "source_tokens": 128, "target_tokens": 2, "attention": "eager"}
    record |= {"labels": ["planned"], "metrics": {metric: gib} | more}
    _dump(results / "planned" / backbone / f"{method}{',phase=infer' if phase == 'infer' else ''}.json", record)


def write_reference(results: Path, backbone: str, method: str, metrics: dict[str, float]) -> None:
    """Writes a GPU reference record."""
    record = {"schema": 1, "kind": "reference", "backbone": backbone, "method": method, "hardware": GPU}
    record |= {"status": "finished", "setting": {}, "batch_size": 48, "window_s": 15.0, "versions": {}, "commit": None}
    record |= {"labels": ["random weights"], "metrics": metrics}
    _dump(results / "gpu" / "some-gpu" / backbone / f"{method}.json", record)


def table_named(tables: Iterable[Table], words: str) -> Table:
    """The first table with these words in its title."""
    return next(table for table in tables if words in table.title)


def fill(
    results: Path, tasks: tuple[str, ...] = ("cola", "mrpc", "stsb"), seeds: tuple[int, ...] = (0, 1, 2)
) -> list[Path]:
    """A store with every kind of record: MiniLM on a CPU, T5-base on a GPU, plans and GPU references."""
    records = []
    for rank, method in enumerate(METHODS):
        for task_rank, task in enumerate(tasks):
            for seed in seeds:
                score, energy = 60 + 2 * rank - task_rank + 0.5 * seed, 0.02 - 0.002 * rank
                records.append(run_record(task, method, seed, score, setting={"lr": 0.001}, energy_kwh=energy))
            records.append(run_record(task, method, 0, 40.0, setting={"lr": 0.0001}, energy_kwh=0.01))
    place: dict[str, Any] = {"backbone": "t5-base", "data": "hub", "train_limit": None, "hardware": GPU}
    for rank, method in enumerate(METHODS[:-1]):
        for seed in seeds:
            energy = {"energy_kwh": 12 - rank, "time_s": 36000}
            records.append(run_record("cola", method, seed, 50 + rank + 0.3 * seed, **place, **energy))
    fill_devices(results)
    return [write_run(results, record) for record in records]


def fill_devices(results: Path) -> None:
    """Plans for four T5 sizes and GPU references for three."""
    for size, backbone in enumerate(("t5-small", "t5-base", "t5-large", "t5-3b"), 1):
        for rank, method in enumerate(METHODS[:-1]):
            trainable = {"params/trainable": 1e5 * size * (8 - rank)}
            write_planned(results, backbone, method, "train", 4.0**size * (8 - rank) / 8, **trainable)
            write_planned(results, backbone, method, "infer", 0.3 * 3**size + 0.01 * rank)
            metrics = {"time/step_s": 0.1 * size * (8 - rank), "memory/train_peak_gib": 4.3**size * (8 - rank) / 8}
            metrics |= {"energy/eq4_power_kw": 0.25, "energy/counter_power_kw": 0.4}
            metrics |= {"time/latency_s": 0.002 * size + 0.0001 * rank}
            metrics |= {"memory/inference_gib": 0.3 * 3**size + 0.012 * rank}
            if size < 4:
                write_reference(results, backbone, method, metrics)


def _dump(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record), encoding="utf-8")
