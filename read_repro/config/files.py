"""The files under ``conf/``, read without Hydra: their names, their content, and what they construct.

For what needs no run: counting parameters, planning memory, listing tasks, and machines on which Hydra is not.
"""

import ast
from collections.abc import Mapping
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from read_repro.errors import InputError

PACKAGE = Path(__file__).resolve().parents[1]
# The wheel carries the files inside the package; in a checkout they lie beside it, where people look for them.
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parent / "conf"


def names(group: str) -> list[str]:
    """What there is in ``conf/<group>``."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def settings(group: str, name: str) -> dict[str, Any]:
    """The content of ``conf/<group>/<name>.yaml``.

    Raises:
        InputError: no such file; the message lists those there are.
    """
    if name not in names(group):
        raise InputError(f"{group}={name} does not exist: choose one of {', '.join(names(group))}")
    return yaml.safe_load((CONF / group / f"{name}.yaml").read_text(encoding="utf-8"))


def default_choices() -> dict[str, str | None]:
    """The file of each group that ``conf/config.yaml`` names."""
    defaults = yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))["defaults"]
    return {group: name for pair in defaults if isinstance(pair, dict) for group, name in pair.items()}


def construct_shipped(node: Mapping[str, Any], *args: Any, **more: Any) -> Any:
    """The object that a node of our own files describes, or, with ``_partial_``, a function that lacks ``args``.

    Only nodes from ``settings``, or checked against them, belong here.
    """
    module, _, name = node["_target_"].rpartition(".")
    keywords = {key: value for key, value in node.items() if key not in ("_target_", "_partial_")}
    make = partial(getattr(import_module(module), name), *args, **keywords, **more)
    return make if node.get("_partial_") else make()


@cache
def method_version(target: str) -> int:
    """``VERSION`` of the module of a method's class, 1 where it has none; read from the file, so without torch."""
    spec = find_spec(target.rpartition(".")[0])
    if spec is None or spec.origin is None:
        return 1
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "VERSION":
            return int(ast.literal_eval(node.value))
    return 1
