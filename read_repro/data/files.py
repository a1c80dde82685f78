"""Tables from files: CSV, TSV, JSON, JSON Lines and Parquet; each row by the names of its columns.

CSV and TSV have a header and the usual double quotes; a CSV whose header has semicolons and no comma is separated by
them, as spreadsheets in much of Europe write it. Text is UTF-8.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from read_repro.errors import InputError
from read_repro.foreign import reason, regular_file

LONGEST_FIELD = 1 << 24  # letters of one field of a CSV; Python's own limit is 128 K, less than a long document


def read_table(file: Path) -> list[dict[str, Any]]:
    """The rows of a file whose ending is one of ``FORMATS``.

    Raises:
        InputError: the file is absent, damaged, in another encoding, or two of its columns have one name.
    """
    from pyarrow.lib import ArrowException

    if file.suffix not in FORMATS:
        raise InputError(f"{file}: want a file that ends with one of {', '.join(FORMATS)}")
    try:
        return FORMATS[file.suffix](regular_file(file))
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError(f"{file} cannot be read as {file.suffix[1:]}: {_encoding(error)}; save it as UTF-8") from error
    except (OSError, ValueError, RecursionError, csv.Error, ArrowException) as error:
        raise InputError(f"{file} cannot be read as {file.suffix[1:]}: {reason(error)}") from error


def _encoding(error: UnicodeDecodeError) -> str:
    if error.object[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "it is UTF-16"
    return f"it is not UTF-8 (byte 0x{error.object[error.start]:02x} at {error.start})"


def _parquet(file: Path) -> list[dict[str, Any]]:
    from pyarrow.parquet import read_table as read_parquet

    with file.open("rb") as stream:
        return read_parquet(stream).to_pylist()


def _jsonl(file: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in _text(file).split("\n") if line.strip()]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("want one JSON object a line")
    return rows


def _json(file: Path) -> list[dict[str, Any]]:
    """A list of objects; a file of JSON Lines may be called .json, too."""
    try:
        rows = json.loads(_text(file))
    except json.JSONDecodeError:
        return _jsonl(file)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("want a list of JSON objects, or one JSON object a line")
    return rows


def _separated(delimiter: str) -> Callable[[Path], list[dict[str, Any]]]:
    def rows(file: Path) -> list[dict[str, Any]]:
        csv.field_size_limit(LONGEST_FIELD)
        text = _text(file)
        header = text.partition("\n")[0]
        semicolons = delimiter == "," and "," not in header and ";" in header
        lines = io.StringIO(text, newline="")  # line ends stay as they are, inside quotes too
        reader = csv.DictReader(lines, delimiter=";" if semicolons else delimiter, strict=True)
        twice = [name for name, count in Counter(reader.fieldnames or ()).items() if count > 1]
        if twice:
            raise ValueError(f"two columns are called {twice[0]!r}")
        return list(reader)

    return rows


def _text(file: Path) -> str:
    return file.read_bytes().decode("utf-8-sig")


FORMATS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    ".parquet": _parquet,
    ".jsonl": _jsonl,
    ".csv": _separated(","),
    ".tsv": _separated("\t"),
    ".json": _json,
}
