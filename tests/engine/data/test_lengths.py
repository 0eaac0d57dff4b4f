"""Batches of like length: every item once, little padding, orders that come again."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numzoo.engine import data
from numzoo.engine.errors import SettingError, ShapeError


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=60),
    st.integers(1, 9),
    st.integers(1, 5),
    st.booleans(),
    st.booleans(),
)
def test_every_item_comes_once(lengths: list[int], size: int, pool: int, shuffle: bool, drop: bool) -> None:
    if drop and len(lengths) < size:
        return
    sampler = data.LengthBatchSampler(lengths, size, shuffle, drop, pool=pool, seed=1)
    batches = list(sampler)
    seen = list(chain.from_iterable(batches))
    assert len(batches) == len(sampler)
    assert len(set(seen)) == len(seen) == (len(sampler) * size if drop else len(lengths))
    assert all(len(batch) == size for batch in batches) or not drop


def test_batches_pad_little_and_change_from_epoch_to_epoch() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 3000)
    sampler = data.LengthBatchSampler(lengths, 32, seed=5)
    first, second = list(sampler), list(sampler)

    def padded(batches: list[list[int]]) -> float:
        return sum(len(batch) * int(lengths[batch].max()) for batch in batches) / lengths.sum()

    assert padded(first) < 1.05
    assert padded(list(data.BatchSampler(data.RandomSampler(lengths, seed=0), 32))) > 1.8
    assert first != second
    sampler.set_epoch(0)
    assert list(sampler) == first
    maxima = [int(lengths[batch].max()) for batch in first]
    assert maxima != sorted(maxima)
    still = [int(lengths[batch].max()) for batch in data.LengthBatchSampler(lengths, 32, shuffle=False)]
    assert still == sorted(still, reverse=True)


def test_a_loader_goes_on_in_the_middle_of_an_epoch() -> None:
    items = list(range(50))

    def loader(seed: int) -> data.DataLoader:
        return data.DataLoader(items, batch_sampler=data.LengthBatchSampler(items, 4, seed=seed), seed=0)

    whole = loader(3)
    expected = [batch.tolist() for batch in whole]
    started = loader(3)
    batches = iter(started)
    head = [next(batches).tolist() for _ in range(5)]
    state = started.state_dict()
    resumed = loader(99)  # the state brings the seed of the sampler
    resumed.load_state_dict(state)
    assert head + [batch.tolist() for batch in resumed] == expected


REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "no lengths": ({"lengths": np.zeros(0, int)}, data.DataError, "no lengths"),
    "a table": ({"lengths": np.zeros((2, 2), int)}, ShapeError, r"\(n,\)"),
    "fractions": ({"lengths": [0.5, 1.5]}, SettingError, "whole numbers"),
    "a length below 0": ({"lengths": [3, -1]}, SettingError, "from -1"),
    "a batch of nothing": ({"lengths": [3], "batch_size": 0}, SettingError, "batch_size"),
    "too few": ({"lengths": [3], "batch_size": 2, "drop_last": True}, data.DataError, "fill no batch"),
    "a word for shuffle": ({"lengths": [3], "shuffle": "yes"}, SettingError, "shuffle"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_settings_that_make_no_sense_are_refused(kind: str) -> None:
    settings, error, words = REFUSED[kind]
    with pytest.raises(error, match=words):
        data.LengthBatchSampler(**settings)
