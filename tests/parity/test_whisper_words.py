"""Times of words beside the code of Whisper's authors, on one small model of random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo.audio import models
from numzoo.audio.pipelines.whisper import words
from numzoo.audio.pipelines.whisper.decoding import Decoder, Decoding
from numzoo.audio.pipelines.whisper.ranks import tokenizer_of
from numzoo.audio.pipelines.whisper.vocabulary import Vocabulary

torch = pytest.importorskip("torch")
theirs = pytest.importorskip("whisper")
tokenizers = pytest.importorskip("tokenizers")

pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # the authors' code leaves one open

SIZES = {
    "n_mels": 80, "n_vocab": 51865, "n_audio_ctx": 1500, "n_audio_state": 32, "n_audio_head": 2, "n_audio_layer": 1,
    "n_text_ctx": 448, "n_text_state": 32, "n_text_head": 4, "n_text_layer": 4,
}  # fmt: skip
TEXTS = {
    "en": ' "Go (forward)," he said... It\'s 10 meters - not a well-disposed way!',
    "ja": " 前へ十メートル進んでください。",
    "de": " Fünf Füße, »sagte« er.",
}


@pytest.fixture(scope="module")
def both() -> tuple[Any, Any]:
    torch.manual_seed(0)
    given = theirs.model.Whisper(theirs.model.ModelDimensions(**SIZES)).eval()
    for parameter in given.parameters():
        parameter.data.normal_(0, 0.3)
    own = models.whisper(**SIZES).eval()
    own.requires_grad_(False)
    own.load_state_dict(
        {name: value.numpy() for name, value in given.state_dict().items() if name != "alignment_heads"}
    )
    return own, given


@pytest.mark.parametrize("places", [1500, 700])
@pytest.mark.parametrize("language", TEXTS)
def test_words_and_their_times_are_those_of_the_authors_code(both: Any, language: str, places: int) -> None:
    own, given = both
    assets = theirs.tokenizer.__file__.replace("tokenizer.py", "assets/multilingual.tiktoken")
    tokenizer = theirs.tokenizer.get_tokenizer(True, num_languages=99, language=language, task="transcribe")
    vocabulary = Vocabulary(tokenizer_of(Path(assets), tokenizers), 51865)
    tokens = tokenizer.encode(TEXTS[language])
    assert vocabulary.encode(TEXTS[language]) == tokens
    mel = np.random.default_rng(0).normal(size=(80, 3000)).astype(np.float32)
    wanted = theirs.timing.find_alignment(given, tokenizer, tokens, torch.from_numpy(mel), 2 * places)
    decoder = Decoder(own, vocabulary)
    starts, chances = decoder.align(decoder.hear(mel), tokens, Decoding(language=language), places)
    found, place = [], 0
    for text, count in words.split(vocabulary, tokens, language):
        found.append((text, starts[place], starts[place + count], chances[place : place + count].mean()))
        place += count
    assert [word for word, *_ in found] == [each.word for each in wanted]
    np.testing.assert_allclose(
        [times for _, *times, _ in found], [(each.start, each.end) for each in wanted], atol=0.0401
    )
    np.testing.assert_allclose(
        [chance for *_, chance in found], [each.probability for each in wanted], rtol=1e-3, atol=1e-9
    )
