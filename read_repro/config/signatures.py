"""The keywords that a class or function of ours takes, with their types, read from its source without importing it.

A method's module imports torch, which takes seconds; a mistake in its keywords should be told before that. The rule
that this relies on: what a file under ``conf/`` gives is keyword-only, what the run adds is positional.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

NAMES = {"Any": Any, "Literal": Literal, "Mapping": Mapping, "Sequence": Sequence}  # beside the builtins


class Keyword(NamedTuple):
    """One keyword: its annotation, and whether it may be left out."""

    annotation: Any
    optional: bool


@cache
def keywords(target: str) -> dict[str, Keyword]:
    """The keyword-only parameters of ``package.module.name``; for a dataclass without ``__init__``, its fields."""
    module, _, name = target.rpartition(".")
    spec = find_spec(module)
    assert spec is not None, f"{target}: no such module"
    assert spec.origin is not None, f"{target}: not a file"
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    node = next(node for node in tree.body if getattr(node, "name", None) == name)
    function = _function(node)
    return dict(_fields(node) if function is None else _keyword_only(function))


def _function(node: ast.stmt) -> ast.FunctionDef | None:
    """The function itself, or a class's ``__init__`` where it has one."""
    if isinstance(node, ast.FunctionDef):
        return node
    assert isinstance(node, ast.ClassDef)
    own = (item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__")
    return next(own, None)


def _keyword_only(function: ast.FunctionDef) -> Iterator[tuple[str, Keyword]]:
    for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
        assert argument.annotation is not None, f"{function.name}: {argument.arg} has no type"
        yield argument.arg, Keyword(_type(argument.annotation), default is not None)


def _fields(node: ast.stmt) -> Iterator[tuple[str, Keyword]]:
    assert isinstance(node, ast.ClassDef)
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            yield item.target.id, Keyword(_type(item.annotation), item.value is not None)


def _type(annotation: ast.expr) -> Any:
    """What an annotation of our own source means."""
    return eval(compile(ast.Expression(annotation), "annotation", "eval"), dict(NAMES))
