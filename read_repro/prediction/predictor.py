"""Texts in, labels out, in batches: what a loaded run does."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import overload

import torch
from transformers import PreTrainedTokenizerBase

from read_repro.data.batches import collate, encode
from read_repro.data.tasks import Row, Task
from read_repro.methods.base import Method
from read_repro.prediction.examples import Texts, rows_of_examples

BATCH_SIZE = 32
SORTED_TOGETHER = 20  # so many batches' examples are sorted by length, so that little is padded


@dataclass(frozen=True)
class Prediction:
    """What a run says of one example.

    Args:
        label: the class's name, or the number of a regression task as text.
        probability: that of the label; None for a number.
        probabilities: that of every class, by its name; empty for a number.
        value: the number of a regression task, on the scale of its data; None for a class.
    """

    label: str
    probability: float | None
    probabilities: Mapping[str, float] = field(repr=False)
    value: float | None = None


@dataclass(frozen=True)
class Predictor:
    """A trained run: ``p("text")`` is one prediction, ``p(["a", "b"])`` a list of two.

    An example of a task of pairs is a tuple, ``p(("premise", "hypothesis"))``, or has its texts by their columns,
    ``p({"premise": "...", "hypothesis": "..."})``; a list holds as many of them as you like. Two texts by themselves
    are a pair, too.
    """

    task: Task
    text_to_text: bool
    tokenizer: PreTrainedTokenizerBase
    method: Method
    targets: str
    max_source_tokens: int
    prompted: bool = False

    @overload  # a text, too, could be iterated over
    def __call__(self, example: str | tuple[str, ...] | Mapping[str, object], *second: str) -> Prediction: ...  # type: ignore[overload-overlap]

    @overload
    def __call__(self, example: Iterable[Texts]) -> list[Prediction]: ...

    def __call__(self, example: object, *second: str) -> Prediction | list[Prediction]:
        """One prediction for one example, a list of them for a list.

        Raises:
            InputError: another number of texts than the task takes, or a text that is none or is empty.
        """
        if not second and isinstance(example, Iterable) and not isinstance(example, str | tuple | Mapping):
            return list(self.predictions(rows_of_examples(self.task, example)))
        one = (example, *second) if second else example
        (row,) = rows_of_examples(self.task, [one], "the example")  # type: ignore[list-item]  # is checked there
        return next(self.predictions([row]))

    def predictions(self, rows: Sequence[Row], batch_size: int = BATCH_SIZE) -> Iterator[Prediction]:
        """The predictions of rows, in their order, as they are made."""
        together = batch_size * SORTED_TOGETHER
        for start in range(0, len(rows), together):
            chunk = rows[start : start + together]
            encoded = encode(
                self.task,
                list(chunk),
                self.tokenizer,
                text_to_text=self.text_to_text,
                prompted=self.prompted,
                targets=self.targets,
                max_source_tokens=self.max_source_tokens,
            )
            order = encoded.lengths.argsort(kind="stable").tolist()
            made: dict[int, Prediction] = {}
            for first in range(0, len(order), batch_size):
                indices = order[first : first + batch_size]
                batch = collate(
                    [encoded.examples[index] for index in indices], pad_id=int(self.tokenizer.pad_token_id or 0)
                )
                made |= zip(indices, self._of_batch(batch), strict=True)
            yield from (made[index] for index in range(len(chunk)))

    def _of_batch(self, batch: dict[str, torch.Tensor]) -> list[Prediction]:
        batch = {key: value.to(self.method.device) for key, value in batch.items()}
        if self.task.regression:
            numbers = [self.task.number(value) for value in self.method.predict(batch).tolist()]
            return [Prediction(f"{number:.4g}", None, {}, number) for number in numbers]
        ids, chances = self.method.predict_with_probabilities(batch)
        names = self.task.classes
        return [
            Prediction(names[int(index)], row[int(index)], dict(zip(names, row, strict=True)))
            for index, row in zip(ids.tolist(), chances.tolist(), strict=True)
        ]
