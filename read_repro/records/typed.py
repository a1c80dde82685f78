"""JSON read as the frozen dataclasses of this room: every value is checked against its field's type hint.

A record comes from a file that anybody may have written or damaged, so that nothing in it is taken on trust. The
project's own small reader stands here, because this room must import on a bare GPU machine, where pydantic is not.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from read_repro.foreign import NAME

T = TypeVar("T")
LARGEST = 1e30  # of a number; sums and squares of such numbers are still finite


def is_text(value: str) -> bool:
    """Whether a string is one line of printable characters that means nothing to Markdown tables or Matplotlib."""
    return value.isprintable() and not set(value) & set("|$`")


def is_name(value: str) -> bool:
    """Whether a string can be the name of a folder and leads nowhere else."""
    return NAME.fullmatch(value) is not None


def is_metric(value: str) -> bool:
    """Whether a string names a metric, as in ``val/score``."""
    return "/" in value and is_text(value)


Text = Annotated[str, is_text]
Name = Annotated[str, is_name]
MetricName = Annotated[str, is_metric]


def typed(value: Any, hint: Any, place: str = "") -> Any:
    """``value`` as ``hint`` asks for it: objects become dataclasses, lists become tuples.

    Args:
        hint: a dataclass, ``Mapping[str, X]``, ``tuple[X, ...]``, ``X | None``, ``Literal``, ``Annotated[X, check]``, a
            plain type, or Any for whatever JSON holds.
        place: where the value stands, for the message.

    Raises:
        ValueError: one line that says which value is wrong and what is wanted there.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return _plain(value, place)
    if is_dataclass(hint):
        return _fields(value, hint, place)  # type: ignore[arg-type]
    if origin is Annotated:
        return _checked(typed(value, arguments[0], place), arguments[1], place)
    if origin in (Union, UnionType):  # only ever X | None
        return None if value is None else typed(value, arguments[0], place)
    if origin is Literal:
        _require(value in arguments, value, place, f"one of {', '.join(arguments)}")
        return value
    if origin is tuple:
        _require(isinstance(value, list | tuple), value, place, "a list")
        return tuple(typed(item, arguments[0], f"{place}[{index}]") for index, item in enumerate(value))
    if origin is Mapping:
        _require(isinstance(value, Mapping), value, place, "an object")
        return {
            typed(key, arguments[0], f"a key of {place}"): typed(item, arguments[1], f"{place}.{key}"[:200])
            for key, item in value.items()
        }
    return _scalar(value, hint, place)


def _fields(value: Any, kind: type[T], place: str) -> T:
    """An object as the dataclass ``kind``: no key too many, none missing but those with a default."""
    _require(isinstance(value, Mapping), value, place or "the file", "an object")
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    if strange := [str(key)[:40] for key in value if key not in known]:
        raise ValueError(
            f"{place or 'the record'} has keys that are none of a record's: {', '.join(sorted(strange))!a}"
        )
    needed = [key for key, field in known.items() if field.default is MISSING and field.default_factory is MISSING]
    if missing := [key for key in needed if key not in value]:
        raise ValueError(f"{place or 'the record'} lacks {', '.join(missing)}")
    hints = get_type_hints(kind, include_extras=True)
    return kind(**{key: typed(value[key], hints[key], f"{place}.{key}".lstrip(".")) for key in known if key in value})


def _checked(value: Any, check: Callable[[Any], bool], place: str) -> Any:
    _require(check(value), value, place, f"a {check.__name__.removeprefix('is_')}")
    return value


def _scalar(value: Any, hint: Any, place: str) -> Any:
    if hint is float:
        _require(type(value) in (int, float) and _finite(value), value, place, "a finite number")
        return value
    if hint is int:
        _require(type(value) is int and _finite(value), value, place, "a whole number")
        return value
    _require(isinstance(value, hint), value, place, {str: "a text", bool: "true or false", NoneType: "null"}[hint])
    return value


def _finite(value: int | float) -> bool:
    return abs(value) <= LARGEST and math.isfinite(value)


def _plain(value: Any, place: str) -> Any:
    """Whatever JSON holds, as long as its numbers are finite and its keys are texts."""
    if isinstance(value, Mapping):
        return {typed(key, Text, f"a key of {place}"): _plain(item, place) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, place) for item in value]
    if type(value) in (int, float):
        _require(_finite(value), value, place, "finite numbers")
    return value


def _require(condition: bool, value: Any, place: str, wanted: str) -> None:
    if not condition:
        shown = ascii(value)
        raise ValueError(f"{ascii(place)[1:-1]} is {shown[:60]}{'...' if len(shown) > 60 else ''}, not {wanted}")
