"""Data sets made of others, splits, samplers."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import data
from numzoo.engine.errors import ArgumentError, EngineError, SettingError, ShapeError, StateError


class Squares(data.Dataset[int]):
    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> int:
        return data.dataset.position(index, self.length, "Squares") ** 2


class Unmeasured(data.Dataset[int]):
    def __getitem__(self, index: int) -> int:
        return index


class Negative:
    def __getitem__(self, index: int) -> int:
        return index

    def __len__(self) -> int:
        return -3


class TestTensors:
    def test_rows_share_the_memory_of_arrays_and_tensors(self) -> None:
        x, y = np.arange(6.0).reshape(3, 2), engine.tensor([7, 8, 9])
        pairs = data.TensorDataset(x, y)
        assert len(pairs) == 3
        assert [(a.tolist(), b.item()) for a, b in (pairs[0], pairs[-1])] == [([0.0, 1.0], 7), ([4.0, 5.0], 9)]
        x[0, 0] = 5
        assert pairs[np.int64(0)][0].tolist() == [5.0, 1.0]

    def test_a_loader_takes_whole_rows_with_the_same_result(self) -> None:
        pairs = data.TensorDataset(np.arange(14, dtype=np.float16).reshape(7, 2), np.arange(7, dtype=np.uint8))
        fast = data.DataLoader(pairs, 3, shuffle=True, seed=4)
        slow = data.DataLoader(data.Subset(pairs, range(7)), 3, shuffle=True, seed=4)
        for (a, b), (c, d) in zip(fast, slow, strict=True):
            assert (a.dtype, b.dtype, a.tolist(), b.tolist()) == (c.dtype, d.dtype, c.tolist(), d.tolist())
            assert (a.dtype, b.dtype) == (np.float16, np.uint8)

    def test_gradients_flow_into_rows(self) -> None:
        x = engine.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        for (row,) in data.DataLoader(data.TensorDataset(x), batch_size=2):
            (row * 2).sum().backward()
        assert x.grad is not None
        assert x.grad.tolist() == [[2.0, 2.0], [2.0, 2.0]]

    @pytest.mark.parametrize(
        ("given", "kind", "said"),
        [
            ((), ArgumentError, "at least one"),
            ((np.zeros(3), np.zeros((4, 3))), ShapeError, r"\(3,\), \(4, 3\)"),
            ((np.zeros(3), np.float32(1)), ShapeError, r"\(3,\), \(\)"),
        ],
    )
    def test_rows_that_do_not_match_are_refused(self, given: Any, kind: Any, said: str) -> None:
        with pytest.raises(kind, match=said):
            data.TensorDataset(*given)


class TestCombinations:
    def test_subsets_and_sums_find_their_items(self) -> None:
        both = Squares(3) + data.Subset(Squares(9), [8, -2]) + Squares(0)
        assert [both[i] for i in range(len(both))] == [0, 1, 4, 64, 49]
        assert both[-1] == 49
        assert list(both) == [0, 1, 4, 64, 49]

    @pytest.mark.parametrize(
        ("make", "kind", "said"),
        [
            (lambda: Squares(3)[3], IndexError, "no item 3 among 3"),
            (lambda: (Squares(3) + Squares(2))[5], IndexError, "no item 5 among 5"),
            (lambda: data.Subset(Squares(3), [0, 1])[2], IndexError, "no item 2 among 2"),
            (lambda: data.Subset(Squares(3), [0, 3]), IndexError, "no item 3 among 3"),
            (lambda: data.Subset(Squares(3), [0.5]), TypeError, "whole number, not 0.5"),  # type: ignore[list-item]
            (lambda: data.TensorDataset(np.zeros(3))["a"], TypeError, "whole number, not 'a'"),  # type: ignore[index]
            (lambda: data.ConcatDataset([]), ValueError, "at least one"),
            (lambda: data.ConcatDataset([Unmeasured()]), TypeError, "no length"),
            (lambda: data.Subset(iter([]), [0]), TypeError, "no length"),
            (lambda: data.SequentialSampler(Negative()), ValueError, "is no length"),
        ],
    )
    def test_wrong_indices_and_lengths_are_refused(self, make: Any, kind: Any, said: str) -> None:
        with pytest.raises(EngineError, match=said) as caught:
            make()
        assert isinstance(caught.value, kind)

    def test_an_iterable_set_cannot_be_part_of_a_sum(self) -> None:
        class Stream(data.IterableDataset[int]):
            def __iter__(self) -> Any:
                return iter([1])

        with pytest.raises(ArgumentError, match="data set 1 is a Stream"):
            data.ConcatDataset([Squares(1), Stream()])


class TestSplit:
    @pytest.mark.parametrize(
        ("lengths", "counts"),
        [
            ([7, 3], [7, 3]),
            ([0.8, 0.2], [8, 2]),
            ([0.34, 0.33, 0.33], [4, 3, 3]),
            ([1.0], [10]),
            ([10, 0], [10, 0]),
            ([0.55, 0.45], [6, 4]),
        ],
    )
    def test_parts_are_disjoint_and_complete(self, lengths: Any, counts: list[int]) -> None:
        parts = data.random_split(Squares(10), lengths, seed=3)
        assert [len(part) for part in parts] == counts
        assert sorted(item for part in parts for item in part) == [i * i for i in range(10)]
        again = data.random_split(Squares(10), lengths, seed=3)
        assert [part.indices for part in again] == [part.indices for part in parts]

    def test_a_generator_gives_another_split_every_time_and_the_same_from_its_seed(self) -> None:
        for make in (engine.Generator, np.random.default_rng):
            first, second = (
                [data.random_split(range(50), [25, 25], generator=g)[0].indices for _ in range(2)]
                for g in (make(1), make(1))
            )
            assert first == second
            assert first[0] != first[1]

    @pytest.mark.parametrize(
        "lengths", [[], [5, 4], [0.5, 0.4], [11, -1], [math.nan, 1], [math.inf], ["5", "5"], [True, 9]]
    )
    def test_lengths_that_do_not_add_up_are_refused(self, lengths: Any) -> None:
        with pytest.raises(SettingError, match="random_split"):
            data.random_split(Squares(10), lengths)


class TestSamplers:
    def test_a_random_order_holds_every_item_and_differs_by_epoch(self) -> None:
        sampler = data.RandomSampler(range(20), seed=1)
        first, second = list(sampler), list(sampler)
        assert sorted(first) == sorted(second) == list(range(20))
        assert first != second
        sampler.set_epoch(0)
        assert list(sampler) == first
        assert len(sampler) == 20

    def test_more_samples_than_items_go_round(self) -> None:
        counts = Counter(data.RandomSampler(range(4), num_samples=10, seed=0))
        assert set(counts.values()) == {2, 3}
        assert len(list(data.RandomSampler(range(4), num_samples=3, seed=0))) == 3

    def test_replacement_draws_each_from_all(self) -> None:
        drawn = Counter(data.RandomSampler(range(3), replacement=True, num_samples=3000, seed=0))
        assert all(900 < drawn[i] < 1100 for i in range(3))

    def test_weights_are_probabilities(self) -> None:
        drawn = Counter(data.WeightedRandomSampler([1, 0, 3.0], 4000, seed=0))
        assert drawn[1] == 0
        assert 900 < drawn[0] < 1100
        once = data.WeightedRandomSampler(engine.tensor([1.0, 5.0, 2.0]), 3, replacement=False, seed=0)
        assert sorted(once) == [0, 1, 2]

    def test_batches_keep_or_drop_the_rest(self) -> None:
        assert list(data.BatchSampler(range(5), 2)) == [[0, 1], [2, 3], [4]]
        dropping = data.BatchSampler(data.SequentialSampler(range(5)), 2, drop_last=True)
        assert list(dropping) == [[0, 1], [2, 3]]
        assert len(dropping) == 2

    @pytest.mark.parametrize(
        ("length", "drop_last", "each"), [(10, False, 4), (10, True, 3), (2, False, 1), (9, True, 3)]
    )
    @pytest.mark.parametrize("shuffle", [True, False])
    def test_processes_share_the_items_evenly(self, length: int, drop_last: bool, each: int, shuffle: bool) -> None:
        shares = [list(data.DistributedSampler(range(length), 3, rank, shuffle, 7, drop_last)) for rank in range(3)]
        assert [len(share) for share in shares] == [each] * 3
        seen = Counter(index for share in shares for index in share)
        if drop_last:
            assert set(seen.values()) == {1}
        else:
            assert set(seen) == set(range(length))

    def test_a_state_brings_an_order_back(self) -> None:
        sampler = data.WeightedRandomSampler([1, 2, 3], 30, seed=5)
        next(iter(sampler))
        state = sampler.state_dict()
        wanted = list(sampler)
        other = data.WeightedRandomSampler([1, 2, 3], 30)
        other.load_state_dict(state)
        assert list(other) == wanted
        for damaged in ({}, {"seed": 1}, {"seed": -1, "epoch": 0}, {"seed": "a", "epoch": 0}, None):
            with pytest.raises(StateError, match="seed and epoch"):
                other.load_state_dict(damaged)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("make", "said"),
        [
            (lambda: data.RandomSampler([]), "empty"),
            (lambda: data.RandomSampler([1], num_samples=0), "num_samples must be a whole number of at least 1, not 0"),
            (lambda: data.RandomSampler([1], num_samples=1.5), "num_samples"),  # type: ignore[arg-type]
            (lambda: data.RandomSampler([1], replacement=2), "replacement"),  # type: ignore[arg-type]
            (lambda: data.RandomSampler([1], seed=-1), "seed"),
            (lambda: data.RandomSampler([1], seed=1, generator=engine.Generator(1)), "leave one out"),
            (lambda: data.RandomSampler([1], generator=3), "use seed="),
            (lambda: data.RandomSampler(3), "no length"),
            (lambda: data.WeightedRandomSampler([], 1), r"\(n,\)"),
            (lambda: data.WeightedRandomSampler([[1.0]], 1), r"\(n,\)"),
            (lambda: data.WeightedRandomSampler([1, -1], 1), "below 0"),
            (lambda: data.WeightedRandomSampler([0.0, 0.0], 1), "not all of them 0"),
            (lambda: data.WeightedRandomSampler([1, math.nan], 1), "finite"),
            (lambda: data.WeightedRandomSampler([1, 0], 2, replacement=False), "2 draws without replacement from 1"),
            (lambda: data.BatchSampler(range(3), 0), "batch_size"),
            (lambda: data.BatchSampler(3, 1), "must give indices"),  # type: ignore[arg-type]
            (lambda: data.BatchSampler(range(3), 1, drop_last=None), "drop_last"),  # type: ignore[arg-type]
            (lambda: data.DistributedSampler(range(3), 0, 0), "num_replicas"),
            (lambda: data.DistributedSampler(range(3), 2, 2), "below num_replicas"),
            (lambda: data.DistributedSampler(range(3), 2, -1), "rank"),
            (lambda: data.DistributedSampler(range(1), 2, 0, drop_last=True), "cannot be shared"),
            (lambda: data.DistributedSampler([], 2, 0), "cannot be shared"),
        ],
    )
    def test_senseless_settings_are_refused(self, make: Any, said: str) -> None:
        with pytest.raises(EngineError, match=said):
            make()
