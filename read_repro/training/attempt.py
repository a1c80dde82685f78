"""A try of a run: it works in a folder of its own, below the run's, so that whatever ends it loses nothing.

An old record and its weights stay until new ones are whole. Then the journal, the weights and last the record move up,
each by a rename; a try that was killed on the way there is completed by whoever comes next. The journal of a killed try
stays and is continued by the next one, which so knows what the run has spent before; its checkpoints stay, too.
"""

import logging
import os
import shutil
from pathlib import Path

from read_repro.measure.energy_journal import read_windows
from read_repro.records.record import Record
from read_repro.records.store import RESULT, WEIGHTS, move_up, read_record, set_aside, sweep_leftovers, write_record
from read_repro.training.checkpoints import CHECKPOINTS

logger = logging.getLogger(__name__)
TRY = "try"
WHOLE = "record.json"  # a try's record, which counts once it has moved up to RESULT
JOURNAL = "journal.jsonl"


def complete_last_try(folder: Path) -> None:
    """Move up what a try has left that was whole when it was ended."""
    attempt = folder / TRY
    if not attempt.is_dir():
        return
    if (record := _record(attempt / WHOLE)) is not None:
        _move_up(attempt, record)


def begin_try(folder: Path, *, anew: bool = False) -> Path:
    """The folder that a new try works in, which holds the journal and the checkpoints of those before it.

    Args:
        anew: without the checkpoints.
    """
    attempt = folder / TRY
    _aside_unless(attempt.is_dir(), attempt)
    attempt.mkdir(exist_ok=True)
    sweep_leftovers(attempt)
    for name in (JOURNAL, WEIGHTS):
        _aside_unless((attempt / name).is_file(), attempt / name)
    (attempt / WEIGHTS).unlink(missing_ok=True)
    _aside_unless((attempt / CHECKPOINTS).is_dir(), attempt / CHECKPOINTS)
    for leftover in [attempt / CHECKPOINTS] if anew else (attempt / CHECKPOINTS).glob(".*"):
        shutil.rmtree(leftover, ignore_errors=True)
    if _record(folder / RESULT) is None:  # then the journal beside it is not that of a run that is done
        _aside_unless((folder / JOURNAL).is_file(), folder / JOURNAL)
        _continue(folder / JOURNAL, attempt / JOURNAL)
    _aside_unless(_readable(attempt / JOURNAL), attempt / JOURNAL)
    return attempt


def end_try(attempt: Path, record: Record) -> None:
    """Put a try's results in the place of what was there."""
    write_record(attempt / WHOLE, record)
    _move_up(attempt, record)


def _move_up(attempt: Path, record: Record) -> None:
    shutil.rmtree(attempt / CHECKPOINTS, ignore_errors=True)
    for journal in attempt.glob(f"[0-9]*.{JOURNAL}"):  # of further processes, whose energy the record has
        journal.unlink()
    if record.trained_weights is None:  # a run that diverged has none, and those of an older one are not its own
        (attempt.parent / WEIGHTS).unlink(missing_ok=True)
    for name, place in ((JOURNAL, JOURNAL), (WEIGHTS, WEIGHTS), (WHOLE, RESULT)):
        target = attempt.parent / place
        _aside_unless(target.is_file(), target)
        move_up(attempt / name, target)
    if not any(attempt.iterdir()):
        attempt.rmdir()


def _record(path: Path) -> Record | None:
    """The record in a place; what is none is named and set aside."""
    try:
        return read_record(path)
    except ValueError as error:
        logger.warning("%s; it is set aside as %s", error, set_aside(path).name)
        return None


def _continue(earlier: Path, journal: Path) -> None:
    """Make the journal of earlier tries the beginning of a try's own."""
    if not earlier.is_file():
        return
    if journal.is_file():
        with journal.open("ab") as file:
            file.write(b"\n" + earlier.read_bytes())
        earlier.unlink()
    else:
        earlier.rename(journal)


def _readable(journal: Path) -> bool:
    """Whether a journal is empty or holds at least one window that can be read."""
    return not journal.is_file() or journal.stat().st_size == 0 or bool(read_windows(journal))


def _aside_unless(fine: bool, path: Path) -> None:
    """Set aside what stands in a place and cannot stay there."""
    if not fine and os.path.lexists(path):
        logger.warning("%s is not what belongs there; it is set aside as %s", path, set_aside(path).name)
