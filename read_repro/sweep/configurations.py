"""The configurations of a sweep's jobs, composed from the files of conf/ as ``train.py`` would compose each.

A sweep has thousands of jobs, and Hydra would compose each from all files. So what many jobs share is composed once,
and the values that differ between them are changed in the result.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from hydra import compose
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from read_repro.config.composition import explain_composition, resolved
from read_repro.config.overrides import value
from read_repro.config.schema import read_config
from read_repro.errors import InputError


@cache
def compose_once(overrides: tuple[str, ...]) -> DictConfig:
    """What Hydra composes, its own part included.

    Raises:
        InputError: a key, a group or a value that does not exist.
    """
    try:
        return compose("config", list(overrides), return_hydra_config=True)
    except HydraException as error:
        raise InputError(explain_composition(error, overrides)) from error


def plain_values(config: DictConfig) -> dict[str, Any]:
    """The configuration without Hydra's own part, as plain values."""
    return resolved(OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"]))


@cache
def shared(base: tuple[tuple[str, str], ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration that the pairs (key, value) of ``base`` give, and that of the config files alone.

    The task is put in afterwards, because its file fills the node ``task`` and nothing else: so seven tasks take one
    composition of all other files. Own data, whose task also names their source, are composed as a whole.
    """
    groups = dict(base)
    own = "task" in groups and _names_its_source(groups["task"])
    if own:
        del groups["task"]
    rest = tuple(f"{key}={text}" for key, text in base if key != "task" or own)
    ours = compose_once(rest)
    config, files = plain_values(ours), _files(ours)
    if "task" in groups:
        overridden = (pair for pair in rest if pair.startswith("task."))
        config = {**config, "task": plain_values(compose_once((f"task={groups['task']}", *overridden)))["task"]}
        files = {**files, "task": plain_values(compose_once((f"task={groups['task']}",)))["task"]}
    return config, files


@cache
def _names_its_source(task: str) -> bool:
    """Whether a task's file chooses where the data come from, and so changes more than the node ``task``."""
    return compose_once((f"task={task}",)).data.source == "own"


def _files(config: DictConfig) -> dict[str, Any]:
    """The configuration of the same files with nothing overridden, against which ``train.py`` names a run."""
    choices = config.hydra.runtime.choices
    chosen = (f"{group}={name}" for group, name in choices.items() if group != "experiment" and "hydra/" not in group)
    return plain_values(compose_once(tuple(chosen)))


def check_values(config: Mapping[str, Any]) -> None:
    """Refuse before anything runs what each run would refuse for itself.

    Where local data lie may be left out: nobody has to say it who only wants to know what is done.

    Raises:
        InputError: as the run would say it.
    """
    data = config["data"]
    read_config({**config, "data": {**data, "path": data["path"] or "not asked for here"}})


def changed(config: Mapping[str, Any], varied: Mapping[str, str]) -> dict[str, Any]:
    """A copy of the configuration with some values changed, as Hydra would have changed them.

    Raises:
        InputError: a key that does not exist.
    """
    copy = dict(config)
    for key, text in varied.items():
        *path, last = key.split(".")
        node = copy
        for part in path:
            node[part] = dict(node.get(part, {}))
            node = node[part]
        if last not in node:
            raise InputError(f"{key} does not exist: {'.'.join(path)} has {', '.join(node)}")
        node[last] = value(text)
    return copy
