"""Letters from sounds: a folder of transformers as a pipeline, vocabularies, long sounds in windows, bad input."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from integers import integer_weights
from sequences import WAV2VEC2, WAV2VEC2_LARGE

from numzoo import engine, hub
from numzoo.audio import models
from numzoo.audio.decoding import beam_search, greedy
from numzoo.audio.errors import AudioError
from numzoo.audio.pipelines import CtcRecognition
from numzoo.audio.pipelines import ctc as pipeline_file
from numzoo.audio.pipelines.letters import Letters, load_letters
from numzoo.hub.checkpoint import write_safetensors

TOKENS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ"]
SOUND = np.random.default_rng(0).normal(size=16_000).astype(np.float32)


def model_of(settings: dict[str, Any], **more: Any) -> Any:
    model = models.wav2vec2_ctc(**{**settings, **more}, vocab_size=len(TOKENS)).eval()
    shapes = {name: tuple(value.shape) for name, value in sorted(model.state_dict().items())}
    model.load_state_dict(integer_weights(shapes, 2.0), assign=True)
    return model


def folder_of(folder: Path) -> Path:
    """What transformers writes: the weights, their configuration, how sounds are prepared, and the letters."""
    model = model_of(WAV2VEC2)
    write_safetensors(folder / "model.safetensors", {name: t.numpy() for name, t in model.state_dict().items()})
    written = {
        "config.json": {**WAV2VEC2, "model_type": "wav2vec2", "architectures": ["Wav2Vec2ForCTC"], "vocab_size": len(TOKENS)},
        "preprocessor_config.json": {"do_normalize": True, "sampling_rate": 16_000, "return_attention_mask": False},
        "vocab.json": {token: number for number, token in enumerate(TOKENS)},
        "tokenizer_config.json": {"pad_token": "<pad>", "word_delimiter_token": {"content": "|"}, "do_lower_case": True},
    }  # fmt: skip
    for name, content in written.items():
        (folder / name).write_text(json.dumps(content))
    return folder


def test_a_folder_writes_down_what_it_hears(tmp_path: Path) -> None:
    hear = hub.pipeline(folder_of(tmp_path))
    assert isinstance(hear, CtcRecognition)
    said = hear(SOUND)
    normal = (SOUND - SOUND.mean()) / np.sqrt(SOUND.var() + 1e-7)
    with engine.no_grad():
        logits = hear.model(normal[None].astype(np.float32)).numpy()[0].astype(np.float64)
    table = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert said.text == hear.letters.text(greedy(table).tokens)
    assert said.text == said.text.lower() != ""
    assert " ".join(segment.text for segment in said.segments) == said.text
    times = [time for segment in said.segments for time in (segment.start, segment.end)]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= 1
    assert hear(SOUND, width=3).text == hear.letters.text(beam_search(table, width=3)[0].tokens)
    assert all(segment.words == () for segment in said.segments)
    for segment in hear(SOUND, word_timestamps=True).segments:
        (word,) = segment.words
        assert (word.text, word.start, word.end) == (segment.text, segment.start, segment.end)
        assert 0 < word.probability <= 1
    loud = hear((np.stack([100 * SOUND, 100 * SOUND]), 16_000))
    assert loud.text == said.text


def test_a_long_sound_is_heard_in_windows_that_know_their_neighbourhood(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(WAV2VEC2_LARGE, num_hidden_layers=0)  # whose places hear only what is near
    hear = CtcRecognition(model, Letters(TOKENS))
    whole = hear.log_probabilities(SOUND)
    monkeypatch.setattr(pipeline_file, "WINDOW", 0.2)
    monkeypatch.setattr(pipeline_file, "OVERLAP", 0.05)
    assert np.abs(hear.log_probabilities(SOUND) - whole).max() < 1e-4
    monkeypatch.setattr(pipeline_file, "OVERLAP", 0.0)
    assert np.abs(hear.log_probabilities(SOUND) - whole).max() > 1e-2


def test_a_sound_of_less_than_one_place_says_nothing() -> None:
    hear = CtcRecognition(model_of(WAV2VEC2), Letters(TOKENS))
    assert hear(SOUND[:30]).text == ""
    assert hear(np.zeros(16_000, np.float32)).text == hear(np.full(16_000, 0.5, np.float32)).text  # silence
    with pytest.raises(AudioError, match="at least 1 are wanted"):
        hear(SOUND[:0])
    with pytest.raises(AudioError, match="is nan"):
        hear(np.full(1000, np.nan, np.float32))


def test_letters_make_words_and_what_was_not_trained_is_never_said() -> None:
    letters = Letters(TOKENS, special=["<s>", "</s>", "<unk>"], never=["<unk>"])
    numbers = [TOKENS.index(token) for token in ["|", "H", "I", "|", "|", "</s>", "Y", "O", "<unk>", "U", "|"]]
    assert letters.text(numbers) == "HI YOU"
    hear = CtcRecognition(model_of(WAV2VEC2), letters)
    assert np.isneginf(hear.log_probabilities(SOUND)[:, TOKENS.index("<unk>")]).all()


def test_the_entrys_letters_are_those_of_the_authors_vocabulary() -> None:
    entry = hub.describe("wav2vec2_base.960h")
    written = json.dumps({token: number for number, token in enumerate(entry["categories"])})
    assert hashlib.sha256(written.encode()).hexdigest() == (
        "19727f8944fe6459fc3f240ae2c198395b740f6a029bd23e06656266b83bcf64"  # of vocab.json at the entry's commit
    )


def test_the_entrys_file_is_as_long_as_one_of_these_names_and_shapes() -> None:
    model = models.wav2vec2_ctc(vocab_size=32)
    described, place = {}, 0
    named = {
        name.replace("parametrizations.weight.original0", "weight_g").replace("parametrizations.weight.original1", "weight_v"): value
        for name, value in model.state_dict().items()
        if name != "wav2vec2.masked_spec_embed"
    }  # fmt: skip
    for name, value in sorted(named.items()):
        end = place + 4 * value.numel()
        described[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [place, end]}
        place = end
    header = json.dumps({"__metadata__": {"format": "pt"}, **described}, separators=(",", ":"))
    assert 8 + len(header) + place == hub.describe("wav2vec2_base.960h")["files"][0]["bytes"]


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        ({"a": 0, "b": 1}, "has no '<pad>', CTC's blank"),
        ({"<pad>": 0, "a": 32}, "gives 'a' the number 32; wanted a number of its own below 32"),
        ({"<pad>": 0, "a": 0}, "gives 'a' the number 0"),
        ({"<pad>": True}, "the number True"),
        ({"eng": {"<pad>": 0}, "deu": {}}, "a vocabulary for each of several languages"),
        ([1], "holds no JSON object"),
        (None, "is no JSON"),
    ],
)
def test_a_vocabulary_that_is_none_is_refused(vocabulary: Any, message: str, tmp_path: Path) -> None:
    file = tmp_path / "vocab.json"
    file.write_text("{" if vocabulary is None else json.dumps(vocabulary))
    with pytest.raises(AudioError, match=message):
        load_letters({"vocab.json": file}, 32)


def test_weights_without_letters_say_what_is_missing(tmp_path: Path) -> None:
    (folder_of(tmp_path) / "vocab.json").unlink()
    with pytest.raises(AudioError, match=r"there is no vocab\.json beside the weights"):
        hub.pipeline(tmp_path)
    with pytest.raises(AudioError, match="there are 2 tokens, but the model tells 32 apart"):
        load_letters({}, 32, categories=["<pad>", "a"])


def test_a_model_of_another_rate_is_refused(tmp_path: Path) -> None:
    (folder_of(tmp_path) / "preprocessor_config.json").write_text(json.dumps({"sampling_rate": 8000}))
    with pytest.raises(AudioError, match="hears 8000 samples a second"):
        hub.pipeline(tmp_path)
