"""What a run starts from: looked up once, and nothing left behind by a run that is refused."""

import os
from pathlib import Path
from typing import Any

import pytest
from nonsense import TINY_T5, write_glue

from read_repro.backbones import checkpoint
from read_repro.config.composition import composed
from read_repro.data import sources
from read_repro.errors import InputError
from read_repro.records.naming import identity, run_name
from read_repro.training import checks, parts
from read_repro.training.run import run

HERE = ("logger=none", "trainer.progress_bar=false", "trainer.accelerator=cpu", "trainer.threads=1", "dry_run=true")
RANDOM = (*TINY_T5, "data=local", "task=cola", "method=read")


class Counted:
    """A function that counts its calls."""

    def __init__(self, function: Any) -> None:
        self.function, self.calls = function, 0

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        self.calls += 1
        return self.function(*arguments, **keywords)


def counted(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> Counted:
    counter = Counted(getattr(module, name))
    monkeypatch.setattr(module, name, counter)
    return counter


def go(results: Path, *overrides: str) -> Path:
    """Check and dry-run, as the entry does; returns the run's folder."""
    config = composed(*overrides, f"results_dir={results}")
    named = identity(config.plain(), config.plain(), method="read")
    inputs = checks.check(config, results / "runs" / run_name(**named))
    run(config, named, inputs)
    return inputs.folder


def test_weights_are_located_and_hashed_once_a_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hashed = counted(monkeypatch, checkpoint, "file_sha256")
    located = counted(monkeypatch, checkpoint, "packaged_folder")
    go(tmp_path, *HERE, "backbone=minilm", "data=synthetic", "data.train_limit=50", "task=mnli", "method=head")
    assert (located.calls, hashed.calls) == (1, 1)


def test_rows_are_read_and_split_once_a_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also where the tokenizer is trained on the training text."""
    read, split = counted(monkeypatch, sources, "read"), counted(monkeypatch, parts, "split")
    go(tmp_path, *HERE, *RANDOM, f"data.path={write_glue(tmp_path, one_token=False, rows=20)}")
    assert (read.calls, split.calls) == (1, 1)


@pytest.mark.parametrize(
    "change",
    ["method.hidden=0", "method=head", "trainer.precision=bf16-mixed", "data.path=nowhere", "trainer.threads=100000"],
)
def test_a_refused_run_leaves_no_folder_and_neither_does_a_dry_one(change: str, tmp_path: Path) -> None:
    glue, results = write_glue(tmp_path, one_token=False, rows=20), tmp_path / "results"
    with pytest.raises(InputError):
        go(results, *HERE, *RANDOM, f"data.path={glue}", "dry_run=false", change)
    assert not results.exists()
    go(results, *HERE, *RANDOM, f"data.path={glue}")
    assert not results.exists()


@pytest.mark.parametrize("place", ["file/below", "fifo/below", "x" * 300])
def test_a_place_that_cannot_be_made_is_refused_beforehand(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InputError, match="choose another results_dir"):
        checks.check_writable(tmp_path / place, "results_dir")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fifo", "file"]


def test_a_place_that_can_be_made_is_left_as_it_was(tmp_path: Path) -> None:
    checks.check_writable(tmp_path / "a" / "b", "results_dir")
    assert list(tmp_path.iterdir()) == []
