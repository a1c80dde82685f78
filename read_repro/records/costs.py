"""What runs have cost, by what makes their costs alike, so that those to come can be estimated."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from read_repro.records.fingerprint import THEN, flatten
from read_repro.records.record import Record
from read_repro.records.store import records
from read_repro.units import SECONDS_PER_HOUR

ENERGY_METRICS = ("energy/eq4_kwh", "energy/cpu_estimate_kwh")  # Eq. (4), or without a GPU what stands in its place


@dataclass(frozen=True)
class RunCost:
    """The time and the energy of one training run."""

    hours: float
    energy_kwh: float


def cost_key(record: Record) -> tuple[Any, ...]:
    """What runs must agree in to cost about the same: backbone, data, method, task, training limit, epochs, store."""
    config = flatten(record.config)
    rest = (
        record.data_info.train_limit,
        config.get("trainer.max_epochs"),
        config.get("cache.place", THEN["cache.place"]),
    )
    return (record.backbone, record.data, record.method, record.task, *rest)


def cost_of(record: Record) -> RunCost | None:
    """What a run has cost, with nothing of what filling a store took; None where it was not measured."""
    time_s = record.metrics.get("time/train_s")
    energy_kwh = next((value for key in ENERGY_METRICS if (value := record.metrics.get(key)) is not None), None)
    return None if time_s is None or energy_kwh is None else RunCost(time_s / SECONDS_PER_HOUR, energy_kwh)


def known_costs(results: Path, devices: Iterable[str], below: str = "**") -> dict[tuple[Any, ...], list[RunCost]]:
    """The costs of all runs that were made on one of these devices, by their `cost_key`.

    Args:
        results: the folder of the results.
        devices: models of processors or GPUs.
        below: which folders of runs are read, so that one run need not read all.
    """
    here = frozenset(devices)
    found: dict[tuple[Any, ...], list[RunCost]] = {}
    for _, record in records(results, below=below):
        if isinstance(record, Record) and record.hardware.name in here and (cost := cost_of(record)) is not None:
            found.setdefault(cost_key(record), []).append(cost)
    return found
