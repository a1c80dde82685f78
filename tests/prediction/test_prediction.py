"""A trained run as a function and as a command: one text or many, in their order; mistakes in one line."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from places import ROOT

from read_repro import load
from read_repro.errors import InputError
from read_repro.prediction.command import main
from read_repro.prediction.output import write_table
from read_repro.prediction.predictor import Predictor
from read_repro.training import entry

TINY_T5 = (
    "backbone=t5-random",
    "backbone.shape={vocab_size: 200, d_model: 32, d_ff: 64, d_kv: 8, num_heads: 4, num_layers: 2}",
)
TEAMS = ("billing", "bug", "login")


def ticket(number: int) -> dict[str, Any]:
    team = TEAMS[number % 3]
    return {
        "subject": f"{team} matter no. {number}",
        "body": f"please look at {team}, no. {number} " * (1 + number % 4),
    }


def trained(folder: Path, rows: list[dict[str, Any]], *arguments: str) -> Path:
    """The folder of a run that the command itself has trained on a file of rows."""
    file = folder / "tickets.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [
            "train.py", "task=custom", f"data.path={file}", *arguments, "trainer.accelerator=cpu", "logger=none",
            "trainer.progress_bar=false", f"results_dir={folder / 'results'}",
        ])  # fmt: skip
        entry.main()
    (result,) = (folder / "results").rglob("result.json")
    return result.parent


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MiniLM's head on tickets of two texts."""
    rows = [{**ticket(number), "team": TEAMS[number % 3]} for number in range(60)]
    folder = tmp_path_factory.mktemp("pairs")
    return trained(folder, rows, "backbone=minilm", "method=head", "trainer.max_epochs=3", "optim.lr=3e-2")


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny T5 on numbers of their own scale."""
    rows = [
        {"text": f"some {'words ' * (number % 5)} here", "score": 100.5 + 10 * (number % 5)} for number in range(60)
    ]
    return trained(tmp_path_factory.mktemp("numbers"), rows, *TINY_T5, "method=full", "trainer.max_epochs=1")


@pytest.fixture(scope="module")
def predictor(pairs: Path) -> Predictor:
    return load(pairs)


def two(number: int) -> tuple[str, str]:
    row = ticket(number)
    return row["subject"], row["body"]


def test_a_list_gives_as_many_predictions_in_its_order(predictor: Predictor) -> None:
    examples = [two(number) for number in range(20)]
    many = predictor(examples)
    assert len(many) == 20
    for example, prediction in zip(examples, many, strict=True):
        alone = predictor(example)
        assert alone.label == prediction.label
        assert alone.probability == pytest.approx(prediction.probability, abs=1e-5)
    assert len({prediction.label for prediction in many}) > 1, "then their order would not show"


def test_batches_of_any_size_say_the_same(predictor: Predictor) -> None:
    rows = [ticket(number) for number in range(45)]
    first, second = (list(predictor.predictions(rows, size)) for size in (1, 2))
    assert [one.label for one in first] == [other.label for other in second]
    assert [one.probability for one in first] == pytest.approx([other.probability for other in second], abs=1e-5)


def test_every_way_to_give_a_pair(predictor: Predictor) -> None:
    subject, body = two(1)
    given = [
        predictor(subject, body),
        predictor((subject, body)),
        predictor({"body": body, "subject": subject, "x": 1}),
    ]
    given += [predictor([(subject, body)])[0], predictor(iter([[subject, body]]))[0]]
    assert len({prediction.label for prediction in given}) == 1
    assert predictor([]) == []


def test_a_prediction_has_its_label_its_probability_and_those_of_all_classes(predictor: Predictor) -> None:
    prediction = predictor(two(0))
    assert prediction.probabilities.keys() == set(TEAMS)
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert (
        prediction.probability == prediction.probabilities[prediction.label] == max(prediction.probabilities.values())
    )
    assert prediction.value is None
    assert repr(prediction).startswith(f"Prediction(label='{prediction.label}', probability=0.")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("one",), r"the example: tickets-\w+ takes subject and body, and 1 text came"),
        (("one", "two", "three"), "and 3 texts came"),
        ((["one", "two"],), r"example 1: tickets-\w+ takes subject and body, and 1 text came"),
        (([("a", "b"), ("a", "b", "c")],), "example 2: .* and 3 texts came"),
        (({"subject": "a"},), "the example: no column 'body'"),
        (("a", ""), "the example, body: '' is no text that could be read"),
        (([("a", "b"), ("a", None)],), "example 2, body: None is no text"),
        ((5,), "and 1 text came"),
    ],
)
def test_another_number_of_texts_or_no_text_is_an_error(given: Any, says: str, predictor: Predictor) -> None:
    with pytest.raises(InputError, match=says) as error:
        predictor(*given)
    assert str(error.value).isprintable()


def test_numbers_are_told_on_the_scale_of_their_data(numbers: Path) -> None:
    prediction, other = load(numbers)(["some words here", "some here"])
    assert prediction.value is not None
    assert 100.5 <= prediction.value <= 140.5
    assert float(prediction.label) == pytest.approx(prediction.value, rel=1e-3)
    assert (other.probability, dict(other.probabilities)) == (None, {})


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command_on_a_pair(pairs: Path, predictor: Predictor, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, f"run={pairs}", *two(2))
    expected = predictor(two(2))
    assert (code, out) == (0, f"{expected.label}\t{expected.probability:.3f}\n")
    code, out, _ = said(capsys, f"run={pairs}", *two(2), "all=true")
    assert len(out.splitlines()) == 4
    assert out.splitlines()[1].endswith(expected.label)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "json", "jsonl", "parquet"])
def test_the_command_on_a_file(
    suffix: str, pairs: Path, predictor: Predictor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"id": number, **ticket(number)} for number in range(7)]
    write_table(tmp_path / f"in.{suffix}", rows)
    made = tmp_path / f"out.{suffix}"
    code, out, _ = said(
        capsys, f"run={pairs}", f"input={tmp_path / f'in.{suffix}'}", f"output={made}", "batch_size=2", "all=true"
    )
    assert (code, out) == (0, f"7 examples: {made}\n")
    readers = {"csv": pd.read_csv, "tsv": lambda file: pd.read_csv(file, sep="\t"), "json": pd.read_json}
    readers |= {"jsonl": lambda file: pd.read_json(file, lines=True), "parquet": pd.read_parquet}
    frame = readers[suffix](made)
    expected = predictor([two(number) for number in range(7)])
    assert list(frame["id"]) == list(range(7))
    assert list(frame["subject"]) == [row["subject"] for row in rows]
    assert list(frame["prediction"]) == [prediction.label for prediction in expected]
    assert list(frame["probability"]) == pytest.approx([prediction.probability for prediction in expected], abs=1e-5)
    assert list(frame["probability of bug"]) == pytest.approx([p.probabilities["bug"] for p in expected], abs=1e-5)
    assert (made.stat().st_mode & 0o777) == (tmp_path / f"in.{suffix}").stat().st_mode & 0o777
    assert {path.name for path in tmp_path.iterdir()} == {f"in.{suffix}", f"out.{suffix}"}


def test_a_file_without_an_output_is_answered_on_the_screen(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table(tmp_path / "in.csv", [ticket(number) for number in range(5)])
    code, out, _ = said(capsys, f"run={pairs}", f"input={tmp_path / 'in.csv'}")
    assert code == 0
    assert [line.split("\t")[0] in TEAMS for line in out.splitlines()] == [True] * 5


def test_what_is_piped_in_is_answered_line_by_line(
    pairs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join("\t".join(two(number)) + "\n" for number in range(3))))
    code, out, _ = said(capsys, f"run={pairs}")
    assert (code, len(out.splitlines())) == (0, 3)
    monkeypatch.setattr(sys, "stdin", io.StringIO("a\tb\njust one\n"))
    code, out, err = said(capsys, f"run={pairs}", "input=-")
    assert (code, out) == (2, "")
    assert "line 2 of what is piped in" in err


def mistakes(folder: Path) -> list[tuple[list[str], str]]:
    write_table(folder / "in.csv", [ticket(0)])
    write_table(folder / "done.csv", [{**ticket(0), "prediction": "x"}])
    write_table(folder / "other.csv", [{"subject": "a", "text": "b"}])
    write_table(folder / "hole.csv", [ticket(0), {**ticket(1), "body": ""}])
    in_, out = f"input={folder / 'in.csv'}", f"output={folder / 'out.csv'}"
    return [
        (["one text"], "takes subject and body, and 1 text came"),
        ([in_, "a", "b"], "texts and input= came both"),
        (["a", "b", out], "output= goes with input=<file>"),
        ([f"input={folder / 'absent.csv'}", out], "absent.csv cannot be read (No such file"),
        ([f"input={folder / 'in.xlsx'}", out], "want a file that ends with one of"),
        ([in_, f"output={folder / 'out.xlsx'}"], "want a file that ends with one of"),
        ([in_, f"output={folder / 'in.csv'}"], "is the input, which would be lost"),
        ([in_, f"output={folder / 'no' / 'out.csv'}"], "make it first"),
        ([f"input={folder / 'done.csv'}", out], "has a column prediction already"),
        ([f"input={folder / 'other.csv'}", out], "other.csv, example 1: no column 'body'"),
        ([f"input={folder / 'hole.csv'}", out], "hole.csv, example 2, body: '' is no text"),
        ([in_, "batch_size=0"], "batch_size=0: a whole number of at least 1"),
        ([in_, "all=yes"], "all=yes: true or false"),
        (["run="], "which run? give run=<folder of a run>"),
    ]


def test_a_mistake_is_one_line_before_torch_is_imported(pairs: Path, tmp_path: Path) -> None:
    """All of them in one process, in which importing torch is an error."""
    (tmp_path / "stub").mkdir()
    (tmp_path / "stub" / "torch.py").write_text("raise AssertionError('torch was imported')")
    cases = mistakes(tmp_path)
    lines = [[f"run={pairs}", *arguments] for arguments, _ in cases]
    code = (
        "import json, sys; from read_repro.prediction.command import main\n"
        "for line in json.loads(sys.argv[1]): print(main(line), file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, json.dumps(lines)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path / "stub"), str(ROOT)))},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = ended.stderr.splitlines()
    assert told[1::2] == ["2"] * len(cases), ended.stderr
    for (_, says), line in zip(cases, told[::2], strict=True):
        assert says in line
        assert line.startswith("error: ")
    assert ended.stdout == ""
    assert not (tmp_path / "out.csv").exists()


def test_help_and_an_end_of_input_without_text(capsys: pytest.CaptureFixture[str], pairs: Path) -> None:
    code, out, _ = said(capsys, "--help")
    assert code == 0
    for word in ("run=", "input=", "output=", "all=true", "batch_size", "tab"):
        assert word in out


def test_the_script_of_a_checkout_answers(pairs: Path) -> None:
    ended = subprocess.run(
        [sys.executable, str(ROOT / "predict.py"), f"run={pairs}"], input="a\tb\n", capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=pairs, timeout=120, check=True,
    )  # fmt: skip
    (row,) = csv.reader([ended.stdout.strip()], delimiter="\t")
    assert row[0] in TEAMS
    assert ended.stderr == "", "no bar and no warning where no terminal is"
