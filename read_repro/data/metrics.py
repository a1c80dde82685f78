"""The metrics of the tasks, times 100, and the scores of each class.

The seven tasks of section 3.2 have Matthews' correlation (CoLA), the mean of accuracy and F1 (MRPC and QQP), the mean
of Pearson's and Spearman's correlation (STS-B) and accuracy (the others); own data may ask for any of them.

A correlation is undefined (0/0) where every prediction is the same; it counts as 0 then, and a warning says so.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    matthews_corrcoef,
    precision_recall_fscore_support,
)

from read_repro.data.metric_names import METRIC_PARTS
from read_repro.errors import InputError

logger = logging.getLogger(__name__)
Vector = Sequence[float] | np.ndarray


def score(metric: str, predictions: Vector, labels: Vector) -> dict[str, float]:
    """Score predictions against labels, times 100.

    Args:
        metric: a key of ``metric_names.METRIC_PARTS``.
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


@dataclass(frozen=True)
class ByClass:
    """How well each class was told, times 100, in the order of the classes' ids; None where a score is undefined.

    ``precision`` has none for a class that was never predicted, ``recall`` none for one that has no example.
    ``confusion`` counts examples: a row for each true class, a column for each predicted one.
    """

    precision: tuple[float | None, ...]
    recall: tuple[float | None, ...]
    f1: tuple[float | None, ...]
    examples: tuple[int, ...]
    confusion: tuple[tuple[int, ...], ...]


def by_class(predictions: Vector, labels: Vector, classes: int) -> ByClass:
    """The scores of each of so many classes, from predicted and true class ids (B,)."""
    predicted, true = np.asarray(predictions, dtype=int), np.asarray(labels, dtype=int)
    ids = range(classes)
    columns = precision_recall_fscore_support(true, predicted, labels=ids, zero_division=np.nan)
    precision, recall, f1 = (
        tuple(100 * value if np.isfinite(value) else None for value in column.tolist()) for column in columns[:3]
    )
    counts = confusion_matrix(true, predicted, labels=ids).tolist()
    return ByClass(precision, recall, f1, examples=tuple(map(sum, counts)), confusion=tuple(map(tuple, counts)))


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
    "macro_f1": lambda predicted, true: float(f1_score(true, predicted, average="macro", zero_division=0.0)),
    "f1": lambda predicted, true: float(f1_score(true, predicted, pos_label=1, zero_division=0.0)),
    "matthews": _correlation(matthews_corrcoef),
    "pearson": _correlation(pearsonr),
    "spearman": _correlation(spearmanr),
}
