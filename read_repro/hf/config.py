"""Which READ is put beside a model: the settings of the method, with the shipped values as defaults."""

from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

from read_repro.config.files import settings
from read_repro.methods.read_side import check_choices


@cache
def shipped() -> dict[str, Any]:
    """The settings in ``conf/method/read.yaml``: a default stands there, with its source, and nowhere else."""
    return settings("method", "read")["method"]


def _default(name: str) -> Any:
    return field(default_factory=lambda: shipped()[name])


@dataclass(frozen=True, kw_only=True)
class ReadConfig:
    """A READ, by the names that ``conf/method/read.yaml`` and the paper's section 2.2 have for its parts.

    Args:
        hidden: H, the RNN's width (section 3.3: 128 or 256).
        cell: gru, rnn or lstm.
        joiner: identity, which works token by token and so with a key-value cache, or attention (equation 1).
        recurrent: False gives every layer its own cell (Table 2's ablation).
        aggregate: last or mean, of the RNN's states over layers.
        norm: plain or learned, of the states that the cell reads.
        readout_init: zero, so that training starts at the model itself, or default.
        output_scale: a factor on every stack's correction.

    Raises:
        InputError: a value that does not exist, or two that do not go together.
    """

    hidden: int = _default("hidden")
    cell: str = _default("cell")
    joiner: str = _default("joiner")
    recurrent: bool = _default("recurrent")
    aggregate: str = _default("aggregate")
    norm: str = _default("norm")
    readout_init: str = _default("readout_init")
    output_scale: float = _default("output_scale")

    def __post_init__(self) -> None:
        names = ("cell", "joiner", "aggregate", "norm", "readout_init")
        check_choices(
            hidden=self.hidden,
            recurrent=self.recurrent,
            output_scale=self.output_scale,
            named={name: getattr(self, name) for name in names},
            prefix="",
        )

    def keywords(self) -> dict[str, Any]:
        """The settings as keywords of ``methods.read_side.side_networks``."""
        return {each.name: getattr(self, each.name) for each in fields(self)}
