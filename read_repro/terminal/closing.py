"""How a run ends: its scores beside the commonest answer's, what it took, where its record is, and how to use it."""

import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Group, RenderableType

from read_repro.records.record import Record
from read_repro.terminal.words import (
    ENERGY_KINDS,
    PEAK_KINDS,
    UNMEASURED,
    columns,
    duration,
    energy,
    first_measured,
    named_values,
    score_name,
    trained,
    two_digits,
)

MOST_COLUMNS = 8  # a confusion matrix of more classes is in the record, and no screen is wide enough for it


def closing(record: Record) -> RenderableType:
    """What a run has come to, for one that has scores."""
    return Group("", scores(record), *_by_class(record), named_values(_took(record)))


def how_to_use(record: Record, path: Path) -> str:
    """Where a run's record is, and the command that predicts with it: lines that nothing breaks, so that they can be
    copied from a terminal.
    """
    return f"  record         {path}\n  predict        {predict_line(record, path.parent)}"


def scores(record: Record) -> RenderableType:
    """Every metric of the task by its name, on validation and on test."""
    rows = list(_scores(record.metrics))
    return columns(("", "validation", "test"), rows)


def _scores(metrics: Mapping[str, float | None]) -> Iterator[tuple[str, str, str]]:
    parts = [key.removeprefix("test/") for key in metrics if key.startswith("test/")]
    parts = [part for part in parts if part not in ("score", "majority", "loss")]
    for part in parts:
        yield part, two_digits(metrics.get(f"val/{part}")), two_digits(metrics.get(f"test/{part}"))
    if len(parts) != 1:
        yield score_name(metrics, "test"), two_digits(metrics.get("val/score")), two_digits(metrics.get("test/score"))
    yield "the commonest answer to all", UNMEASURED, two_digits(metrics.get("test/majority"))


def _by_class(record: Record) -> Iterator[RenderableType]:
    """Each class's scores on the test split, and which classes were taken for which; nothing for numbers."""
    if not record.classes:
        return
    rows = (
        (each.name, *map(two_digits, (each.precision, each.recall, each.f1)), str(each.examples))
        for each in record.classes
    )
    yield columns(("each class on test", "precision", "recall", "F1", "examples"), rows)
    if len(record.classes) <= MOST_COLUMNS:
        names = [each.name for each in record.classes]
        counts = zip(names, record.confusion, strict=True)
        yield columns(("true, by what it was taken for", *names), ((name, *map(str, row)) for name, row in counts))


def _took(record: Record) -> Iterator[tuple[str, str]]:
    metrics, most = record.metrics, record.config.get("trainer", {}).get("max_epochs", record.epochs)
    yield "epochs", f"{record.epochs} of at most {most}; the best was {record.best_epoch}"
    time_s = metrics.get("time/train_s")
    yield "time", UNMEASURED if time_s is None else f"{duration(time_s)} of training, validation included"
    spent = first_measured(record, ENERGY_KINDS)
    yield "energy", UNMEASURED if spent is None else f"{energy(spent[0])}, {spent[1]}"
    if (counted := metrics.get("energy/counter_kwh")) is not None:
        yield "", f"{energy(counted)}, by the GPU's own counter"
    if (filling_s := metrics.get("filling/time_s")) is not None:
        yield "frozen states", f"{duration(filling_s)} to fill in once, beside the above"
    peak = first_measured(record, PEAK_KINDS)
    yield "peak memory", UNMEASURED if peak is None else f"{peak[0]:.2f} GiB, {peak[1]}"
    yield "trained", trained(metrics)


def predict_line(record: Record, folder: Path) -> str:
    """The command that uses a run, with a place for each text that its task reads."""
    texts = [f'"<{column}>"' for column in record.config.get("task", {}).get("columns", ["text"])]
    beside = Path(sys.argv[0]).with_name("predict.py")
    command = ["python", str(beside)] if Path(sys.argv[0]).name == "train.py" and beside.exists() else []
    return " ".join([*(command or ["read-repro-predict"]), shlex.quote(f"run={folder}"), *texts])
