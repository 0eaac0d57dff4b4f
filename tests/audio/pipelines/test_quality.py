"""How good speech sounds: small models, long sounds in pieces, references, and what cannot be judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sequences import SQUIM, WAV2VEC2, WAV2VEC2_LARGE

from numzoo import engine
from numzoo.audio import models
from numzoo.audio.errors import AudioError
from numzoo.audio.pipelines import OpinionScore, SpeechQuality, speech_quality

CHANCE = np.random.default_rng(0)
SPEECH = CHANCE.normal(size=20_000).astype(np.float32) * np.float32(0.1)


def objective() -> Any:
    engine.manual_seed(0)
    return speech_quality(models.squim_objective_base(**{**SQUIM, "win_len": 256}), {})


def subjective() -> Any:
    engine.manual_seed(0)
    return speech_quality(models.squim_subjective_base(**WAV2VEC2), {})


def damaged(pipe: Any) -> Any:
    pipe.model.load_state_dict({name: value * np.nan for name, value in pipe.model.state_dict().items()})
    return pipe


def test_speech_is_judged_as_the_model_does_within_the_bounds_of_each_measure() -> None:
    pipe = objective()
    assert isinstance(pipe, SpeechQuality)
    found = pipe(SPEECH)
    assert list(found) == [float(each.numpy()[0]) for each in pipe.model(SPEECH[None])]
    assert 0 < found.stoi < 1 < found.pesq < 4.65
    assert found == pytest.approx(pipe(SPEECH * 9), abs=1e-4)  # loudness says nothing
    assert pipe((np.stack([SPEECH, SPEECH]), 16_000)) == found


def test_a_long_sound_is_the_mean_of_its_pieces_without_silent_ones() -> None:
    pipe = objective()
    halves = [pipe(SPEECH[:10_000]), pipe(SPEECH[10_000:])]
    assert pipe(SPEECH, seconds=np.float32(1)) == pytest.approx(np.mean(halves, axis=0).tolist())
    assert pipe(np.concatenate([SPEECH[:10_000], np.zeros(10_000)]), seconds=1) == pytest.approx(halves[0])


def test_the_opinion_is_of_a_sound_beside_a_recording_of_any_length() -> None:
    pipe = subjective()
    assert isinstance(pipe, OpinionScore)
    clean = CHANCE.normal(size=3000).astype(np.float32)
    mark = pipe(SPEECH, clean)
    assert 1 <= mark <= 5
    assert pipe(SPEECH, np.tile(clean, 9)) == pytest.approx(mark, abs=1e-5)
    assert pipe(SPEECH, (clean, 16_000), seconds=1) != mark


@pytest.mark.parametrize("narrow", [True, False])
def test_weights_or_products_of_16_bits_say_nearly_the_same(narrow: bool) -> None:
    for pipe, given in ((objective(), ()), (subjective(), (SPEECH[:2000],))):
        wanted = np.array(pipe(SPEECH, *given))
        if narrow:
            pipe.model.to(dtype="bfloat16")
            found = pipe(SPEECH, *given)
        else:
            with engine.precision("bf16"):
                found = pipe(SPEECH, *given)
        np.testing.assert_allclose(found, wanted, atol=0.1)


def test_what_cannot_be_judged_is_named() -> None:
    silence = np.zeros(9000, np.float32)
    for call, message in (
        (lambda: objective()(silence), "the sound is silent"),
        (lambda: objective()(SPEECH * np.float32(1e-25)), "the sound is silent"),
        (lambda: subjective()(silence, SPEECH), "the sound is silent"),
        (lambda: subjective()(SPEECH, silence), "the reference is silent"),
        (lambda: objective()(SPEECH[:255]), "255 samples at 16 kHz, but the model wants 256"),
        (lambda: subjective()(SPEECH[:39], SPEECH), "39 samples at 16 kHz, but the model wants 40"),
        (lambda: objective()(np.full(900, np.nan, np.float32)), "nan"),
        (lambda: objective()(SPEECH[:0]), "0 samples"),
        (lambda: objective()(SPEECH, seconds=0.5), "seconds is how much is judged at once"),
        (lambda: objective()(SPEECH, seconds="all"), "seconds is how much is judged at once"),
        (lambda: damaged(objective())(SPEECH), "numbers that are none"),
        (lambda: damaged(subjective())(SPEECH, SPEECH), "numbers that are none"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(AudioError):
        objective()("nowhere.wav")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.squim_objective_base(rnn_type="SRU"), "one of RNN, LSTM, GRU"),
        (lambda: models.squim_objective_base(nhead=3), "a multiple of nhead"),
        (lambda: models.squim_objective_base(chunk_stride=71), "from 1 to below chunk_size"),
        (lambda: models.squim_objective_base(**SQUIM)(SPEECH), r"samples \(batch, samples\)"),
        (lambda: models.squim_subjective_base(**WAV2VEC2_LARGE), "norms stand behind them"),
        (lambda: models.squim_subjective_base(**WAV2VEC2, att_dim=0), "at least 1"),
        (lambda: models.squim_subjective_base(**WAV2VEC2)(SPEECH[None], np.zeros((2, 9), np.float32)), "1 sounds"),
    ],
)
def test_sizes_and_inputs_that_cannot_be_are_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_whole_numbers_are_no_samples() -> None:
    with pytest.raises(TypeError, match="floating-point"):
        models.squim_objective_base(**SQUIM)(np.zeros((1, 400), np.int16))
