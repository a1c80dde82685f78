"""The one line that says which key is wrong, what was given, and what is allowed or was probably meant.

What is allowed is read from the JSON schema of the configuration, so that no message can differ from the check.
"""

import difflib
import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

SHOWN = 80  # letters of a value that a message repeats
KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "a text",
    "array": "a list",
    "object": "a section of keys",
    "null": "null",
}
BOUNDS = {
    "minLength": "of a length of at least",
    "minimum": "of at least",
    "exclusiveMinimum": "above",
    "maximum": "of at most",
    "exclusiveMaximum": "below",
}


def explain(error: "ValidationError", schema: Mapping[str, Any], given: Mapping[str, Any], prefix: str = "") -> str:
    """One line on the first mistake; an unknown key goes before others, because it often causes them.

    Args:
        error: what pydantic found.
        schema: the JSON schema that the values were checked against.
        given: the values; keys of an optional section that is not there are not proposed.
        prefix: the place of that schema in the whole configuration, such as ``data.``.
    """
    found = error.errors(include_url=False)
    first = min(found, key=lambda each: each["type"] != "extra_forbidden")
    key = (prefix + ".".join(map(str, first["loc"]))).rstrip(".")
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    if first["type"] == "extra_forbidden":
        known = [prefix + name for name in keys(schema, schema) if name.partition(".")[0] in given]
        return unknown_key(key, first["input"], known)
    allowed = _described(_at(schema, first["loc"]), schema)
    if first["type"] == "missing":
        lacking = [(prefix + ".".join(map(str, each["loc"]))) for each in found if each["type"] == "missing"]
        more = f"; so are {', '.join(lacking[1:])}" if lacking[1:] else ""
        return f"{key} is missing: {allowed} is needed{more}{whole(key.partition('.')[0])}"
    return f"{key}={as_given(first['input'])}: {allowed} is needed"


def whole(section: str) -> str:
    """Where a whole file of a kind that users write themselves is shown; of other kinds nothing."""
    return "; docs/add-a-task.md shows a whole file" if section == "task" else ""


def unknown_key(key: str, value: Any, known: Collection[str]) -> str:
    """One line on a key that does not exist, with the real keys that its writer may have meant."""
    meant = " or ".join(f"{name}={as_given(value)}" for name in nearest(key, known))
    ending = f"did you mean {meant}?" if meant else "--cfg job prints those there are"
    return f"{key}={as_given(value)}: there is no such key; {ending}"


def nearest(key: str, known: Collection[str]) -> list[str]:
    """The known keys of the same last name; without one, the one that is spelt most alike."""
    last = _last(key)
    if same := [name for name in known if _last(name) == last]:
        return same[:3]
    lasts = {_last(name): name for name in reversed([*known])}
    alike = [lasts[found] for found in difflib.get_close_matches(last, lasts, n=1, cutoff=0.7)]
    return difflib.get_close_matches(key, known, n=1, cutoff=0.7) or alike


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def as_given(value: Any) -> str:
    """A value as a command line has it, cut where it is long."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def keys(node: Mapping[str, Any], schema: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Every key that a node of a schema knows, dotted."""
    found = []
    for name, below in _resolved(node, schema).get("properties", {}).items():
        found += keys(below, schema, f"{prefix}{name}.") or [f"{prefix}{name}"]
    return found


def _at(schema: Mapping[str, Any], place: tuple[int | str, ...]) -> Mapping[str, Any]:
    """The node at a place; where the place goes deeper than the schema says, the last node that it does know."""
    node = schema
    for name in place:
        node = _resolved(node, schema)
        below = node.get("properties", {}).get(name, node.get("items", node.get("additionalProperties")))
        if not isinstance(below, Mapping):
            break
        node = below
    return node


def _resolved(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A node, looked up where it refers to a section; an optional section counts as that section."""
    node = next((option for option in node.get("anyOf", ()) if "$ref" in option), node)
    return schema["$defs"][_last(node["$ref"].replace("/", "."))] if "$ref" in node else node


def _described(node: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """A type and its bounds, in words."""
    if "$ref" in node or "properties" in node:
        return KINDS["object"]
    if "description" in node:
        return node["description"]
    if "anyOf" in node:
        return " or ".join(_described(option, schema) for option in node["anyOf"])
    if "enum" in node:
        return f"one of {', '.join(map(str, node['enum']))}"
    bounds = [f"{words} {node[bound]}" for bound, words in BOUNDS.items() if bound in node]
    return " ".join((KINDS[node["type"]], " and ".join(bounds))).rstrip() if "type" in node else "something else"
