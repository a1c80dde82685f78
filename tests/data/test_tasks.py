"""Text formats, label words and ids of the seven tasks, pinned by example."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from places import CONF, GLUE, needs_glue

from read_repro.data import sources
from read_repro.data.tasks import Task
from read_repro.errors import InputError

FILES = sorted(file for file in (CONF / "task").glob("*.yaml") if file.stem != "custom")  # own data's: test_own_data
TASKS: dict[str, Task] = {file.stem: instantiate(OmegaConf.load(file)) for file in FILES}
ROW = {"premise": "A", "hypothesis": "B", "question": "A", "question1": "A", "question2": "B"}
ROW |= {"sentence": "B", "sentence1": "A", "sentence2": "B"}

SOURCES = {
    "cola": "cola sentence: B",
    "sst2": "sst2 sentence: B",
    "mrpc": "mrpc sentence1: A sentence2: B",
    "stsb": "stsb sentence1: A sentence2: B",
    "qqp": "qqp question1: A question2: B",
    "qnli": "qnli question: A sentence: B",
    "mnli": "mnli hypothesis: B premise: A",
}
WORDS = {
    "cola": ("unacceptable", "acceptable"),
    "sst2": ("negative", "positive"),
    "mrpc": ("not_equivalent", "equivalent"),
    "qqp": ("not_duplicate", "duplicate"),
    "qnli": ("entailment", "not_entailment"),
    "mnli": ("entailment", "neutral", "contradiction"),
}


def test_the_seven_tasks_are_there():
    assert set(SOURCES) <= set(TASKS)
    assert all(task.name == file for file, task in TASKS.items())


@pytest.mark.parametrize("name", SOURCES)
def test_source_text_is_t5s_own(name):
    assert TASKS[name].source(ROW) == SOURCES[name]


@pytest.mark.parametrize("name", SOURCES)
def test_source_text_with_digits_is_lsts(name):
    expected = "mnli premise: A hypothesis B" if name == "mnli" else SOURCES[name]
    assert TASKS[name].source(ROW, "digits") == expected


def test_braces_in_a_text_are_text():
    assert TASKS["cola"].source({"sentence": "{label} {0}"}) == "cola sentence: {label} {0}"


@pytest.mark.parametrize("name", WORDS)
def test_label_words_in_order_of_ids(name):
    task = TASKS[name]
    assert task.answers("words") == WORDS[name]
    assert task.answers("digits") == tuple(str(i) for i in range(len(WORDS[name])))
    assert task.outputs == len(WORDS[name])
    assert not task.regression


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("targets", ["words", "digits"])
def test_every_answer_is_parsed_back_to_what_wrote_it(name, targets):
    task = TASKS[name]
    assert all(task.target(task.value(answer), targets) == answer for answer in task.answers(targets))
    assert len(set(task.answers(targets))) == len(task.answers(targets))


@pytest.mark.parametrize(
    ("label", "words", "digits"),
    [
        (0, "0.0", "0.0"),
        (5.0, "5.0", "5.0"),
        (3.799999952316284, "3.8", "3.8"),  # float32, as the hub has it
        (2.75, "2.8", "2.8"),
        (1.5, "1.6", "1.5"),
        (2.5, "2.4", "2.5"),  # halves to the even neighbour
        (0.25, "0.2", "0.2"),
        (4.917, "5.0", "4.9"),
        (0.1, "0.0", "0.1"),  # a half in 32 bit: 5 x 0.1 is 0.5, to the even 0
        (1.7, "1.6", "1.7"),
        (3.1, "3.2", "3.1"),
        (1.45, "1.4", "1.5"),  # above the half, for LST's authors take the 32-bit 1.4500000477 times 10 in 64 bit
    ],
)
@pytest.mark.parametrize("width", [np.float32, np.float64])
def test_stsb_numbers(label, words, digits, width):
    task, label = TASKS["stsb"], float(width(label))
    assert task.regression
    assert task.outputs == 1
    assert task.target(label, "words") == words
    assert task.target(label, "digits") == digits
    assert words in task.answers("words")
    assert digits in task.answers("digits")


@needs_glue
def test_stsb_words_are_t5s_whatever_the_width_of_the_files_column():
    labels = [
        row["label"] for table in sources.read(TASKS["stsb"], source="local", path=str(GLUE)).values() for row in table
    ]
    narrow = np.array(labels, dtype=np.float32)
    theirs = [f"{value:.1f}" for value in np.round(narrow * np.float32(5)) / np.float32(5)]  # in 32 bit throughout
    assert len(labels) == 7_248
    for column in (np.array(labels, dtype=np.float64), narrow):
        assert [TASKS["stsb"].target(label, "words") for label in column.tolist()] == theirs


def test_stsb_answers():
    task = TASKS["stsb"]
    assert len(task.answers("words")) == 26
    assert task.answers("words")[:3] == ("0.0", "0.2", "0.4")
    assert len(task.answers("digits")) == 51
    assert task.value("3.4") == 3.4


def test_a_text_that_is_no_answer():
    with pytest.raises(InputError, match="acceptable"):
        TASKS["cola"].value("good")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "thirds"}, "halve_validation"),
        ({"words": ("no",)}, "1 words for 2 classes"),
        ({"classes": (), "words": ()}, "bounds"),
        ({"split": "keep"}, "test"),
        ({"split": "hold_out_train"}, "hold_out"),
        ({"metric": "makro_f1"}, "'makro_f1' is unknown; for 2 classes; allowed: accuracy, macro_f1, matthews, f1, "),
        ({"metric": "spearman"}, "'spearman' does not fit 2 classes"),
        (
            {"classes": ("a", "b", "c"), "words": (), "metric": "f1"},
            "'f1' does not fit 3 classes; allowed: accuracy, m",
        ),
        ({"number_range": (2.0, 1.0)}, "number_range"),
    ],
)
def test_a_task_that_contradicts_itself(change, message):
    with pytest.raises(InputError, match=message):
        replace(TASKS["cola"], **change)


def test_a_label_may_be_a_class_by_name_or_by_id():
    task = replace(TASKS["cola"], classes=("yes", "no"), words=())
    assert [task.label_of(given) for given in ("no", " yes ", 0, "1", 1.0)] == [1, 0, 0, 1, 1]
    assert [task.label_of(given) for given in ("maybe", 2, -1, None, "", float("nan"), float("inf"))] == [None] * 7
    assert task.words == ("yes", "no")


def test_what_is_a_class_name_is_never_taken_for_an_id():
    task = replace(TASKS["cola"], classes=("1", "0"), words=())
    assert [task.label_of(given) for given in ("1", 1, "0", 0)] == [0, 0, 1, 1]
    assert [task.value(text, "words") for text in ("1", "0")] == [0, 1]
    assert [task.value(text, "digits") for text in ("0", "1")] == [0, 1]


def test_numbers_on_a_scale_of_their_own_are_learned_on_that_of_the_bounds_and_told_on_theirs():
    task = replace(TASKS["stsb"], number_range=(-100.0, 300.0))
    assert [task.label_of(given) for given in (-100, "100", 300.0)] == [0.0, 2.5, 5.0]
    assert [task.number(value) for value in (0.0, 2.5, 5.0)] == [-100.0, 100.0, 300.0]
    assert task.label_of(301) is None
    assert TASKS["stsb"].number(2.5) == 2.5


def test_without_a_text_of_its_own_a_task_writes_its_columns():
    task = replace(TASKS["mrpc"], text=None)
    assert task.source({"sentence1": "A {x}", "sentence2": "B"}) == "sentence1: A {x} sentence2: B"


def test_tasks_and_sources_import_without_torch_and_datasets():
    block = "import sys; sys.modules['torch'] = sys.modules['datasets'] = None; "
    code = f"{block}import read_repro.data.sources, read_repro.data.own_task"
    subprocess.run([sys.executable, "-c", code], check=True)
