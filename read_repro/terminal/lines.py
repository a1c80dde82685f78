"""Lines for people, on standard error: in colours on a terminal, elsewhere plain and without control characters.

Everything goes through ``logging``, so that a program that uses the package as a library decides what it sees.
``conf/hydra/job_logging/plain.yaml`` names ``LineHandler``, which prints above a bar that is on the screen.
"""

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from rich.console import Console, RenderableType
from rich.text import Text

logger = logging.getLogger(__name__)
LEVEL_STYLES = {logging.WARNING: "yellow", logging.ERROR: "bold red"}
PLAIN_WIDTH = 400  # columns of a table that no terminal bounds; nothing is cut to fit


@cache
def console() -> Console:
    """The one console of this process. Only a terminal gets colours and a bar, whatever FORCE_COLOR says."""
    terminal = sys.stderr.isatty()
    return Console(
        stderr=True, force_terminal=terminal, force_jupyter=False, markup=False, emoji=False, highlight=False
    )


class LineHandler(logging.Handler):
    """Prints each record of the log as one line, or what `say` was given, above a bar that is on the screen."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            shown = getattr(record, "shown", None)
            if console().is_terminal and shown is not None and not isinstance(shown, str):
                console().print(shown)
            else:
                console().print(Text(self.format(record), style=LEVEL_STYLES.get(record.levelno, "")), soft_wrap=True)
        except Exception:  # as every handler of logging: a line that cannot be printed ends no run
            self.handleError(record)


def say(content: RenderableType) -> None:
    """Print a line or a table; other handlers of the log get it as plain text."""
    logger.info("%s", plain(content), extra={"shown": content})


def plain(content: RenderableType) -> str:
    """A line or a table as text, without colours and without spaces at the ends of lines."""
    text = io.StringIO()
    Console(file=text, width=PLAIN_WIDTH, force_terminal=False, force_jupyter=False, markup=False, emoji=False).print(
        content, soft_wrap=isinstance(content, str), highlight=False
    )
    return "\n".join(line.rstrip() for line in text.getvalue().rstrip("\n").split("\n"))


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say what takes a moment: on a terminal as long as it does, elsewhere as a line."""
    if not (console().is_terminal and logger.isEnabledFor(logging.INFO)):
        say(what)
        yield
        return
    with console().status(what):
        yield
