"""A newcomer's first hour by real commands: a CSV with four string labels, train, predict a file, publish."""

import csv
import re
from pathlib import Path

import pytest
from newcomer import TEAMS, make_checkout, shell, write_tickets
from places import ROOT

from read_repro.records.store import read_record

TRAIN = "python train.py task=custom data.path=tickets.csv method=read backbone=minilm"
SHORT = "trainer.max_epochs=2 data.batch_size=16 trainer.accelerator=cpu trainer.threads=1"  # these tickets are easy


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with a file of tickets, on which READ has been trained."""
    folder = make_checkout(tmp_path_factory.mktemp("newcomer") / "read-repro")
    write_tickets(folder / "tickets.csv", 320, seed=0)
    ended = shell(f"{TRAIN} {SHORT}", folder)
    assert ended.returncode == 0, ended.stderr
    (folder / "said.txt").write_text(ended.stdout + ended.stderr)
    return folder


def run_of(checkout: Path) -> Path:
    (result,) = (checkout / "results" / "runs").rglob("result.json")
    return result.parent.relative_to(checkout)


@pytest.mark.slow
def test_training_says_what_it_found_and_leaves_a_record_that_names_each_class(checkout: Path) -> None:
    said = (checkout / "said.txt").read_text()
    for found in ("320 examples", "subject and body", "label: team", "4 classes", "Login & access", "macro_f1"):
        assert found in said
    assert re.fullmatch(r"results/runs/minilm/own/tickets-[0-9a-f]{8}/read,[^/]+/seed=0", str(run_of(checkout)))
    record = read_record(checkout / run_of(checkout) / "result.json")
    assert record is not None
    assert [scores.name for scores in record.classes] == sorted(TEAMS)
    assert record.data_info.sizes == {"train": 256, "validation": 32, "test": 32}
    score, majority = record.metrics["test/score"], record.metrics["test/majority"]
    assert score is not None
    assert majority is not None
    assert score > majority + 20


@pytest.mark.slow
def test_the_same_command_again_does_nothing_and_another_file_is_another_run(checkout: Path) -> None:
    again = shell(f"{TRAIN} {SHORT}", checkout)
    assert again.returncode == 0
    assert "done before" in again.stdout + again.stderr
    (checkout / "elsewhere").mkdir()
    write_tickets(checkout / "elsewhere" / "tickets.csv", 320, seed=1)
    other = shell(f"{TRAIN} {SHORT} data.path=elsewhere/tickets.csv dry_run=true", checkout)
    assert other.returncode == 0, other.stderr
    assert "would run" in other.stdout + other.stderr
    assert run_of(checkout).parts[4] not in other.stdout + other.stderr


@pytest.mark.slow
def test_a_file_of_new_tickets_is_labelled_better_than_by_chance(checkout: Path) -> None:
    tickets = write_tickets(checkout / "new.csv", 60, seed=7, with_team=False)
    ended = shell(f"python predict.py run='{run_of(checkout)}' input=new.csv output=labelled.csv", checkout)
    assert ended.returncode == 0, ended.stderr
    with (checkout / "labelled.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["key"] for row in rows] == [ticket["key"] for ticket in tickets]
    assert all(0 < float(row["probability"]) <= 1 for row in rows)
    right = sum(row["prediction"] == ticket["team"] for row, ticket in zip(rows, tickets, strict=True))
    assert right >= 30, f"{right} of 60, where chance has 15"


@pytest.mark.slow
def test_a_single_text_a_pipe_and_python_say_the_same(checkout: Path) -> None:
    run, texts = run_of(checkout), ("My parcel", "The courier lost it, it should have arrived on Monday.")
    alone = shell(f"python predict.py run='{run}' '{texts[0]}' '{texts[1]}'", checkout)
    piped = shell(f"printf '{texts[0]}\\t{texts[1]}\\n' | read-repro-predict run='{run}'", checkout)
    (checkout / "label.py").write_text(
        f"from read_repro import load\n\np = load({str(run)!r})({texts!r})\n"
        "print(p.label, f'{p.probability:.3f}', sep='\\t')\n"
    )
    python = shell("python label.py", checkout)
    assert alone.stdout.split("\t")[0] in TEAMS, alone.stderr
    assert alone.stdout == piped.stdout == python.stdout, piped.stderr + python.stderr


@pytest.mark.slow
def test_the_run_is_published_as_files(checkout: Path) -> None:
    if not (ROOT / "scripts" / "publish.py").exists():
        pytest.skip("scripts/publish.py is not in this checkout")
    ended = shell(f"python scripts/publish.py run='{run_of(checkout)}' to=published", checkout)
    assert ended.returncode == 0, ended.stderr
    names = {path.name for path in (checkout / "published").iterdir()}
    assert {"README.md", "read_config.json", "read_model.safetensors"} <= names
    assert "shipping" in (checkout / "published" / "read_config.json").read_text()
