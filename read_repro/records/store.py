"""The files that records are kept in: one JSON a run, written last, atomically and durably; read by one reader.

A file is a record if it parses, carries this schema and holds what its type asks for; only a record means "done".
"""

import hashlib
import itertools
import json
import logging
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from read_repro.errors import InputError
from read_repro.foreign import parse_json, read_text, reason
from read_repro.records.fingerprint import Facts, difference, facts_of, fingerprint
from read_repro.records.record import SCHEMA, AnyRecord, Record, as_json
from read_repro.records.typed import typed

logger = logging.getLogger(__name__)
RESULT = "result.json"
WEIGHTS = "best.safetensors"  # the trained weights beside it, which git ignores
DIGEST = "sha256"  # the key of a record's last line
Kind = TypeVar("Kind", bound=AnyRecord)


def write_record(path: Path, record: AnyRecord) -> None:
    """Write a record all or nothing, with the digest of what it holds."""
    write_text(path, signed(as_json(record)))


def signed(content: Mapping[str, Any]) -> str:
    """A record's text, which ends with the digest of all before: a function of the content, to the letter."""
    body = {key: value for key, value in content.items() if key != DIGEST}
    digest = hashlib.sha256(_text(body).encode()).hexdigest()
    return _text({**body, DIGEST: digest})


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON all or nothing."""
    write_text(path, _text(content))


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write all or nothing: a temporary file beside the target, flushed to disk, then put in its place."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as file:  # with the umask's mode, as every other file
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(folder: Path) -> None:
    """Make sure that a folder's names are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def move_up(source: Path, target: Path) -> None:
    """Put a file in the place of another, or do nothing if it is not there (any more)."""
    if source.exists():
        source.replace(target)
        sync(target.parent)


def link(source: Path, target: Path) -> None:
    """Give a file a second name, or where the file system has no such thing make a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def set_aside(path: Path) -> Path:
    """Rename what cannot be used, ``<name>.broken`` or the next of its kind that is free; returns where it went."""
    names = itertools.chain([f"{path.name}.broken"], (f"{path.name}.broken.{count}" for count in itertools.count(2)))
    target = next(place for name in names if not os.path.lexists(place := path.with_name(name)))
    path.rename(target)
    return target


def read_record(path: Path) -> Record | None:
    """A run's record, or None where there is none. A file that is no record raises ValueError, with its name."""
    return read_as(Record, path)


def read_as(kind: type[Kind], path: Path) -> Kind | None:
    """A record of any kind, or None where there is none.

    Raises:
        ValueError: a file that is no record of this kind; one line with its name and what is wrong with it.
    """
    try:
        text = read_text(path)
        content = parse_json(text)
        if not isinstance(content, dict):
            raise ValueError("it holds no JSON object")
        _check_digest(content, text)
        for key, wanted in (("schema", SCHEMA), ("kind", kind.KIND)):
            if (found := content.pop(key, None)) != wanted:
                raise ValueError(f"its {key} is {ascii(found)[:40]}, not {wanted}")
        return typed(content, kind)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ValueError(f"{ascii(str(path))[1:-1]} is not a record: {reason(error)}") from error


def _check_digest(content: dict[str, Any], text: str) -> None:
    """Take the digest out of a record's content and check it; records from before there were digests have none."""
    if DIGEST not in content and content.get("trained_weights") is None:
        return
    if signed(content) != text.replace("\r\n", "\n"):
        raise ValueError(
            "it is not as it was written but edited or damaged: restore it, or run it again with force=true"
        )
    del content[DIGEST]


def sweep_leftovers(folder: Path) -> None:
    """Remove temporary files that a killed writer left in a folder."""
    for leftover in folder.glob(".*.json.*"):
        if leftover.is_file():
            leftover.unlink(missing_ok=True)


def finished(folder: Path, wanted: Facts) -> Record | None:
    """The record in ``folder`` if this very run is done; a broken one is set aside.

    Raises:
        InputError: the record there is another run's.
    """
    path = folder / RESULT
    try:
        record = read_record(path)
    except ValueError as error:
        logger.warning("%s; it is set aside as %s, and the run is done again", error, set_aside(path).name)
        return None
    if record is not None and fingerprint(facts_of(record)) != fingerprint(wanted):
        raise another_run(path, difference(facts_of(record), wanted))
    return record


def another_run(path: Path, differences: Sequence[str]) -> InputError:
    """The error that names a record which stands where another run's should."""
    why = "; ".join(differences[:3]) + ("; ..." if differences[3:] else "")
    return InputError(f"{path} is another run's record: {why}: use force=true to replace it, or another results_dir")


def records(results: Path, *, below: str = "**") -> Iterator[tuple[Path, Record | ValueError]]:
    """Every record of a results folder (``below`` a part of it) with its path, in order; a broken one as its error."""
    for path in sorted(results.glob(f"runs/{below}/{RESULT}")):
        try:
            record = read_record(path)
        except ValueError as error:
            yield path, error
        else:
            if record is not None:
                yield path, record
