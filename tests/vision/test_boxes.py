"""Boxes: areas, overlaps, and which of many stay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numzoo.vision import boxes

SQUARE = np.array([[0.0, 0, 4, 4]])


def test_areas_and_overlaps_by_hand() -> None:
    others = np.array([[2.0, 0, 6, 4], [4, 4, 8, 8], [1, 1, 3, 3]])
    assert boxes.areas(others).tolist() == [16, 16, 4]
    assert boxes.overlaps(SQUARE[0], others).tolist() == [8 / 24, 0, 4 / 16]
    assert boxes.overlaps(SQUARE[0], others, over="smaller").tolist() == [8 / 16, 0, 1]
    assert boxes.areas(SQUARE, edge=1).tolist() == [25]


def test_the_best_drives_out_what_overlaps_it() -> None:
    found = np.array([[0.0, 0, 4, 4], [0, 0, 4, 5], [10, 10, 12, 12]])
    assert boxes.suppress(found, np.array([0.5, 0.9, 0.1]), 0.5).tolist() == [1, 2]
    assert boxes.suppress(found, np.array([0.5, 0.9, 0.1]), 0.9).tolist() == [1, 0, 2]
    assert boxes.suppress(found[:0], np.zeros(0), 0.5).tolist() == []


@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.sampled_from([0.2, 0.5, 0.8]))
def test_no_two_that_stay_overlap_too_much_and_each_that_went_overlaps_a_better_one(
    n: int, seed: int, most: float
) -> None:
    random = np.random.default_rng(seed)
    low = random.uniform(0, 8, (n, 2))
    found, scores = np.concatenate([low, low + random.uniform(0.5, 6, (n, 2))], axis=1), random.random(n)
    kept = boxes.suppress(found, scores, most).tolist()
    for place, row in enumerate(kept):
        assert (boxes.overlaps(found[row], found[kept[:place]]) <= most).all()
    for row in set(range(n)) - set(kept):
        better = [other for other in kept if scores[other] >= scores[row]]
        assert boxes.overlaps(found[row], found[better]).max() == pytest.approx(1, abs=1 - most)
