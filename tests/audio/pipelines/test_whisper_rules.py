"""Whisper's tokens, rules, searches and windows, each against what its authors' code does."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from letters import letters

from numzoo.audio.errors import AudioError
from numzoo.audio.pipelines.whisper import search
from numzoo.audio.pipelines.whisper.decoding import Decoding
from numzoo.audio.pipelines.whisper.rules import Rules
from numzoo.audio.pipelines.whisper.vocabulary import Vocabulary, load_tokenizer
from numzoo.audio.pipelines.whisper.windows import split


@pytest.mark.parametrize(
    ("size", "numbers", "languages"),
    [
        (51864, (50256, 50257, 50357, 50358, 50360, 50361, 50362, 50363), 0),
        (51865, (50257, 50258, 50358, 50359, 50361, 50362, 50363, 50364), 99),
        (51866, (50257, 50258, 50359, 50360, 50362, 50363, 50364, 50365), 100),
    ],
)
def test_the_special_tokens_follow_from_how_many_tokens_there_are(
    size: int, numbers: tuple[int, ...], languages: int
) -> None:
    words = Vocabulary(letters(), size)
    found = (words.end, words.start, words.translate, words.transcribe, words.previous, words.no_speech, words.no_times, words.first_time)  # fmt: skip
    assert found == numbers
    assert len(words.languages) == languages
    assert words.beginning("de", "translate", False) == (
        [words.start, words.start + 3, words.translate, words.no_times] if languages else [words.start, words.no_times]
    )
    assert words.decode([*words.encode("Grüß dich"), words.first_time]) == "Grüß dich"
    with pytest.raises(ValueError, match="language is 'xx'"):
        words.language("xx")


def test_another_vocabulary_and_files_without_a_tokenizer_are_refused(tmp_path: Any) -> None:
    with pytest.raises(AudioError, match="vocabulary of 32000 tokens"):
        Vocabulary(letters(), 32000)
    with pytest.raises(AudioError, match=r"no tokenizer among the files model\.bin"):
        load_tokenizer({"model.bin": tmp_path})
    broken = tmp_path / "tokenizer.json"
    broken.write_text("{", encoding="utf-8")
    with pytest.raises(AudioError, match="cannot be read"):
        load_tokenizer({"tokenizer.json": broken})


WORDS = Vocabulary(letters(), 51865)
T = WORDS.first_time


@pytest.mark.parametrize(
    ("written", "may", "may_not"),
    [
        ([], [T, T + 50], [T + 51, 64, WORDS.end]),
        ([T], [64, 66, WORDS.end], [T, T + 1, WORDS.no_times, WORDS.no_speech]),
        ([T, 64], [66, T + 1, WORDS.end], [T, WORDS.start]),
        ([T, 64, T + 20], [T + 20, T + 21, WORDS.end], [T + 19, 64]),
        ([T, 64, T + 20, T + 20], [64, WORDS.end], [T + 20, T + 21]),
        ([T, 64, T + 20, T + 20, 66], [66, T + 21, T + 1500], [T + 20]),
    ],
)
def test_times_come_in_pairs_and_in_order(written: list[int], may: list[int], may_not: list[int]) -> None:
    logits = np.zeros((1, WORDS.size), np.float32)
    logits[0, :T] = 9  # no time is forced by the sum of all
    Rules(WORDS).apply(logits, [written])
    assert np.isfinite(logits[0, may]).all()
    assert np.isneginf(logits[0, may_not]).all()


def test_a_time_comes_where_all_of_them_together_are_likelier_than_any_word() -> None:
    logits = np.zeros((2, WORDS.size), np.float32)
    logits[0, 64], logits[1, 64] = 7.2, 7.4  # log(1500) is 7.31
    Rules(WORDS).apply(logits, [[T, 66], [T, 66]])
    assert np.isneginf(logits[0, 64])
    assert logits[1, 64] == np.float32(7.4)


def test_without_times_only_blanks_and_symbols_are_left_out() -> None:
    logits = np.zeros((1, WORDS.size), np.float32)
    Rules(WORDS, times=False).apply(logits, [[]])
    for token in (*WORDS.encode(" "), WORDS.end, *WORDS.encode("#"), WORDS.transcribe):
        assert np.isneginf(logits[0, token])
    assert np.isfinite(logits[0, [*WORDS.encode("a-'"), T]]).all()


@pytest.mark.parametrize(
    ("tokens", "pieces", "moved"),
    [
        ([T, 1, 2, T + 50], [(0, 100, 4)], 3000),  # one piece, and nothing after it
        ([T, 1, T + 50, T + 50, 2, T + 75], [(0, 100, 3), (100, 150, 3)], 3000),
        ([T, 1, T + 50, T + 50, 2], [(0, 100, 3)], 100),  # what is unfinished is left to the next window
        ([T, 1, T + 50, T + 50], [(0, 100, 3)], 100),
        ([1, 2], [(0, 3000, 2)], 3000),
        ([T], [(0, 3000, 1)], 3000),
        ([], [(0, 3000, 0)], 3000),
    ],
)
def test_a_window_is_cut_at_its_times(tokens: list[int], pieces: list[tuple[int, int, int]], moved: int) -> None:
    found, on, whole = split(tokens, T, 3000)
    assert [(piece.start, piece.end, len(piece.tokens)) for piece in found] == pieces
    assert on == moved
    assert whole == (tokens[-2:-1] < [T] and tokens[-1:] >= [T] and len(tokens) > 1)


class Table:
    """A language of five tokens, 4 the end, of which each follows the one before by a fixed chance."""

    def __init__(self, seed: int) -> None:
        self.logits = np.random.default_rng(seed).normal(size=(5, 5)).astype(np.float32) * 2
        self.rows = 1

    def first(self) -> Any:
        return self.logits[:1].copy()

    def __call__(self, tokens: Any) -> Any:
        assert tokens.shape == (self.rows, 1)
        return self.logits[tokens[:, -1]].copy()

    def select(self, rows: Any) -> None:
        self.rows = len(rows)

    def total(self, tokens: tuple[int, ...]) -> float:
        chances = search.log_softmax(self.logits)
        return float(sum(chances[a, b] for a, b in itertools.pairwise((0, *tokens))))


def no_rules(logits: Any, written: Any) -> None:
    assert len(logits) == len(written)


@pytest.mark.parametrize("seed", range(12))
def test_beams_find_the_best_of_all_transcripts(seed: int) -> None:
    table, longest = Table(seed), 3
    every = [
        search.Found(list(words), table.total((*words, 4)))
        for length in range(longest)
        for words in itertools.product(range(4), repeat=length)
    ] + [search.Found(list(words), table.total(words)) for words in itertools.product(range(4), repeat=longest)]
    wide = search.beam(table, table.first(), no_rules, 4, longest=longest, beams=4, patience=30)
    assert wide.total <= search.best(every, None).total + 1e-5 or wide.tokens == search.best(every, None).tokens
    one = search.sample(Table(seed), table.first(), no_rules, 4, longest=longest)
    assert search.best([one, wide], 1.0) in (one, wide)
    assert one.total == pytest.approx(
        table.total((*one.tokens, 4) if len(one.tokens) < longest else tuple(one.tokens)), abs=1e-5
    )


def test_draws_are_those_of_their_chances_and_the_best_is_kept() -> None:
    table = Table(3)
    counts = np.zeros(5)
    generator = np.random.default_rng(0)
    for _ in range(400):
        found = search.sample(
            Table(3), table.first(), no_rules, 4, longest=1, temperature=1.0, rows=1, generator=generator
        )
        counts[found.tokens[0] if found.tokens else 4] += 1
    assert np.allclose(counts / 400, np.exp(search.log_softmax(table.first()))[0], atol=0.07)
    many = search.sample(Table(3), table.first(), no_rules, 4, longest=6, temperature=1.0, rows=40, generator=generator)
    few = search.sample(Table(3), table.first(), no_rules, 4, longest=6, temperature=1.0, rows=1, generator=generator)
    assert many.total / max(1, len(many.tokens)) >= few.total / max(1, len(few.tokens))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"task": "sing"}, "task"),
        ({"beams": 0}, "beams"),
        ({"best_of": True}, "best_of"),
        ({"temperatures": ()}, "temperatures"),
        ({"temperatures": (-1.0,)}, "temperatures"),
        ({"patience": 0}, "patience"),
        ({"length_penalty": 2}, "length_penalty"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Decoding(**settings)
