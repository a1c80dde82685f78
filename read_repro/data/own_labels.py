"""The labels of a user's own table: classes or numbers, each there and fit to be learned."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from read_repro.data.columns import MOST_CLASSES, Rows, is_number
from read_repro.data.tasks import label_text
from read_repro.errors import InputError
from read_repro.foreign import UNPRINTABLE, shown


def check_labels(rows: Rows, label: str, file: str) -> None:
    if label not in rows[0]:
        raise InputError(f"{file}: no column {shown(label)} for the label; its columns are {', '.join(rows[0])}")
    missing = [number for number, row in enumerate(rows, start=1) if _is_missing(row.get(label))]
    if missing:
        raise InputError(
            f"{file}: {len(missing):,} of {len(rows):,} labels in {label} are missing, the first in example "
            f"{missing[0]}: fill them in or leave the rows out"
        )


def _is_missing(value: Any) -> bool:
    return value is None or str(value).strip().lower() in ("", "nan")


def are_numbers(labels: Sequence[Any], *, regression: bool | None, classes: Sequence[str] | None, file: str) -> bool:
    """Whether labels are numbers: they are if any has a fraction or a decimal point and all can be read as numbers."""
    numbers = all(map(is_number, labels))
    if regression is not None or classes:
        if regression and not numbers:
            odd = next(value for value in labels if not is_number(value))
            raise InputError(f"{file}: task.regression=true, but the label {shown(odd)} is no number")
        return bool(regression)
    whole = not numbers or all(re.fullmatch(r"[+-]?\d+", label_text(value)) for value in labels)
    if numbers and whole and (values := len(set(map(float, labels)))) > MOST_CLASSES:
        raise InputError(
            f"{file}: the labels are {values} different whole numbers; say task.regression=true if they are amounts, "
            "or task.regression=false if each is a class"
        )
    return not whole


def class_names(
    tables: Mapping[str, Rows], label: str, files: Mapping[str, Path], said: Sequence[str] | None
) -> list[str]:
    """The class names, each with two examples or more to learn from."""
    file = files["train"]
    counts = Counter(label_text(row[label]) for row in tables["train"])
    numbers = all(map(is_number, counts))
    names = list(said or sorted(counts, key=lambda name: (float(name) if numbers else 0, name)))
    for split, rows in tables.items():
        for number, row in enumerate(rows, start=1):
            if (name := label_text(row[label])) not in names:
                where = f"{files[split]}, example {number}: the label {shown(name)}"
                raise InputError(f"{where} is none of the classes {', '.join(names[:20])}")
    if len(names) < 2:
        raise InputError(f"{file}: every label in {label} is {shown(names[0])}; want two classes or more")
    if len(names) > sum(counts.values()) / 2:
        raise InputError(
            f"{file}: {len(names):,} different labels in {label} for {sum(counts.values()):,} examples are no classes; "
            "say which column is the label, task.label=<column>"
        )
    if few := [name for name in names if counts[name] < 2]:
        raise InputError(
            f"{file}: the class {shown(few[0])} has {counts[few[0]]} example{'s' * (not counts[few[0]])}, and can be "
            "learned or tested but not both: add examples or leave it out"
        )
    if odd := [name for name in names if UNPRINTABLE.search(name) or "\n" in name or "${" in name]:
        raise InputError(f"{file}: {shown(odd[0])} cannot be a class's name: want one line without ${{")
    return names


def number_range(tables: Mapping[str, Rows], label: str, file: str) -> list[float]:
    """The lowest and highest label of all files."""
    for split, rows in tables.items():
        for number, row in enumerate(rows, start=1):
            if not is_number(row[label]):
                raise InputError(f"{file} ({split}), example {number}: the label {shown(row[label])} is no number")
    values = [float(row[label]) for rows in tables.values() for row in rows]
    if min(values) == max(values):
        raise InputError(f"{file}: every label in {label} is {values[0]:g}; there is nothing to learn")
    return [min(values), max(values)]
