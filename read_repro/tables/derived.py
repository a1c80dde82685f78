"""Numbers that a record holds in another form: hours, milliseconds, and what its learning curve tells."""

from collections.abc import Mapping
from typing import Any

NEAR_BEST = 0.01  # "the best" is reached at 99% of it


def derived_metrics(record: Mapping[str, Any]) -> dict[str, float | None]:
    """`train_h`, `init_h`, `latency_ms`, `best_epoch` and `to_best_kwh` of a run; None where it was not measured."""
    metrics = record["metrics"]
    return {
        "train_h": _scaled(metrics.get("time/train_s"), 1 / 3600),
        "init_h": _scaled(metrics.get("init/time_s"), 1 / 3600),
        "latency_ms": _scaled(metrics.get("time/latency_s"), 1000),
        "best_epoch": record.get("best_epoch"),
        "to_best_kwh": energy_to_best(record["history"]),
    }


def energy_to_best(history: list[Mapping[str, Any]]) -> float | None:
    """The energy (kWh) spent when the validation score first came within 1% of the run's best."""
    points = [(entry.get("val/score"), entry.get("energy_kwh")) for entry in history]
    scores = [score for score, _ in points if score is not None]
    if not scores:
        return None
    enough = max(scores) - NEAR_BEST * abs(max(scores))
    return next((energy for score, energy in points if score is not None and score >= enough), None)


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value
