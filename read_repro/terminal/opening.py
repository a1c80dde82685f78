"""How a run begins: what it is, what differs from the defaults, what it runs on, and how long that may take."""

import json
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from rich.table import Table

from read_repro.records.fingerprint import flatten
from read_repro.terminal.words import UNMEASURED, columns, duration, named_values, trained

LONGEST_SHOWN = 60  # letters of a value in the table of what differs


def first_line(identity: Mapping[str, Any], *, count: str = "", varied: str = "") -> str:
    """What is run, in one line.

    Args:
        identity: what names the run.
        count: its place among many, such as ``2/4``.
        varied: what sets it apart from those.
    """
    of = "{method} on {task} ({data} data), {backbone}, seed {seed}".format(**identity)
    return f"{count} {of}".lstrip() + (f": {varied}" if varied else "")


def what_differs(
    choices: Mapping[str, str | None],
    usual: Mapping[str, str | None],
    config: Mapping[str, Any],
    files: Mapping[str, Any],
) -> Table | str:
    """What differs from the defaults: the files that were chosen, then the values in them that were changed.

    Args:
        choices: the file of each group.
        usual: the same as ``conf/config.yaml`` has it.
        config: the whole configuration.
        files: the same choice of files, without anything changed.
    """
    rows = [*_other_files(choices, usual), *_other_values(flatten(config), flatten(files))]
    return columns(("", "here", "default"), rows, left=3) if rows else "  everything as the files have it"


def _other_files(choices: Mapping[str, str | None], usual: Mapping[str, str | None]) -> Iterator[Sequence[str]]:
    for group, name in choices.items():
        if name != usual.get(group):
            yield group, name or UNMEASURED, usual.get(group) or UNMEASURED


def _other_values(config: Mapping[str, Any], files: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for key, value in config.items():
        if key not in files or files[key] != value:
            yield key, _short(value), _short(files[key]) if key in files else UNMEASURED


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def resources(
    *,
    device: str,
    sizes: Mapping[str, int],
    truncated_share: float,
    parameters: Mapping[str, float | None],
    like_runs_s: Sequence[float],
) -> Table:
    """What a run has to work with, and what it may take.

    Args:
        device: its name, memory and precision.
        sizes: the number of examples of each split.
        truncated_share: of all examples, those that are longer than a run reads.
        parameters: the ``params/...`` metrics.
        like_runs_s: how long runs of the same method, task and size took on this machine.
    """
    cut = f"; {truncated_share:.1%} of them cut in length" if truncated_share else ""
    return named_values(
        [
            ("device", device),
            ("data", ", ".join(f"{size:,} {split}" for split, size in sizes.items()) + cut),
            ("trained", trained(parameters)),
            ("time", expected(like_runs_s)),
        ]
    )


def expected(like_runs_s: Sequence[float]) -> str:
    """How long the training may take, by runs that were like it; without any, when that will be known."""
    if not like_runs_s:
        return "not known yet: no run like it has a record on this machine; the bar says it from the first steps"
    runs = "a run" if len(like_runs_s) == 1 else f"{len(like_runs_s)} runs"
    return f"about {duration(fmean(like_runs_s))}, as {runs} like it took on this machine"
