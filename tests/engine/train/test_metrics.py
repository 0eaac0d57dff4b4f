"""Metrics against their definitions, batch by batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import train

RNG = np.random.default_rng(5)
SCORES = RNG.standard_normal((120, 7)).astype(np.float32)
CLASSES = RNG.integers(0, 6, 120)  # class 6 never occurs, but may be found
GUESSES = SCORES.argmax(1)


def by_hand(place: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Precision, recall or F1 per class, how often each class is there, and whether it occurs at all."""
    each, there, occurs = [], [], []
    for c in range(7):
        right = int(((c == GUESSES) & (c == CLASSES)).sum())
        found, held = int((c == GUESSES).sum()), int((c == CLASSES).sum())
        precision, recall = (right / found if found else 0.0), (right / held if held else 0.0)
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        each.append((precision, recall, f1)[place])
        there.append(held)
        occurs.append(bool(found or held))
    return np.array(each), np.array(there), np.array(occurs)


EACH, THERE, OCCURS = zip(*(by_hand(place) for place in range(3)), strict=True)
ROWS: list[tuple[str, train.Metric, float]] = [
    ("accuracy", train.Accuracy(), float((GUESSES == CLASSES).mean())),
    ("top1", train.TopKAccuracy(1), float((GUESSES == CLASSES).mean())),
    ("top3", train.TopKAccuracy(3), float(np.mean([c in np.argsort(-s)[:3] for s, c in zip(SCORES, CLASSES, strict=True)]))),
    ("top7", train.TopKAccuracy(7), 1.0),
    *[
        (f"{kind.__name__} {average}", kind(7, average), wanted)
        for place, kind in enumerate((train.Precision, train.Recall, train.F1))
        for average, wanted in (
            ("macro", EACH[place][OCCURS[place]].mean()),
            ("weighted", (EACH[place] * THERE[place]).sum() / 120),
            ("micro", float((GUESSES == CLASSES).mean())),
        )
    ],
]  # fmt: skip


@pytest.mark.parametrize(("metric", "wanted"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_metric_of_batches_is_that_of_the_whole(metric: train.Metric, wanted: float) -> None:
    metric.reset()
    for at in range(0, 120, 50):
        metric.update(engine.tensor(SCORES[at : at + 50]), CLASSES[at : at + 50])
    assert metric.value() == pytest.approx(wanted, abs=1e-12)
    copy = type(metric).__new__(type(metric))
    copy.__dict__.update(metric.__dict__)
    copy.reset()
    copy.load_state_dict(metric.state_dict())
    assert copy.value() == metric.value()
    metric.reset()
    with pytest.raises(train.TrainingError, match="has seen nothing"):
        metric.value()


def test_the_confusion_matrix_counts_rows_of_what_was_there() -> None:
    metric = train.ConfusionMatrix(3)
    metric.update(np.eye(3, dtype=np.float32)[[0, 1, 1, 2]], np.array([0, 0, 1, -100]))
    assert metric.value().tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    precision, recall, f1 = metric.per_class()
    assert (precision.tolist(), recall.tolist()) == ([1.0, 0.5, 0.0], [0.5, 1.0, 0.0])
    assert f1.tolist() == pytest.approx([2 / 3, 2 / 3, 0.0])


def test_ignored_targets_do_not_count_and_pixels_do() -> None:
    metric = train.Accuracy(ignore_index=9)
    scores = np.zeros((2, 3, 2, 2), np.float32)
    scores[:, 1] = 1
    metric.update(scores, np.array([[[1, 1], [9, 0]], [[1, 1], [1, 9]]]))
    assert metric.value() == 5 / 6


def test_targets_as_probabilities_mean_their_largest() -> None:
    metric = train.Accuracy()
    metric.update(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[0.2, 0.8], [0.3, 0.7]]))
    assert metric.value() == 0.5


def test_errors_are_of_differences() -> None:
    absolute, squared = train.MeanAbsoluteError(), train.MeanSquaredError()
    for metric in (absolute, squared):
        metric.update(engine.tensor([[1.0], [2.0]]), engine.tensor([[0.0], [4.0]]))
        metric.update(engine.tensor([[1.0]]), engine.tensor([[1.0]]))
    assert (absolute.value(), squared.value()) == (1.0, 5 / 3)


def test_equal_scores_are_no_hit_for_all() -> None:
    """A model that gives every class the same score has not found them all."""
    metric = train.TopKAccuracy(1)
    metric.update(np.zeros((4, 4)), np.arange(4))
    assert metric.value() == 0.25


BAD = [
    (lambda: train.Accuracy().update(np.zeros(3), np.zeros(3, int)), engine.ShapeError, "stack"),
    (lambda: train.Accuracy().update(np.zeros((3, 1)), np.zeros((3, 1))), engine.ShapeError, "two classes or more"),
    (lambda: train.Accuracy().update(np.zeros((3, 2)), np.zeros(4, int)), engine.ShapeError, r"want targets \(3,\)"),
    (lambda: train.Accuracy().update(np.zeros((3, 2)), np.zeros(3)), engine.ArgumentError, "whole numbers"),
    (lambda: train.TopKAccuracy(0), engine.SettingError, "at least 1"),
    (lambda: train.TopKAccuracy(5).update(np.zeros((3, 2)), np.zeros(3, int)), engine.SettingError, "smaller k"),
    (lambda: train.F1(3, "mean"), engine.SettingError, "macro"),
    (lambda: train.ConfusionMatrix(0), engine.SettingError, "at least 1"),
    (lambda: train.ConfusionMatrix(2).update(np.zeros((3, 3)), np.zeros(3, int)), engine.ShapeError, "2 classes"),
    (lambda: train.MeanAbsoluteError().update(np.zeros((3, 1)), np.zeros(3)), engine.ShapeError, "squeeze"),
    (lambda: train.Mean().update(1.0, -1), engine.SettingError, "at least 0"),
    (lambda: train.Accuracy().load_state_dict({"seen": 1}), engine.StateError, "total"),
    (lambda: train.ConfusionMatrix(2).load_state_dict({"table": np.zeros((3, 3))}), engine.StateError, "shape"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "message"), BAD)
def test_bad_input_is_refused(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()
