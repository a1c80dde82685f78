"""Backbones and methods as their files under ``conf/`` ship them, built without Hydra.

For what needs neither data nor a run: counting parameters, planning memory, and machines on which Hydra is not.
"""

from dataclasses import replace
from typing import Any, Literal

import torch

from read_repro.backbones.backbone import Backbone
from read_repro.backbones.build import build_backbone
from read_repro.backbones.checkpoint import Checkpoint
from read_repro.backbones.label_decoding import Answers
from read_repro.config.files import construct_shipped, settings
from read_repro.errors import InputError
from read_repro.methods.base import Method, Optimisation, Score

WORDS = Answers(tokens=((2, 1), (3, 1)), values=(0.0, 1.0))  # stand for a task's: counting and planning ask no answer
UNTRAINED = Optimisation(lr=1e-3, weight_decay=0.0, warmup=0.0, total_steps=1)


def no_score(predictions: Any, labels: Any) -> dict[str, float]:
    """For a method that is never evaluated."""
    return {"score": 0.0}


def load_checkpoint(name: str, *, random: bool = False) -> Checkpoint:
    """A backbone of ``conf/backbone``; with ``random``, of its shape alone, with random weights."""
    checkpoint = construct_shipped(settings("backbone", name))
    return replace(checkpoint, random=True) if random else checkpoint


def shape_of(name: str, *, dtype: Literal["fp32", "bf16"] = "fp32") -> Backbone:
    """A backbone of ``conf/backbone`` on the meta device: shapes alone, in moments and without weights."""
    checkpoint = replace(load_checkpoint(name, random=True), dtype=dtype)
    if not checkpoint.shape:
        raise InputError(f"backbone={name} has no shape of its own: choose one of those with a size in their name")
    with torch.device("meta"):
        return build_backbone(checkpoint, answers=WORDS, outputs=3, regression=False)


def load_method(
    name: str, backbone: Backbone, optimisation: Optimisation = UNTRAINED, score: Score = no_score, **changes: Any
) -> Method:
    """A method of ``conf/method`` on ``backbone``, with ``changes`` to its keywords.

    Raises:
        InputError: a keyword that the method has not.
    """
    node = settings("method", name)["method"]
    allowed = [key for key in node if key != "_target_"]
    for key in changes.keys() - set(allowed):
        raise InputError(f"method.{key} does not exist for method={name}: it has {', '.join(allowed) or 'no settings'}")
    return construct_shipped({**node, **changes}, backbone, optimisation, score)
