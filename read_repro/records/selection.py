"""The choice of hyperparameters: by validation score alone, on the search's one seed (section 3.3).

Works on plain records (dicts as in `result.json`), so that a sweep can import it without pandas. Of a record's
metrics it looks at `val/score` and at no other; a test scrambles all others and sees the choice unchanged.
"""

from collections.abc import Iterable, Mapping
from typing import Any

Record = Mapping[str, Any]
Key = tuple[Any, ...]


def setting_name(setting: Mapping[str, Any]) -> str:
    """One line that names a setting: `hidden=128,lr=0.001`, keys in order; empty for the config files' own."""
    return ",".join(f"{key}={setting[key]}" for key in sorted(setting))


def variant(record: Record) -> str:
    """The method as a row of a table: its name, and Table 2's READ without recurrence apart from READ."""
    unrolled = record["setting"].get("recurrent") is False
    return f"{record['method']},recurrent=false" if unrolled else str(record["method"])


def device(record: Record) -> str:
    """The kind of device: `CPU`, or the GPU's model and how many."""
    hardware = record["hardware"]
    if hardware["kind"] == "cpu":
        return "CPU"
    count = hardware.get("count", 1)
    return str(hardware["name"]) if count == 1 else f"{count} x {hardware['name']}"


def limited(record: Record) -> tuple[bool, int | None]:
    """Whether the data are cut, and the training limit; a limit is a cut whatever the source says."""
    limit = record["data_info"].get("train_limit")
    return bool(record["data_info"].get("cut")) or limit is not None, limit


def contest(record: Record) -> Key:
    """What must agree before two records may compete: backbone, data, cut, limit, device, task and row."""
    return (record["backbone"], record["data"], *limited(record), device(record), record["task"], variant(record))


def select_best(records: Iterable[Record]) -> Record | None:
    """The record of the best setting by validation among those of the lowest seed, None if none is scored.

    Equal scores go to the setting that comes first by name, so that the order of `records` plays no part.
    """
    scored = [record for record in records if record["metrics"].get("val/score") is not None]
    if not scored:
        return None
    search = min(record["seed"] for record in scored)
    candidates = sorted((r for r in scored if r["seed"] == search), key=lambda r: setting_name(r["setting"]))
    return max(candidates, key=lambda r: r["metrics"]["val/score"])


def select_each(records: Iterable[Record]) -> dict[Key, Record]:
    """`select_best` within each contest."""
    groups: dict[Key, list[Record]] = {}
    for record in records:
        groups.setdefault(contest(record), []).append(record)
    best = {key: select_best(group) for key, group in groups.items()}
    return {key: record for key, record in best.items() if record is not None}
