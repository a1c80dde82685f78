"""A user's own data as a task: what the user says of it, completed by what the files themselves tell.

``task=custom data.path=tickets.csv`` is enough. Texts, label, classes and metric are found in the file and said in one
line; each can be given. Where there is one file, the paper's rule (section 3.2) is applied to it: the first rows of the
one fixed permutation are held out. The name of the task ends with a hash of the files, so that another file of the same
name is another task, with folders and rows of its own.
"""

import hashlib
import json
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from read_repro.data.columns import label_column, text_columns
from read_repro.data.files import FORMATS, read_table
from read_repro.data.own_labels import are_numbers, check_labels, class_names, number_range
from read_repro.data.tasks import Task, label_text
from read_repro.errors import InputError
from read_repro.foreign import refuse_code, regular_file

logger = logging.getLogger(__name__)
SPLIT_NAMES = {"train": ("train",), "validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
HELD_OUT = 1000  # section 3.2 holds out so many rows of a large training file
LARGE = 10_000  # section 3.2: from so many rows on, validation comes from train; below, the validation file is halved
SMALLEST = 10
BOUNDS, STEP = [0.0, 5.0], 0.2  # numbers are learned on STS-B's scale, whatever theirs


@dataclass(frozen=True, kw_only=True)
class OwnTask:
    """What a user says of own data; None is found in the files.

    Args:
        name: what the task is called, before the hash; found: the name of the file or folder.
        columns: one or two columns of texts.
        label: the column of the labels.
        regression: whether labels are numbers; found: if they have fractions or a decimal point.
        classes: class names in the order of their ids; found: all there are, in alphabetical order.
        metric: a key of ``metric_names.METRIC_PARTS``; found: macro_f1 for classes, pearson_spearman for numbers.
    """

    name: str | None
    columns: tuple[str, ...] | None
    label: str | None
    regression: bool | None
    classes: tuple[str, ...] | None
    metric: str | None


def completed(task: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration's ``task`` as the whole task of its ``data``, both as plain values; a whole one stays as it is.

    Raises:
        InputError: one line on what in the files, or in what is said of them, leaves no task.
    """
    if str(task["_target_"]).rpartition(".")[2] != OwnTask.__name__:
        return dict(task)
    if data["source"] != "own":
        raise InputError(
            f"task=custom reads your own file, not data={data['source']}: leave that out, and give data.path=<file>"
        )
    keywords = {key: value for key, value in task.items() if not key.startswith("_")}
    return dict(_completed(json.dumps(keywords), str(data["path"])))


@cache
def _completed(keywords: str, path: str) -> dict[str, Any]:
    said = OwnTask(**json.loads(keywords))
    files = own_files(path)
    tables = {split: read_table(file) for split, file in files.items()}
    for split, rows in tables.items():
        _check_shape(rows, str(files[split]))
    train, file = tables["train"], str(files["train"])
    label = label_column(train, said.label, said.columns, file)
    columns = text_columns(train, said.columns, label, file)
    if "label" in columns:
        raise InputError(f"{file}: a column of texts cannot be called label; rename it")
    for split, rows in tables.items():
        check_labels(rows, label, str(files[split]))
    labels = [row[label] for row in train]
    regression = are_numbers(labels, regression=said.regression, classes=said.classes, file=file)
    found = {
        "_target_": f"{Task.__module__}.{Task.__name__}",
        "name": f"{_plain(said.name or Path(path).stem)}-{_digest(files)[:8]}",
        "columns": list(columns),
        "label": label,
        "classes": [] if regression else class_names(tables, label, files, said.classes),
        "metric": said.metric or ("pearson_spearman" if regression else "macro_f1"),
        **_split_rule({split: len(rows) for split, rows in tables.items()}, files, path),
    }
    if regression:
        found |= {"bounds": BOUNDS, "step": STEP, "number_range": number_range(tables, label, file)}
    refuse_code(found, f"the task that {file} makes", {("_target_", Task.__name__)})
    Task(**{key: value for key, value in found.items() if key != "_target_"})
    _tell(found, labels, file)
    return found


def own_files(path: str) -> dict[str, Path]:
    """The file of each split that a path has: a file is a training split that all three are made of.

    Raises:
        InputError: nothing there, or a folder in which no file, or more than one, can be a split.
    """
    place, endings = Path(path), ", ".join(FORMATS)
    if place.is_dir():
        files = [file for file in sorted(place.iterdir()) if file.suffix in FORMATS]
        found = {split: [file for file in files if file.stem in names] for split, names in SPLIT_NAMES.items()}
        for split, same in found.items():
            if len(same) > 1:
                raise InputError(
                    f"{path} has {' and '.join(file.name for file in same)} for {split}: leave one of them"
                )
        if found["train"]:
            return {split: same[0] for split, same in found.items() if same}
        if len(files) == 1:
            return {"train": files[0]}
        came = ", ".join(file.name for file in files[:8]) or "no such file"
        raise InputError(f"data.path={path} holds {came}; want train, validation and test, each one of {endings}")
    if place.suffix not in FORMATS:
        raise InputError(f"data.path={path}: want a file that ends with one of {endings}, or a folder of such files")
    return {"train": regular_file(place)}


def _check_shape(rows: Sequence[Mapping[Any, Any]], file: str) -> None:
    if not rows:
        raise InputError(f"{file} has no examples; a CSV needs a first line that names the columns, and lines below it")
    for number, row in enumerate(rows, start=1):
        if None in row:
            raise InputError(f"{file}, example {number}: more fields than columns; quote a text that holds a separator")


def _split_rule(counts: Mapping[str, int], files: Mapping[str, Path], path: str) -> dict[str, Any]:
    """How the three splits are made of the files there are: by the paper's rule, as far as splits are missing."""
    if counts["train"] < SMALLEST:
        raise InputError(f"{files['train']} has {counts['train']} examples; want {SMALLEST} or more")
    names = {split: file.name for split, file in files.items()}
    held_out = min(HELD_OUT, counts["train"] // 10)
    if set(counts) == {"train"}:
        return {"split": "hold_out_both", "hold_out": held_out, "files": names}
    if set(counts) == {"train", "validation", "test"}:
        return {"split": "keep", "files": names}
    other = {"train": names["train"], "validation": names.get("validation") or names["test"]}
    if "test" in counts or counts["train"] >= LARGE:
        return {"split": "hold_out_train", "hold_out": held_out, "files": other}
    return {"split": "halve_validation", "files": other}


def _digest(files: Mapping[str, Path]) -> str:
    """The sha256 of the files, each by the split that it is."""
    digest = hashlib.sha256()
    for split, file in files.items():
        with file.open("rb") as content:
            digest.update(f"{split}\n{hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def _plain(name: str) -> str:
    """A name as folders can have it."""
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.+")[:60] or "data"


def _tell(found: Mapping[str, Any], labels: Sequence[Any], file: str) -> None:
    """One line on what was found, and how to say it otherwise."""
    if found["classes"]:
        counts = Counter(map(label_text, labels))
        most = [f"{name} ({counts[name]:,})" for name in found["classes"][:10]]
        more = f" and {len(found['classes']) - 10} more" if len(found["classes"]) > 10 else ""
        what = f"{len(found['classes'])} classes, {', '.join(most)}{more}"
    else:
        low, high = found["number_range"]
        what = f"numbers from {low:g} to {high:g}"
    held = found.get("hold_out")
    rule = {
        "hold_out_both": f"{held} examples each are held out for validation and test",
        "hold_out_train": f"{held} training examples are held out for validation",
        "halve_validation": "the validation file is halved into validation and test",
        "keep": "each split has its file",
    }[found["split"]]
    logger.info(
        "%s: %s examples; texts: %s; label: %s, %s; %s; scored by %s. To change it: task.columns=[...] "
        "task.label=... task.metric=...",
        file,
        f"{len(labels):,}",
        " and ".join(found["columns"]),
        found["label"],
        what,
        rule,
        found["metric"],
    )
