"""A table of examples with their predictions beside them, as a file of the kind that its name says."""

import csv
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from read_repro.data.files import FORMATS
from read_repro.errors import InputError

if TYPE_CHECKING:
    from read_repro.prediction.predictor import Prediction

InputRows = Sequence[Mapping[str, Any]]
ADDED = ("prediction", "probability")


def check_output(output: Path, source: Path, table: InputRows, classes: Sequence[str]) -> None:
    """Refuse, before anything is computed, a file that could not be written or would lose something.

    Raises:
        InputError: another ending, the input itself, no such folder, or columns that are there already.
    """
    if output.suffix not in FORMATS:
        raise InputError(f"output={output}: want a file that ends with one of {', '.join(FORMATS)}")
    if not output.parent.is_dir():
        raise InputError(f"output={output}: there is no folder {output.parent}; make it first")
    if output.exists() and output.samefile(source):
        raise InputError(f"output={output} is the input, which would be lost; choose another file")
    taken = [name for name in (*ADDED, *map(_column, classes)) if table and name in table[0]]
    if taken:
        raise InputError(f"{source} has a column {taken[0]} already; rename it, so that it is not taken for ours")


def _column(name: str) -> str:
    return f"probability of {name}"


def with_predictions(
    table: InputRows, predictions: Sequence["Prediction"], *, every_class: bool
) -> list[dict[str, Any]]:
    """The rows of a table, each with its prediction."""
    return [
        {
            **row,
            "prediction": prediction.label if prediction.value is None else prediction.value,
            **({} if prediction.probability is None else {"probability": prediction.probability}),
            **({_column(name): each for name, each in prediction.probabilities.items()} if every_class else {}),
        }
        for row, prediction in zip(table, predictions, strict=True)
    ]


def write_table(path: Path, rows: InputRows) -> None:
    """Write rows all or nothing; the kind of file follows from its ending.

    Raises:
        OSError: the system does not let us write there.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        _write(temporary, path.suffix, rows)
        os.chmod(temporary, 0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _write(file: Path, suffix: str, rows: InputRows) -> None:
    if suffix == ".parquet":
        import pyarrow
        from pyarrow.parquet import write_table as write_parquet

        write_parquet(pyarrow.Table.from_pylist(list(rows)), file)
        return
    with file.open("w", encoding="utf-8", newline="") as stream:
        if suffix == ".json":
            json.dump(list(rows), stream, indent=1, ensure_ascii=False, default=str)
        elif suffix == ".jsonl":
            stream.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
        else:
            names = list(dict.fromkeys(name for row in rows for name in row))
            writer = csv.DictWriter(stream, names, delimiter="\t" if suffix == ".tsv" else ",", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
