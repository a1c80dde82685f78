"""The choice of hyperparameters: by validation score alone, on the search's one seed (section 3.3).

It needs no pandas, so that a sweep can import it. Of a record's metrics it looks at `val/score` and at no other; a test
scrambles all others and sees the choice unchanged. A run that diverged has no score, whatever its record holds.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from read_repro.records.record import AnyRecord, Record

Key = tuple[Any, ...]


def setting_name(setting: Mapping[str, Any]) -> str:
    """One line that names a setting: `hidden=128,lr=0.001`, keys in order; empty for the config files' own."""
    return ",".join(f"{key}={setting[key]}" for key in sorted(setting))


def variant(record: AnyRecord) -> str:
    """The method as a row of a table: its name, and Table 2's READ without recurrence apart from READ."""
    return f"{record.method},recurrent=false" if record.setting.get("recurrent") is False else record.method


def limited(record: Record) -> tuple[bool, int | None]:
    """Whether the data are cut, and the training limit; a limit is a cut whatever the source says."""
    limit = record.data_info.train_limit
    return record.data_info.cut or limit is not None, limit


def contest(record: Record) -> Key:
    """What must agree before two records may compete: backbone, data, cut, limit, device, task and row."""
    return (record.backbone, record.data, *limited(record), record.hardware.device, record.task, variant(record))


def validation_score(record: Record) -> float | None:
    """The validation score of a finished run; None for one that diverged."""
    return record.metrics.get("val/score") if record.finished else None


def select_best(records: Iterable[Record]) -> Record | None:
    """The record of the best setting by validation among those of the lowest seed, None if none is scored.

    Equal scores go to the setting that comes first by name, so that the order of `records` plays no part.
    """
    scored = [(record, value) for record in records if (value := validation_score(record)) is not None]
    if not scored:
        return None
    search = min(record.seed for record, _ in scored)
    candidates = [(record, value) for record, value in scored if record.seed == search]
    candidates.sort(key=lambda candidate: setting_name(candidate[0].setting))
    return max(candidates, key=lambda candidate: candidate[1])[0]


def select_each(records: Iterable[Record]) -> dict[Key, Record]:
    """`select_best` within each contest."""
    groups: dict[Key, list[Record]] = {}
    for record in records:
        groups.setdefault(contest(record), []).append(record)
    best = {key: select_best(group) for key, group in groups.items()}
    return {key: record for key, record in best.items() if record is not None}
