"""READ: Recurrent Adaptation of Large Transformers (arXiv 2305.15348), beside the methods it is compared with.

The names for users come from their rooms only when they are asked for, so that importing one room loads no other.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from read_repro.errors import InputError
    from read_repro.hf.auto import AutoReadModel
    from read_repro.hf.config import ReadConfig
    from read_repro.hf.energy_callback import TrainerEnergy as EnergyCallback
    from read_repro.hf.model import ReadModel, get_read_model
    from read_repro.prediction.loading import load

__version__ = "0.1.0"
__all__ = [
    "AutoReadModel",
    "EnergyCallback",
    "InputError",
    "ReadConfig",
    "ReadModel",
    "__version__",
    "get_read_model",
    "load",
]

ROOM_OF = {
    "AutoReadModel": "read_repro.hf.auto",
    "EnergyCallback": "read_repro.hf.energy_callback",
    "InputError": "read_repro.errors",
    "ReadConfig": "read_repro.hf.config",
    "ReadModel": "read_repro.hf.model",
    "get_read_model": "read_repro.hf.model",
    "load": "read_repro.prediction.loading",
}
CALLED_THERE = {"EnergyCallback": "TrainerEnergy"}  # it adds transformers' trainer to the runs' own EnergyCallback


def __getattr__(name: str) -> Any:
    if name not in ROOM_OF:
        raise AttributeError(f"read_repro has no {name}; it offers {', '.join(ROOM_OF)}")
    return getattr(import_module(ROOM_OF[name]), CALLED_THERE.get(name, name))


def __dir__() -> list[str]:
    return sorted(__all__)
