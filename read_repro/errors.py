"""The one exception for a user's mistake."""

import re

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class InputError(ValueError):
    """What came in cannot be used: one line that says what was given, what is allowed and what to do next.

    ``train.py`` prints it and exits with code 2; in a multirun it is raised, so that the other jobs go on.
    """

    def __init__(self, message: str) -> None:
        # A message may quote what a foreign file says: that must neither end the line nor steer a terminal.
        super().__init__(CONTROL.sub(lambda found: " " if found.group() in "\n\t" else "?", message))
