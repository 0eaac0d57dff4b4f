"""Models of sound: pitch from bins, speech step by step, the decoder's cache, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sequence_check
from sequences import CASES, WHISPER, inputs

from numzoo import engine
from numzoo.audio import models
from numzoo.audio.models.crepe import BINS, frames_of, pitch_of
from numzoo.audio.models.openai_whisper import DecoderCache

(CASE,) = [case for case in CASES if case.kind == "sound"]


def test_frames_are_centred_on_every_hop_and_normalised() -> None:
    frames = frames_of(np.sin(np.arange(1600) / 7), 160)
    assert frames.shape == (11, 1024)
    assert np.allclose(frames.mean(axis=1), 0, atol=1e-5)
    assert np.allclose(frames.std(axis=1, ddof=1), 1, atol=1e-4)
    assert (frames_of(np.zeros(300), 160) == 0).all()


def test_a_bin_is_a_fifth_of_a_semitone() -> None:
    pitch = pitch_of(np.eye(BINS))
    assert pitch[0] == pytest.approx(10 * 2 ** (1997.3794084376191 / 1200))
    assert np.allclose(pitch[1:] / pitch[:-1], 2 ** (20 / 1200))


@pytest.mark.parametrize("builder", ["crepe_tiny", "crepe_full"])
def test_crepe_gives_a_likelihood_for_every_pitch(builder: str) -> None:
    likelihoods = getattr(models, builder)().eval()(engine.zeros(2, 1024)).detach().numpy()
    assert likelihoods.shape == (2, 360)
    assert ((likelihoods > 0) & (likelihoods < 1)).all()


def test_a_voice_is_a_vector_of_length_one() -> None:
    voices = models.speaker_encoder().eval()(engine.rand(3, 20, 40)).detach().numpy()
    assert voices.shape == (3, 256)
    assert np.allclose((voices**2).sum(axis=1), 1, atol=1e-5)


def test_voice_activity_of_a_waveform_is_that_of_its_steps() -> None:
    engine.manual_seed(1)
    model = models.silero_vad().eval()
    sound = np.random.default_rng(0).normal(size=1300).astype(np.float32) / 10
    found = model.chances(sound)
    assert found.shape == (3,)
    padded, state, steps = np.pad(sound, (64, 236)), None, []
    for start in range(64, 1600, 512):
        chance, state = model(engine.tensor(padded[None, start - 64 : start + 512]), state)
        steps.append(float(chance))
    assert np.allclose(found, steps, atol=1e-6)
    assert model.chances(np.zeros(0)).shape == (0,)


def test_whisper_writes_step_by_step_what_it_writes_at_once() -> None:
    model, _ = sequence_check.build(CASE)
    given = inputs("sound")
    tokens = engine.tensor(given["tokens"])
    with engine.no_grad():
        whole = model(**given).numpy()
        features, cache = model.encoder(engine.tensor(given["mel"])), DecoderCache()
        parts = [model.decoder(tokens[:, :4], features, cache), model.decoder(tokens[:, 4:7], None, cache)]
        parts += [model.decoder(tokens[:, place : place + 1], None, cache) for place in range(7, 11)]
    found = np.concatenate([part.numpy() for part in parts], axis=1)
    assert np.abs(found - whole).max() < 1e-5 * np.abs(whole).max()


@pytest.mark.parametrize(
    ("size", "parameters"),
    [("tiny", 37_184_640), ("base", 71_825_920), ("small", 240_582_912), ("medium", 762_321_920)],
)
def test_the_sizes_are_those_of_the_paper(size: str, parameters: int) -> None:
    assert sum(parameter.numel() for parameter in models.whisper(size=size).parameters()) == parameters


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.whisper(size="huge"), "size must be one of tiny, base"),
        (lambda: models.whisper(**{**WHISPER, "n_text_head": 5}), "n_text_state 32 must be a multiple of n_text_head 5"),
        (lambda: models.whisper(**WHISPER).encoder(engine.zeros(1, 20, 102)), "hears 100 frames at a time, but 102"),
        (lambda: models.whisper(**WHISPER).decoder(engine.zeros(1, 31, dtype="int64"), engine.zeros(1, 5, 32)), "at most 30 tokens"),
        (lambda: models.whisper(**WHISPER).decoder(engine.zeros(1, 3, dtype="int64"), None), "wants the encoder's features"),
        (lambda: models.silero_vad().chances(np.zeros((2, 512))), r"one waveform \(samples,\)"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_an_unknown_name_is_answered_with_near_ones() -> None:
    with pytest.raises(AttributeError, match="did you mean crepe_tiny"):
        _ = models.crepe_tyni
