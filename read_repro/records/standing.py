"""Which records may be compared: who competes for a row of a table, and what names the rows apart.

Validation chooses among learning rates, numbers of epochs and the sizes that a method's file declares as its ``grid``.
Records that differ in any other fact (precision, targets, batch size, p0, weights, the method's version, ...) stand in
rows of their own: each is named by how it differs from what is usual among the records beside it.
"""

import hashlib
import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from read_repro.records.fingerprint import THEN, scientific
from read_repro.records.naming import full, short, show
from read_repro.records.record import Record
from read_repro.records.typed import is_text

Key = tuple[Any, ...]
Values = Mapping[str, str]  # facts by their keys, as JSON
COMPETING = ("optim.lr", "trainer.max_epochs")  # of every method; its own file adds the keys of its grid
NAMED_ELSEWHERE = {"seed", "data.train_limit"}  # the first tells the records of a row apart, the second blocks
WEIGHTS, VERSION = "weights", "version"
LONGEST_VALUE = 40  # letters of a value in a row's name


@dataclass(frozen=True)
class Standing:
    """Where a record stands among others.

    Args:
        contest: what must agree before two records may compete: backbone, data, cut, limit, device, task and row.
        variant: the row of a table: the method, and how the record differs from what is usual.
        choice: the values that it competes with.
        shared: what is usual in its block and yet not as in the shipped files.
    """

    contest: Key
    variant: str
    choice: Key
    shared: str


def competing(config: Mapping[str, Any]) -> frozenset[str]:
    """The keys among whose values validation chooses, by a run's configuration."""
    grid = config.get("grid")
    return frozenset((*COMPETING, *(grid if isinstance(grid, Mapping) else ())))


def limited(record: Record) -> tuple[bool, int | None]:
    """Whether the data are cut, and the training limit; a limit is a cut whatever the source says."""
    limit = record.data_info.train_limit
    return record.data_info.cut or limit is not None, limit


def place(record: Record) -> tuple[str, str, bool, int | None, str]:
    """What the records of a block have in common: backbone, data, cut, limit and device."""
    return (record.backbone, record.data, *limited(record), record.hardware.device)


def standings(records: Sequence[Record]) -> list[Standing]:
    """Where each of these records stands among all of them."""
    grids: dict[Key, set[str]] = {}
    for record in records:
        grids.setdefault(_of_method(record), set()).update(competing(record.config))
    facts = _complete(records, [_values(record) for record in records])
    apart, choices = [], []
    for record, own in zip(records, facts, strict=True):
        grid = grids[_of_method(record)]
        apart.append({key: text for key, text in own.items() if key not in grid})
        choices.append(tuple(sorted((key, text) for key, text in own.items() if key in grid)))
    usual = _Usual(records, apart)
    variants = [usual.variant(record, own) for record, own in zip(records, apart, strict=True)]
    return [
        Standing((*place(record), record.task, variant), variant, choice, usual.shared(record))
        for record, variant, choice in zip(records, variants, choices, strict=True)
    ]


class _Usual:
    """What is usual among records: the value that most of them have, and of equally many a shipped one.

    A method's own keys are another matter: there only a shipped value is usual, so that READ without recurrence, say,
    is never called READ. Of a method's versions the newest is usual. Where frozen states come from is asked method by
    method, for only some can read them from a store.
    """

    def __init__(self, records: Sequence[Record], facts: Sequence[Values]) -> None:
        self._votes: dict[Key, Counter[str]] = {}
        self._shipped: set[Key] = set()
        for record, own in zip(records, facts, strict=True):
            for key, text in own.items():
                at = (_scope(record, key), key)
                self._votes.setdefault(at, Counter())[text] += 1
                if short(key) not in record.setting:
                    self._shipped.add((*at, text))

    def variant(self, record: Record, own: Values) -> str:
        """The name of a record's row."""
        differs = (key for key, text in own.items() if text != self._of(record, key))
        return ",".join([record.method, *(_pair(key, own[key]) for key in sorted(differs, key=short))])

    def shared(self, record: Record) -> str:
        """What is usual in a record's block without being shipped."""
        block = place(record)
        usual = {key: self._of(record, key) for scope, key in self._votes if scope == block}
        unshipped = {key: text for key, text in usual.items() if text and (block, key, text) not in self._shipped}
        return ",".join(_pair(key, unshipped[key]) for key in sorted(unshipped, key=short))

    def _of(self, record: Record, key: str) -> str | None:
        scope = _scope(record, key)
        votes = self._votes[scope, key]
        if key == VERSION:
            return max(votes, key=int)
        shipped = {text for text in votes if (scope, key, text) in self._shipped}
        candidates = shipped if key.startswith("method") else votes
        return min(candidates, key=lambda text: (-votes[text], text not in shipped, text), default=None)


def _of_method(record: Record) -> Key:
    return (*place(record), "method", record.method)


def _scope(record: Record, key: str) -> Key:
    """Among which records the value of a key is to be compared: those of the method, of the task, or of the block."""
    if key in (VERSION, "method") or key.startswith(("method.", "cache.")):
        return _of_method(record)
    return (*place(record), "task", record.task) if key.startswith("task.") else place(record)


def _values(record: Record) -> Values:
    """What tells a record from others but for data, device and seed: a table's block and task have those."""
    values = scientific(record.config) | {WEIGHTS: record.weights, VERSION: record.method_version}
    return {key: json.dumps(value) for key, value in values.items() if key not in NAMED_ELSEWHERE}


def _complete(records: Sequence[Record], facts: Sequence[Values]) -> list[Values]:
    """The same, with the value of then for each key that a record lacks and one beside it has."""
    keys: dict[Key, set[str]] = {}
    for record, own in zip(records, facts, strict=True):
        for key in own:
            keys.setdefault(_scope(record, key), set()).add(key)
    return [
        {key: own.get(key, json.dumps(THEN.get(key))) for scope in _scopes(record) for key in keys.get(scope, ())}
        for record, own in zip(records, facts, strict=True)
    ]


def _scopes(record: Record) -> tuple[Key, ...]:
    return _of_method(record), _scope(record, "task."), place(record)


def _pair(key: str, text: str) -> str:
    """``recurrent=false``; what is long is shown by its hash, weights by the beginning of theirs."""
    value = show(json.loads(text))
    if key == WEIGHTS:
        value = value[:8]
    if len(value) > LONGEST_VALUE:
        value = f"sha256-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return f"{short(key)}={value}"


def overrides(differs: str) -> list[str]:
    """What a variant or a block says of its runs (``recurrent=false,precision=bf16-mixed``) as a command line does.

    Weights, versions and classes cannot be asked for.
    """
    pairs = [pair.partition("=") for pair in differs.split(",") if pair]
    asked = {full(key): value for key, _, value in pairs if key not in (WEIGHTS, VERSION, "method")}
    return [
        shlex.quote(f"{key}={unquote(value) if is_text(unquote(value)) else value}") for key, value in asked.items()
    ]
