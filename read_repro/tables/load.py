"""The records under `results/`, read into frames: the one door between the store and the tables.

A file that cannot be read is named in a logged error and left out; the rest stands.
"""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from read_repro.records.fingerprint import facts_of, fingerprint, flatten
from read_repro.records.naming import CACHE
from read_repro.records.record import AnyRecord, PlannedRecord, Record, ReferenceRecord
from read_repro.records.selection import select_each, setting_name, validation_score, variant
from read_repro.records.standing import Key, Standing, standings
from read_repro.records.store import RESULT, read_as
from read_repro.records.typed import is_text
from read_repro.tables.blocks import Block, block_of, hardware_name, in_order
from read_repro.tables.derived import derived_metrics

log = logging.getLogger(__name__)

AnyKind = TypeVar("AnyKind", bound=AnyRecord)
RUN_COLUMNS = ("run", "block", "backbone", "data", "task", "variant", "setting", "seed", "val", "chosen", "search")
PLANNED_COLUMNS = ("run", "backbone", "variant", "setting", "phase", "batch_size")
REFERENCE_COLUMNS = ("run", "backbone", "variant", "device")


@dataclass(frozen=True)
class Store:
    """All readable records. In each frame `record` holds the record itself and metrics are columns by their names.

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
    runs = _one_data(_unique(_records(Record, results / "runs", RESULT, broken), broken), broken)
    planned = _records(PlannedRecord, results / "planned", "*.json", broken)
    reference = _records(ReferenceRecord, results / "gpu", "*.json", broken)
    broken += [f"{run}: {_divergence(record)}" for run, record in runs.items() if not record.finished]
    for line in broken:
        log.error("left out: %s", line)
    run_rows = _run_rows(runs)
    planned_rows = tuple(_planned_row(run, record) for run, record in planned.items())
    reference_rows = tuple(_reference_row(run, record) for run, record in reference.items())
    return Store(
        runs=_frame(run_rows, RUN_COLUMNS),
        planned=_frame(planned_rows, PLANNED_COLUMNS),
        reference=_frame(reference_rows, REFERENCE_COLUMNS),
        blocks=in_order(row["block"] for row in run_rows),
        broken=tuple(broken),
        run_rows=run_rows,
        planned_rows=planned_rows,
        reference_rows=reference_rows,
    )


def for_scores(store: Store) -> Store:
    """The same store for a table that compares scores alone: to them it is no matter where frozen states came from.

    A run that was made both ways counts once. Narrower states (`cache.dtype`) still are rows of their own.
    """
    alike = {row["run"]: _without_place(row["record"]) for row in store.run_rows}
    run_rows = _run_rows(_unique(alike, []))
    return replace(store, runs=_frame(run_rows, RUN_COLUMNS), run_rows=run_rows)


def _without_place(record: Record) -> Record:
    cache = {key: value for key, value in record.config.get("cache", {}).items() if key != "place"}
    setting = {key: value for key, value in record.setting.items() if key != CACHE}
    return replace(record, config={**record.config, "cache": cache}, setting=setting)


def _records(kind: type[AnyKind], folder: Path, pattern: str, broken: list[str]) -> dict[str, AnyKind]:
    """The records of one folder in the order of their paths, by their place below `results`."""
    found = {}
    for path in sorted(folder.rglob(pattern)):
        place = (path.parent if kind is Record else path.with_suffix("")).relative_to(folder.parent).as_posix()
        try:
            record = read_as(kind, path)
            if not is_text(place):
                raise ValueError(f"{place!a}: a folder's name that no table can hold")
        except ValueError as error:
            broken.append(str(error).replace(f"{folder.parent}/", "", 1))
        else:
            if record is not None:
                found[place] = record
    return found


def _unique(records: Mapping[str, Record], broken: list[str]) -> dict[str, Record]:
    """The first record of each run; a copy would count it twice."""
    first: dict[Key, str] = {}
    for run, record in records.items():
        names = (record.backbone, record.data, record.task, record.method, record.seed)
        if (original := first.setdefault((*names, fingerprint(facts_of(record))), run)) != run:
            broken.append(f"{run}: the same run as {original}")
    return {run: records[run] for run in first.values()}


def _one_data(records: Mapping[str, Record], broken: list[str]) -> dict[str, Record]:
    """The records of each block and task whose data have the commonest fingerprint; the others saw other data."""
    counts: dict[Key, Counter[str]] = {}
    for record in records.values():
        counts.setdefault((block_of(record), record.task), Counter())[record.data_info.fingerprint] += 1
    kept = {}
    for run, record in records.items():
        votes = counts[block_of(record), record.task]
        common = min(votes, key=lambda name: (-votes[name], name))
        if record.data_info.fingerprint == common:
            kept[run] = record
        else:
            broken.append(f"{run}: made on other data than {votes[common]} records of its task")
    return kept


def _divergence(record: Record) -> str:
    rate = flatten(record.config).get("optim.lr")
    return f"its loss left the numbers at step {record.diverged_step} with lr {rate}: it has no score"


def _run_rows(runs: Mapping[str, Record]) -> tuple[dict[str, Any], ...]:
    """A row a run; a setting is chosen if it is the one that the best record of its contest has."""
    records = list(runs.values())
    stand = standings(records)
    best = select_each(records, stand)
    return tuple(
        _run_row(run, record, standing, *best.get(standing.contest, (None, None)))
        for (run, record), standing in zip(runs.items(), stand, strict=True)
    )


def _run_row(
    run: str, record: Record, standing: Standing, winner: Record | None, winners: Standing | None
) -> dict[str, Any]:
    return {
        "run": run,
        "block": block_of(record, standing.shared),
        "backbone": record.backbone,
        "data": record.data,
        "task": record.task,
        "variant": standing.variant,
        "setting": setting_name(record.setting),
        "choice": standing.choice,
        "seed": record.seed,
        "val": validation_score(record),
        "chosen": record.finished and winners is not None and standing.choice == winners.choice,
        "search": winner is not None and record.seed == winner.seed,
        "hardware": hardware_name(record),
        "fingerprint": record.data_info.fingerprint,
        "record": record,
        **derived_metrics(record),
        **record.metrics,
    }


def _planned_row(run: str, record: PlannedRecord) -> dict[str, Any]:
    own = {key: value for key, value in record.setting.items() if key not in ("phase", "batch_size")}
    return {
        "run": run,
        "backbone": record.backbone,
        "variant": variant(record),
        "setting": setting_name(own),
        "phase": record.phase,
        "batch_size": record.batch_size,
        "record": record,
        **record.metrics,
    }


def _reference_row(run: str, record: ReferenceRecord) -> dict[str, Any]:
    return {
        "run": run,
        "backbone": record.backbone,
        "variant": variant(record),
        "device": record.hardware.device,
        "record": record,
        **record.metrics,
    }


def _frame(rows: tuple[dict[str, Any], ...], columns: tuple[str, ...]) -> pd.DataFrame:
    """A frame that has `columns` even without rows, and whose cells stay Python objects."""
    frame = pd.DataFrame(list(rows), dtype=object)
    return frame.reindex(columns=list(dict.fromkeys([*columns, "record", *frame.columns])))
