"""The records of this project as types: what a run, a memory plan and a GPU measurement leave behind.

Everything that reads a record (sweeps, status, tables, prediction, the report) gets these, from ``records.store``.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

from read_repro.records.typed import MetricName, Name, OwnWord, Text

SCHEMA = 1
Metrics = Mapping[MetricName, float | None]  # what was not measured is None


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What a run ran on: the kind and model of its device, never a machine's name."""

    kind: Literal["cpu", "cuda"]
    name: Text
    count: int = 1
    threads: int | None = None

    @property
    def device(self) -> str:
        """The kind of device: ``CPU``, or the GPU's model and how many."""
        if self.kind == "cpu":
            return "CPU"
        return self.name if self.count == 1 else f"{self.count} x {self.name}"


@dataclass(frozen=True, kw_only=True)
class DataInfo:
    """The data of a run: the hash and sizes of its splits, and whether they are fewer than the official ones."""

    fingerprint: Text
    sizes: Mapping[Text, int] = field(default_factory=dict)
    cut: bool
    train_limit: int | None = None
    truncated_share: float | None = None
    padding_share: float | None = None


@dataclass(frozen=True, kw_only=True)
class ClassScores:
    """How well one class was told on the test split, times 100; None where a score is undefined.

    Args:
        name: as the data have it.
        precision: None for a class that was never predicted.
        recall: None for a class that has no example in the test split.
        f1: None for a class that has none and was never predicted.
        examples: how many of the test split are of this class.
    """

    name: OwnWord
    precision: float | None
    recall: float | None
    f1: float | None
    examples: int


@dataclass(frozen=True, kw_only=True)
class Record:
    """One training run.

    Args:
        status: ``diverged`` where the loss left the numbers: such a run is done, but has no scores to show.
        setting: what differed from the shipped configuration files when the run was made, by its short names.
        config: the whole resolved configuration.
        weights: the hash of the backbone's weights, or ``random``.
        trained_weights: the digest of what ``best.safetensors`` beside the record holds; None in records from before.
        method_version: the method's ``VERSION``; 1 in records from before it was written.
        history: one row an epoch.
        classes: the scores of each class on the test split, in the order of the classes' ids; empty for numbers, for
            a run that diverged, and in records from before.
        confusion: test examples, a row for each true class and a column for each predicted one, in the same order.
        resumed: how often the run was ended before its time and went on from a checkpoint.
        diverged_step: the optimiser's step at which the loss left the numbers.
    """

    KIND: ClassVar[str] = "run"

    status: Literal["finished", "diverged"] = "finished"
    run: Text
    backbone: Name
    data: Name
    task: Name
    method: Name
    setting: Mapping[Text, Any]
    seed: int
    config: Mapping[Text, Any]
    weights: Text
    trained_weights: Text | None = None
    method_version: int = 1
    hardware: Hardware
    versions: Mapping[Text, Text | None]
    commit: Text | None
    labels: tuple[Text, ...]
    metrics: Metrics
    history: tuple[Mapping[Text, float | None], ...]
    epochs: int
    best_epoch: int
    steps: int
    data_info: DataInfo
    classes: tuple[ClassScores, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    diverged_step: int | None = None
    resumed: int = 0

    @property
    def finished(self) -> bool:
        """Whether the run has scores that may be chosen by, averaged and shown."""
        return self.status == "finished"


@dataclass(frozen=True, kw_only=True)
class PlannedRecord:
    """One plan of the memory planner; sizes are in examples and tokens.

    ``states`` says whether the backbone runs (``live``) or its frozen states come from the store, and in which type.
    """

    KIND: ClassVar[str] = "planned"

    backbone: Name
    method: Name
    setting: Mapping[Text, Any]
    phase: Literal["train", "infer"]
    batch_size: int
    source_tokens: int
    target_tokens: int
    attention: Text
    states: Text = "live"
    metrics: Metrics
    labels: tuple[Text, ...]


@dataclass(frozen=True, kw_only=True)
class ReferenceRecord:
    """One measurement of a method on a GPU, on random weights: ``scripts/gpu_reference.py``."""

    KIND: ClassVar[str] = "reference"

    status: Literal["finished"] = "finished"
    backbone: Name
    method: Name
    setting: Mapping[Text, Any] = field(default_factory=dict)
    batch_size: int
    window_s: float
    hardware: Hardware
    metrics: Metrics
    labels: tuple[Text, ...]
    versions: Mapping[Text, Text | None]
    commit: Text | None


AnyRecord = Record | PlannedRecord | ReferenceRecord


def as_json(record: AnyRecord) -> dict[str, Any]:
    """A record as its file holds it."""
    return {"schema": SCHEMA, "kind": record.KIND, **asdict(record)}
