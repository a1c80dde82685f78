"""What a run leaves behind: one JSON, written last, atomically and durably.

A record is valid if it parses, carries this schema and says it finished; only a valid record means "done".
"""

import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from read_repro.errors import InputError
from read_repro.records.naming import flatten

logger = logging.getLogger(__name__)
SCHEMA = 1
RESULT = "result.json"


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write all or nothing: a temporary file beside the target, flushed to disk, then put in its place."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_record(path: Path) -> dict[str, Any] | None:
    """A valid record, or None where there is none. A file that is no record raises ValueError, with its name."""
    try:
        record = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not a record: {error}") from error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA or record.get("status") != "finished":
        raise ValueError(f"{path} is not a finished record of schema {SCHEMA}")
    return record


def sweep_leftovers(folder: Path) -> None:
    """Remove temporary files that a killed writer left in a run's folder."""
    for leftover in folder.glob(f".{RESULT}.*"):
        leftover.unlink(missing_ok=True)


def finished(folder: Path, facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record in ``folder`` if this very run is done; a broken one is set aside.

    Args:
        facts: (dotted) places in the record and what they must hold: setting, data, weights and kind of device.

    Raises:
        InputError: the record there is another run's (other data, weights or device).
    """
    try:
        record = read_record(folder / RESULT)
    except ValueError as error:
        logger.warning("%s; it is set aside as %s.broken, and the run is done again", error, RESULT)
        (folder / RESULT).rename(folder / f"{RESULT}.broken")
        return None
    if record is None:
        return None
    for place, wanted in facts.items():
        if (found := record[place] if place in record else flatten(record).get(place)) != wanted:
            raise InputError(
                f"{folder / RESULT} is another run's record: its {place} is {found}, this run's {wanted}; "
                "use force=true to replace it, or another results_dir"
            )
    return record


def records(results: Path) -> Iterator[tuple[Path, dict[str, Any] | ValueError]]:
    """Every record of a results folder with its path, in order of path; a broken one comes as its error."""
    for path in sorted(results.glob(f"runs/**/{RESULT}")):
        try:
            record = read_record(path)
        except ValueError as error:
            yield path, error
        else:
            if record is not None:
                yield path, record
