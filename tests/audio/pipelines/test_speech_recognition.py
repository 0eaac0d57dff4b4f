"""Speech recognition with a model that says what it is told: languages, windows, temperatures, silence, real small models."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from letters import letters

from numzoo import engine, hub
from numzoo.audio import Raw, models, pipelines, write_audio
from numzoo.audio.errors import AudioError
from numzoo.audio.pipelines.whisper.vocabulary import Vocabulary
from numzoo.engine import Tensor, nn
from numzoo.hub.checkpoint import write_safetensors

WORDS = Vocabulary(letters(), 51865)
T = WORDS.first_time


class Told(nn.Module):
    """A Whisper that writes given tokens, window after window, each as surely as its sharpness says."""

    def __init__(
        self, script: list[list[int]], *, sharp: float = 30.0, silent: float = 0.0, language: str = "de"
    ) -> None:
        super().__init__()
        self.config = SimpleNamespace(n_mels=80, n_audio_ctx=1500, n_text_ctx=448, n_vocab=51865)
        self.script, self.sharp, self.silent, self.spoken = script, sharp, silent, language
        self.prompts: list[list[int]] = []
        self.encoder, self.decoder = _Ear(self), _Hand(self)


class _Ear(nn.Module):
    def __init__(self, told: Told) -> None:
        super().__init__()
        self.conv1, self.heard = nn.Conv1d(1, 1, 1), 0
        object.__setattr__(self, "told", told)

    def forward(self, mel: Tensor) -> Tensor:
        assert mel.shape == (1, 80, 3000)
        self.heard += 1
        return engine.zeros(1, 1500, 8)


class _Hand(nn.Module):
    def __init__(self, told: Told) -> None:
        super().__init__()
        object.__setattr__(self, "told", told)

    def forward(self, tokens: Tensor, features: Any, cache: Any, *, wanted: Any) -> Tensor:
        given, told = np.asarray(tokens.numpy()), self.told
        logits = np.zeros((len(given), len(wanted), 51865), np.float32)
        if given.shape[1] == 1 and given[0, 0] == WORDS.start:
            logits[:, :, WORDS.language(told.spoken)] = 30
            return Tensor(logits)
        if given.shape[1] > 1:
            told.prompts.append(given[0].tolist())
            cache.begun = None
            self.place = 0
            logits[:, 0, WORDS.no_speech] = np.log(told.silent * 51864 / (1 - told.silent)) if told.silent else -30
        script = told.script[told.encoder.heard - 1]
        following = script[self.place] if self.place < len(script) else WORDS.end
        logits[:, -1, following] = told.sharp
        self.place += 1
        return Tensor(logits)


class Cache(SimpleNamespace):
    def select(self, rows: Any) -> None: ...


@pytest.fixture(autouse=True)
def _loose_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numzoo.audio.pipelines.whisper.decoding.DecoderCache", Cache)


def says(text: str) -> list[int]:
    return WORDS.encode(text)


LONG = [
    [T, *says(" one"), T + 500, T + 500, *says(" two"), T + 1000, T + 1000, *says(" thr")],
    [T, *says(" three"), T + 300],
    [T, *says(" four"), T + 100],
]


def test_a_long_sound_is_heard_window_by_window_from_where_the_last_one_ended() -> None:
    model = Told(LONG)
    pipe = pipelines.SpeechRecognition(model, letters())
    said = pipe(np.zeros(16000 * 53, np.float32))
    assert said.text == "one two three four" == str(said)
    assert said.language == "de"
    assert [(segment.start, segment.end, segment.text) for segment in said.segments] == [
        (0.0, 10.0, " one"),
        (10.0, 20.0, " two"),
        (20.0, 26.0, " three"),
        (50.0, 52.0, " four"),
    ]
    first, second, third = model.prompts
    assert first == [WORDS.start, WORDS.language("de"), WORDS.transcribe]
    before = [T, *says(" one"), T + 500, T + 500, *says(" two"), T + 1000]
    assert second == [WORDS.previous, *before, *first]
    assert third == [WORDS.previous, *before, T, *says(" three"), T + 300, *first]


def test_windows_know_nothing_of_each_other_unless_they_may_and_begin_with_the_prompt() -> None:
    model = Told(LONG)
    pipe = pipelines.SpeechRecognition(model, letters())
    pipe(np.zeros(16000 * 53, np.float32), condition=False, language="en", task="translate", prompt="so")
    plain = [WORDS.start, WORDS.language("en"), WORDS.translate]
    assert model.prompts == [[WORDS.previous, *says(" so"), *plain], plain, plain]


def test_segments_come_as_soon_as_their_window_is_done() -> None:
    model = Told(LONG)
    stream = pipelines.SpeechRecognition(model, letters()).stream(np.zeros(16000 * 53, np.float32))
    assert [next(stream).text, next(stream).text] == [" one", " two"]
    assert model.encoder.heard == 1


def test_a_text_that_repeats_itself_is_drawn_anew_and_guides_nobody() -> None:
    model = Told([[T, *says(" ha" * 20), T + 500, T + 500, *says("x")], [T, *says(" on"), T + 9]])
    said = pipelines.SpeechRecognition(model, letters())(np.zeros(16000 * 31, np.float32), language="de", seed=0)
    assert said.segments[0].temperature == 1.0
    assert said.segments[0].compression > 2.4
    assert len(model.prompts) == 7
    assert model.prompts[-1][0] == WORDS.start


def test_silence_is_no_text() -> None:
    quiet = Told([[T, *says(" thanks"), T + 50]], sharp=6.0, silent=0.9)
    assert pipelines.SpeechRecognition(quiet, letters())(np.zeros(16000, np.float32)).segments == ()
    loud = Told([[T, *says(" thanks"), T + 50]], silent=0.9)
    assert pipelines.SpeechRecognition(loud, letters())(np.zeros(16000, np.float32)).text == "thanks"


def test_beams_write_what_the_likeliest_tokens_say_where_they_are_sure() -> None:
    model = Told([[T, *says(" Go forward"), T + 50]])
    assert pipelines.SpeechRecognition(model, letters())(np.zeros(800, np.float32), beams=3).text == "Go forward"


@pytest.mark.parametrize(
    ("sound", "says"),
    [
        (np.zeros(0, np.float32), "0 samples"),
        (np.full(9, np.nan, np.float32), "nan"),
        ("missing.wav", "missing.wav"),
        (b"RIFF", "sound of 4 bytes"),
    ],
)
def test_what_cannot_be_heard_is_an_error_that_says_why(sound: Any, says: str) -> None:
    with pytest.raises(AudioError, match=says):
        pipelines.SpeechRecognition(Told(LONG), letters())(sound)
    with pytest.raises(ValueError, match="language is 'xx'"):
        pipelines.SpeechRecognition(Told(LONG), letters())(np.zeros(9, np.float32), language="xx")
    with pytest.raises(ValueError, match="half a character at place 4"):
        pipelines.SpeechRecognition(Told(LONG), letters())(np.zeros(9, np.float32), prompt="Ann\ud800")
    with pytest.raises(TypeError, match="melody"):
        pipelines.SpeechRecognition(Told(LONG), letters())(np.zeros(9, np.float32), melody=3)


def test_the_hub_makes_it_of_an_entry_and_a_real_small_model_hears_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("NUMZOO_HOME", str(tmp_path / "home"))
    import hashlib

    engine.manual_seed(0)
    sizes = {
        "n_audio_state": 8,
        "n_audio_head": 2,
        "n_audio_layer": 1,
        "n_text_state": 8,
        "n_text_head": 2,
        "n_text_layer": 1,
    }
    model = models.whisper(**sizes).eval()
    write_safetensors(tmp_path / "model.safetensors", {key: value.numpy() for key, value in model.state_dict().items()})
    letters().save(str(tmp_path / "tokenizer.json"))
    files = [
        {"name": name, "sha256": hashlib.sha256((tmp_path / name).read_bytes()).hexdigest(), "format": format, "sources": [f"file:{name}"]}
        for name, format in (("model.safetensors", "safetensors"), ("tokenizer.json", "tokenizer-json"))
    ]  # fmt: skip
    entry = {"model": "audio.models.whisper", "config": sizes, "task": "speech-recognition", "files": files, "license": "MIT",
             "source": "https://example.org", "transform": {"preset": "audio.transforms.whisper_mel", "n_mels": 80, "seconds": 30}}  # fmt: skip
    (tmp_path / "manifest.json").write_text(json.dumps({"schema": 1, "models": {"small.test": entry}}))
    pipe = hub.pipeline("small", registry=str(tmp_path / "manifest.json"))
    assert isinstance(pipe, pipelines.SpeechRecognition)

    sound = (np.sin(np.arange(8000) / 9) * 0.4).astype(np.float32)
    write_audio(sound[None], tmp_path / "tone.wav", 16000, encoding="s16")
    (tmp_path / "tone.raw").write_bytes((sound * 32768).astype("<i2").tobytes())
    said = [
        pipe(given, temperatures=(0.0,), no_speech=None, **more)
        for given, more in (
            (str(tmp_path / "tone.wav"), {}),
            (str(tmp_path / "tone.raw"), {"raw": Raw(16000)}),
            ((sound, 16000), {}),
        )
    ]
    assert said[0].language == said[1].language == next(iter(pipe.languages(sound)))
    assert said[0].text == said[1].text == said[2].text
    assert sum(pipe.languages(sound).values()) == pytest.approx(1)
