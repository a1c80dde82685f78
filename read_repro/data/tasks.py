"""A task: which columns are read, how an example and its answer are written as text, what scores it (section 3.2).

The numbers and words of each GLUE task stand in ``conf/task/<name>.yaml``; a new task is one more such file. What a
user's own file leaves unsaid is found in it by ``read_repro.data.own_task``.
Text formats: Raffel et al. 2020, arXiv 1910.10683, appendix D (``words``); Sung et al. 2022, arXiv 2206.06522, as their
code runs it (``digits``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import get_args

import numpy as np

from read_repro.config.schema import Targets
from read_repro.data.metric_names import check_metric
from read_repro.errors import InputError
from read_repro.foreign import shown

Row = dict[str, str | int | float]  # a task's text columns and its "label"
SPLIT_RULES = ("keep", "halve_validation", "hold_out_train", "hold_out_both")
MAX_ANSWERS = 100_000  # so many label texts a regression task may have at most
TARGETS: tuple[str, ...] = get_args(Targets)


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task as plain values; an empty ``classes`` means regression.

    Args:
        name: the folder of the task in a local source and its configuration on the hub.
        columns: the text columns, in the order in which an encoder reads them as a pair.
        label: the column of the labels, which are class names or their ids.
        classes: class names in the order of their ids.
        words: T5's label word of each class; left out, its name.
        text: T5's source text, a format string over ``columns``; left out, ``column: value column: value``.
        lst_text: the source text with ``targets="digits"`` where LST's differs from T5's.
        metric: a key of ``metric_names.METRIC_PARTS``.
        split: one of ``SPLIT_RULES``, see ``read_repro.data.splits``.
        files: which file of the source stands for ``train``, ``validation`` and, where the rule takes one, ``test``.
        official: rows in each split of the full data, after splitting; empty if there is no such figure.
        hold_out: rows of train that become validation (rule ``hold_out_train``), and as many test (``hold_out_both``).
        bounds: lowest and highest value of a regression label.
        number_range: lowest and highest number in the files where their scale is another; they stand for ``bounds``.
        step: grid on which ``targets="words"`` writes a regression label.
    """

    name: str
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    metric: str
    split: str
    files: Mapping[str, str]
    label: str = "label"
    words: tuple[str, ...] = ()
    text: str | None = None
    official: Mapping[str, int] = field(default_factory=dict)
    lst_text: str | None = None
    hold_out: int | None = None
    bounds: tuple[float, ...] = ()
    number_range: tuple[float, ...] = ()
    step: float | None = None

    def __post_init__(self) -> None:
        """Turn Hydra's containers into plain ones and check what the fields promise each other."""
        for key in ("columns", "classes", "words", "bounds", "number_range"):
            object.__setattr__(self, key, tuple(getattr(self, key)))
        object.__setattr__(self, "words", self.words or self.classes)
        for key in ("files", "official"):
            object.__setattr__(self, key, dict(getattr(self, key)))
        if self.split not in SPLIT_RULES:
            raise InputError(f"task {self.name}: split={self.split} is unknown; allowed: {', '.join(SPLIT_RULES)}")
        if len(self.words) != len(self.classes):
            raise InputError(
                f"task {self.name}: {len(self.words)} words for {len(self.classes)} classes; one word each"
            )
        if self.regression and (len(self.bounds) != 2 or not self.step):
            raise InputError(f"task {self.name}: a task without classes needs bounds: [low, high] and step")
        if self.regression:
            (low, high), step = self.bounds, self.step or 0.0
            if not low < high or not 1 <= (high - low) / step <= MAX_ANSWERS or high - low > MAX_ANSWERS / 10:
                raise InputError(
                    f"task {self.name}: bounds [{low:g}, {high:g}] with step {step:g} make no answers, or more than "
                    f"{MAX_ANSWERS:,}"
                )
        for text in filter(None, (self.text, self.lst_text)):
            self._check_text(text)
        wanted = {"keep": {"train", "validation", "test"}, "hold_out_both": {"train"}}.get(
            self.split, {"train", "validation"}
        )
        if set(self.files) != wanted:
            raise InputError(
                f"task {self.name}: files names {sorted(self.files)}, split={self.split} takes {sorted(wanted)}"
            )
        if self.split.startswith("hold_out") and not self.hold_out:
            raise InputError(f"task {self.name}: split={self.split} needs hold_out, the rows of train to hold out")
        check_metric(self.name, self.metric, classes=len(self.classes))
        if self.number_range and not (len(self.number_range) == 2 and self.number_range[0] < self.number_range[1]):
            raise InputError(
                f"task {self.name}: number_range {list(self.number_range)} is not a lower and a higher number"
            )

    def _check_text(self, text: str) -> None:
        """Columns in braces and nothing else: a format string can also reach into Python's objects."""
        try:
            fields = [(name, spec, how) for _, name, spec, how in Formatter().parse(text) if name is not None]
        except ValueError as error:
            raise InputError(f"task {self.name}: its text is no template ({error})") from error
        odd = [name for name, spec, how in fields if name not in self.columns or spec or how]
        if odd:
            raise InputError(
                f"task {self.name}: its text asks for {shown(odd[0])}; allowed are its columns, "
                f"{', '.join(f'{{{column}}}' for column in self.columns)}"
            )

    @property
    def regression(self) -> bool:
        """Whether the label is a number rather than a class."""
        return not self.classes

    @property
    def outputs(self) -> int:
        """Width of a task head: one logit a class, or one number."""
        return len(self.classes) or 1

    def source(self, row: Row, targets: str = "words") -> str:
        """Text that T5 reads; GLUE's have the task's name in front."""
        template = self.lst_text if targets == "digits" and self.lst_text else self.text
        if template is None:
            return " ".join(f"{column}: {row[column]}" for column in self.columns)
        return template.format(**row)

    def target(self, label: int | float, targets: str) -> str:
        """Text that T5 is to write.

        ``words``: the class's word, or the number at the nearest multiple of ``step``; ``digits``: the class's id, or
        the number to one decimal. Halves go to the even neighbour, as they do in both papers' code.

        What is a half depends on the width of the numbers, so it is fixed here, whatever the width of a file's column.
        Both papers read 32-bit labels; T5 also multiplies in 32 bit, where 5 x 3.1 is exactly 15.5, LST in 64.
        """
        if not self.regression:
            return self.words[int(label)] if targets == "words" else str(int(label))
        narrow, per_unit = np.float32(label), self._per_unit(targets)
        scaled = narrow * np.float32(per_unit) if targets == "words" else float(narrow) * per_unit
        return f"{round(scaled) / per_unit:.1f}"

    def answers(self, targets: str) -> tuple[str, ...]:
        """Every text that ``target`` can return, in ascending order of id or number."""
        if not self.regression:
            return tuple(self.target(label, targets) for label in range(len(self.classes)))
        low, high = (round(bound * self._per_unit(targets)) for bound in self.bounds)
        return tuple(f"{tick / self._per_unit(targets):.1f}" for tick in range(low, high + 1))

    def value(self, text: str, targets: str | None = None) -> int | float:
        """Class id or number that an answer stands for, written as ``targets`` says or else as any of ``TARGETS``."""
        if self.regression:
            return float(text)
        for kind in TARGETS if targets is None else (targets,):
            if text in self.answers(kind):
                return self.answers(kind).index(text)
        raise InputError(f"task {self.name}: {text!r} is no answer; allowed: {', '.join(self.words)}, or a class id")

    def label_of(self, given: object) -> int | float | None:
        """The class id or the number (within ``bounds``) of a label as a file has it; None for what is none of ours.

        A class may be given by its name or by its id; what is a name is never taken for an id.
        """
        if not self.regression and (name := label_text(given)) in self.classes:
            return self.classes.index(name)
        try:
            value = float(given)  # type: ignore[arg-type]  # CSV brings labels as text, JSON may bring whole floats
        except (TypeError, ValueError, OverflowError):
            return None
        if not self.regression:
            return int(value) if value in range(len(self.classes)) else None
        low, high = self.number_range or self.bounds
        if not low <= value <= high:
            return None
        return (
            self.bounds[0] + (value - low) / (high - low) * (self.bounds[1] - self.bounds[0])
            if self.number_range
            else value
        )

    def number(self, value: float) -> float:
        """A predicted number on the scale that the files have."""
        if not self.number_range:
            return value
        (low, high), (bottom, top) = self.number_range, self.bounds
        return low + (value - bottom) / (top - bottom) * (high - low)

    def _per_unit(self, targets: str) -> int:
        return round(1 / self.step) if targets == "words" and self.step else 10


def label_text(given: object) -> str:
    """A label as text: what a file has, without spaces around it; true and false as JSON writes them."""
    return str(given).lower() if isinstance(given, bool) else str(given).strip()
