"""What a claim of the paper is: a sentence, its value as a function of table cells, and when it holds.

The claims themselves stand in the `claims_*` modules beside this one. Each is computed once from the paper's own tables
and once from every block of our records (`read_repro.tables.claims`), so the functions see nothing but `Cells`.
"""

import ast
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any

from read_repro.paper import TASKS

WITHIN = 0.01  # a claim printed in whole percent is met when it is met to within one point
BASELINES = ("full", "adapter", "lora", "bitfit", "prompt", "lst")
PETL = ("adapter", "lora", "bitfit", "prompt")  # the parameter-efficient methods that the paper sets READ against
SIZES = ("small", "base", "large", "3b")

CellName = tuple[str, str, str]  # table, row, column
Value = float | list[float] | list[str]


class MissingCell(LookupError):
    """A claim asked for a cell that this source does not have."""


@dataclass(frozen=True)
class Number:
    """A cell's number and what must be said with it.

    Args:
        label: what kind of number it is (`planned`, a GPU's model), empty where nothing needs saying.
        trained: of an energy, the method and the epochs it was trained (`READ 8`), where that is known.
        runs: the runs that it comes from.
    """

    value: float
    label: str = ""
    trained: str = ""
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cells:
    """Numbers by table, row and column; remembers which of them a claim asked for.

    Rows of `table1` and `table2` are methods: `full` to `read`, `read-large`, in `table2` also `read-unrolled` and
    `read-large-unrolled`. Rows of the tables by backbone size are `small`, `base`, `large` and `3b`.

    Args:
        title: the source of the numbers.
        numbers: each number with its labels and runs.
        kind: which of Table 1's averages `average` gives: `avg`, the mean of the columns, or `avg_printed`.
        asked: every cell asked for so far.
    """

    title: str
    numbers: Mapping[CellName, Number]
    kind: str = "avg"
    asked: list[CellName] = field(default_factory=list)

    def cell(self, table: str, row: str, column: str) -> float:
        """The number; raises MissingCell where this source has none."""
        self.asked.append((table, row, column))
        if (table, row, column) not in self.numbers:
            raise MissingCell(f"{table}, {row}, {column}")
        return self.numbers[table, row, column].value

    def average(self, row: str, table: str = "table1") -> float:
        """The average score over the tasks, of the kind that is being judged."""
        return self.cell(table, row, self.kind)

    def ahead(self, one: str, other: str) -> list[str]:
        """The tasks of Table 1 on which `one` scores above `other`."""
        return [task for task in TASKS if self.cell("table1", one, task) > self.cell("table1", other, task)]

    def percent(self, row: str, table: str = "table1") -> float:
        """The trainable parameters in percent of the backbone."""
        return self.cell(table, row, "trainable_params_pct")

    def energy(self, row: str) -> float:
        """The training energy over all tasks (kWh)."""
        return self.cell("table1", row, "energy_kwh")

    def task_energy(self, row: str, task: str) -> float:
        """The training energy of one task (kWh)."""
        return self.cell("task_energy", row, task)

    def step_energy(self, method: str) -> float:
        """The energy of a thousand steps on T5-base, on the reference GPU (kWh)."""
        return self.cell("step_energy", "base", method)

    def memory(self, method: str, size: str = "base") -> float:
        """The peak training memory on a backbone size (GiB), planned for T5."""
        return self.cell("memory", size, method)

    def gpu_memory(self, method: str) -> float:
        """The peak training memory on T5-base, measured on the reference GPU (GiB)."""
        return self.cell("gpu_memory", "base", method)

    def inference(self, method: str, size: str = "base") -> float:
        """The inference memory on a backbone size (GiB), Table 3."""
        return self.cell("inference", size, method)

    def latency(self, method: str, size: str = "base") -> float:
        """The inference time of an example on a backbone size (s)."""
        return self.cell("latency", size, method)

    def trainable(self, method: str, size: str) -> float:
        """The number of a method's trainable parameters on a backbone size."""
        return self.cell("trainable", size, method)

    def size(self, size: str) -> float:
        """The number of the backbone's own parameters, as the paper counts them."""
        return self.cell("size", size, "size")

    def labels(self) -> tuple[str, ...]:
        """The labels of the cells asked for, then the epochs that their methods were trained."""
        found = [self.numbers[name] for name in self.asked if name in self.numbers]
        trained = ", ".join(dict.fromkeys(number.trained for number in found if number.trained))
        labels = sorted({number.label for number in found} - {""})
        return (*labels, f"epochs: {trained}") if trained else tuple(labels)

    def sources(self) -> tuple[str, ...]:
        """The runs of the cells asked for."""
        found = [self.numbers[name].runs for name in self.asked if name in self.numbers]
        return tuple(dict.fromkeys(run for runs in found for run in runs))


@dataclass(frozen=True)
class Claim:
    """One sentence: where it stands, what it says, its value, when it holds, and how the value is printed.

    `value` and `holds` are lambdas, each beginning on a line of its own, so that `formula` can show their source.
    """

    place: str
    says: str
    value: Callable[[Cells], Value]
    holds: Callable[[Any], bool]
    form: str = "number"  # or percent

    @property
    def formula(self) -> str:
        """The source of both functions: `1 - energy("read") / energy("full"); reaches(value, 0.84)`."""
        return f"{_source(self.value)}; {_source(self.holds)}".replace("cells.", "")

    @property
    def averaged(self) -> bool:
        """Whether the value depends on the kind of average."""
        return "average(" in _source(self.value)


def reaches(value: float, claimed: float) -> bool:
    """Whether a saving is at least the claimed one, to within one point."""
    return value >= claimed - WITHIN


def decreasing(values: list[float]) -> bool:
    """Whether each value is below the one before it."""
    return all(left > right for left, right in pairwise(values))


def _source(function: Callable[..., Any]) -> str:
    return _lambdas(function.__module__)[function.__code__.co_firstlineno]


@cache
def _lambdas(module: str) -> dict[int, str]:
    """The body of every lambda of a module, as the file has it but on one line, by the line where it begins."""
    source = inspect.getsource(sys.modules[module])
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Lambda)]
    return {node.lineno: " ".join((ast.get_source_segment(source, node.body) or "").split()) for node in found}
