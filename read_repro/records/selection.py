"""The choice of hyperparameters: by validation score alone, on the search's one seed (section 3.3).

It needs no pandas, so that a sweep can import it. Of a record's metrics it looks at `val/score` and at no other; a test
scrambles all others and sees the choice unchanged. A run that diverged has no score, whatever its record holds.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from read_repro.records.fingerprint import facts_of, fingerprint
from read_repro.records.naming import show
from read_repro.records.record import PlannedRecord, Record, ReferenceRecord
from read_repro.records.standing import Key, Standing


def setting_name(setting: Mapping[str, Any]) -> str:
    """One line that names a setting: `hidden=128,lr=0.001`, keys in order; empty for the config files' own.

    Values look as in folders' names, so that none of them can end a table's cell or a line.
    """
    return ",".join(f"{key}={show(setting[key])}" for key in sorted(setting))


def variant(record: PlannedRecord | ReferenceRecord) -> str:
    """The method as a row of a table: its name, and Table 2's READ without recurrence apart from READ."""
    return f"{record.method},recurrent=false" if record.setting.get("recurrent") is False else record.method


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
    candidates.sort(key=lambda candidate: (setting_name(candidate[0].setting), fingerprint(facts_of(candidate[0]))))
    return max(candidates, key=lambda candidate: candidate[1])[0]


def select_each(records: Sequence[Record], stand: Sequence[Standing]) -> dict[Key, tuple[Record, Standing]]:
    """`select_best` within each contest, by the standings of the records; with the standing of each."""
    groups: dict[Key, list[tuple[Record, Standing]]] = {}
    for record, standing in zip(records, stand, strict=True):
        groups.setdefault(standing.contest, []).append((record, standing))
    best = {contest: select_best(record for record, _ in group) for contest, group in groups.items()}
    return {contest: pair for contest, group in groups.items() for pair in group if pair[0] is best[contest]}
