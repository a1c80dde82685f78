"""A trained run as a function from sentences to a label; in a shell ``read-repro-predict run=<folder> "sentence"``.

The run's folder is data, never code: of its record only plain values are used, ``_target_`` is looked up among the
files of our own ``conf/``, and weights are safetensors.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from transformers import PreTrainedTokenizerBase

from read_repro.config.files import CONF
from read_repro.data.batches import collate, encode
from read_repro.data.tasks import Row, Task
from read_repro.errors import InputError
from read_repro.methods.base import Method
from read_repro.records.naming import flatten
from read_repro.records.store import RESULT, read_record
from read_repro.training.callbacks import WEIGHTS, load_trainable
from read_repro.training.checks import construct
from read_repro.training.parts import build_method, training_text


@dataclass(frozen=True)
class Prediction:
    """The label and, for a task with classes, the chance of each; a regression task's label is its number."""

    label: str
    probabilities: Mapping[str, float]


def trusted(config: Mapping[str, Any], method: str) -> dict[str, Any]:
    """A record's configuration with every ``_target_`` taken from our own files: a record is data, and may be foreign.

    Raises:
        InputError: an unknown method, or a ``_target_`` where none belongs.
    """
    known = {path.stem: path for path in (CONF / "method").glob("*.yaml")}
    if method not in known:
        raise InputError(f"the record's method {method} is none of ours: {', '.join(sorted(known))}")
    targets = {
        "task": "read_repro.data.tasks.Task",
        "backbone": "read_repro.backbones.checkpoint.Checkpoint",
        "method": yaml.safe_load(known[method].read_text())["method"]["_target_"],
    }
    parts = {name: {**config[name], "_target_": target} for name, target in targets.items()}
    strange = [key for key in flatten(parts) if key.endswith("_target_") and key.count(".") > 1]
    if strange:
        raise InputError(f"the record names code to run at {', '.join(strange)}: it is not one of ours")
    return {**config, **parts}


@dataclass(frozen=True)
class Predictor:
    """Call with one sentence, or two for a task of pairs."""

    task: Task
    text_to_text: bool
    tokenizer: PreTrainedTokenizerBase
    method: Method
    targets: str
    max_source_tokens: int

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
            targets=self.targets,
            max_source_tokens=self.max_source_tokens,
        )
        batch = collate(encoded.examples, pad_id=int(self.tokenizer.pad_token_id or 0))
        value = self.method.predict(batch)[0].item()
        if task.regression:
            return Prediction(f"{value:.2f}", {})
        chances = self.method.probabilities(batch)[0].tolist()
        return Prediction(task.classes[int(value)], dict(zip(task.classes, chances, strict=True)))


def load(folder: str | Path) -> Predictor:
    """The trained method of a run's folder.

    Raises:
        InputError: no finished run there, or its weights or backbone are gone.
    """
    folder = Path(folder)
    try:
        record = read_record(folder / RESULT)
    except ValueError as error:
        raise InputError(str(error)) from error
    if record is None or not (folder / WEIGHTS).is_file():
        raise InputError(f"{folder} holds no trained run: {RESULT} and {WEIGHTS} are needed (weights are not in git)")
    config = trusted(record.config, record.method)
    task, checkpoint, data = construct(config["task"]), construct(config["backbone"]), config["data"]
    tokenizer = checkpoint.tokenizer(lambda: training_text(task, data, None))
    method = build_method(config, task, checkpoint, tokenizer, total_steps=1)
    if checkpoint.weights_fingerprint() != record.weights:
        raise InputError(f"{folder} was trained on other weights of {checkpoint.name} than are here now")
    try:
        load_trainable(method, folder / WEIGHTS)
    except ValueError as error:
        raise InputError(f"{folder / WEIGHTS}: {error}") from error
    method.eval().merge()
    return Predictor(task, checkpoint.text_to_text, tokenizer, method, data["targets"], data["max_source_tokens"])


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
