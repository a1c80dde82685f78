"""Numbers that a record holds in another form: sums, hours, milliseconds, and what its learning curve tells."""

import math
from collections.abc import Mapping, Sequence

from read_repro.records.record import Record
from read_repro.units import SECONDS_PER_HOUR

NEAR_BEST = 0.01  # a score within 1% of the best counts as the best
BEFORE = {  # each cost of training, and the same of what may come before it: LST's pruning, filling the store of states
    "time/train_s": ("init/time_s", "filling/time_s"),
    "energy/eq4_kwh": ("init/energy/eq4_kwh", "filling/eq4_kwh"),
    "energy/counter_kwh": ("init/energy/counter_kwh", "filling/counter_kwh"),
    "energy/cpu_estimate_kwh": ("init/energy/cpu_estimate_kwh", "filling/cpu_estimate_kwh"),
}


def derived_metrics(record: Record) -> dict[str, float | None]:
    """What the tables show of a run beside its own metrics; None where it was not measured.

    Of each cost of training, `before/<name>` is what came before it, `sum/<name>` is both, and `once/<name>` is the
    share of them that the runs of a search owe together, not each: filling the store of frozen states.
    """
    metrics = record.metrics
    costs: dict[str, float | None] = {}
    for name, parts in BEFORE.items():
        costs[f"before/{name}"] = _spent(metrics, parts)
        costs[f"sum/{name}"] = _spent(metrics, (name, *parts))
        costs[f"once/{name}"] = _spent(metrics, parts[1:])
    estimated = metrics.get("energy/eq4_kwh") is None
    energy = "energy/cpu_estimate_kwh" if estimated else "energy/eq4_kwh"  # the one that the history holds
    return costs | {
        "train_h": _scaled(metrics.get("time/train_s"), 1 / SECONDS_PER_HOUR),
        "before_h": _scaled(costs["before/time/train_s"], 1 / SECONDS_PER_HOUR),
        "sum_h": _scaled(costs["sum/time/train_s"], 1 / SECONDS_PER_HOUR),
        "latency_ms": _scaled(metrics.get("time/latency_s"), 1000),
        "epochs": record.epochs,
        "best_epoch": record.best_epoch,
        "to_best_kwh": _spent({**metrics, "to_best": energy_to_best(record.history)}, ("to_best", *BEFORE[energy])),
    }


def energy_to_best(history: Sequence[Mapping[str, float | None]]) -> float | None:
    """The energy (kWh) from the beginning of training until the validation score first came within 1% of its best."""
    points = [(entry.get("val/score"), entry.get("energy_kwh")) for entry in history]
    scores = [score for score, _ in points if score is not None]
    if not scores:
        return None
    enough = max(scores) - NEAR_BEST * abs(max(scores))
    return next((energy for score, energy in points if score is not None and score >= enough), None)


def _spent(metrics: Mapping[str, float | None], names: Sequence[str]) -> float | None:
    """The sum of those parts that took place; None if none did, or if one was not measured."""
    parts = [metrics.get(name) for name in names if _took_place(metrics, name)]
    known = [part for part in parts if part is not None]
    return math.fsum(known) if known and len(known) == len(parts) else None


def _took_place(metrics: Mapping[str, float | None], name: str) -> bool:
    """Whether a run has this part: training always, the others where their time stands in the record."""
    stage = name.split("/")[0]
    return stage not in ("init", "filling") or f"{stage}/time_s" in metrics


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value
