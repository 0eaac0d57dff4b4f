"""Generation: what is chosen, by hand and beside transformers' own choices (stored), stops, padding, bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sequence_check
from hypothesis import given
from hypothesis import strategies as st
from sequences import CASES

from numzoo.text import generation
from numzoo.text.generation import Choice
from numzoo.text.generation.choice import log_softmax

GOLDENS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("generation_goldens.json").read_text())
CASE = {case.name: case for case in CASES}


@pytest.fixture(scope="module")
def model() -> Any:
    return sequence_check.build(CASE["llama"])[0]


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden["name"])
def test_tokens_are_those_of_transformers(golden: dict[str, Any]) -> None:
    model, _ = sequence_check.build(CASE[golden["model"]])
    prompt, mask = np.array(golden["prompt"]), np.array(golden["mask"])
    if hasattr(model, "read"):  # the prompt is read as the source, and each answer begins with token 0
        model, mask, prompt = generation.EncoderDecoder(model, prompt, mask), None, np.zeros((3, 1), int)
    found = generation.generate(
        model, prompt, longest=golden["longest"], mask=mask, ends=golden["ends"], filler=1, **golden["settings"]
    )
    assert found.tolist() == golden["tokens"]


def test_a_stream_gives_the_same_a_step_at_a_time(model: Any) -> None:
    prompt = [[5, 9, 23]]
    whole = generation.generate(model, prompt, longest=7)
    assert [step.tolist() for step in generation.stream(model, prompt, longest=7)] == whole.T.tolist()


def test_a_seed_repeats_a_draw_and_another_changes_it(model: Any) -> None:
    draws = [generation.generate(model, [[5, 9]], longest=12, sample=True, seed=seed).tolist() for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


class Table:
    """A step whose logits depend on the last token alone."""

    def __init__(self, logits: Any) -> None:
        self.logits = np.asarray(logits, np.float32)
        self.given: list[list[list[int]]] = []

    def __call__(self, tokens: Any) -> Any:
        self.given.append(tokens.tolist())
        return self.logits[tokens[:, -1]]

    def select(self, rows: Any) -> None:
        self.given.append([rows.tolist()])


def test_an_end_is_given_and_then_filled() -> None:
    step = Table([[0, 9, 0, 0], [0, 0, 9, 0], [0, 0, 0, 9], [9, 0, 0, 0]])
    found = generation.generate(step, [[0], [2]], longest=5, ends=2, filler=0)
    assert found.tolist() == [[1, 2, 0, 0], [3, 0, 1, 2]]


def test_beams_find_what_greed_misses() -> None:
    # Token 1 looks best at first, but leads nowhere; through 2 the whole is likelier.
    logits = np.log(np.array([[0.01, 0.5, 0.48, 0.01], [0.25, 0.25, 0.25, 0.25], [0.01, 0.01, 0.01, 0.97], [0.25] * 4]))
    assert generation.generate(Table(logits), [[0]], longest=2).tolist() == [[1, 0]]
    assert generation.generate(Table(logits), [[0]], longest=2, beams=2).tolist() == [[2, 3]]


ROW = np.log(np.array([[0.5, 0.3, 0.15, 0.04, 0.01]], np.float32))


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"top_k": 2}, [0, 1]),
        ({"top_k": 9}, [0, 1, 2, 3, 4]),
        ({"top_p": 0.5}, [0]),
        ({"top_p": 0.81}, [0, 1, 2]),
        ({"top_p": 1e-9}, [0]),
        ({"min_p": 0.2}, [0, 1, 2]),
        ({"min_p": 1.0}, [0]),
        ({"top_k": 3, "min_p": 0.5}, [0, 1]),
    ],
)
def test_what_may_be_drawn(settings: dict[str, Any], kept: list[int]) -> None:
    scores = Choice(sample=True, **settings).narrowed(ROW)
    assert np.flatnonzero(np.isfinite(scores[0])).tolist() == kept


def test_draws_come_as_often_as_they_are_likely() -> None:
    choice, generator = Choice(sample=True, top_k=3), np.random.default_rng(0)
    drawn = choice.next(np.repeat(ROW, 20000, axis=0), np.zeros((20000, 0), np.int64), generator)
    found = np.bincount(drawn, minlength=5) / 20000
    assert np.abs(found - np.array([0.5, 0.3, 0.15, 0, 0]) / 0.95).max() < 0.015


def test_a_temperature_sharpens() -> None:
    cold = np.exp(log_softmax(Choice(sample=True, temperature=0.5).narrowed(ROW)))
    assert np.allclose(cold, np.exp(2 * ROW) / np.exp(2 * ROW).sum(), atol=1e-6)


@given(st.integers(0, 2**32 - 1), st.floats(1.01, 3))
def test_a_penalty_makes_what_was_seen_less_likely_and_nothing_else(seed: int, penalty: float) -> None:
    scores = np.random.default_rng(seed).normal(size=(2, 9)).astype(np.float32)
    seen = np.array([[1, 1, 4], [0, 8, 8]])
    found = Choice(repetition_penalty=penalty).penalised(scores, seen)
    for row in range(2):
        for token in range(9):
            worse = found[row, token] <= scores[row, token]
            assert worse if token in seen[row] else found[row, token] == scores[row, token]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0}, "temperature must be above 0"),
        ({"top_k": -1}, "top_k"),
        ({"top_k": 1.5}, "top_k"),
        ({"top_p": 0}, "top_p"),
        ({"min_p": 2}, "min_p"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"longest": 0}, "longest"),
        ({"longest": 2.5}, "longest must be a number of tokens from 1, not 2.5"),
        ({"seed": -1}, "seed must be a whole number from 0, not -1"),
        ({"beams": 0}, "beams"),
        ({"beams": 2, "sample": True}, "do not go together"),
        ({"mask": [[1]]}, "a step of one's own knows its padding"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generation.generate(Table(np.zeros((4, 4))), [[0]], **settings)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("heat", r"no setting 'heat'\. A choice has sample, temperature, "),
        ("max_new_tokens", "it is called longest= here"),
        ("num_beams", "it is called beams= here"),
    ],
)
def test_a_setting_that_there_is_not_is_named(name: str, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        generation.generate(Table(np.zeros((4, 4))), [[0]], **{name: 3})


@pytest.mark.parametrize("prompt", [[0, 1], [[]], [[0.5]], [["a"]]])
def test_a_prompt_is_token_numbers(prompt: Any) -> None:
    with pytest.raises(ValueError, match="a prompt is token numbers"):
        generation.generate(Table(np.zeros((4, 4))), prompt)
