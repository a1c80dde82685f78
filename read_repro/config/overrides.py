"""Command lines and the values in them, by Hydra's own grammar; Hydra is imported when one is read."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from read_repro.errors import InputError

Choices = dict[str, tuple[str, ...]]


def parse(arguments: Sequence[str]) -> Choices:
    """``task=cola,mrpc`` -> {"task": ("cola", "mrpc")}."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_overrides(list(arguments))
    return {
        override.get_key_element(): tuple(map(str, override.sweep_string_iterator()))
        if override.is_sweep_override()
        else (override.get_value_element_as_str(),)
        for override in parsed
    }


def texts(values: Any) -> tuple[str, ...]:
    """A value, several in a list or, as Hydra has them, several in a string, as they stand on a command line."""
    if isinstance(values, str):
        return parse([f"key={values}"])["key"]
    several = values if isinstance(values, Sequence) else [values]
    return tuple(value if isinstance(value, str) else json.dumps(value) for value in several)


@cache
def value(text: str) -> Any:
    """What Hydra makes of a value: ``1e-3`` -> 0.001."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return OverridesParser.create().parse_override(f"key={text}").value()


def learning_rates(bounds: Sequence[float], *, rounds: int) -> list[float]:
    """``rounds`` rates from the lower bound to the upper, evenly spaced on a log scale, to three digits."""
    low, high = bounds
    if rounds < 2 or not 0 < low < high:
        raise InputError(f"sweep.lr=[{low},{high}] sweep.rounds={rounds}: want 0 < low < high and at least 2 rounds")
    return [float(f"{low * (high / low) ** (step / (rounds - 1)):.3g}") for step in range(rounds)]
