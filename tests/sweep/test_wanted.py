"""A sweep takes no other run's record for its own: neither of another configuration nor of other weights or data."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from nonsense import TINY_T5, write_glue
from places import CONF
from store_factory import run_record

from read_repro.records.fingerprint import facts
from read_repro.records.store import write_json
from read_repro.sweep import wanted
from read_repro.sweep.configurations import plain_values
from read_repro.sweep.jobs import Job, Sweep, expand
from read_repro.sweep.launchers import Local
from read_repro.sweep.runner import run_sweep
from read_repro.sweep.status import record_of, state
from read_repro.sweep.status_lines import forecast_lines


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    for hashes in (wanted._weights, wanted._data):
        hashes.cache_clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """The one run of a sweep, with its record."""
    glue = write_glue(tmp_path, one_token=False, rows=32)
    arguments = ("experiment=minilm_cpu", *TINY_T5, "task=cola", "method=read",
                 "optim.lr=1e-3", "trainer.max_epochs=1", f"data.path={glue}", f"results_dir={tmp_path}")  # fmt: skip
    (made,) = expand([*arguments], {}).search
    assert made.config is not None
    write(made, made.config)
    return made


def write(job: Job, config: Any, **changes: Any) -> None:
    hashes = {"weights": "random", "data_info": run_record()["data_info"] | {"fingerprint": data_of(job)}}
    job.record.parent.mkdir(parents=True, exist_ok=True)
    write_json(job.record, run_record() | hashes | {"config": config} | changes)


def data_of(job: Job) -> str | None:
    assert job.config is not None
    return wanted._data(json.dumps(job.config["task"]), json.dumps(job.config["data"]))


def sweep_of(job: Job, tmp_path: Path, *, force: bool = False) -> Sweep:
    return Sweep("grid", (job,), (job,), (), tmp_path, force=force, dry_run=False)


def test_a_job_has_the_configuration_that_its_command_composes(job: Job) -> None:
    command = [argument for argument in job.command if "=" in argument and not argument.startswith("hydra")]
    assert job.config is not None
    assert facts(job.config, method_version=1) == facts(plain_values(compose("config", command)), method_version=1)


def test_a_record_of_this_very_run_is_done(job: Job) -> None:
    assert record_of(job) is not None
    assert state(job) == "done"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"config": ("optim", "lr", 2e-3)}, "its optim.lr is 0.002, this run's 0.001"),
        ({"config": ("trainer", "precision", "bf16-mixed")}, "its trainer.precision is"),
        ({"weights": "1" * 64}, 'this run\'s "random"'),
        ({"method_version": 0}, "its method's version is 0, this run's 1"),
        ({"hardware": {"kind": "cuda", "name": "Some GPU"}}, 'its device is "Some GPU", this run\'s "CPU"'),
    ],
)
def test_another_runs_record_is_named_and_neither_taken_nor_replaced(
    job: Job, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    config = copy.deepcopy(dict(job.config or {}))
    if "config" in change:
        section, key, value = change.pop("config")
        config[section][key] = value
    write(job, config, **change)
    before = job.record.read_bytes()
    assert record_of(job) is None
    assert state(job) == "failed"
    failed = run_sweep(sweep_of(job, tmp_path), Local(at_once=1))
    assert "another run's record" in failed[job.name]
    assert says in failed[job.name]
    assert job.record.read_bytes() == before
    assert not job.log.exists()
    assert forecast_lines([job], tmp_path, unnamed={})["t5-random read"].counts["failed"] == 1


def test_other_data_at_the_same_path_are_noticed(job: Job, tmp_path: Path) -> None:
    with (tmp_path / "glue" / "cola" / "train.jsonl").open("a") as file:
        file.write('\n{"sentence": "one more", "label": 1}')
    wanted._data.cache_clear()
    assert record_of(job) is None


def test_what_is_not_on_this_machine_is_not_compared(job: Job) -> None:
    config = copy.deepcopy(dict(job.config or {}))
    config["data"]["path"] = "nowhere"
    assert record_of(replace(job, config=config)) is not None
    config["backbone"] = {"_target_": config["backbone"]["_target_"], "name": "t5-random", "architecture": "t5",
                          "hub": "nobody/has-this", "random": False, "shape": {}}  # fmt: skip
    assert wanted._weights(json.dumps(config["backbone"])) is None


def test_force_runs_another_runs_place(job: Job, tmp_path: Path) -> None:
    write(job, job.config, weights="1" * 64)
    script = tmp_path / "run.py"
    script.write_text("raise SystemExit(3)")
    failed = run_sweep(sweep_of(replace(job, command=(str(script),)), tmp_path, force=True), Local(at_once=1))
    assert "exit code 3" in failed[job.name]
