"""The records under `results/`, read into frames: the one door between the store and the tables.

A file that cannot be read is named in a logged error and left out; the rest stands.
"""

import json
import logging
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from read_repro.records.selection import Key, contest, device, select_each, setting_name, variant
from read_repro.records.store import SCHEMA
from read_repro.tables.blocks import Block, block_of, blocks_of, contest_seed, hardware_name
from read_repro.tables.derived import derived_metrics

log = logging.getLogger(__name__)

NAME_KEYS = ("backbone", "data", "task", "method", "run", "status")
RUN_KEYS = (*NAME_KEYS, "setting", "seed", "metrics", "history", "data_info", "hardware")
PLANNED_KEYS = ("backbone", "method", "setting", "phase", "metrics")
REFERENCE_KEYS = ("backbone", "method", "hardware", "metrics")
RUN_COLUMNS = ("run", "block", "backbone", "data", "task", "variant", "setting", "seed", "val", "chosen", "search")
PLANNED_COLUMNS = ("run", "backbone", "variant", "setting", "phase", "batch_size")
REFERENCE_COLUMNS = ("run", "backbone", "variant", "device")


@dataclass(frozen=True)
class Store:
    """All readable records. In each frame `record` holds the whole dict and metrics are columns by their names.

    Args:
        runs: one row a finished run; `chosen` marks the setting that validation chose (all seeds), `search` the
            records the choice was made among; `val` is the validation score.
        planned: one row a planner record.
        reference: one row a GPU reference record.
        blocks: the blocks of `runs`, the paper's first (present even when empty).
        broken: what was left out, as `path: reason`.
        run_rows, planned_rows, reference_rows: the same rows as dicts.
    """

    runs: pd.DataFrame
    planned: pd.DataFrame
    reference: pd.DataFrame
    blocks: tuple[Block, ...]
    broken: tuple[str, ...]
    run_rows: tuple[dict[str, Any], ...]
    planned_rows: tuple[dict[str, Any], ...]
    reference_rows: tuple[dict[str, Any], ...]


def read_store(results: Path) -> Store:
    """Reads `results/{runs,planned,gpu}`; an absent folder is an empty one."""
    broken: list[str] = []
    runs = _one_data(_unique(_records(results, "runs", "result.json", RUN_KEYS, broken), broken), broken)
    planned = _records(results, "planned", "*.json", PLANNED_KEYS, broken)
    reference = _records(results, "gpu", "*.json", REFERENCE_KEYS, broken)
    for line in broken:
        log.error("left out: %s", line)
    best = select_each(runs)
    run_rows = tuple(_run_row(record, best) for record in runs)
    planned_rows = tuple(_planned_row(record) for record in planned)
    reference_rows = tuple(_reference_row(record) for record in reference)
    return Store(
        runs=_frame(run_rows, RUN_COLUMNS),
        planned=_frame(planned_rows, PLANNED_COLUMNS),
        reference=_frame(reference_rows, REFERENCE_COLUMNS),
        blocks=blocks_of(runs),
        broken=tuple(broken),
        run_rows=run_rows,
        planned_rows=planned_rows,
        reference_rows=reference_rows,
    )


def _records(
    results: Path, folder: str, pattern: str, keys: tuple[str, ...], broken: list[str]
) -> list[dict[str, Any]]:
    """The valid records of one folder in the order of their paths, each with its path under `path`."""
    found = []
    for path in sorted((results / folder).rglob(pattern)):
        name = path.relative_to(results).as_posix()
        try:
            found.append(_checked(json.loads(path.read_text(encoding="utf-8")), keys) | {"path": name})
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            broken.append(f"{name}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
    return found


def _checked(record: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    """The record if it is one of this schema and its metrics are numbers; raises ValueError otherwise."""
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    if record.get("schema") != SCHEMA:
        raise ValueError(f"schema {record.get('schema')!r}, this reader knows {SCHEMA}")
    if missing := [key for key in keys if key not in record]:
        raise ValueError(f"missing: {', '.join(missing)}")
    if record.get("status", "finished") != "finished":
        raise ValueError(f"status {record['status']!r}, only finished runs count")
    for name, value in record["metrics"].items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if value is not None and not number:
            raise ValueError(f"metric {name} is {value!r}, not a finite number or null")
    for key in NAME_KEYS:
        if key in keys and not isinstance(record[key], str):
            raise ValueError(f"{key} is {record[key]!r}, not a name")
    _used(record, keys)
    return record


def _used(record: dict[str, Any], keys: tuple[str, ...]) -> None:
    """Asks the record for what the tables will ask of it, so that a malformed one fails here, by name."""
    variant({"setting": {}} | record)
    if "hardware" in keys:
        device(record)
    if "seed" in keys:
        contest_seed(record), derived_metrics(record)
        if type(record["seed"]) is not int:
            raise ValueError(f"seed {record['seed']!r} is not an integer")


def _unique(records: list[dict[str, Any]], broken: list[str]) -> list[dict[str, Any]]:
    """The first record of each run; a copy would count it twice."""
    seen: dict[Key, dict[str, Any]] = {}
    for record in records:
        first = seen.setdefault(contest_seed(record), record)
        if first is not record:
            broken.append(f"{record['path']}: the same run as {first['path']}")
    return list(seen.values())


def _one_data(records: list[dict[str, Any]], broken: list[str]) -> list[dict[str, Any]]:
    """In each block and task the records of the most common data fingerprint; others are no runs of the same data."""
    counts: dict[Key, Counter[str]] = {}
    for record in records:
        print_of = str(record["data_info"].get("fingerprint"))
        counts.setdefault((block_of(record), record["task"]), Counter())[print_of] += 1
    kept = []
    for record in records:
        votes = counts[block_of(record), record["task"]]
        common = min(votes, key=lambda name: (-votes[name], name))
        if str(record["data_info"].get("fingerprint")) == common:
            kept.append(record)
        else:
            broken.append(f"{record['path']}: made on other data than {votes[common]} records of its task")
    return kept


def _run_row(record: dict[str, Any], best: Mapping[Key, Mapping[str, Any]]) -> dict[str, Any]:
    winner = best.get(contest(record))
    return {
        "run": record["path"].removesuffix("/result.json"),
        "block": block_of(record),
        "backbone": record["backbone"],
        "data": record["data"],
        "task": record["task"],
        "variant": variant(record),
        "setting": setting_name(record["setting"]),
        "seed": record["seed"],
        "val": record["metrics"].get("val/score"),
        "chosen": winner is not None and record["setting"] == winner["setting"],
        "search": winner is not None and record["seed"] == winner["seed"],
        "hardware": hardware_name(record),
        "fingerprint": str(record["data_info"].get("fingerprint")),
        "record": record,
        **derived_metrics(record),
        **record["metrics"],
    }


def _planned_row(record: dict[str, Any]) -> dict[str, Any]:
    own = {key: value for key, value in record["setting"].items() if key not in ("phase", "batch_size")}
    return {
        "run": record["path"].removesuffix(".json"),
        "backbone": record["backbone"],
        "variant": variant(record),
        "setting": setting_name(own),
        "phase": record["phase"],
        "batch_size": record.get("batch_size"),
        "record": record,
        **record["metrics"],
    }


def _reference_row(record: dict[str, Any]) -> dict[str, Any]:
    record = {"setting": {}} | record
    return {
        "run": record["path"].removesuffix(".json"),
        "backbone": record["backbone"],
        "variant": variant(record),
        "device": device(record),
        "record": record,
        **record["metrics"],
    }


def _frame(rows: tuple[dict[str, Any], ...], columns: tuple[str, ...]) -> pd.DataFrame:
    """A frame with `columns` even when there are no rows; cells stay Python objects."""
    frame = pd.DataFrame(list(rows), dtype=object)
    return frame.reindex(columns=list(dict.fromkeys([*columns, "record", *frame.columns])))
