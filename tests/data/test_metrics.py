"""Metrics pinned by example, and never NaN."""

import logging
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from read_repro.data.metric_names import METRIC_PARTS
from read_repro.data.metrics import by_class, majority_score, score
from read_repro.errors import InputError


def test_accuracy():
    assert score("accuracy", [0, 1, 2, 2], [0, 1, 1, 2]) == {"accuracy": 75.0, "score": 75.0}


def test_matthews():
    # tp=2, tn=1, fp=1, fn=1: (2*1 - 1*1) / sqrt(3*3*2*2) = 1/6
    result = score("matthews", [1, 1, 0, 1, 0], [1, 1, 0, 0, 1])
    assert result == {"matthews": pytest.approx(100 / 6), "score": pytest.approx(100 / 6)}


def test_accuracy_and_f1_of_class_one():
    # tp=1, fp=0, fn=1: F1 = 2/3
    result = score("accuracy_f1", [1, 0, 0, 0], [1, 1, 0, 0])
    assert result == pytest.approx({"accuracy": 75, "f1": 200 / 3, "score": (75 + 200 / 3) / 2})


def test_pearson_and_spearman():
    # ranks agree but for one swap: rho = 1 - 6*2/(4*15) = 0.8
    result = score("pearson_spearman", [1.0, 2.0, 3.0, 10.0], [1.0, 3.0, 2.0, 4.0])
    assert result["spearman"] == pytest.approx(80)
    assert result["pearson"] == pytest.approx(100 * 13 / math.sqrt(50 * 5))
    assert result["score"] == pytest.approx((result["pearson"] + result["spearman"]) / 2)


@pytest.mark.parametrize(
    ("metric", "constant", "labels", "expected"),
    [
        ("matthews", 1, [1, 0, 1], 0),
        ("pearson_spearman", 2.5, [1.0, 2.0, 3.0], 0),
        ("accuracy_f1", 0, [1, 0, 0], 100 / 3),
        ("accuracy", 1, [1, 0, 0], 100 / 3),
    ],
)
def test_a_constant_prediction_has_a_score_and_a_warning(metric, constant, labels, expected, caplog):
    with caplog.at_level(logging.WARNING):
        assert score(metric, [constant] * 3, labels)["score"] == pytest.approx(expected)
    assert "every prediction" in caplog.text


def test_predictions_that_differ_bring_no_warning(caplog):
    score("matthews", [0, 1], [0, 1])
    assert not caplog.text


def test_a_prediction_that_is_no_number_counts_as_zero(caplog):
    assert score("pearson_spearman", [1.0, math.nan, 2.0], [1.0, 2.0, 3.0])["score"] == 0
    assert "not finite" in caplog.text


@pytest.mark.parametrize("metric", METRIC_PARTS)
@given(pairs=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=8))
def test_never_nan_and_the_score_is_the_mean(metric, pairs):
    predictions, labels = zip(*pairs, strict=True)
    result = score(metric, predictions, labels)
    assert set(result) == {*METRIC_PARTS[metric], "score"}
    assert all(-100.0001 <= value <= 100.0001 for value in result.values())
    assert result["score"] == pytest.approx(
        sum(result[name] for name in METRIC_PARTS[metric]) / len(METRIC_PARTS[metric])
    )


def test_an_unknown_metric_lists_the_known():
    with pytest.raises(InputError, match="matthews"):
        score("mathews", [1], [1])


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="equal"):
        score("accuracy", [1, 0], [1])


def test_majority(caplog):
    assert majority_score("accuracy", [1, 1, 0], [1, 0, 0, 0], regression=False) == 25
    assert majority_score("accuracy", [1, 0], [0, 0, 1], regression=False) == pytest.approx(200 / 3)  # lowest of equals
    assert majority_score("accuracy_f1", [1, 1, 0], [1, 1], regression=False) == 100
    assert majority_score("pearson_spearman", [1.0, 4.0], [1.0, 2.0], regression=True) == 0
    assert not caplog.text


def test_macro_f1_is_the_mean_of_the_classes_f1():
    # class 0: tp=1, fp=1, fn=1 -> 1/2; class 1: tp=1, fp=0, fn=1 -> 2/3; class 2: tp=1, fp=1, fn=0 -> 2/3
    result = score("macro_f1", [0, 2, 1, 0, 2], [0, 0, 1, 1, 2])
    assert result == pytest.approx({"macro_f1": 100 * (1 / 2 + 2 / 3 + 2 / 3) / 3, "score": 100 * 11 / 18})


@pytest.mark.parametrize("metric", ["f1", "pearson", "spearman"])
def test_a_part_by_itself_is_that_of_the_mean(metric):
    both = {"f1": "accuracy_f1"}.get(metric, "pearson_spearman")
    values = ([1, 0, 1, 1], [1, 0, 0, 1])
    assert score(metric, *values) == {metric: score(both, *values)[metric], "score": score(both, *values)[metric]}


def test_scores_by_class_and_their_confusion():
    # class 1 is never predicted and class 3 has no example: what is undefined there is None, not 0
    found = by_class([0, 0, 2, 0, 2, 3], [0, 1, 2, 0, 0, 2], classes=4)
    assert found.examples == (3, 1, 2, 0)
    assert found.precision == pytest.approx((100 * 2 / 3, None, 50.0, 0.0))
    assert found.recall == pytest.approx((100 * 2 / 3, 0.0, 50.0, None))
    assert found.f1 == pytest.approx((100 * 2 / 3, 0.0, 50.0, 0.0))
    assert found.confusion == ((2, 0, 1, 0), (1, 0, 0, 0), (0, 0, 1, 1), (0, 0, 0, 0))


def test_a_class_that_is_nowhere_has_no_scores():
    found = by_class([0, 1], [0, 1], classes=3)
    assert (found.precision[2], found.recall[2], found.f1[2], found.examples[2]) == (None, None, None, 0)
