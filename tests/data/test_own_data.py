"""Own data: what is found in a file and said, what can be said instead, and every mistake in one line before torch."""

import json
import logging
import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from places import CONF

from read_repro.data import sources
from read_repro.data.own_task import completed
from read_repro.data.splits import permutation, split
from read_repro.data.tasks import Task
from read_repro.errors import InputError

SHIPPED = yaml.safe_load((CONF / "task" / "custom.yaml").read_text())["task"]
TEAMS = ("billing", "Login & access", "shipping", "bug")


def tickets(count: int = 80, seed: int = 0) -> list[dict[str, Any]]:
    """Tickets with what real exports have besides texts and labels: keys, dates, addresses, a priority."""
    rng = random.Random(seed)
    return [
        {
            "ticket_id": f"T-{1000 + i}",
            "created": f"2026-01-{1 + i % 28:02d} 10:{i % 60:02d}:00",
            "day": f"2026-01-{1 + i % 28:02d}",  # few and repeated, as labels are
            "from": f"user{i}@example.com",
            "subject": f"About order {i} and the {rng.choice(['app', 'bill', 'parcel'])}",
            "body": f"Hello, ticket {i} is about {TEAMS[i % 4]}, please help me soon, thanks.",
            "team": TEAMS[i % 4],
            "minutes": 5 + 7 * i,
        }
        for i in range(count)
    ]


def write(file: Path, rows: list[dict[str, Any]]) -> Path:
    frame = pd.DataFrame(rows)
    if file.suffix == ".parquet":
        frame.to_parquet(file)
    elif file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif file.suffix == ".json":
        file.write_text(json.dumps(rows), encoding="utf-8")
    else:
        frame.to_csv(file, index=False, sep="\t" if file.suffix == ".tsv" else ",")
    return file


def found(path: Path, **said: Any) -> Task:
    """The task of a file, as a run has it."""
    keywords = completed({**SHIPPED, **said}, {"source": "own", "path": str(path)})
    assert json.loads(json.dumps(keywords)) == keywords, "the record holds plain values"
    return Task(**{key: value for key, value in keywords.items() if key != "_target_"})


@pytest.mark.parametrize("suffix", ["csv", "tsv", "json", "jsonl", "parquet"])
def test_columns_label_and_classes_are_found_and_said(
    suffix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = write(tmp_path / f"tickets.{suffix}", tickets())
    with caplog.at_level(logging.INFO):
        task = found(file)
    assert (task.columns, task.label, task.classes) == (("subject", "body"), "team", tuple(sorted(TEAMS)))
    assert (task.metric, task.split, task.hold_out) == ("macro_f1", "hold_out_both", 8)
    assert task.words == task.classes, "T5 writes the class names as they are"
    (line,) = (record.getMessage() for record in caplog.records)
    for said in (
        "tickets",
        "80 examples",
        "subject and body",
        "label: team",
        "4 classes, Login & access (20)",
        "8 exa",
    ):
        assert said in line
    rows = sources.read(task, source="own", path=str(file))[file.name]
    assert [task.classes[row["label"]] for row in rows] == [row["team"] for row in tickets()]


def test_one_file_is_split_by_the_papers_permutation_whatever_the_seed(tmp_path: Path) -> None:
    file = write(tmp_path / "tickets.csv", tickets())
    task = found(file)
    tables = sources.read(task, source="own", path=str(file))
    splits = split(task, tables, train_limit=None)
    rows, order = tables["tickets.csv"], permutation(80)
    assert splits.sizes == {"train": 64, "validation": 8, "test": 8}
    assert splits.validation == [rows[i] for i in order[:8]]
    assert splits.test == [rows[i] for i in order[8:16]]
    assert splits.train == [rows[i] for i in order[16:]]
    assert not splits.cut
    assert splits.labels == ()


def test_another_file_of_the_same_name_is_another_task(tmp_path: Path) -> None:
    file = write(tmp_path / "my tickets.csv", tickets())
    first = found(file)
    (tmp_path / "other").mkdir()
    same = found(write(tmp_path / "other" / "my tickets.csv", tickets()))
    other = found(write(tmp_path / "other" / "my tickets.json", tickets(seed=1)))
    assert first.name == same.name
    assert first.name.startswith("my-tickets-")
    assert other.name != first.name
    assert found(file, name="cola").name == f"cola-{first.name[-8:]}", "and never one of GLUE's"


@pytest.mark.parametrize(
    ("names", "rule", "sizes"),
    [
        (("train", "validation", "test"), "keep", (80, 80, 80)),
        (("train", "dev"), "halve_validation", (80, 40, 40)),
        (("train", "test"), "hold_out_train", (72, 8, 80)),
        (("train",), "hold_out_both", (64, 8, 8)),
    ],
)
def test_a_folder_has_the_splits_that_lie_in_it(
    names: tuple[str, ...], rule: str, sizes: tuple[int, ...], tmp_path: Path
) -> None:
    for seed, name in enumerate(names):
        write(tmp_path / f"{name}.csv", tickets(seed=seed))
    (tmp_path / "notes.txt").write_text("not data")
    task = found(tmp_path)
    splits = split(task, sources.read(task, source="own", path=str(tmp_path)), train_limit=None)
    assert task.split == rule
    assert tuple(splits.sizes.values()) == sizes


def test_a_large_training_file_with_a_validation_file_is_held_out_from_as_in_the_paper(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", tickets(10_000))
    write(tmp_path / "validation.parquet", tickets(100, seed=1))
    task = found(tmp_path)
    assert (task.split, task.hold_out) == ("hold_out_train", 1000)


def test_everything_can_be_said(tmp_path: Path) -> None:
    rows = [{**row, "label": "high" if i % 3 else "low"} for i, row in enumerate(tickets())]
    file = write(tmp_path / "tickets.csv", rows)
    assert found(file).label == "label", "what is called so goes before what looks so"
    classes = [*TEAMS]
    task = found(file, columns=["body"], label="team", metric="accuracy", classes=classes, name="mine")
    assert (task.columns, task.label, task.classes, task.metric) == (("body",), "team", TEAMS, "accuracy")


@pytest.mark.parametrize("labels", [[f"{i / 10:.1f}" for i in range(80)], [float(i) for i in range(80)]])
def test_float_labels_are_a_regression_on_their_own_scale(labels: list[Any], tmp_path: Path) -> None:
    file = write(tmp_path / "t.jsonl", [{"text": f"so long a text {i}", "y": y} for i, y in enumerate(labels)])
    task = found(file)
    assert task.regression
    assert (task.metric, task.number_range) == ("pearson_spearman", (float(labels[0]), float(labels[-1])))
    rows = sources.read(task, source="own", path=str(file))["t.jsonl"]
    assert (rows[0]["label"], rows[-1]["label"]) == (0.0, 5.0)
    assert task.number(rows[7]["label"]) == pytest.approx(float(labels[7]))
    assert found(file, metric="spearman").metric == "spearman"


def test_whole_numbers_are_classes_while_they_are_few(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", [{"text": f"so long a text {i}", "stars": 1 + i % 10} for i in range(80)])
    assert found(file).classes == tuple(map(str, range(1, 11)))
    task = found(file, regression=True)
    assert task.number_range == (1.0, 10.0)
    assert found(write(tmp_path / "n.csv", tickets()), label="minutes", regression=True).number_range == (5.0, 558.0)


def test_a_csv_of_a_european_spreadsheet(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(
        b"\xef\xbb\xbf" + "".join(["Text;Klasse\r\n", *(f'"Größe; {i}";{"äö"[i % 2]}\r\n' for i in range(20))]).encode()
    )
    task = found(tmp_path / "t.csv")
    assert (task.columns, task.label, task.classes) == (("Text",), "Klasse", ("ä", "ö"))


def test_single_words_are_texts_where_there_is_nothing_else(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", [{"name": f"word{i}", "label": "ab"[i % 2]} for i in range(20)])
    assert found(file).columns == ("name",)


def good() -> list[dict[str, Any]]:
    return [{"text": f"so long a text {i}", "label": "ab"[i % 2]} for i in range(20)]


def changed(row: int, **values: Any) -> list[dict[str, Any]]:
    rows = good()
    rows[row] |= values
    return rows


MISTAKES: list[tuple[str, Any, dict[str, Any], str]] = [
    (
        "a missing text column",
        good(),
        {"columns": ["body"]},
        "task.columns names 'body', which is no column; there are",
    ),
    (
        "a missing label column",
        good(),
        {"label": "team"},
        "task.label names 'team', which is no column; there are text",
    ),
    ("an empty file", b"", {}, "has no examples"),
    ("a header alone", b"text,label\n", {}, "has no examples"),
    ("a single class", [{**row, "label": "a"} for row in good()], {}, "every label in label is 'a'; want two classes"),
    (
        "a class with one example",
        changed(3, label="c"),
        {},
        "the class 'c' has 1 example, and can be learned or tested",
    ),
    ("a label that is empty", changed(3, label=""), {}, "1 of 20 labels in label are missing, the first in example 4"),
    ("a label that is NaN", changed(3, label="NaN"), {}, "1 of 20 labels in label are missing, the first in example 4"),
    ("a number that is NaN", [{**row, "label": "nan" if i == 5 else i / 7} for i, row in enumerate(good())], {}, "mis"),
    ("latin-1", "text,label\nGröße,1\n".encode("latin-1"), {}, "it is not UTF-8 (byte 0xf6 at 13); save it as UTF-8"),
    ("UTF-16", "text,label\nGröße,1\n".encode("utf-16"), {}, "it is UTF-16; save it as UTF-8"),
    ("two columns alike", b"text,text,label\na,b,c\n", {}, "two columns are called 'text'"),
    (
        "two labels",
        [{"text": r["text"], "a": r["label"], "b": r["label"]} for r in good()],
        {},
        "could be in a, b; say",
    ),
    ("no label", [{"text": r["text"]} for r in good()], {}, "none of its columns, text, looks like a label; say which"),
    (
        "three texts",
        [{**r, "b": r["text"] + "x", "c": r["text"]} for r in good()],
        {},
        "text, b, c could be texts, and",
    ),
    (
        "no text",
        [{"n": i, "label": "ab"[i % 2]} for i in range(20)],
        {},
        "no column looks like a text; say which, task.",
    ),
    ("the label as a text", good(), {"columns": ["label"], "label": "label"}, "'label' cannot be a text and the label"),
    ("all different", good(), {"label": "text", "columns": ["label"]}, "cannot be called label"),
    ("too few", good()[:8], {}, "has 8 examples; want 10 or more"),
    ("no such metric", good(), {"metric": "bleu"}, "metric='bleu' is unknown; for 2 classes; allowed: accuracy, mac"),
    ("not of numbers", good(), {"metric": "pearson"}, "metric='pearson' does not fit 2 classes; allowed: accuracy, ma"),
    ("no numbers", good(), {"regression": True}, "task.regression=true, but the label 'a' is no number"),
    ("no such class", good(), {"classes": ["a", "c"]}, "example 2: the label 'b' is none of the classes a, c"),
    ("a class of none", good(), {"classes": ["a", "b", "c"]}, "the class 'c' has 0 examples, and can be learned"),
    (
        "many whole numbers",
        [{**r, "label": i} for i, r in enumerate(good() * 2)],
        {},
        "40 different whole numbers; say",
    ),
    ("one number", [{**r, "label": 0.5} for r in good()], {}, "every label in label is 0.5; there is nothing to learn"),
    (
        "a class that is code",
        [{**r, "label": "${x}" if i % 2 else "b"} for i, r in enumerate(good())],
        {},
        "'${x}' canno",
    ),
    ("fields too many", b"text,label\na,b,c\n", {}, "more fields than columns; quote a text that holds a separator"),
    ("no JSON", b"{", {}, "cannot be read as"),
]


@pytest.mark.parametrize(("content", "said", "message"), [case[1:] for case in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_one_line(content: Any, said: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = tmp_path / ("t.json" if content == b"{" else "t.csv")
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        write(file, content)
    with pytest.raises(InputError) as error:
        found(file, **said)
    assert message in str(error.value)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 400


def test_a_place_that_holds_no_data(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\n")
    (tmp_path / "b.csv").write_text("text,label\n")
    with pytest.raises(InputError, match=r"holds a.csv, b.csv; want train, validation and test"):
        found(tmp_path)
    write(tmp_path / "train.csv", good())
    write(tmp_path / "train.json", good())
    with pytest.raises(InputError, match=r"has train.csv and train.json for train: leave one of them"):
        found(tmp_path)
    with pytest.raises(InputError, match=r"absent.csv cannot be read"):
        found(tmp_path / "absent.csv")
    with pytest.raises(InputError, match=r"want a file that ends with one of .parquet, .jsonl, .csv, .tsv, .json"):
        found(tmp_path / "tickets.xlsx")
    with pytest.raises(InputError, match=r"leave that out, and give data.path=<file>"):
        completed(SHIPPED, {"source": "hub", "path": "nyu-mll/glue"})


def test_a_class_whose_every_example_is_held_out_is_named(tmp_path: Path) -> None:
    rows = good()
    for index in permutation(20)[:2]:
        rows[index]["label"] = "rare"
    file = write(tmp_path / "t.csv", rows)
    task = found(file)
    with pytest.raises(InputError, match=r"every example of rare is held out .* data.path=<folder>"):
        split(task, sources.read(task, source="own", path=str(file)), train_limit=None)
