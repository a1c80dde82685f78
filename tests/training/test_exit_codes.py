"""How the command ends when it is told to stop or the system refuses: one line, a code, and no traceback on the way."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nonsense import TINY_RUN, write_glue
from places import ROOT

TINY = (*TINY_RUN, "trainer.progress_bar=false")


def started(*arguments: str, file_limit: int | None = None) -> subprocess.Popen[str]:
    """The command in a process of its own; no file of it can grow beyond ``file_limit`` bytes, as on a full disk."""

    def limit() -> None:
        if file_limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

    return subprocess.Popen(
        [sys.executable, "train.py", *TINY, *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
    )


def one_last_line(stderr: str) -> str:
    assert "Traceback" not in stderr
    return stderr.splitlines()[-1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_told_to_stop_says_so_and_leaves_no_record(number: int, code: int, tmp_path: Path) -> None:
    glue, results = write_glue(tmp_path, one_token=False), tmp_path / "results"
    process = started(
        f"data.path={glue}", f"results_dir={results}", "trainer.max_epochs=10000", "trainer.patience=9999"
    )
    deadline_s = time.monotonic() + 300
    while not list(results.rglob("best.safetensors")) and time.monotonic() < deadline_s:  # then an epoch is over
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == code, stderr
    assert one_last_line(stderr).startswith(f"stopped by {signal.Signals(number).name}: ")
    assert not list(results.rglob("result.json"))
    (error,) = results.rglob("error.txt")
    assert error.read_text().rstrip().endswith(f"stopped by {signal.Signals(number).name}")
    (journal,) = results.rglob("journal.jsonl")
    assert '"last": true' in journal.read_text()  # the energy window was closed


def test_the_demo_stops_with_its_run(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "demo.py")],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert demo.stdout is not None
    assert demo.stdout.readline() == "--- read\n"
    children = Path(f"/proc/{demo.pid}/task/{demo.pid}/children")
    while not (run := children.read_text().split()):
        time.sleep(0.1)
    demo.send_signal(signal.SIGTERM)
    _, stderr = demo.communicate(timeout=300)
    assert demo.returncode == 143, stderr
    assert "Traceback" not in stderr
    line = Path(f"/proc/{run[0]}/cmdline")  # empty for a process that has ended and that nobody has asked after yet
    assert not line.exists() or not line.read_bytes()


@pytest.mark.parametrize(
    ("file_limit", "code", "says"), [(0, 2, "No usable temporary directory"), (3000, 1, "best.safetensors: ")]
)
def test_a_full_disk_is_one_line(file_limit: int, code: int, says: str, tmp_path: Path) -> None:
    """With no room at all before the run, or with some, but not for the weights while it trains."""
    glue, results = write_glue(tmp_path, one_token=False, rows=40), tmp_path / "results"
    process = started(f"data.path={glue}", f"results_dir={results}", "trainer.max_epochs=1", file_limit=file_limit)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == code, stderr
    assert says in one_last_line(stderr)
    assert not list(results.rglob("result.json"))
    assert all(path.stat().st_size for path in results.rglob("error.txt"))
    assert not list(results.rglob(".error.txt*"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((f"data.path=/{'x' * 5000}",), "File name too long"),
        (("backbone=t5-small", f"backbone.path=/{'x' * 5000}"), "File name too long"),
        (("cache=disk", f"cache.path=/{'x' * 5000}"), "File name too long"),
        (("data.path={fifos}",), "train.jsonl is not a regular file"),
        (("results_dir={fifos}/cola/train.jsonl",), "Not a directory"),
        (("cache=disk", "cache.path={fifos}/cola/train.jsonl"), "Not a directory"),
        (("results_dir=/proc",), "/proc"),
        (("--multirun", "optim.lr=1e-3", "results_dir=/proc/nothing"), "/proc/nothing"),
    ],
    ids=["long data", "long weights", "long store", "data in a pipe", "results in a pipe", "store in a pipe",
         "read-only", "multirun"],
)  # fmt: skip
def test_what_the_system_refuses_before_a_run_is_a_mistake(
    arguments: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    glue, fifos = write_glue(tmp_path, one_token=False, rows=20), tmp_path / "fifos"
    (fifos / "cola").mkdir(parents=True)
    for name in ("train.jsonl", "validation.jsonl"):
        os.mkfifo(fifos / "cola" / name)
    places = {"data.path": glue, "results_dir": tmp_path / "results"}
    own = [argument.replace("{fifos}", str(fifos)) for argument in arguments]
    given = [f"{key}={place}" for key, place in places.items() if not any(a.startswith(key) for a in own)]
    process = started(*given, *own, "trainer.max_epochs=1")
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 2, stderr
    assert says in one_last_line(stderr)
    assert len(one_last_line(stderr)) < 400
    assert not list(tmp_path.rglob("result.json"))
