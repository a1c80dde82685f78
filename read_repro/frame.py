"""The records under `results/`, read into frames: the one door between the store and the tables.

A file that cannot be read is named in a logged error and left out; the rest stands.
"""

import json
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from read_repro.selection import Key, contest, device, limited, select_each, setting_name, variant

log = logging.getLogger(__name__)

SCHEMA = 1
PAPER_BACKBONE = "t5-base"
RUN_KEYS = "run status backbone data task method setting seed metrics history data_info hardware".split()
PLANNED_KEYS = "backbone method setting phase metrics".split()
REFERENCE_KEYS = "backbone method hardware metrics".split()
RUN_COLUMNS = "run block backbone data task variant setting seed val chosen search hardware fingerprint".split()
PLANNED_COLUMNS = "run backbone variant setting phase batch_size".split()
REFERENCE_COLUMNS = "run backbone variant device".split()


class Block(NamedTuple):
    """What one table may hold: no mean ever crosses the border of a block."""

    backbone: str
    data: str
    cut: bool
    train_limit: int | None
    device: str

    @property
    def label(self) -> str:
        """`minilm, local, cut data, train_limit=1000, CPU`."""
        limit = "" if self.train_limit is None else f", train_limit={self.train_limit}"
        kind = "cut data" if self.cut else "whole data"
        return f"{self.backbone}, {self.data}, {kind}{limit}, {self.device}"

    @property
    def of_paper(self) -> bool:
        """Whether the paper's numbers may be compared with this block's: T5-base on whole GLUE."""
        return (self.backbone, self.data, self.cut) == (PAPER_BACKBONE, "hub", False)


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
    """

    runs: pd.DataFrame
    planned: pd.DataFrame
    reference: pd.DataFrame
    blocks: tuple[Block, ...]
    broken: tuple[str, ...]


def read_store(results: Path) -> Store:
    """Reads `results/{runs,planned,gpu}`; an absent folder is an empty one."""
    broken: list[str] = []
    runs = _one_data(_unique(_records(results, "runs", "result.json", RUN_KEYS, broken), contest_seed, broken), broken)
    planned = _records(results, "planned", "*.json", PLANNED_KEYS, broken)
    reference = _records(results, "gpu", "*.json", REFERENCE_KEYS, broken)
    for line in broken:
        log.error("left out: %s", line)
    best = select_each(runs)
    return Store(
        runs=_frame([_run_row(record, best) for record in runs], RUN_COLUMNS),
        planned=_frame([_planned_row(record) for record in planned], PLANNED_COLUMNS),
        reference=_frame([_reference_row(record) for record in reference], REFERENCE_COLUMNS),
        blocks=_blocks(runs),
        broken=tuple(broken),
    )


def hardware_name(record: Mapping[str, Any]) -> str:
    """The hardware that times, energies and memory belong to: the model and, on a CPU, the threads used."""
    hardware = record["hardware"]
    if hardware["kind"] != "cpu":
        return device(record)
    return f"{hardware.get('name', 'CPU')}, {hardware.get('threads')} threads"


def contest_seed(record: Mapping[str, Any]) -> Key:
    """What names a run: its contest, its setting and its seed."""
    return (*contest(record), setting_name(record["setting"]), record["seed"])


def _block(record: Mapping[str, Any]) -> Block:
    return Block(record["backbone"], record["data"], *limited(record), device(record))


def _blocks(runs: list[dict[str, Any]]) -> tuple[Block, ...]:
    found = {_block(record) for record in runs}
    if not any(block.of_paper for block in found):
        found.add(Block(PAPER_BACKBONE, "hub", False, None, "no GPU yet"))
    return tuple(sorted(found, key=lambda b: (not b.of_paper, b.backbone, b.data, b.cut, b.train_limit or 0, b.device)))


def _records(
    results: Path, folder: str, pattern: str, keys: list[str], broken: list[str]
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


def _checked(record: Any, keys: list[str]) -> dict[str, Any]:
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
    if "seed" in keys:  # a run: what the tables are grouped by must be there and hashable
        hash(contest_seed(record))
        if not isinstance(record["seed"], int):
            raise ValueError(f"seed {record['seed']!r} is not an integer")
    return record


def _unique(
    records: list[dict[str, Any]], key: Callable[[dict[str, Any]], Key], broken: list[str]
) -> list[dict[str, Any]]:
    """The first record of each key; a copy would count one run twice."""
    seen: dict[Key, dict[str, Any]] = {}
    for record in records:
        first = seen.setdefault(key(record), record)
        if first is not record:
            broken.append(f"{record['path']}: the same run as {first['path']}")
    return list(seen.values())


def _one_data(records: list[dict[str, Any]], broken: list[str]) -> list[dict[str, Any]]:
    """In each block and task the records of the most common data fingerprint; others are no runs of the same data."""
    counts: dict[Key, Counter[str]] = {}
    for record in records:
        print_of = str(record["data_info"].get("fingerprint"))
        counts.setdefault((_block(record), record["task"]), Counter())[print_of] += 1
    kept = []
    for record in records:
        votes = counts[_block(record), record["task"]]
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
        "block": _block(record),
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


def _frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """A frame with `columns` even when there are no rows; cells stay Python objects, so None stays None."""
    frame = pd.DataFrame(rows, dtype=object)
    return frame.reindex(columns=list(dict.fromkeys([*columns, "record", *frame.columns])))


def rows_of(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows of a frame as dicts."""
    yield from frame.to_dict("records")
