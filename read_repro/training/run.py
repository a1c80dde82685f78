"""One run under its lock: what is done is not done again; what is done anew leaves a record."""

import logging
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from read_repro.config.files import method_version
from read_repro.data.sources import Tables
from read_repro.errors import InputError
from read_repro.measure.parameters import count
from read_repro.records.fingerprint import facts
from read_repro.records.naming import run_name
from read_repro.records.record import Hardware, Record
from read_repro.records.store import RESULT, finished, sweep_leftovers, write_record
from read_repro.training.fit import JOURNAL, train_and_test
from read_repro.training.parts import build
from read_repro.training.provenance import commit, hardware_of, package_versions

logger = logging.getLogger(__name__)


def run(config: Mapping[str, Any], identity: Mapping[str, Any], folder: Path, tables: Tables) -> Record | None:
    """Do the run that ``config`` describes, unless its record is there; returns the record, None for a dry run.

    Args:
        config: resolved, plain values.
        identity: backbone, data, task, method, setting and seed, which name the run.
        folder: its place; must exist.
        tables: the task's rows, read and checked.

    Raises:
        InputError: a record of another run in that place, the run under way elsewhere, or hardware that lacks what is
            asked. Whatever else fails leaves ``error.txt`` in the folder, and no record.
    """
    try:
        with FileLock(folder / ".lock", timeout=1):
            return _run_locked(config, identity, folder, tables)
    except Timeout as error:
        raise InputError(f"{folder} is being run by another process: wait for it") from error


def _run_locked(config: Mapping[str, Any], identity: Mapping[str, Any], folder: Path, tables: Tables) -> Record | None:
    sweep_leftovers(folder)
    if config["trainer"]["threads"] is not None:
        torch.set_num_threads(config["trainer"]["threads"])
    hardware = Hardware(**hardware_of(config))
    parts = build(config, tables)
    version, weights = method_version(config["method"]["_target_"]), parts.checkpoint.weights_fingerprint()
    wanted = facts(config, method_version=version, weights=weights, data=parts.data.fingerprint, device=hardware.device)
    if not config["force"] and (record := finished(folder, wanted)) is not None:
        logger.info("done before: %s (force=true runs it again)", folder / RESULT)
        return record
    if config["dry_run"]:
        logger.info("would run %s: %s", folder, {**parts.data.sizes, **count(parts.method)})
        return None
    for replaced in (RESULT, JOURNAL) if config["force"] else (RESULT,):
        (folder / replaced).unlink(missing_ok=True)
    try:
        record = Record(
            run=run_name(**identity),
            **identity,
            config=config,
            weights=weights,
            method_version=version,
            hardware=hardware,
            versions=package_versions(),
            commit=commit(),
            **train_and_test(parts, config, folder),
        )
        write_record(folder / RESULT, record)
    except BaseException:
        (folder / "error.txt").write_text(traceback.format_exc())
        raise
    (folder / "error.txt").unlink(missing_ok=True)
    logger.info("test/score %.2f, record: %s", record.metrics["test/score"], folder / RESULT)
    return record
