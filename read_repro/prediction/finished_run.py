"""The record of a run's folder, which may be anyone's, found to be plain values; read without torch, in a moment."""

from pathlib import Path

from read_repro.errors import InputError
from read_repro.foreign import refuse_code
from read_repro.records.record import Record, as_json
from read_repro.records.store import RESULT, WEIGHTS, read_record
from read_repro.training.plain_values import shipped_targets


def finished_run(folder: Path) -> Record:
    """The finished record of a folder that holds weights too.

    Raises:
        InputError: no finished run there, or its record is not plain data.
    """
    try:
        record = read_record(folder / RESULT)
    except ValueError as error:
        raise InputError(str(error)) from error
    if record is None or not (folder / WEIGHTS).exists():
        raise InputError(f"{folder} holds no trained run: {RESULT} and {WEIGHTS} are needed (weights are not in git)")
    refuse_code(as_json(record), f"the record in {folder}", shipped_targets())
    if not record.finished:
        raise InputError(f"{folder} holds a run whose loss left the numbers: it predicts nothing")
    if record.trained_weights is None:
        raise InputError(
            f"the record in {folder} is from before it told its weights by digest: run it again, force=true"
        )
    return record
