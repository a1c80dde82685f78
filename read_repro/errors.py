"""The one exception for a user's mistake."""


class InputError(ValueError):
    """What came in cannot be used: one line that says what was given, what is allowed and what to do next.

    ``train.py`` prints it and exits with code 2; in a multirun it is raised, so that the other jobs go on.
    """
