"""Task, checkpoint and method built from plain values: our own classes, whatever a file or a record says they are.

A record, a task file or a backbone's file may have been made by anyone. The class behind a name is written in our
``conf/`` alone; from elsewhere come only names and values, each checked against the class's own signature.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from inspect import Parameter, signature
from typing import Any, get_type_hints

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from read_repro.backbones.checkpoint import Checkpoint
from read_repro.config.files import CONF, names, settings
from read_repro.data.tasks import Task
from read_repro.errors import InputError
from read_repro.foreign import DIRECTIVES, entries, plain_name, shown

STRICT = ConfigDict(strict=True, allow_inf_nan=False)
SLOW_PATTERN = re.compile(r"\)[*+{]|([*+{][^*+{]*){5}")  # a repeated group, or five repeats: matching may take for ever


def task_of(values: Any) -> Task:
    """The task of plain values, such as a record's.

    Raises:
        InputError: another class is asked for, a value is of another type than the field, or a name is no name.
    """
    task = Task(**keywords_of(Task, values, "task"))
    plain_name(task.name, "task.name")
    return task


def checkpoint_of(values: Any) -> Checkpoint:
    """The backbone of plain values, such as a record's.

    Raises:
        InputError: as ``task_of``.
    """
    checkpoint = Checkpoint(**keywords_of(Checkpoint, values, "backbone"))
    plain_name(checkpoint.name, "backbone.name")
    return checkpoint


def method_of(name: Any, values: Any) -> dict[str, Any]:
    """A method's node as in ``conf/method/<name>.yaml``, with its keywords from plain values, such as a record's.

    Raises:
        InputError: there is no such method, another class is asked for, or a keyword or its type does not exist.
    """
    if name not in names("method"):
        raise InputError(f"the method {shown(name)} is none of ours: {', '.join(names('method'))}")
    target = settings("method", name)["method"]["_target_"]
    module, _, kind = target.rpartition(".")
    keywords = keywords_of(getattr(import_module(module), kind), values, "method")
    for place, _, value in entries(keywords, "method"):
        if isinstance(value, str) and SLOW_PATTERN.search(value):
            raise InputError(f"{place}={shown(value)}: a pattern with a repeated group or many repeats is not run")
    return {"_target_": target, **keywords}


def seed_of(value: Any) -> int:
    """A seed.

    Raises:
        InputError: no whole number of 32 bits.
    """
    if type(value) is not int or not 0 <= value < 2**32:
        raise InputError(f"seed={shown(value)}: a whole number from 0 to below 2**32 is needed")
    return value


def keywords_of(kind: Callable[..., Any], values: Any, group: str) -> dict[str, Any]:
    """The keywords of a class from plain values: all of them known, none missing, each of its annotated type."""
    if not isinstance(values, Mapping):
        raise InputError(f"{group}={shown(values)}: names and values are needed")
    if str(values.get("_target_", kind.__name__)).rpartition(".")[2] != kind.__name__:
        raise InputError(f"{group}._target_={shown(values['_target_'])}: this is always our own {kind.__name__}")
    given = {key: value for key, value in values.items() if key != "_target_"}
    allowed = {key: p for key, p in signature(kind).parameters.items() if p.kind is Parameter.KEYWORD_ONLY}
    if unknown := [key for key in given if key not in allowed]:
        raise InputError(f"{group}.{unknown[0]} does not exist: {kind.__name__} has {', '.join(allowed) or 'none'}")
    if missing := [key for key, p in allowed.items() if p.default is Parameter.empty and key not in given]:
        raise InputError(f"{group}.{missing[0]} is missing: {kind.__name__} needs it")
    types = get_type_hints(kind.__init__ if isinstance(kind, type) else kind)  # type: ignore[misc]
    return {key: _typed(types[key], value, f"{group}.{key}") for key, value in given.items()}


def _typed(kind: Any, value: Any, place: str) -> Any:
    try:
        return TypeAdapter(kind, config=STRICT).validate_json(json.dumps(value))
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f".{part}" for part in first["loc"] if part != "[key]")
        raise InputError(f"{place}{where}={shown(first['input'])}: {first['msg']}") from error


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
