"""The metrics of the seven tasks, times 100 (section 3.2): Matthews' correlation for CoLA, accuracy and F1 for MRPC
and QQP, Pearson's and Spearman's correlation for STS-B, accuracy for the others.

A correlation is undefined (0/0) where every prediction is the same; it counts as 0 then, and a warning says so.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from read_repro.errors import InputError

logger = logging.getLogger(__name__)
Vector = Sequence[float] | np.ndarray
METRIC_PARTS = {  # by metric, the parts whose mean is a task's one number
    "accuracy": ("accuracy",),
    "matthews": ("matthews",),
    "accuracy_f1": ("accuracy", "f1"),
    "pearson_spearman": ("pearson", "spearman"),
}


def score(metric: str, predictions: Vector, labels: Vector) -> dict[str, float]:
    """Score predictions against labels, times 100.

    Args:
        metric: a key of ``METRIC_PARTS``.
        predictions: (B,) class ids or numbers.
        labels: (B,) the same kind.

    Returns:
        Each part by its name, and their mean as ``score``; finite always.
    """
    predicted, true = np.asarray(predictions, dtype=float), np.asarray(labels, dtype=float)
    if not np.isfinite(predicted).all():
        logger.warning("%s: some predictions are not finite numbers; correlations count as 0", metric)
    elif len(predicted) > 1 and _constant(predicted):
        logger.warning("%s: every prediction is %g; what this leaves undefined counts as 0", metric, predicted[0])
    return _score(metric, predicted, true)


def majority_score(metric: str, train_labels: Vector, test_labels: Vector, *, regression: bool) -> float:
    """The test score of one answer to all: train's commonest class (of equals the lowest id), or numbers' mean."""
    counts = Counter(np.asarray(train_labels).tolist())
    answer = float(np.mean(train_labels)) if regression else max(sorted(counts), key=counts.__getitem__)
    true = np.asarray(test_labels, dtype=float)
    return _score(metric, np.full_like(true, answer), true)["score"]


def _score(metric: str, predicted: np.ndarray, true: np.ndarray) -> dict[str, float]:
    if metric not in METRIC_PARTS:
        raise InputError(f"metric={metric} is unknown; allowed: {', '.join(METRIC_PARTS)}")
    if predicted.shape != true.shape or predicted.ndim != 1 or not len(true):
        raise ValueError(f"predictions {predicted.shape} and labels {true.shape}: want two equal, non-empty vectors")
    parts = {name: 100 * _PART[name](predicted, true) for name in METRIC_PARTS[metric]}
    return {**parts, "score": float(np.mean(list(parts.values())))}


def _constant(values: np.ndarray) -> bool:
    return bool((values == values[0]).all())


def _correlation(measure: Callable[..., Any]) -> Callable[[np.ndarray, np.ndarray], float]:
    """``measure`` where it is defined, 0 elsewhere."""

    def defined(predicted: np.ndarray, true: np.ndarray) -> float:
        if not np.isfinite(predicted).all() or _constant(predicted) or _constant(true):
            return 0.0
        result = measure(true, predicted)
        value = float(getattr(result, "statistic", result))
        return value if np.isfinite(value) else 0.0

    return defined


_PART: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": lambda predicted, true: float(accuracy_score(true, predicted)),
    "f1": lambda predicted, true: float(f1_score(true, predicted, pos_label=1, zero_division=0.0)),
    "matthews": _correlation(matthews_corrcoef),
    "pearson": _correlation(pearsonr),
    "spearman": _correlation(spearmanr),
}
