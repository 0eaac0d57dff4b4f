"""CTC decoding against all paths of small tables, one by one."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from numzoo.audio.decoding import align, beam_search, greedy

Table = np.ndarray[Any, Any]


def table_of(seed: int, time: int, classes: int) -> Table:
    logits = np.random.default_rng(seed).normal(size=(time, classes)) * 2
    return np.asarray(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))


def spelt(path: tuple[int, ...], blank: int) -> tuple[int, ...]:
    return tuple(token for token, _ in itertools.groupby(path) if token != blank)


def all_paths(table: Table) -> list[tuple[float, tuple[int, ...]]]:
    time, classes = table.shape
    return [
        (float(sum(table[step, token] for step, token in enumerate(path))), path)
        for path in itertools.product(range(classes), repeat=time)
    ]


@settings(max_examples=30, deadline=None)
@given(some.integers(0, 10_000), some.integers(1, 5), some.integers(2, 4), some.data())
def test_all_three_agree_with_the_list_of_all_paths(seed: int, time: int, classes: int, data: Any) -> None:
    table = table_of(seed, time, classes)
    blank = data.draw(some.integers(0, classes - 1))
    paths = all_paths(table)
    texts: dict[tuple[int, ...], float] = defaultdict(float)
    best_of: dict[tuple[int, ...], tuple[float, tuple[int, ...]]] = {}
    for log, path in paths:
        text = spelt(path, blank)
        texts[text] += np.exp(log)
        best_of[text] = max(best_of.get(text, (-np.inf, ())), (log, path))
    found = greedy(table, blank=blank)
    assert found.tokens == spelt(max(paths)[1], blank)
    assert found.score == pytest.approx(max(paths)[0])
    ranked = sorted(texts, key=lambda text: -texts[text])[:3]
    searched = beam_search(table, width=2000, blank=blank, best=3)
    assert [each.tokens for each in searched] == ranked
    assert [each.score for each in searched] == pytest.approx([np.log(texts[text]) for text in ranked])
    for each in searched:
        path = best_of[each.tokens][1]
        runs = [(token, len(list(run))) for token, run in itertools.groupby(path)]
        ends = np.cumsum([length for _, length in runs])
        wanted = [(end - length, end) for (token, length), end in zip(runs, ends, strict=True) if token != blank]
        assert each.steps == tuple(wanted)


def test_a_token_twice_needs_a_blank_between() -> None:
    table = np.log(np.eye(3)[[1, 1, 0, 1, 2, 2]] * 0.97 + 0.01)
    assert greedy(table) == ((1, 1, 2), ((0, 2), (3, 4), (4, 6)), pytest.approx(6 * np.log(0.98)))
    assert beam_search(table)[0].tokens == (1, 1, 2)


def test_the_beam_finds_a_text_of_many_paths_that_the_best_path_is_not() -> None:
    table = np.log([[0.6, 0.4], [0.6, 0.4]])
    assert greedy(table).tokens == ()
    assert beam_search(table, width=4)[0].tokens == (1,)
    assert beam_search(table, width=4)[0].score == pytest.approx(np.log(0.64))


def test_no_steps_are_no_text() -> None:
    nothing = np.zeros((0, 4))
    assert greedy(nothing) == ((), (), 0.0)
    assert beam_search(nothing) == [((), (), 0.0)]
    assert align(np.zeros((3, 4)), []) == ()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: greedy(np.zeros((1, 3, 4))), r"log-probabilities \(time, classes\) of one sound"),
        (lambda: greedy(np.zeros((3, 4)), blank=4), "blank is a class from 0 to 3, not 4"),
        (lambda: greedy(np.full((3, 4), np.nan)), "NaN among"),
        (lambda: beam_search(np.zeros((3, 4)), width=0), "width is a whole number from 1"),
        (lambda: align(np.zeros((3, 4)), [1, 1, 2]), "3 steps are too few for 3 tokens"),
        (lambda: align(np.zeros((3, 4)), [0]), "but for the blank"),
    ],
)
def test_bad_input_is_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
