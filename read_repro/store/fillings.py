"""What filling the store has cost: one JSON file a writer, beside the shelves, so that energy stays honest.

A run that reads states somebody else has filled owes them that share of their filling's energy and time which it reads
of their bytes.
"""

import json
import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from read_repro.records.store import write_json

log = logging.getLogger(__name__)
FOLDER = "fillings"
COSTS = ("eq4_kwh", "counter_kwh", "integrated_kwh", "cpu_package_kwh", "cpu_estimate_kwh")


def write_filling(root: Path, writer: str, filling: Mapping[str, Any]) -> None:
    """Keep what a writer has spent so far; each call replaces the last.

    Args:
        filling: ``size_bytes`` written, ``time_s``, ``energy`` (the ``energy/...`` metrics of the window), and what
            people want to know of it.
    """
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{writer}.json", filling)


def read_fillings(root: Path) -> dict[str, dict[str, Any]]:
    """Every filling by its writer; what cannot be read is named and left out."""
    found = {}
    for path in sorted((root / FOLDER).glob("*.json")):
        try:
            filling = json.loads(path.read_text(encoding="utf-8"))
            if not filling["size_bytes"] > 0 or not isinstance(filling["energy"], dict):
                raise ValueError("nothing was written")
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            log.warning("%s is no filling's record and is left out: %s", path, error)
        else:
            found[path.stem] = filling
    return found


def owed(read_bytes: Mapping[str, int], fillings: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
    """The whole cost of filling what a run reads: each writer's energy and time by the share of its bytes.

    Args:
        read_bytes: how many bytes of each writer the run reads.

    Returns:
        ``filling/time_s`` and ``filling/<meaning>_kwh``; None where one of the writers has left no figure.
    """

    def total(cost_of: Callable[[Mapping[str, Any]], float | None]) -> float | None:
        costs = []
        for writer, size in read_bytes.items():
            filling = fillings.get(writer, {})
            cost = cost_of(filling) if filling else None
            costs.append(None if cost is None else cost * min(1.0, size / filling["size_bytes"]))
        known = [cost for cost in costs if cost is not None]
        return math.fsum(known) if known and len(known) == len(costs) else None

    energies = {f"filling/{name}": total(energy_of(name)) for name in COSTS}
    return {"filling/time_s": total(lambda filling: filling["time_s"]), **energies}


def energy_of(name: str) -> Callable[[Mapping[str, Any]], float | None]:
    """Reads one meaning of a filling's energy."""
    return lambda filling: filling["energy"].get(f"energy/{name}")
