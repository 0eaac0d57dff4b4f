"""When words are said: the cheapest path, the smoothing, the heads, words of tokens, and times that no pause makes too long."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from letters import letters

from numzoo import engine
from numzoo.audio import models, pipelines
from numzoo.audio.pipelines.whisper import alignment, words
from numzoo.audio.pipelines.whisper.decoding import Decoded, Decoder, Decoding
from numzoo.audio.pipelines.whisper.vocabulary import Vocabulary
from numzoo.audio.pipelines.whisper.words import Word
from numzoo.engine import Tensor

VOCABULARY = Vocabulary(letters(), 51865)


def cheapest(costs: Any) -> list[tuple[int, int]]:
    """The path by the recurrence as it stands in textbooks; of equal ways the one to the right."""
    rows, columns = costs.shape
    total = np.full((rows + 1, columns + 1), np.inf, np.float32)
    total[0, 0] = 0
    for row, column in itertools.product(range(1, rows + 1), range(1, columns + 1)):
        best = min(total[row - 1, column - 1], total[row - 1, column], total[row, column - 1])
        total[row, column] = costs[row - 1, column - 1] + best
    row, column, way = rows, columns, []
    while row and column:
        way.append((row - 1, column - 1))
        both, down, right = total[row - 1, column - 1], total[row - 1, column], total[row, column - 1]
        if both < down and both < right:
            row, column = row - 1, column - 1
        elif down < both and down < right:
            row -= 1
        else:
            column -= 1
    return way[::-1]


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (5, 9), (9, 5), (30, 200)])
@pytest.mark.parametrize("whole", [False, True], ids=["real", "with equal ways"])
def test_the_path_is_the_cheapest(shape: tuple[int, int], whole: bool) -> None:
    costs = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    costs = np.sign(costs) if whole else costs
    rows, columns = alignment.path(costs)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == cheapest(costs)


@pytest.mark.parametrize("length", [1, 3, 4, 50])
def test_smoothing_is_the_running_median_with_mirrored_ends(length: int) -> None:
    table = np.random.default_rng(1).normal(size=(3, length)).astype(np.float32)
    wanted = table
    if length > 3:
        mirrored = np.pad(table, ((0, 0), (3, 3)), mode="reflect")
        wanted = np.stack([np.median(mirrored[:, place : place + 7], axis=1) for place in range(length)], axis=1)
    np.testing.assert_array_equal(alignment.smooth(table), wanted)


def test_tokens_begin_where_the_heads_begin_to_look_at_them() -> None:
    scores = np.zeros((2, 6, 100), np.float32)
    begins = [0, 20, 55, 80]  # of three tokens, and of what follows the text
    for row, (start, end) in enumerate(itertools.pairwise([*begins, 100]), 1):
        scores[:, row, start:end] = 9
    times = alignment.token_times(scores, 1)
    assert times == pytest.approx(np.array(begins) * alignment.SECONDS, abs=0.021)
    assert times[0] == 0


def sizes(layers: int, heads: int, width: int, vocabulary: int) -> Any:
    return SimpleNamespace(n_text_layer=layers, n_text_head=heads, n_text_state=width, n_vocab=vocabulary)


@pytest.mark.parametrize(
    ("config", "said", "count", "first"),
    [
        (sizes(4, 6, 384, 51865), None, 6, (2, 2)),
        (sizes(6, 8, 512, 51865), None, 8, (3, 1)),
        (sizes(6, 8, 512, 51864), None, 5, (3, 3)),
        (sizes(32, 20, 1280, 51865), None, 23, (10, 12)),
        (sizes(32, 20, 1280, 51865), "large-v1", 9, (9, 19)),
        (sizes(32, 20, 1280, 51866), None, 10, (7, 0)),
        (sizes(4, 20, 1280, 51866), None, 6, (2, 4)),
        (sizes(6, 2, 512, 777), None, 6, (3, 0)),  # of nobody's: all heads of the upper layers
        (sizes(6, 8, 512, 51865), [[0, 1], [5, 7]], 2, (0, 1)),
    ],
)
def test_every_model_of_the_authors_has_its_heads(config: Any, said: Any, count: int, first: tuple[int, int]) -> None:
    found = alignment.heads_of(config, said)
    assert (len(found), found[0]) == (count, first)


@pytest.mark.parametrize(
    ("said", "says"),
    [("huge", "not for 'huge'"), ([[6, 0]], r"no head \(6, 0\)"), ([[0, True]], "pairs"), ([], "pairs"), ([3], "pairs"), ("large-v1", "no head")],
)  # fmt: skip
def test_heads_that_are_none_are_refused(said: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        alignment.heads_of(sizes(6, 8, 512, 51865), said)


@pytest.mark.parametrize(
    ("text", "language", "wanted"),
    [
        (" Go forward, now", "en", [" Go", " forward", ",", " now"]),
        (" it's", "en", [" it", "'s"]),
        ("Grüße dich", "de", ["Grüße", " dich"]),
        ("日本", "ja", ["日", "本"]),
        ("日本 x", "en", ["日本", " x"]),
        ("", "en", []),
    ],
)
def test_tokens_make_words(text: str, language: str, wanted: list[str]) -> None:
    tokens = VOCABULARY.encode(text)
    found = words.split(VOCABULARY, tokens, language)
    assert [word for word, _ in found] == wanted
    assert sum(count for _, count in found) == len(tokens)


def test_bytes_that_are_no_letter_are_words_all_the_same() -> None:
    tokens = [*VOCABULARY.encode(" a"), *VOCABULARY.encode("日")[:2]]
    found = words.split(VOCABULARY, tokens, "ja")
    assert sum(count for _, count in found) == len(tokens)


def test_punctuation_goes_with_its_word_and_pauses_are_no_words() -> None:
    given = [(" Go", 2), (".", 1), (' "', 1), ("He", 1), (" said", 1), (",", 1)]
    starts = np.array([0.0, 0.2, 0.4, 3.0, 3.2, 3.6, 3.8, 4.0])
    found, usual = words.timings(given, starts, np.array([0.5, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5]))
    assert [each.text for each in found] == [" Go.", "", "", ' "He', " said,", ""]
    assert [each.tokens for each in found] == [3, 0, 0, 2, 2, 0]
    assert usual == pytest.approx(0.3)
    assert found[0].probability == 0.75
    assert (found[0].start, found[0].end) == (0.0, 0.4)
    stop = words.timings([("a", 1), (".", 1), (" b", 1), (" c", 1)], np.array([0, 0.2, 3.0, 6.0, 6.2]), np.ones(4))[0]
    assert stop[2].start == pytest.approx(6.0 - 2 * words._LONGEST)


def test_words_after_a_pause_are_not_longer_than_words_are() -> None:
    given = [Word(" a", 5.0, 9.0, 1.0), Word(" b", 9.0, 9.3, 1.0)]
    found, start, end = words.paced(given, 8.5, 9.4, 0.3, 4.0)
    assert [word.text for word in found] == [" a", " b"]
    assert (found[0].start, found[0].end, start, end) == (pytest.approx(8.4), 9.0, pytest.approx(8.4), 9.3)
    both = words.paced([Word(" a", 5.0, 7.0, 1.0), Word(" b", 7.0, 9.0, 1.0)], 8.5, 9.4, 0.3, 4.0)[0]
    assert both[0].end == both[1].start == pytest.approx(8.4)
    far = words.paced([Word(" a", 1.0, 1.2, 1.0), Word(" b", 1.2, 4.0, 1.0)], 1.0, 2.0, 0.3, 0.9)
    assert (far[0][1].end, far[2]) == (2.0, 2.0)
    assert words.paced([], 1.0, 2.0, 0.3, 0.9) == ([], 1.0, 2.0)


@pytest.fixture(scope="module")
def small() -> Any:
    engine.manual_seed(5)
    model = models.whisper(n_audio_state=16, n_audio_head=2, n_audio_layer=1, n_text_state=16, n_text_head=2, n_text_layer=2, n_audio_ctx=100)  # fmt: skip
    model.requires_grad_(False)
    return model.eval()


@pytest.mark.parametrize("length", [1, 5, 40])  # the last in several pieces
def test_the_chances_of_tokens_are_the_models_and_their_times_go_on(small: Any, length: int) -> None:
    decoder = Decoder(small, VOCABULARY)
    heard = decoder.hear(np.random.default_rng(0).normal(size=(80, 200)).astype(np.float32))
    tokens = [int(token) for token in np.random.default_rng(1).integers(0, 300, length)]
    starts, chances = decoder.align(heard, tokens, Decoding(language="en"), 60)
    assert starts.shape == (length + 1,)
    assert (np.diff(starts) >= 0).all()
    assert starts[0] >= 0
    assert starts[-1] < 60 * alignment.SECONDS
    whole = [*VOCABULARY.beginning("en", "transcribe", False), *tokens]
    with engine.no_grad():
        logits = small.decoder(Tensor(np.array([whole])), heard.features).numpy()[0, 3:, : VOCABULARY.end]
    powers = np.exp(logits - logits.max(1, keepdims=True))
    wanted = (powers / powers.sum(1, keepdims=True))[np.arange(length), tokens]
    np.testing.assert_allclose(chances, wanted, rtol=1e-3)
    assert not any(block.cross_attn._hooks for block in small.decoder.blocks)


T = VOCABULARY.first_time
TOLD = [
    T,
    *VOCABULARY.encode(" Go on, now."),
    T + 40,
    T + 40,
    *VOCABULARY.encode(" Well"),
    T + 80,
    T + 80,
    *VOCABULARY.encode(" an"),
]


def told(model: Any, *windows: list[int]) -> Any:
    """A pipeline whose windows say given tokens, one after the other."""
    pipe = pipelines.SpeechRecognition(model, letters())
    said = iter(windows)
    pipe.decoder.decode = lambda *_: Decoded(next(said), "", 0.0, -0.1, 0.0, 1.0)
    return pipe


def test_a_transcript_with_words_is_made_of_them_and_goes_on_where_the_last_one_ends(small: Any) -> None:
    sound = np.random.default_rng(0).normal(size=16000 * 2).astype(np.float32)
    plain = told(small, TOLD, [])(sound, language="en")
    assert [(each.text, each.words) for each in plain.segments] == [(" Go on, now.", ()), (" Well", ())]
    ends = []
    pipe = told(small, TOLD, [], [])
    for segment in pipe.stream(sound, language="en", word_timestamps=True):
        assert "".join(word.text for word in segment.words) == segment.text
        assert [word.text for word in segment.words] in ([" Go", " on,", " now."], [" Well"])
        assert all(0 <= word.start <= word.end <= 2.0 and 0 <= word.probability <= 1 for word in segment.words)
        assert (segment.start, segment.end) == (segment.words[0].start, segment.words[-1].end)
        ends.append(segment.end)
    assert ends == sorted(ends)
    assert len(ends) == 2


def test_a_hundredth_of_a_second_has_no_time_for_words(small: Any) -> None:
    said = told(small, TOLD[:-4])(np.ones(200, np.float32), language="en", word_timestamps=True)
    assert [each.words for each in said.segments] == [(), ()]
