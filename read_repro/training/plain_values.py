"""Task, checkpoint and method built from plain values: our own classes, whatever a file or a record says they are.

A record, a task file or a backbone's file may have been made by anyone. The class behind a name is written in our
``conf/`` alone; from elsewhere come only names and values, each checked against the class's own signature.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from read_repro.backbones.checkpoint import Checkpoint
from read_repro.config.files import CONF, names, settings
from read_repro.config.schema import Part, read_part
from read_repro.data.tasks import Task
from read_repro.errors import InputError
from read_repro.foreign import DIRECTIVES, entries, plain_name, shown

SLOW_PATTERN = re.compile(r"\)[*+{]|([*+{][^*+{]*){5}")  # a repeated group, or five repeats: matching may take for ever


def task_of(values: Any) -> Task:
    """The task of plain values, such as a record's.

    Raises:
        InputError: another class is asked for, a value is of another type than the field, or a name is no name.
    """
    task = _part("task", "read_repro.data.tasks.Task", values).build()
    plain_name(task.name, "task.name")
    return task


def checkpoint_of(values: Any) -> Checkpoint:
    """The backbone of plain values, such as a record's.

    Raises:
        InputError: as ``task_of``.
    """
    checkpoint = _part("backbone", "read_repro.backbones.checkpoint.Checkpoint", values).build()
    plain_name(checkpoint.name, "backbone.name")
    return checkpoint


def method_of(name: Any, values: Any) -> Part:
    """A method of ``conf/method/<name>.yaml``, with its keywords from plain values, such as a record's.

    Raises:
        InputError: there is no such method, another class is asked for, or a keyword or its type does not exist.
    """
    if name not in names("method"):
        raise InputError(f"the method {shown(name)} is none of ours: {', '.join(names('method'))}")
    part = _part("method", settings("method", name)["method"]["_target_"], values)
    for place, _, value in entries(part.plain(), "method"):
        if isinstance(value, str) and SLOW_PATTERN.search(value):
            raise InputError(f"{place}={shown(value)}: a pattern with a repeated group or many repeats is not run")
    return part


def seed_of(value: Any) -> int:
    """A seed.

    Raises:
        InputError: no whole number of 32 bits.
    """
    if type(value) is not int or not 0 <= value < 2**32:
        raise InputError(f"seed={shown(value)}: a whole number from 0 to below 2**32 is needed")
    return value


def _part(group: str, target: str, values: Any) -> Part:
    """The values as a part of the configuration that builds ``target``, whatever they themselves want to build."""
    if not isinstance(values, Mapping):
        raise InputError(f"{group}={shown(values)}: names and values are needed")
    asked, ours = str(values.get("_target_", target)).rpartition(".")[2], target.rpartition(".")[2]
    if asked != ours:
        raise InputError(f"{group}._target_={shown(values['_target_'])}: this is always our own {ours}")
    return read_part(group, {**values, "_target_": target, "_partial_": False})


@cache
def shipped_targets() -> frozenset[tuple[str, str]]:
    """What our own files let Hydra act on: (dotted place in a run's configuration, last part of what stands there)."""
    found = set()
    for path in CONF.glob("*/*.yaml"):
        text = path.read_text(encoding="utf-8")
        place = "config" if text.startswith("# @package _global_") else f"config.{path.parent.name}"
        for where, key, value in entries(yaml.safe_load(text), place):
            if key in DIRECTIVES:
                found.add((where, str(value).rpartition(".")[2]))
    return frozenset(found)
