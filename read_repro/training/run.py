"""One run under its lock: what is done is not done again; what is done anew leaves a record."""

import logging
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from read_repro.config.files import method_version
from read_repro.config.schema import RunConfig
from read_repro.errors import InputError, system_refusal, system_refusals
from read_repro.measure.train_step import overfit
from read_repro.records.fingerprint import Facts, facts
from read_repro.records.naming import run_name
from read_repro.records.record import Hardware, Record
from read_repro.records.store import RESULT, finished, write_text
from read_repro.terminal.closing import closing, how_to_use
from read_repro.terminal.lines import say, waiting
from read_repro.training.attempt import TRY, begin_try, complete_last_try, end_try
from read_repro.training.checks import Inputs, rank_of, unwritable
from read_repro.training.fit import train_and_test
from read_repro.training.parts import Parts, build
from read_repro.training.provenance import commit, hardware_of, package_versions, tell_resources
from read_repro.training.trainer import lightnings_settings

logger = logging.getLogger(__name__)
ERROR = "error.txt"
DEBUG_STEPS = 100  # of debug=true: enough for every method to know one batch by heart


def run(config: RunConfig, identity: Mapping[str, Any], inputs: Inputs) -> Record | None:
    """Do the run that ``config`` describes, unless its record is there; returns the record, None for a dry run.

    Its folder is made here, once nothing can be refused any more.

    Args:
        config: checked.
        identity: backbone, data, task, method, setting and seed, which name the run.
        inputs: what it starts from, and where it goes.

    Raises:
        InputError: a record of another run in that place, the run under way elsewhere, or hardware that lacks what is
            asked. Whatever else fails leaves ``error.txt`` in the folder, and no record.
    """
    trainer = config.trainer
    if trainer.threads is not None:
        torch.set_num_threads(trainer.threads)  # of the whole process, from before the first computation
    devices = {"devices": trainer.devices, "num_nodes": trainer.num_nodes}
    hardware = Hardware(**hardware_of(accelerator=trainer.accelerator, precision=trainer.precision, **devices))
    with system_refusals(), waiting("  reading weights and texts ..."):
        parts, plain = build(config, inputs), config.plain()
    version, weights = method_version(config.method.target), inputs.checkpoint.weights_fingerprint()
    wanted = facts(plain, method_version=version, weights=weights, data=parts.data.fingerprint, device=hardware.device)
    tell_resources(config, identity, parts, hardware)
    if config.debug:
        fit_one_batch(parts, torch.device("cuda" if hardware.kind == "cuda" else "cpu"))
        return None
    if config.dry_run:
        return dry_run(config, inputs.folder, parts, wanted)
    if rank := rank_of(trainer):
        follow(rank, config, parts, inputs.folder, hardware, wanted)
        return None
    with held(inputs.folder):
        complete_last_try(inputs.folder)
        if (record := done_before(config, inputs.folder, wanted)) is not None:
            return record
        known = {"run": run_name(**identity), **identity, "weights": weights, "method_version": version}
        return new_record(known, config, parts, inputs.folder, hardware, wanted)


def follow(rank: int, config: RunConfig, parts: Parts, folder: Path, hardware: Hardware, wanted: Facts) -> None:
    """What each further process of a run does. The first one alone has the lock, the record and all that is written."""
    if done_before(config, folder, wanted) is not None:
        return
    torch.manual_seed(int(np.random.SeedSequence((config.seed, rank)).generate_state(1)[0]))  # of its own dropout
    with lightnings_settings():
        train_and_test(parts, config, folder, folder / TRY, hardware, wanted)


def dry_run(config: RunConfig, folder: Path, parts: Parts, wanted: Facts) -> Record | None:
    """Say what would be done, and leave nothing."""
    if (record := done_before(config, folder, wanted)) is not None:
        return record
    logger.info("would run %s", folder)
    return None


def fit_one_batch(parts: Parts, device: torch.device) -> None:
    """Train on one batch until a method that learns knows it by heart, and say how its loss fell; leaves nothing."""
    method, data = parts.method.to(device), parts.data
    method.initialise(data.single_examples, device)
    batch = {key: value.to(device) for key, value in next(iter(data.train_dataloader())).items()}
    for step, loss in enumerate(overfit(method, batch, steps=DEBUG_STEPS), start=1):
        if step in (1, 2, 5, 10, 20, 50) or step == DEBUG_STEPS:
            say(f"one batch, step {step:>3}/{DEBUG_STEPS}  loss {loss:.4f}")
    scores = method.eval().score(method.predict(batch).tolist(), batch["labels"].tolist())
    known = ", ".join(f"{name} {value:.2f}" for name, value in scores.items())
    say(f"on the {len(batch['labels'])} examples of that batch: {known}")


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The run's folder, made if need be, for this process alone.

    Raises:
        InputError: another process has it, or the system does not let us write there.
    """
    lock = FileLock(folder / ".lock", timeout=1)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise InputError(f"{folder} is being run by another process: wait for it") from error
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        yield
    finally:
        lock.release()


def done_before(config: RunConfig, folder: Path, wanted: Facts) -> Record | None:
    """The record of this very run, unless it is forced to be done again."""
    record = None if config.force else finished(folder, wanted)
    if record is not None:
        logger.info("done before: %s (force=true runs it again)", folder / RESULT)
    return record


def new_record(
    known: Mapping[str, Any], config: RunConfig, parts: Parts, folder: Path, hardware: Hardware, wanted: Facts
) -> Record:
    """Train and test, and write the record; ``known`` is what can be said of it beforehand.

    A try that was ended before is gone on with, unless the run is forced. An old record, its weights and its journal
    stay until the new ones are whole.
    """
    with system_refusals():
        attempt = begin_try(folder, anew=config.force)
    try:
        with lightnings_settings():
            measured = train_and_test(parts, config, folder, attempt, hardware, wanted)
        record = Record(
            **known,
            hardware=hardware,
            config=config.plain(),
            versions=package_versions(),
            commit=commit(),
            **measured,
        )
        end_try(attempt, record)
    except BaseException:
        note_error(folder)
        raise
    (folder / ERROR).unlink(missing_ok=True)
    tell(record, folder / RESULT)
    return record


def note_error(folder: Path) -> None:
    """Leave the traceback of what is being handled in a run's folder: all of it, or on a full disk no file at all."""
    try:
        write_text(folder / ERROR, traceback.format_exc())
    except OSError as error:
        logger.warning("%s cannot be written: %s", folder / ERROR, system_refusal(error))


def tell(record: Record, path: Path) -> None:
    """How a run ended: its scores and what it took, or one line where it diverged."""
    if record.finished:
        say(closing(record))
        say(how_to_use(record, path))
        return
    logger.warning(
        "diverged: the loss left the numbers at step %d with optim.lr=%g, so there are no scores; record: %s",
        record.diverged_step,
        record.config["optim"]["lr"],
        path,
    )
