"""Where examples come from: the hub, a local folder or our generator, read and checked once, before torch is imported.

A local folder holds ``<task>/<file>.<parquet|jsonl|csv|tsv|json>`` in the hub's columns, one file a split; ``own`` data
are one file, or a folder of splits, of a user's own columns. Examples are counted from 1, a header not counted.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import get_args

from read_repro.config.schema import Source
from read_repro.data.files import FORMATS, read_table
from read_repro.data.tasks import Row, Task
from read_repro.errors import InputError
from read_repro.hub import WAYS_OUT, hub_reachable

SOURCES: tuple[str, ...] = get_args(Source)
SYNTHETIC_SEED = 42  # the data are the same whatever the run's seed, and so are the splits

Tables = dict[str, list[Row]]  # the rows of each file a task names: "train", "validation_matched", ...


def read(task: Task, *, source: str, path: str | None) -> Tables:
    """Read every file that the task names, and check each row.

    Args:
        task: names the files, the columns and the labels allowed.
        source: one of ``SOURCES``.
        path: the hub's repository, the local folder, or the user's own file or folder; unused by ``synthetic``.

    Raises:
        InputError: naming file, example and column, and what is allowed.
    """
    readers: dict[str, Callable[[Task, str], dict[str, tuple[str, list[dict]]]]] = {
        "hub": _read_hub,
        "local": _read_local,
        "synthetic": _read_synthetic,
        "own": _read_own,
    }
    raw = readers[source](task, path or "")
    tables = {name: check_rows(task, rows, file=file) for name, (file, rows) in raw.items()}
    _check_split(task, {split: (raw[name][0], len(tables[name])) for split, name in task.files.items()})
    return tables


def check_rows(task: Task, rows: Iterable[dict], *, file: str) -> list[Row]:
    """Keep the task's columns of each row, labels as ``int`` (class) or ``float``, or say what is wrong and where."""
    checked = []
    for number, row in enumerate(rows, start=1):
        if None in row:
            raise InputError(f"{file}, example {number}: more fields than columns; quote a text that holds a separator")
        for column in (*task.columns, task.label):
            if column not in row:
                columns = ", ".join((*task.columns, task.label))
                raise InputError(f"{file}, example {number}: no column {column}; task {task.name} reads {columns}")
        for column in task.columns:
            if not isinstance(row[column], str) or not row[column].strip():
                raise InputError(f"{file}, example {number}, column {column}: {row[column]!r}; want a text, not empty")
        texts: Row = {column: row[column] for column in task.columns}
        where = f"{file}, example {number}, column {task.label}"
        checked.append({**texts, "label": _label(task, row[task.label], where)})
    if not checked:
        raise InputError(f"{file}: no examples; want at least one")
    return checked


def _label(task: Task, given: object, where: str) -> int | float:
    value = task.label_of(given)
    if value is not None:
        return value
    if task.regression:
        low, high = task.number_range or task.bounds
        raise InputError(f"{where}: {given!r}; want a number from {low:g} to {high:g}")
    allowed = ", ".join(f"{i} ({name})" for i, name in enumerate(task.classes))
    raise InputError(f"{where}: {given!r}; allowed: {allowed}")


def _check_split(task: Task, counts: dict[str, tuple[str, int]]) -> None:
    """Refuse files that would leave a split empty; checked here, because splitting itself needs torch."""
    file, rows = counts["train"]
    held_out = (task.hold_out or 0) * (2 if task.split == "hold_out_both" else 1)
    if rows <= held_out:
        into = "validation and test" if task.split == "hold_out_both" else "validation"
        raise InputError(f"{file}: {rows:,} examples; {held_out:,} become {into}, so want more than that")
    if task.split == "halve_validation" and counts["validation"][1] < 2:
        file, rows = counts["validation"]
        raise InputError(f"{file}: {rows} example; it is halved into validation and test, so want at least 2")


def _read_local(task: Task, path: str) -> dict[str, tuple[str, list[dict]]]:
    if not path or not Path(path).is_dir():
        raise InputError(
            f"data.path={path or None} is no folder; want one that holds {task.name}/train.parquet and so on"
        )
    found = {name: _find(Path(path) / task.name, name) for name in task.files.values()}
    return {name: (str(file), read_table(file)) for name, file in found.items()}


def _read_own(task: Task, path: str) -> dict[str, tuple[str, list[dict]]]:
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    return {name: (str(folder / name), read_table(folder / name)) for name in task.files.values()}


def _find(folder: Path, name: str) -> Path:
    # Each split has one file, which is named. Libraries that infer the splits of a folder silently merge MNLI's two
    # validation files into one.
    found = sorted(p for p in folder.iterdir() if p.stem == name) if folder.is_dir() else []
    if len(found) == 1 and found[0].suffix in FORMATS:
        return found[0]
    came = ", ".join(p.name for p in found) or "nothing of that name"
    raise InputError(f"{folder}: {came}; want exactly one of {', '.join(name + suffix for suffix in FORMATS)}")


def _read_synthetic(task: Task, path: str) -> dict[str, tuple[str, list[dict]]]:
    from read_repro.data.synthetic import generate

    tables = generate(task.name, seed=SYNTHETIC_SEED)
    return {name: (f"synthetic {task.name} {name}", tables[name]) for name in task.files.values()}


def _read_hub(task: Task, path: str) -> dict[str, tuple[str, list[dict]]]:
    """GLUE's own test files are never read, because every label in them is -1."""
    import datasets
    from huggingface_hub import constants

    offline = not hub_reachable()
    if offline:  # then only the local cache is looked at; the flags are read at each call
        datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        tables = {name: datasets.load_dataset(path, task.name, split=name) for name in task.files.values()}
    except (OSError, ValueError) as error:
        reason = "the hub cannot be reached and it is not in the local cache" if offline else str(error).split("\n")[0]
        raise InputError(f"{path} ({task.name}): {reason}; {WAYS_OUT}") from error
    return {name: (f"{path} {task.name} {name}", table.to_list()) for name, table in tables.items()}
