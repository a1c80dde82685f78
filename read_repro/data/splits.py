"""The splits of section 3.2. GLUE's test labels are not public, so all three splits are made of the other files.

- ``halve_validation`` (CoLA, MRPC, STS-B): the first half of the permuted validation file is validation, the rest test.
- ``hold_out_train`` (QNLI, QQP, SST-2): the first rows of the permuted training file are validation, the others train;
  the validation file is test, in its own order.
- ``keep`` (MNLI): each split has its file; mismatched is validation, matched is test.
- ``hold_out_both`` (own data in one file): the first rows of the permuted file are validation, as many after them test.

The permutation is ``torch.randperm`` of a generator seeded with 42 whatever the run's seed, as Compacter and LST do.
"""

import hashlib
import json
from dataclasses import dataclass

import torch

from read_repro.data.sources import Tables
from read_repro.data.tasks import Row, Task
from read_repro.errors import InputError

PERMUTATION_SEED = 42


@dataclass(frozen=True)
class Splits:
    """The rows of a run in three splits.

    ``fingerprint`` is the sha256 of their content, ``cut`` whether they differ in number from the full data's splits,
    ``labels`` what has to be said of them wherever a number made from them is shown.
    """

    train: list[Row]
    validation: list[Row]
    test: list[Row]
    fingerprint: str
    cut: bool
    labels: tuple[str, ...]

    @property
    def sizes(self) -> dict[str, int]:
        """Rows in each split."""
        return {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)}


def split(task: Task, tables: Tables, *, train_limit: int | None, synthetic: bool = False) -> Splits:
    """Apply the task's rule, then keep the first ``train_limit`` rows of a permutation of train."""
    parts = _by_rule(task, tables)
    full = len(parts["train"])
    labels = ["synthetic data"] if synthetic else _cut_labels(task, {name: len(rows) for name, rows in parts.items()})
    if train_limit is not None:
        parts["train"] = [parts["train"][i] for i in permutation(full)[:train_limit]]
        labels.append(f"train_limit={train_limit}" + (f" (all {full:,} used)" if train_limit >= full else ""))
    sizes = {name: len(rows) for name, rows in parts.items()}
    cut = bool(task.official) and sizes != task.official
    return Splits(**parts, fingerprint=_fingerprint(parts), cut=cut, labels=tuple(labels))


def permutation(rows: int) -> list[int]:
    """The one fixed order of ``rows`` indices."""
    return torch.randperm(rows, generator=torch.Generator().manual_seed(PERMUTATION_SEED)).tolist()


def _by_rule(task: Task, tables: Tables) -> dict[str, list[Row]]:
    files = {name: tables[file] for name, file in task.files.items()}
    if task.split == "halve_validation":
        rows = files["validation"]
        order, half = permutation(len(rows)), len(rows) // 2
        files |= {"validation": [rows[i] for i in order[:half]], "test": [rows[i] for i in order[half:]]}
    if task.split == "hold_out_train":
        rows = files["train"]
        order = permutation(len(rows))
        held, kept = order[: task.hold_out], order[task.hold_out :]
        files |= {"train": [rows[i] for i in kept], "validation": [rows[i] for i in held], "test": files["validation"]}
    if task.split == "hold_out_both":
        rows, each = files["train"], task.hold_out or 0
        order = permutation(len(rows))
        parts = {"train": order[2 * each :], "validation": order[:each], "test": order[each : 2 * each]}
        files = {name: [rows[i] for i in indices] for name, indices in parts.items()}
        _check_classes(task, files["train"])
    return files


def _check_classes(task: Task, train: list[Row]) -> None:
    """Refuse a split that leaves nothing of a class to learn from, which happens to a class of few examples."""
    unseen = set(range(len(task.classes))) - {row["label"] for row in train}
    if unseen:
        names = ", ".join(task.classes[index] for index in sorted(unseen))
        raise InputError(
            f"task {task.name}: every example of {names} is held out for validation or test; add examples of it, or "
            "give data.path=<folder> with files of your own for train, validation and test"
        )


def _cut_labels(task: Task, sizes: dict[str, int]) -> list[str]:
    other = [f"{name} {sizes[name]:,} of {rows:,} rows" for name, rows in task.official.items() if sizes[name] != rows]
    return [f"cut data: {', '.join(other)}"] if other else []


def _fingerprint(parts: dict[str, list[Row]]) -> str:
    digest = hashlib.sha256()
    for name in ("train", "validation", "test"):
        digest.update(f"{name}\n".encode())
        for row in parts[name]:
            digest.update(json.dumps(list(row.values())).encode() + b"\n")
    return digest.hexdigest()
