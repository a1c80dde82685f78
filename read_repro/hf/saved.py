"""What is written beside a saved READ's weights, ``read_config.json``: plain data, checked when it is read again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from read_repro.errors import InputError
from read_repro.foreign import read_json, refuse_code
from read_repro.hf.base_model import BaseIdentity
from read_repro.hf.config import ReadConfig
from read_repro.records.typed import typed

VERSION: str = import_module("read_repro").__version__  # it stands in the package, which may import every room


@dataclass(frozen=True, kw_only=True)
class TrainingFacts:
    """What is known of a training; None and nothing are what nobody measured.

    Args:
        scores: by the name of the metric.
        energy_kwh: of the training, as ``energy_how`` says. note: what it was trained for.
    """

    scores: Mapping[str, float] = field(default_factory=dict)
    seed: int | None = None
    energy_kwh: float | None = None
    energy_how: str | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class SavedConfig:
    """The content of ``read_config.json``."""

    base: BaseIdentity
    read: Mapping[str, Any]
    facts: TrainingFacts = field(default_factory=TrainingFacts)
    read_repro_version: str = VERSION

    def read_config(self) -> ReadConfig:
        """The READ that it describes.

        Raises:
            InputError: there is no such READ.
        """
        try:
            return typed(self.read, ReadConfig)
        except InputError:
            raise
        except ValueError as error:
            raise InputError(f"this READ's settings cannot be used: {error}") from error

    def as_json(self) -> dict[str, Any]:
        """As it is written."""
        return asdict(self)


def read_saved_config(path: Path) -> SavedConfig:
    """The ``read_config.json`` of anybody.

    Raises:
        InputError: it is missing, or holds anything but this content as plain data.
    """
    try:
        content = read_json(path)
    except FileNotFoundError as error:
        raise InputError(f"{path} is not there: give a folder that ReadModel.save_pretrained wrote") from error
    refuse_code(content, str(path))
    try:
        return typed(content, SavedConfig)
    except ValueError as error:
        raise InputError(f"{path} is not a saved READ's: {error}") from error
