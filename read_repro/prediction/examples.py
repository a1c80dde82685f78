"""What a person may give to be predicted, as the rows that a task reads."""

from collections.abc import Iterable, Mapping, Sequence

from read_repro.data.tasks import Row, Task
from read_repro.errors import InputError
from read_repro.foreign import shown

Texts = str | Sequence[str] | Mapping[str, object]  # a text; a task's texts in order; or its texts by their columns


def rows_of_examples(task: Task, examples: Iterable[Texts], place: str = "example {}") -> list[Row]:
    """The rows of examples; ``place`` names one in a message, by its number from 1.

    Raises:
        InputError: an example has another number of texts than the task, or one that is no text or is empty.
    """
    return [_row(task, example, place.format(number)) for number, example in enumerate(examples, start=1)]


def _row(task: Task, example: Texts, place: str) -> Row:
    texts: Sequence[object]
    if isinstance(example, Mapping):
        if lacking := [column for column in task.columns if column not in example]:
            raise InputError(f"{place}: no column {shown(lacking[0])}; {_wanted(task)}")
        texts = [example[column] for column in task.columns]
    else:
        texts = [example] if isinstance(example, str) or not isinstance(example, Sequence) else list(example)
    if len(texts) != len(task.columns):
        raise InputError(f"{place}: {_wanted(task)}, and {len(texts)} text{'s' * (len(texts) != 1)} came")
    for column, text in zip(task.columns, texts, strict=True):
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{place}, {column}: {shown(text)} is no text that could be read; want one, not empty")
    return dict(zip(task.columns, texts, strict=True))  # type: ignore[arg-type]  # all of them are texts, as was checked


def _wanted(task: Task) -> str:
    return f"{task.name} takes {' and '.join(task.columns)}"
