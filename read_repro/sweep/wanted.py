"""Whose record stands in a job's place: the facts of a run, as far as they can be told without starting it.

The configuration is compared first. Only where it agrees are weights and data hashed, once each for a whole sweep.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from read_repro.backbones.checkpoint import Checkpoint
from read_repro.config.files import construct_shipped, method_version
from read_repro.data import sources
from read_repro.errors import InputError
from read_repro.records.fingerprint import Facts, difference, facts, facts_of
from read_repro.records.record import Record


def differences(record: Record, config: Mapping[str, Any]) -> list[str]:
    """How the run of a record differs from that of a configuration; empty if they are the same run."""
    there = facts_of(record)
    return difference(there, _facts(config)) or difference(there, _facts(config, hashes=True))


def _facts(config: Mapping[str, Any], *, hashes: bool = False) -> Facts:
    """A run's facts; the device is known beforehand only where it is to be the CPU."""
    return facts(
        config,
        method_version=method_version(config["method"]["_target_"]),
        weights=_weights(json.dumps(config["backbone"])) if hashes else None,
        data=_data(json.dumps(config["task"]), json.dumps(config["data"])) if hashes else None,
        device="CPU" if config["trainer"]["accelerator"] == "cpu" else None,
    )


@cache
def _weights(backbone: str) -> str | None:
    """The hash of a backbone's weights; None if they are not on this machine. Nothing is downloaded."""
    try:
        checkpoint = construct_shipped(json.loads(backbone))
        if checkpoint.hub is not None and checkpoint.path is None:
            checkpoint = replace(checkpoint, path=str(_downloaded(checkpoint)))
        return checkpoint.weights_fingerprint()
    except (InputError, OSError):
        return None


def _downloaded(checkpoint: Checkpoint) -> Path:
    from huggingface_hub import snapshot_download

    assert checkpoint.hub is not None
    return Path(snapshot_download(checkpoint.hub, local_files_only=True))


@cache
def _data(task: str, data: str) -> str | None:
    """The hash of a task's splits; None if they cannot be had, or only from the hub, which each run asks itself."""
    made, settings = construct_shipped(json.loads(task)), json.loads(data)
    if settings["source"] == "hub":
        return None
    from read_repro.data.splits import split  # it needs torch, which a sweep without records can do without

    try:
        tables = sources.read(made, source=settings["source"], path=settings["path"])
        synthetic = settings["source"] == "synthetic"
        return split(made, tables, train_limit=settings["train_limit"], synthetic=synthetic).fingerprint
    except (InputError, OSError):
        return None
