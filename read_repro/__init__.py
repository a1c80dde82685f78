"""READ: Recurrent Adaptation of Large Transformers (arXiv 2305.15348), beside the methods it is compared with.

The names for users come from their rooms only when they are asked for, so that importing one room loads no other.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from read_repro.errors import InputError
    from read_repro.training.predict import load

__version__ = "0.1.0"
__all__ = ["InputError", "__version__", "load"]

ROOM_OF = {"InputError": "read_repro.errors", "load": "read_repro.training.predict"}


def __getattr__(name: str) -> Any:
    if name not in ROOM_OF:
        raise AttributeError(f"read_repro has no {name}; it offers {', '.join(ROOM_OF)}")
    return getattr(import_module(ROOM_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
