"""The configuration that a command line stands for, and what to say when there is none."""

import re
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from read_repro.config.files import CONF, names
from read_repro.config.refusals import as_given, nearest, unknown_key
from read_repro.config.schema import RunConfig, read_config
from read_repro.errors import InputError

if TYPE_CHECKING:
    from omegaconf import DictConfig

NO_KEY = re.compile(r"Could not override '([^']+)'")
NO_CHOICE = re.compile(r"Could not find '([\w/]+)/([^'/]*)'")
AT_KEY = re.compile(r"(.+) full_key: (\S+)")
NO_VALUE = re.compile(r"Missing mandatory value: .*full_key: (\S+)")


def composed(*overrides: str) -> RunConfig:
    """What ``train.py`` would work with for these arguments, for programs that need no run.

    Raises:
        InputError: as the command would say it.
    """
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(CONF), version_base="1.3"):
        return read_config(resolved(compose("config", [*overrides])))


def resolved(config: "DictConfig") -> dict[str, Any]:
    """A composed configuration as plain values.

    Raises:
        InputError: a value that is missing, or that refers to another which does not exist.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        values: dict[str, Any] = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise InputError(explain_composition(error, ())) from error
    backbone = values.get("backbone")
    if isinstance(backbone, dict) and backbone.get("name") is None and isinstance(backbone.get("id"), str):
        backbone["name"] = backbone["id"].rstrip("/").rpartition("/")[2]
    return values


def explain_composition(error: Exception, arguments: Sequence[str]) -> str:
    """One line on an error of Hydra or OmegaConf.

    Args:
        error: raised while the configuration was composed or resolved.
        arguments: the command line's overrides.
    """
    text = " ".join(str(error).split())
    if found := NO_CHOICE.search(text):
        return _no_choice(*found.groups())
    if found := NO_VALUE.search(text):
        return f"{found[1]} has no value: give {found[1]}=<value>"
    if found := NO_KEY.search(text):
        given = dict(argument.lstrip("+~").split("=", 1) for argument in arguments if "=" in argument)
        return unknown_key(found[1], given.get(found[1], ""), _keys(arguments))
    if found := AT_KEY.search(text):
        return f"{found[2]}: {found[1][0].lower()}{found[1][1:]}"
    unread = getattr(error, "override", None)  # of a parser's error; its text does not always repeat it
    return (f"{as_given(unread)} cannot be read: " if unread else "") + text.partition(" See https")[0]


def _no_choice(group: str, given: str) -> str:
    there = names(group)
    near = "".join(f"did you mean {group}={name}? " for name in nearest(given, there))
    return f"{group}={as_given(given)}: there is no such choice; {near}choose one of {', '.join(there)}"


def _keys(arguments: Sequence[str]) -> list[str]:
    """Every key of the configuration for the groups that the command line chose, and the groups themselves."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    groups = sorted(path.name for path in CONF.iterdir() if path.is_dir())
    chosen = [argument for argument in arguments if argument.partition("=")[0] in groups and "," not in argument]
    # A sweep asks while Hydra is at work, the entry after it has given up.
    under_way = GlobalHydra.instance().is_initialized()
    with nullcontext() if under_way else initialize_config_dir(str(CONF), version_base="1.3"):
        config = OmegaConf.to_container(compose("config", chosen))
    return [*groups, *(key for key in _flat(config) if not key.startswith("sweep."))]


def _flat(node: object, prefix: str = "") -> list[str]:
    if not isinstance(node, dict) or not node:
        return [prefix]
    return [name for key, below in node.items() for name in _flat(below, f"{prefix}.{key}" if prefix else str(key))]
