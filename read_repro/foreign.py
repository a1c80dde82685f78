"""What comes from outside is data: regular files of a bounded size, strict JSON, plain values, names that are names.

A run's folder, a checkpoint or a task file may have been made by anyone. Nothing here runs, imports or resolves what
such a file names; whatever cannot be plain data is refused with one line.
"""

import json
import math
import os
import re
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from read_repro.errors import InputError

MAX_JSON_BYTES = 64 << 20  # a record has about 10 kB, the largest tokenizer's file about 20 MB
MAX_DEPTH = 20  # a configuration has four levels; a deeper one would exhaust whoever walks through it
MAX_INTEGER = 2**53  # whole numbers up to here are the same to every reader of JSON
NAME = re.compile(r"\w[\w.+-]{0,99}")
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
DIRECTIVES = ("_target_", "_partial_", "_args_", "_recursive_", "_convert_")  # what Hydra's instantiate acts on


def shown(value: object) -> str:
    """A foreign value as part of one line: escaped, so that it cannot steer a terminal, and cut short."""
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:76]}...{text[-1]}"


def plain_name(name: object, what: str) -> str:
    """A name that can be a folder's and leads nowhere else.

    Raises:
        InputError: it holds a separator, starts with a dot, or is no text of this kind.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InputError(
            f"{what}={shown(name)} is no name: give 1 to 100 letters, digits or signs of . _ + -, the first of them a "
            "letter, a digit or _"
        )
    return name


def regular_file(path: Path) -> Path:
    """The path of a regular file, links followed; a pipe or a device could keep a reader waiting for ever.

    Raises:
        InputError: there is none.
    """
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({reason(error)})") from error
    if not regular:
        raise InputError(f"{path} is not a regular file")
    return path


def reason(error: Exception) -> str:
    """Why something failed, as a short line without the paths that an ``OSError`` repeats."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    first = next((line for line in text.splitlines() if line.strip()), type(error).__name__)
    return first[:200]


def read_json(path: Path) -> Any:
    """The content of a JSON file, of bounded size and depth, with finite numbers; reading it never waits.

    Raises:
        FileNotFoundError: there is none.
        InputError: it is no such file.
    """
    try:
        return parse_json(read_text(path))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: {reason(error)}") from error


def parse_json(text: str) -> Any:
    """The content of a JSON text.

    Raises:
        ValueError: no JSON, or numbers that are not finite, or nested more than ``MAX_DEPTH`` deep.
    """
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    for place, _, value in entries(content):
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"the number at {shown(place)} is not finite")
    return content


def read_text(path: Path) -> str:
    """The text of a regular file of bounded size; reading it never waits.

    Raises:
        OSError, ValueError: there is none, or it is no such file.
    """
    # Without O_NONBLOCK, opening a named pipe that nobody writes to would wait for ever.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is not a regular file")
        content = file.read(MAX_JSON_BYTES + 1)
    if len(content) > MAX_JSON_BYTES:
        raise ValueError(f"it is larger than {MAX_JSON_BYTES >> 20} MiB")
    return content.decode("utf-8")


def entries(content: Any, place: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every value in ``content`` as (dotted place, key, value); a list's items have the place and key of their list.

    Raises:
        ValueError: nested more than ``MAX_DEPTH`` deep.
    """
    waiting: list[tuple[str, str, Any, int]] = [(place, place, content, 0)]
    while waiting:
        where, key, value, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise ValueError("it is nested too deeply")
        yield where, key, value
        if isinstance(value, dict):
            waiting.extend((f"{where}.{k}" if where else str(k), str(k), v, depth + 1) for k, v in value.items())
        elif isinstance(value, list | tuple):
            waiting.extend((where, key, item, depth + 1) for item in value)


def refuse_code(content: Any, what: str, harmless: Collection[tuple[str, str]] = ()) -> None:
    """Refuse, at any depth, what Hydra would act on (``_target_`` and its like, ``${...}``), and unprintable text.

    Args:
        what: whose content this is, for the message.
        harmless: dotted places with the last part of the name that a ``_target_`` has there in our own files.

    Raises:
        InputError: naming the place.
    """
    for place, key, value in entries(content):
        if key in DIRECTIVES and (place, str(value).rpartition(".")[2]) not in harmless:
            raise InputError(f"{what} names code to run at {shown(place)}, {shown(value)}: it is not one of ours")
        for text in (key, value):
            if isinstance(text, str) and "${" in text:
                raise InputError(f"{what} holds ${{...}} at {shown(place)}: only plain values are read from it")
            if isinstance(text, str) and UNPRINTABLE.search(text):
                raise InputError(f"{what} holds control characters at {shown(place)}: {shown(text)}")
        if isinstance(value, int) and abs(value) > MAX_INTEGER:
            raise InputError(f"{what} holds a number beyond 2**53 at {shown(place)}")
