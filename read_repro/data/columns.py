"""Which columns of a user's own table are texts and which is the label, where that is not said.

A guess is made only where one answer stands out, and it is always told; otherwise one line asks.
"""

import re
from collections.abc import Sequence
from typing import Any

from read_repro.data.tasks import label_text
from read_repro.errors import InputError
from read_repro.foreign import shown

Rows = Sequence[dict[str, Any]]
LABEL_NAMES = ("label", "labels", "class", "category", "target", "sentiment", "intent", "topic", "rating", "score", "y")
MOST_TEXTS = 2  # an encoder reads a sentence or a pair
MOST_CLASSES = 20  # of whole numbers; more of them may as well be numbers
DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(\D.*)?")  # days repeat as classes do
CODE = re.compile(r"[\x21-\x7e]+|[\d\s:./T+-]+Z?")  # a word without spaces (an address, a key), or a date


def label_column(rows: Rows, said: str | None, texts: Sequence[str] | None, file: str) -> str:
    """The label's column: the one that is said, or is called so, or alone has few values that repeat.

    Raises:
        InputError: there is no such column, or no single one.
    """
    columns = list(rows[0])
    if said is not None:
        _there(said, columns, file, "task.label")
        return said
    others = [column for column in columns if column not in (texts or ())]
    called = [column for column in others if column.strip().lower() in LABEL_NAMES]
    exact = [column for column in called if column.strip().lower() in LABEL_NAMES[:2]]
    for found in (exact, called, [column for column in others if _repeats(_values(rows, column))]):
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(f"{file}: the label could be in {_list(found)}; say which, task.label={found[0]}")
    raise InputError(
        f"{file}: none of its columns, {_list(columns)}, looks like a label; say which, task.label=<column> (the first "
        "line of a CSV has to name the columns)"
    )


def text_columns(rows: Rows, said: Sequence[str] | None, label: str, file: str) -> tuple[str, ...]:
    """The one or two columns of texts: those that are said, or else all that read like sentences.

    Raises:
        InputError: there is no such column, none looks like a text, or more than two do.
    """
    columns = list(rows[0])
    for column in said or ():
        _there(column, columns, file, "task.columns")
        if column == label:
            raise InputError(f"{file}: the column {shown(column)} cannot be a text and the label, too")
    others = [column for column in columns if column != label and column is not None]
    found = list(said or [column for column in others if _reads_like_text(_values(rows, column))])
    if not found:  # then single words may be all there is
        found = [column for column in others if _are_words(_values(rows, column))]
    if not found or len(found) > MOST_TEXTS:
        which = (
            f"{_list(found)} could be texts, and two at most can be read" if found else "no column looks like a text"
        )
        raise InputError(f"{file}: {which}; say which, task.columns=[{', '.join((found or others or columns)[:2])}]")
    return tuple(found)


def _there(column: str, columns: Sequence[str], file: str, key: str) -> None:
    if column not in columns:
        raise InputError(f"{file}: {key} names {shown(column)}, which is no column; there are {_list(columns)}")


def _list(columns: Sequence[Any]) -> str:
    names = ", ".join(str(column) if str(column).isprintable() else shown(column) for column in columns[:12])
    return names if len(names) <= 300 else f"{names[:300]}..."


def _values(rows: Rows, column: str) -> list[Any]:
    """What stands in a column, without what is empty."""
    return [value for row in rows if (value := row.get(column)) is not None and str(value).strip()]


def _repeats(values: Sequence[Any]) -> bool:
    """Whether values are few and short, and come again and again: what class names do."""
    names = {label_text(value) for value in values}
    short = all(len(name) <= 100 and len(name.split()) <= 8 for name in names)
    dates = all(DATE.fullmatch(name) for name in names)
    plain = not any(isinstance(value, list | dict) for value in values)
    return 2 <= len(names) <= min(200, len(values) // 2) and short and plain and not dates


def _are_words(values: Sequence[Any]) -> bool:
    return bool(values) and all(isinstance(value, str) for value in values) and not all(map(is_number, values))


def _reads_like_text(values: Sequence[Any]) -> bool:
    """Whether values are texts, most of them different from each other, and not numbers, dates, keys or addresses."""
    if not _are_words(values) or all(CODE.fullmatch(value.strip()) for value in values):
        return False
    return len(set(values)) > len(values) / 2 or sum(len(value.split()) for value in values) >= 5 * len(values)


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, or a text that is one."""
    try:
        return not isinstance(value, bool) and abs(float(value)) < float("inf")
    except (TypeError, ValueError):
        return False
