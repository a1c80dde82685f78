"""JSON read as the frozen dataclasses of this room: every value is checked against its field's type hint.

A record comes from a file that anybody may have written or damaged, so that nothing in it is taken on trust. The
project's own small reader stands here, because this room must import on a bare GPU machine, where pydantic is not.
"""

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, partial
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from read_repro.foreign import NAME, UNPRINTABLE

T = TypeVar("T")
ValueReader = Callable[[Any, str], Any]
LARGEST = 1e30  # of a number; sums and squares of such numbers are still finite


def is_text(value: str) -> bool:
    """Whether a string is one line of printable characters that means nothing to Markdown tables or Matplotlib."""
    return value.isprintable() and not set(value) & set("|$`")


def is_line(value: str) -> bool:
    """Whether a string is one line without control characters, which a user's own word has to be, and no more."""
    return not UNPRINTABLE.search(value) and "\n" not in value


def is_name(value: str) -> bool:
    """Whether a string can be the name of a folder and leads nowhere else."""
    return NAME.fullmatch(value) is not None


def is_metric(value: str) -> bool:
    """Whether a string names a metric, as in ``val/score``."""
    return "/" in value and is_text(value)


Text = Annotated[str, is_text]
OwnWord = Annotated[str, is_line]
Name = Annotated[str, is_name]
MetricName = Annotated[str, is_metric]


def typed(value: Any, kind: type[T]) -> T:
    """``value``, an object of JSON, as the dataclass ``kind`` asks for it: lists become tuples, objects dataclasses.

    Its hints may be dataclasses, ``Mapping[X, Y]``, ``tuple[X, ...]``, ``X | None``, ``Literal``, plain types,
    ``Annotated[X, check]``, and Any for whatever JSON holds.

    Raises:
        ValueError: one line that says which value is wrong and what is wanted there.
    """
    read: ValueReader = _reader(cast(Hashable, kind))
    return read(value, "")


@cache
def _reader(hint: Hashable) -> ValueReader:
    """What reads a value as ``hint`` asks for it, told the place where the value stands."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return _plain
    if is_dataclass(hint):
        return partial(_fields, cast(type, hint), get_type_hints(hint, include_extras=True))
    if origin is Annotated:
        return partial(_checked, _reader(arguments[0]), arguments[1])
    if origin in (Union, UnionType):  # only ever X | None
        return partial(_optional, _reader(arguments[0]))
    if origin is Literal:
        return partial(_one_of, arguments)
    if origin is tuple:
        return partial(_items, _reader(arguments[0]))
    if origin is Mapping:
        return partial(_mapping, _reader(arguments[0]), _reader(arguments[1]))
    return _number if hint is float else partial(_scalar, cast(type, hint))


def _fields(kind: type[Any], hints: Mapping[str, Any], value: Any, place: str) -> Any:
    """An object as the dataclass ``kind``: no key too many, none missing but those with a default."""
    _require(isinstance(value, Mapping), value, place or "the file", "an object")
    if strange := [str(key)[:40] for key in value if key not in hints]:
        raise ValueError(
            f"{place or 'the record'} has keys that are none of a record's: {', '.join(sorted(strange))!a}"
        )
    known = [field for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING]
    if missing := [field.name for field in known if field.name not in value]:
        raise ValueError(f"{place or 'the record'} lacks {', '.join(missing)}")
    return kind(**{key: _reader(hints[key])(item, f"{place}.{key}".lstrip(".")) for key, item in value.items()})


def _mapping(key_of: ValueReader, item_of: ValueReader, value: Any, place: str) -> dict[str, Any]:
    _require(isinstance(value, Mapping), value, place, "an object")
    return {key_of(key, f"a key of {place}"): item_of(item, f"{place}.{key}") for key, item in value.items()}


def _items(item_of: ValueReader, value: Any, place: str) -> tuple[Any, ...]:
    _require(isinstance(value, list | tuple), value, place, "a list")
    return tuple(item_of(item, f"{place}[{index}]") for index, item in enumerate(value))


def _checked(read: ValueReader, check: Callable[[Any], bool], value: Any, place: str) -> Any:
    found = read(value, place)
    _require(check(found), value, place, f"a {check.__name__.removeprefix('is_')}")
    return found


def _optional(read: ValueReader, value: Any, place: str) -> Any:
    return None if value is None else read(value, place)


def _one_of(allowed: tuple[str, ...], value: Any, place: str) -> Any:
    _require(value in allowed, value, place, f"one of {', '.join(allowed)}")
    return value


def _number(value: Any, place: str) -> float:
    _require(type(value) in (int, float) and _finite(value), value, place, "a finite number")
    return value


def _scalar(kind: type[Any], value: Any, place: str) -> Any:
    names = {int: "a whole number", str: "a text", bool: "true or false"}
    _require(type(value) is kind and (kind is not int or _finite(value)), value, place, names[kind])
    return value


def _finite(value: int | float) -> bool:
    return abs(value) <= LARGEST and math.isfinite(value)


def _plain(value: Any, place: str) -> Any:
    """Whatever JSON holds, as long as its numbers are finite and its keys are texts."""
    if isinstance(value, Mapping):
        key_of = _reader(Text)
        return {key_of(key, f"a key of {place}"): _plain(item, place) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, place) for item in value]
    if type(value) in (int, float):
        _require(_finite(value), value, place, "finite numbers")
    return value


def _require(condition: bool, value: Any, place: str, wanted: str) -> None:
    if not condition:
        shown = ascii(value)
        raise ValueError(f"{ascii(place)[1:-1][:200]} is {shown[:60]}{'...' if len(shown) > 60 else ''}, not {wanted}")
