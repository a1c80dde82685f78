"""A finished run of READ as files for anybody: ``python scripts/publish.py run=<folder> to=<folder or hub id>``.

The run's side network and head go beside the model that they were trained beside, as ``read_repro.AutoReadModel`` loads
them; the scores, the seed and the energy of the run's record stand in the card. A run's folder is data, never code.

    base=<name>     what the model is called where others find it; by default where the run found it
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from read_repro import InputError, ReadConfig, ReadModel, get_read_model, load
from read_repro.backbones.architectures import architecture_of
from read_repro.data.tasks import Task
from read_repro.hf.pooled import PooledClassifier
from read_repro.hf.saved import TrainingFacts
from read_repro.methods.read import READ
from read_repro.records.record import Record
from read_repro.records.store import RESULT, read_record

USAGE = "usage: python scripts/publish.py run=<folder of a run> to=<folder or hub id> [base=<name of its model>]"
ENERGIES = {"energy/eq4_kwh": "Eq. (4)", "energy/cpu_estimate_kwh": "estimated from CPU time"}


def published(folder: Path, base_name: str | None = None) -> ReadModel:
    """The READ of a run beside its model.

    Raises:
        InputError: no finished run there, or one of another method.
    """
    predictor = load(folder)
    record, method = read_record(folder / RESULT), predictor.method
    assert isinstance(record, Record)
    if not isinstance(method, READ):
        raise InputError(f"{folder} is a run of method={record.method}: only READ's are published as READ")
    base = base_of(method, predictor.task.classes or (predictor.task.name,))
    settings = {key: value for key, value in record.config["method"].items() if key != "_target_"}
    model = get_read_model(base, ReadConfig(**settings))
    model.active.side.load_state_dict(method.side.state_dict())
    if method.backbone.head is not None:
        model.active.heads["classifier"].load_state_dict(method.backbone.head.state_dict())
    transformer = base.model if isinstance(base, PooledClassifier) else base
    transformer.config._name_or_path = transformer.name_or_path = base_name or place_of(record)
    model.facts = facts_of(record, predictor)
    return model.eval()


def base_of(method: READ, classes: Sequence[str]) -> Any:
    """The model that a run's backbone is, with its head where it has one."""
    backbone = method.backbone
    if backbone.head is None:
        return backbone.model
    decoder = architecture_of(backbone.model.config.model_type).kind == "decoder"
    pooling = getattr(backbone, "pooling", "last" if decoder else "mean")
    kind = "regression" if backbone.head.out_features == 1 else None
    return PooledClassifier(backbone.model, pooling=pooling, id2label=dict(enumerate(classes)), problem_type=kind)


def place_of(record: Record) -> str:
    """Where a run found its model."""
    config = record.config["backbone"]
    found = config.get("id") or config.get("hub") or config.get("path") or config.get("package")
    if config.get("random") or not found:
        raise InputError(f"backbone={record.backbone} has random weights, which nobody else could load")
    return str(found)


def facts_of(record: Record, predictor: Any) -> TrainingFacts:
    """What the record says of the training."""
    scores = {name: value for name, value in record.metrics.items() if name.startswith("test/") and value is not None}
    measured = [(record.metrics[key], how) for key, how in ENERGIES.items() if record.metrics.get(key) is not None]
    kwh, how = measured[0] if measured else (None, None)
    note = note_of(predictor.task, predictor.targets, text_to_text=predictor.text_to_text)
    return TrainingFacts(scores=scores, seed=record.seed, energy_kwh=kwh, energy_how=how, note=note)


def note_of(task: Task, targets: str, *, text_to_text: bool) -> str:
    """What it was trained for, and how it wants to be asked."""
    if not text_to_text:
        return f"{task.name}: it reads {' and '.join(task.columns)}"
    asked = task.source({name: f"({name})" for name in task.columns}, targets)
    return f"{task.name}: it reads {asked!r} and answers with one of {', '.join(task.answers(targets)[:5])}"


def is_folder(place: str) -> bool:
    """Whether a target is a folder: it looks like a path, or what it would lie in is here; else it is a hub id."""
    return place.startswith(("/", "./", "../", "~")) or "/" not in place or Path(place).parent.is_dir()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or upload what the command line asks for; returns the exit code."""
    given = dict(text.partition("=")[::2] for text in (sys.argv[1:] if arguments is None else arguments))
    if not {"run", "to"} <= given.keys() <= {"run", "to", "base"}:
        print(USAGE, file=sys.stderr)
        return 2
    try:
        model = published(Path(given["run"]), given.get("base"))
        if is_folder(given["to"]):
            folder = Path(given["to"]).expanduser()
            model.save_pretrained(folder)
            print(f"{folder}: read_config.json, read_model.safetensors, README.md")
        else:
            print(f"{given['to']}: commit {model.push_to_hub(given['to'])}")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    sys.exit(main())
