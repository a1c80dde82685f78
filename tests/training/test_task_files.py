"""Task files as a person writes them: those of the documentation work as they stand, others name what they lack."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from places import ROOT

TEXT = (ROOT / "docs" / "add-a-task.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
FILES = {re.findall(r"# conf/task/(\w+)\.yaml", block)[0]: block for block in BLOCKS}


def train(folder: Path, *arguments: str, torch: bool = True) -> subprocess.CompletedProcess[str]:
    """``train.py`` in a folder of the user's own; without ``torch`` importing it is an error."""
    (folder / "stub").mkdir()
    (folder / "stub" / "torch.py").write_text("raise AssertionError('torch was imported')")
    path = os.pathsep.join((*([] if torch else [str(folder / "stub")]), str(ROOT)))
    return subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *arguments, "backbone=minilm", "method=head", "dry_run=true"],
        cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def with_file(folder: Path, name: str, content: str) -> tuple[str, ...]:
    """What asks for a task of the user's own file."""
    (folder / "conf" / "task").mkdir(parents=True)
    (folder / "conf" / "task" / f"{name}.yaml").write_text(content)
    return "--config-dir", str(folder / "conf"), f"task={name}"


def write_tables(folder: Path) -> None:
    """The data that the two files speak of."""
    teams, sections = ("billing", "bug", "login", "shipping"), ("politics", "science", "sport")
    rows = [{"subject": f"a {teams[i % 4]} matter", "body": f"case {i}", "team": teams[i % 4]} for i in range(40)]
    pd.DataFrame(rows).to_csv(folder / "tickets.csv", index=False)
    (folder / "news").mkdir()
    rows = [{"title": f"no. {i}", "summary": f"on {sections[i % 3]}", "section": sections[i % 3]} for i in range(30)]
    for split in ("train", "validation"):
        pd.DataFrame(rows).to_csv(folder / "news" / f"{split}.csv", index=False)


@pytest.mark.parametrize(
    ("name", "arguments", "run_name", "sizes"),
    [
        ("tickets", (), r"minilm/own/tickets-[0-9a-f]{8}/head/seed=0", "32 train, 4 validation, 4 test"),
        ("news", ("data=local", "data.path=."), "minilm/local/news/head/seed=0", "30 train, 15 validation, 15 test"),
    ],
)
def test_the_files_of_the_documentation_work_as_they_stand(
    name: str, arguments: tuple[str, ...], run_name: str, sizes: str, tmp_path: Path
) -> None:
    write_tables(tmp_path)
    ended = train(tmp_path, *with_file(tmp_path, name, FILES[name]), *arguments)
    assert ended.returncode == 0, ended.stderr
    assert re.search(rf"would run results/runs/{run_name}$", ended.stderr, flags=re.MULTILINE), ended.stderr
    assert sizes in ended.stderr


def test_the_documentation_has_two_whole_files() -> None:
    assert FILES.keys() == {"tickets", "news"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "task._target_ is missing from the file of this task: it names read_repro.data.own_task.OwnTask or re"),
        ("name: mine\n", "task._target_ is missing from the file of this task"),
        (
            "_target_: read_repro.data.tasks.Task\nname: mine\ncolumns: [text]\n",
            "task.classes is missing: a list is needed; so are task.metric, task.split, task.files; docs/add-a-task.md",
        ),
        (FILES["news"].replace("split: ", "# "), "task.split is missing: a text is needed; docs/add"),
        (FILES["news"].replace("classes: [", "classes: {").replace("sport]", "sport}"), "task.classes="),
        (FILES["news"].replace("{summary}", "{sumary}"), "asks for 'sumary'; allowed are its columns, {title}, {su"),
        (FILES["news"].replace("macro_f1", "makro"), "metric='makro' is unknown; for 3 classes; allowed: accuracy, m"),
        (FILES["news"].replace("classes: [politics, science, sport]", "classes: []"), "needs bounds: [low, high] and"),
        (FILES["tickets"].replace("columns: [subject, body]", "colums: [subject]"), "task.colums=[\"subject\"]: there"),
    ],
)  # fmt: skip
def test_a_half_filled_file_names_what_is_missing(content: str, says: str, tmp_path: Path) -> None:
    write_tables(tmp_path)
    source = () if "custom" in content else ("data=local", "data.path=.")
    ended = train(tmp_path, *with_file(tmp_path, "mine", content), *source, torch=False)
    assert ended.returncode == 2, ended.stderr
    *opening, line = ended.stderr.splitlines()
    assert len(opening) <= 1  # what the run is, where its file has told as much
    assert line.startswith("error: ")
    assert says in line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "task=custom needs data.path=<file>"),
        (("data.path=absent.csv",), "absent.csv cannot be read (No such file or directory)"),
        (
            ("data.path=tickets.csv", "task.label=tem"),
            "task.label names 'tem', which is no column; there are subject",
        ),
        (("data.path=tickets.csv", "data.source=hub"), "task=custom reads your own file, not data=hub"),
        (("data.path=tickets.csv", "task.columns=body"), "task.columns=body: a list or null is needed"),
        (("data.path=tickets.csv", "task.metrik=f1"), "did you mean task.metric=f1"),
    ],
)
def test_a_mistake_about_own_data_is_one_line_before_torch_is_imported(
    arguments: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    write_tables(tmp_path)
    ended = train(tmp_path, "task=custom", *arguments, torch=False)
    assert ended.returncode == 2, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert says in line
    assert not (tmp_path / "results").exists()
