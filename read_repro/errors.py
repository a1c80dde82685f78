"""What ends a run early: a user's mistake, or a signal."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """What came in cannot be used: one line that says what was given, what is allowed and what to do next.

    ``train.py`` prints it and exits with code 2; in a multirun the other jobs go on.
    """


class Stopped(SystemExit):
    """The process was told to stop, by Ctrl-C (SIGINT) or by whoever runs it (SIGTERM).

    Nothing takes it for an error that could be handled: the process ends with 130 or 143, as a shell expects.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.signal = signal.Signals(number).name

    def __str__(self) -> str:
        return f"stopped by {self.signal}"


@contextmanager
def signals_stop() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise ``Stopped``, so that a run can note why it ended; a second one ends it at once."""

    def stop(number: int, frame: object) -> None:
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def system_refusals() -> Iterator[None]:
    """Before a run has begun, what the system refuses (a path too long, a full disk) is a mistake in what it was given.

    Raises:
        InputError: for any ``OSError``.
    """
    try:
        yield
    except OSError as error:
        raise InputError(system_refusal(error)) from error


def system_refusal(error: OSError) -> str:
    """One line on what the system refused, and where."""
    path = "" if error.filename is None else f"{cut_short(str(error.filename))}: "
    return f"{path}{error.strerror or error}"


def cut_short(path: str, *, longest: int = 300) -> str:
    """A path for a message: its beginning and its end, where it is very long."""
    return path if len(path) <= longest else f"{path[: longest // 2]}...{path[-longest // 2 :]}"
