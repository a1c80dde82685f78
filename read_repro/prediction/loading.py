"""A run's folder as a ``Predictor``.

The folder is data, never code: of its record only plain values are used, classes are found by name among our own
(``read_repro.training.plain_values``), and weights are safetensors.
"""

import os
from functools import partial
from pathlib import Path

import torch

from read_repro.config.schema import DataSection, read_section
from read_repro.data.datamodule import load_splits
from read_repro.data.tasks import Row, Task
from read_repro.errors import InputError
from read_repro.foreign import reason
from read_repro.methods.base import Method
from read_repro.methods.from_conf import UNTRAINED
from read_repro.prediction.finished_run import finished_run
from read_repro.prediction.predictor import Predictor
from read_repro.records.store import RESULT, WEIGHTS
from read_repro.training.parts import build_method, training_text
from read_repro.training.plain_values import checkpoint_of, method_of, seed_of, task_of
from read_repro.training.weights import check_trainable, load_trainable
from read_repro.units import BYTES_PER_GIB


def load(folder: str | Path) -> Predictor:
    """The trained method of a run's folder, which may be anyone's; on the GPU where there is one.

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
    record = finished_run(folder)
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
    method.to("cuda" if torch.cuda.is_available() else "cpu")
    return Predictor(
        task,
        text_to_text=checkpoint.text_to_text,
        prompted=checkpoint.prompted,
        tokenizer=tokenizer,
        method=method,
        targets=data.targets,
        max_source_tokens=data.max_source_tokens,
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
