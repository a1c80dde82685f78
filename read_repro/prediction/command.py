"""``python predict.py`` and ``read-repro-predict``: labels for texts of a command line, a file, or what is piped in.

What can be refused is refused before torch is imported.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from read_repro.data.files import FORMATS, read_table
from read_repro.data.tasks import Row
from read_repro.errors import InputError, system_refusal
from read_repro.prediction.examples import Texts, rows_of_examples
from read_repro.prediction.finished_run import finished_run
from read_repro.prediction.output import check_output, with_predictions, write_table
from read_repro.training.plain_values import task_of

if TYPE_CHECKING:
    from read_repro.prediction.predictor import Prediction

USAGE = """usage: read-repro-predict run=<folder of a run> "a text" ["its second text"]
       read-repro-predict run=<folder> input=texts.csv output=labels.csv
       <command that prints a text a line> | read-repro-predict run=<folder>

A label and its probability, separated by a tab, for each example. In a checkout, python predict.py is the same.
  run         the folder of a finished run: results/runs/<backbone>/<data>/<task>/<method>.../seed=<n>
  input       csv, tsv, json, jsonl or parquet, with the columns that the run was trained on; - for what is piped in
  output      the same rows with columns prediction and probability added; without it, labels are printed
  all=true    the probability of every class, too
  batch_size  texts at once (32)
What is piped in has an example a line; the two texts of a pair are separated by a tab."""
ARGUMENTS = ("run", "input", "output", "all", "batch_size")


@dataclass(frozen=True)
class Request:
    """A command line, understood."""

    run: Path
    texts: tuple[str, ...]
    input: Path | None
    output: Path | None
    every_class: bool
    batch_size: int


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code: 0, or 2 for what was refused."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if {"-h", "--help"} & set(arguments):
        print(USAGE)
        return 0
    try:
        answer(understood(arguments))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read our output has had enough
        with suppress(OSError):
            sys.stdout.close()
        return 0
    except OSError as error:
        print(f"error: {system_refusal(error)}", file=sys.stderr)
        return 2
    return 0


def understood(arguments: Sequence[str]) -> Request:
    """The command line as a request.

    Raises:
        InputError: no run, no text, or values that are none.
    """
    ours = [text for text in arguments if "=" in text and text.partition("=")[0] in ARGUMENTS]
    given = dict(text.split("=", 1) for text in ours)
    texts = tuple(text for text in arguments if text not in ours)
    size, every = given.get("batch_size", "32"), given.get("all", "false").lower()
    if not given.get("run"):
        raise InputError("which run? give run=<folder of a run>; --help shows how")
    if not size.isdecimal() or int(size) < 1:
        raise InputError(f"batch_size={size}: a whole number of at least 1 is needed")
    if every not in ("true", "false"):
        raise InputError(f"all={every}: true or false is needed")
    source = given.get("input") or ("-" if not texts and not sys.stdin.isatty() else None)
    if bool(texts) == bool(source):
        raise InputError(
            "texts and input= came both; give one of them"
            if texts
            else 'no text came; give "a text" or input=<file>; --help shows how'
        )
    if "output" in given and source in (None, "-"):
        raise InputError("output= goes with input=<file>; labels of other texts are printed")
    return Request(
        run=Path(given["run"]),
        texts=texts,
        input=None if source in (None, "-") else Path(str(source)),
        output=Path(given["output"]) if "output" in given else None,
        every_class=every == "true",
        batch_size=int(size),
    )


def answer(request: Request) -> None:
    """Print or write what was asked for.

    Raises:
        InputError: the run, the texts or the output cannot be used.
    """
    task = task_of(finished_run(request.run).config.get("task"))
    table: list[dict[str, Any]] = []
    if request.input is not None:
        if request.input.suffix not in FORMATS:
            raise InputError(f"input={request.input}: want a file that ends with one of {', '.join(FORMATS)}")
        table = read_table(request.input)
        rows = rows_of_examples(task, table, f"{request.input}, example {{}}")
        if request.output is not None:
            check_output(request.output, request.input, table, task.classes if request.every_class else ())
    elif request.texts:
        rows = rows_of_examples(task, [request.texts], "the command line")
    else:
        rows = rows_of_examples(task, _piped(len(task.columns)), "line {} of what is piped in")
    predictions = _predictions(request, rows)
    if request.output is None:
        return
    write_table(request.output, with_predictions(table, predictions, every_class=request.every_class))
    print(f"{len(predictions):,} examples: {request.output}")


def _piped(columns: int) -> list[Texts]:
    lines = sys.stdin.read().splitlines()
    if not lines:
        raise InputError("nothing was piped in, and no text was given; --help shows how")
    return list(lines) if columns == 1 else [tuple(line.split("\t")) for line in lines]


def _predictions(request: Request, rows: Sequence[Row]) -> list["Prediction"]:
    """The predictions of the rows, behind a bar if they go to a file, or else printed as they are made."""
    from tqdm import tqdm

    from read_repro.prediction.loading import load  # torch is imported only now

    made = load(request.run).predictions(rows, request.batch_size)
    if request.output is not None:
        return list(tqdm(made, total=len(rows), unit=" examples", disable=None))  # None: no bar where is no terminal
    for prediction in made:
        _print(prediction, every_class=request.every_class)
    return []


def _print(prediction: "Prediction", *, every_class: bool) -> None:
    chance = "" if prediction.probability is None else f"\t{prediction.probability:.3f}"
    print(f"{prediction.label}{chance}")
    if every_class:
        for name, each in sorted(prediction.probabilities.items(), key=lambda pair: -pair[1]):
            print(f"  {each:.3f}  {name}")


if __name__ == "__main__":
    sys.exit(main())
