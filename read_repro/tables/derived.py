"""Numbers that a record holds in another form: sums, hours, milliseconds, and what its learning curve tells."""

from collections.abc import Mapping, Sequence

from read_repro.records.record import Record

NEAR_BEST = 0.01  # "the best" is reached at 99% of it
INITIALISATION = {  # what training cost, and what LST's pruning before it cost, by their names in a record
    "time/train_s": "init/time_s",
    "energy/eq4_kwh": "init/energy/eq4_kwh",
    "energy/counter_kwh": "init/energy/counter_kwh",
    "energy/cpu_estimate_kwh": "init/energy/cpu_estimate_kwh",
}


def derived_metrics(record: Record) -> dict[str, float | None]:
    """What the tables show of a run beside its own metrics; None where it was not measured.

    `sum/<name>` are the costs of training together with those of the initialisation before it, `train_h`, `init_h` and
    `sum_h` the times in hours.
    """
    metrics = record.metrics
    sums = {f"sum/{name}": _with_initialisation(metrics, name) for name in INITIALISATION}
    return sums | {
        "train_h": _scaled(metrics.get("time/train_s"), 1 / 3600),
        "init_h": _scaled(metrics.get("init/time_s"), 1 / 3600),
        "sum_h": _scaled(sums["sum/time/train_s"], 1 / 3600),
        "latency_ms": _scaled(metrics.get("time/latency_s"), 1000),
        "epochs": record.epochs,
        "best_epoch": record.best_epoch,
        "to_best_kwh": energy_to_best(record.history, _energy_before(metrics)),
    }


def energy_to_best(history: Sequence[Mapping[str, float | None]], before: float | None = 0.0) -> float | None:
    """The energy (kWh) spent when the validation score first came within 1% of the run's best.

    Args:
        history: one entry an epoch, whose `energy_kwh` counts from the beginning of training.
        before: the energy that an initialisation took before training; None if it was not measured.
    """
    points = [(entry.get("val/score"), entry.get("energy_kwh")) for entry in history]
    scores = [score for score, _ in points if score is not None]
    if not scores:
        return None
    enough = max(scores) - NEAR_BEST * abs(max(scores))
    spent = next((energy for score, energy in points if score is not None and score >= enough), None)
    return None if spent is None or before is None else before + spent


def _with_initialisation(metrics: Mapping[str, float | None], name: str) -> float | None:
    """A cost of training and, where the run had an initialisation, of both; None where a part was not measured."""
    training = metrics.get(name)
    if training is None or "init/time_s" not in metrics:
        return training
    before = metrics.get(INITIALISATION[name])
    return None if before is None else before + training


def _energy_before(metrics: Mapping[str, float | None]) -> float | None:
    """The energy of the initialisation, of the kind that the history holds: Eq. (4)'s, on a CPU the estimate."""
    if "init/time_s" not in metrics:
        return 0.0
    kind = "cpu_estimate" if metrics.get("energy/eq4_kwh") is None else "eq4"
    return metrics.get(f"init/energy/{kind}_kwh")


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value
