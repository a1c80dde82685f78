"""In which state the runs of a sweep are.

A run is done if it has a valid record, and running if a process holds the lock of its folder; nothing else counts.
"""

from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

from read_repro.records.record import PlannedRecord, Record
from read_repro.records.store import another_run, read_as
from read_repro.sweep.jobs import Job
from read_repro.sweep.wanted import differences

STATES = ("done", "running", "failed", "missing")
TO_START = ("failed", "missing")  # the states of runs that a sweep would start
SHOWN_OF_CAUSE = 160  # so many characters of what ended a run are shown; the whole of it is in the run's folder


def record_of(job: Job) -> Record | PlannedRecord | None:
    """The job's record, if there is a valid one and it is this very run's."""
    record = _found(job)
    return None if _strange(record, job) else record


def refusal(job: Job) -> str | None:
    """Why the record in a job's place is another run's; None if it is the job's, or if there is none.

    The run itself would refuse it in the same words, so that a sweep need not start it.
    """
    found = _strange(_found(job), job)
    return str(another_run(job.record, found)) if found else None


def _strange(record: Record | PlannedRecord | None, job: Job) -> list[str]:
    return differences(record, job.config) if isinstance(record, Record) and job.config is not None else []


def _found(job: Job) -> Record | PlannedRecord | None:
    """What can be read in a job's place; a file is read once, as long as it stays the same."""
    try:
        status = job.record.stat()
        return _read(Record if job.trains else PlannedRecord, job.record, (status.st_ino, status.st_mtime_ns))
    except (OSError, ValueError):
        return None


@cache
def _read(
    kind: type[Record] | type[PlannedRecord], path: Path, written: tuple[int, int]
) -> Record | PlannedRecord | None:
    """The record that a path holds since a moment."""
    return read_as(kind, path)


def state(job: Job) -> str:
    """One of ``STATES``; a run in whose place another run's record stands would fail, and counts as failed."""
    if record_of(job) is not None:
        return "done"
    return "failed" if refusal(job) is not None else unfinished(job.record.parent if job.trains else None)


def unfinished(folder: Path | None) -> str:
    """The state of a run without a valid record. One that a signal ended counts as missing, not as failed."""
    if folder is None or not folder.exists():
        return "missing"
    return "running" if locked(folder) else "missing" if cause(folder) is None else "failed"


def locked(folder: Path) -> bool:
    """Whether a process holds the lock of a run's folder."""
    if not folder.exists():
        return False
    try:
        with FileLock(folder / ".lock", timeout=0):
            return False
    except Timeout:
        return True


def cause(folder: Path, *, since_s: float = 0.0) -> str | None:
    """What ended a failed run: the last unindented line of its ``error.txt``, if that was written after ``since_s``."""
    path = folder / "error.txt"
    try:
        if path.stat().st_mtime < since_s:
            return None
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return None
    last = next((line for line in reversed(lines) if line.strip() and not line[0].isspace()), "")
    return (
        None
        if last.startswith(("KeyboardInterrupt", "SystemExit", "read_repro.errors.Stopped"))
        else last[:SHOWN_OF_CAUSE]
    )
