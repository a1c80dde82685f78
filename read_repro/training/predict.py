"""A trained run as a function from sentences to a label; in a shell ``read-repro-predict run=<folder> "sentence"``.

The run's folder is data, never code: of its record only plain values are used, classes are found by name among our own
(``read_repro.training.plain_values``), and weights are safetensors.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from read_repro.config.schema import DataSection, read_section
from read_repro.data.batches import collate, encode
from read_repro.data.datamodule import load_splits
from read_repro.data.tasks import Row, Task
from read_repro.errors import InputError
from read_repro.foreign import reason, refuse_code
from read_repro.methods.base import Method
from read_repro.methods.from_conf import UNTRAINED
from read_repro.records.record import Record, as_json
from read_repro.records.store import RESULT, read_record
from read_repro.training.parts import build_method, training_text
from read_repro.training.plain_values import (
    checkpoint_of,
    method_of,
    seed_of,
    shipped_targets,
    task_of,
)
from read_repro.training.weights import WEIGHTS, check_trainable, load_trainable
from read_repro.units import BYTES_PER_GIB


@dataclass(frozen=True)
class Prediction:
    """The label and, for a task with classes, the chance of each; a regression task's label is its number."""

    label: str
    probabilities: Mapping[str, float]


@dataclass(frozen=True)
class Predictor:
    """Call with one sentence, or two for a task of pairs."""

    task: Task
    text_to_text: bool
    tokenizer: PreTrainedTokenizerBase
    method: Method
    targets: str
    max_source_tokens: int
    prompted: bool = False

    def __call__(self, *sentences: str) -> Prediction:
        task = self.task
        if len(sentences) != len(task.columns):
            raise InputError(f"{task.name} takes {' and '.join(task.columns)}: {len(sentences)} sentence(s) were given")
        row: Row = dict(zip(task.columns, sentences, strict=True))
        encoded = encode(
            task,
            [row],
            self.tokenizer,
            text_to_text=self.text_to_text,
            prompted=self.prompted,
            targets=self.targets,
            max_source_tokens=self.max_source_tokens,
        )
        batch = collate(encoded.examples, pad_id=int(self.tokenizer.pad_token_id or 0))
        if task.regression:
            return Prediction(f"{self.method.predict(batch)[0].item():.2f}", {})
        predicted, probabilities = self.method.predict_with_probabilities(batch)
        chances = probabilities[0].tolist()
        return Prediction(task.classes[int(predicted[0])], dict(zip(task.classes, chances, strict=True)))


def load(folder: str | Path) -> Predictor:
    """The trained method of a run's folder, which may be anyone's.

    Raises:
        InputError: no finished run there, its weights or backbone are gone or others, or it is not plain data.
    """
    folder = Path(folder)
    try:
        return _load(folder)
    except InputError:
        raise
    except Exception as error:  # whatever else a foreign folder breaks, it is the folder that cannot be used
        raise InputError(f"{folder} cannot be used as a run ({type(error).__name__}: {reason(error)})") from error


def _load(folder: Path) -> Predictor:
    record = _record(folder)
    config = record.config
    task, checkpoint = task_of(config["task"]), checkpoint_of(config["backbone"])
    data = read_section(DataSection, config["data"])
    if checkpoint.weights_fingerprint() != record.weights:
        raise InputError(f"{folder} was trained on other weights of {checkpoint.name} than are here now")
    tokenizer = checkpoint.tokenizer(lambda: training_text(task, _train_rows(task, data), data.targets))
    build = partial(
        build_method,
        method_of(record.method, config["method"]).build,
        task=task,
        checkpoint=checkpoint,
        tokenizer=tokenizer,
        targets=data.targets,
        optimisation=UNTRAINED,
        seed=seed_of(config["seed"]),
    )
    with torch.device("meta"):
        on_paper = build()
    check_trainable(on_paper, folder / WEIGHTS)
    refuse_too_large(on_paper)
    method = build()
    if load_trainable(method, folder / WEIGHTS) != record.trained_weights:
        raise InputError(f"{folder / WEIGHTS} is not what {RESULT} beside it was measured with: it is another run's")
    method.eval().merge()
    kinds = {"text_to_text": checkpoint.text_to_text, "prompted": checkpoint.prompted}
    return Predictor(
        task,
        tokenizer=tokenizer,
        method=method,
        targets=data.targets,
        max_source_tokens=data.max_source_tokens,
        **kinds,
    )


def _train_rows(task: Task, data: DataSection) -> list[Row]:
    return load_splits(task, source=data.source, path=data.path, train_limit=data.train_limit).train


def refuse_too_large(method: Method) -> None:
    """Refuse, on paper, a method whose weights this machine's memory cannot hold: trying would end the process."""
    needed = sum(parameter.nbytes for parameter in method.parameters())
    if hasattr(os, "sysconf") and needed > (memory := os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")):
        raise InputError(
            f"the run's weights take {needed / BYTES_PER_GIB:,.0f} GiB, this machine has {memory / BYTES_PER_GIB:,.0f}"
        )


def _record(folder: Path) -> Record:
    """The finished record of a folder that holds weights too, found to be plain values."""
    try:
        record = read_record(folder / RESULT)
    except ValueError as error:
        raise InputError(str(error)) from error
    if record is None or not (folder / WEIGHTS).exists():
        raise InputError(f"{folder} holds no trained run: {RESULT} and {WEIGHTS} are needed (weights are not in git)")
    refuse_code(as_json(record), f"the record in {folder}", shipped_targets())
    if not record.finished:
        raise InputError(f"{folder} holds a run whose loss left the numbers: it predicts nothing")
    if record.trained_weights is None:
        raise InputError(
            f"the record in {folder} is from before it told its weights by digest: run it again, force=true"
        )
    return record


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the label and the probabilities for the sentences of a command line; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    folders = [text.removeprefix("run=") for text in arguments if text.startswith("run=")]
    sentences = [text for text in arguments if not text.startswith("run=")]
    if len(folders) != 1 or not sentences:
        print('usage: read-repro-predict run=<folder of a run> "sentence" ["second sentence"]', file=sys.stderr)
        return 2
    try:
        prediction = load(folders[0])(*sentences)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(prediction.label)
    for label, chance in prediction.probabilities.items():
        print(f"  {chance:.3f}  {label}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
