"""wav2vec 2.0, HuBERT, WavLM, M5 and Conv-TasNet: sizes, what training hides, padding, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sequences import CONV_TASNET, M5, WAV2VEC2, WAV2VEC2_LARGE, WAVLM

from numzoo import engine
from numzoo.audio import models
from numzoo.audio.models.span_masks import span_mask

SOUND = np.random.default_rng(0).normal(size=(2, 1000)).astype(np.float32)


@pytest.mark.parametrize(
    ("builder", "settings", "parameters"),
    [
        ("wav2vec2_encoder", {}, 94_371_712),
        ("wav2vec2_ctc", {}, 94_396_320),
        ("wavlm_encoder", {}, 94_381_936),
        ("conv_tasnet_base", {}, 4_984_881),
        ("m5_classifier", {"classes": 10}, 559_114),
        ("m5_classifier", {"channels": (32, 32, 64, 64), "stride": 16}, 26_915),
    ],
)
def test_the_sizes_are_those_of_the_authors(builder: str, settings: dict[str, Any], parameters: int) -> None:
    assert sum(each.numel() for each in getattr(models, builder)(**settings).parameters()) == parameters


def test_a_vector_stands_for_20_ms() -> None:
    model = models.wav2vec2_encoder(num_hidden_layers=0)
    assert [model.config.frames(samples) for samples in (400, 719, 720, 16_000)] == [1, 1, 2, 49]


@pytest.mark.parametrize("builder", ["wav2vec2_ctc", "wavlm_ctc"])
def test_silence_behind_a_sound_changes_nothing_where_the_mask_says_so(builder: str) -> None:
    model = getattr(models, builder)(**WAV2VEC2_LARGE, vocab_size=5).eval()
    longer, mask = np.pad(SOUND, ((0, 0), (0, 300)), constant_values=3.0), np.ones((2, 1300), np.int64)
    mask[:, 1000:] = 0
    alone, padded = model(SOUND).detach().numpy(), model(longer, mask).detach().numpy()
    assert np.abs(padded[:, : alone.shape[1]] - alone).max() < 1e-5
    assert np.abs(model(longer).detach().numpy()[:, : alone.shape[1]] - alone).max() > 1e-3


def test_training_hides_spans_and_leaves_out_layers_and_evaluation_does_neither() -> None:
    engine.manual_seed(3)
    quiet = dict.fromkeys(("hidden_dropout", "activation_dropout", "attention_dropout", "layerdrop"), 0.0)
    model = models.wav2vec2_encoder(**WAV2VEC2, **quiet, mask_time_prob=0.3, mask_time_length=2)
    first, second = (model(SOUND).detach().numpy() for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    model.eval()
    assert (model(SOUND).detach().numpy() == model(SOUND).detach().numpy()).all()
    hidden = np.zeros((2, first.shape[1]), np.bool_)
    hidden[:, 3:5] = True
    model(SOUND, mask_time_indices=hidden).sum().backward()
    assert np.abs(model.masked_spec_embed.grad.numpy()).max() > 0
    dropped = models.wav2vec2_encoder(**WAV2VEC2, **{**quiet, "layerdrop": 1.0}, mask_time_prob=0.0)
    states = dropped.states(SOUND)
    assert all((state.detach().numpy() == states[0].detach().numpy()).all() for state in states)


def test_all_layers_of_wavlm_hear_the_distances_of_the_first_which_is_never_left_out() -> None:
    model = models.wavlm_encoder(**WAV2VEC2, **WAVLM, layerdrop=1.0, mask_time_prob=0.0, hidden_dropout=0.0)
    states = [state.detach().numpy() for state in model.states(SOUND)]
    assert np.abs(states[1] - states[0]).max() > 1e-3
    assert (states[2] == states[1]).all()
    model.eval()
    before = [state.detach().numpy() for state in model.states(SOUND)]
    table = model.encoder.layers[0].attention.rel_attn_embed.weight
    model.load_state_dict(
        {**model.state_dict(), "encoder.layers.0.attention.rel_attn_embed.weight": table.detach().numpy() * 3}
    )
    after = [state.detach().numpy() for state in model.states(SOUND)]
    assert (after[0] == before[0]).all()
    assert all(np.abs(new - old).max() > 1e-3 for new, old in zip(after[1:], before[1:], strict=True))
    assert [name for name in model.state_dict() if "rel_attn_embed" in name] == [
        "encoder.layers.0.attention.rel_attn_embed.weight"
    ]


def test_spans_have_their_length_and_lie_within_their_row() -> None:
    engine.manual_seed(0)
    mask = span_mask([50, 20, 4, 3], 50, 0.4, 4, least=1)
    assert mask.shape == (4, 50)
    assert not mask[1, 20:].any()
    assert mask[2].tolist() == [True] * 4 + [False] * 46
    assert not mask[3].any()
    counts = [span_mask([1000], 1000, 0.5, 10)[0].sum() for _ in range(20)]
    assert 350 < np.mean(counts) < 420  # 1 - exp(-0.5) of them, less where spans may not begin twice


def test_a_batch_of_sources_is_that_of_each_mixture_alone() -> None:
    model = models.conv_tasnet_base(**CONV_TASNET).eval()
    together = model(SOUND).detach().numpy()
    assert together.shape == (2, 3, 1000)
    alone = np.concatenate([model(sound[None, None]).detach().numpy() for sound in SOUND])
    assert np.abs(together - alone).max() < 1e-5 * np.abs(together).max()


def test_m5_hears_no_less_than_it_says() -> None:
    model = models.m5_classifier(**M5).eval()
    assert model(np.zeros((1, model.least), np.float32)).shape == (1, 7)
    with pytest.raises(ValueError, match=f"{model.least - 1} samples are too few; it takes {model.least}"):
        model(np.zeros((1, model.least - 1), np.float32))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.wav2vec2_encoder(hidden_size=50), "hidden_size 50 must be a multiple of num_attention_heads 12"),
        (lambda: models.wav2vec2_encoder(feat_extract_norm="batch"), "must be 'group' or 'layer', not 'batch'"),
        (lambda: models.wav2vec2_encoder(hidden_act="mish"), "hidden_act must be one of gelu"),
        (lambda: models.wav2vec2_encoder(conv_dim=(512,)), "a number for each layer, not 1, 7 and 7"),
        (lambda: models.wav2vec2_encoder(**WAV2VEC2)(SOUND[0]), r"samples \(batch, samples\)"),
        (lambda: models.wav2vec2_encoder(**WAV2VEC2)(SOUND[:, :9]), "9 samples are too few for one vector; it takes 40"),
        (lambda: models.wav2vec2_encoder(**WAV2VEC2)(SOUND, np.ones((2, 3))), "must have the shape of input_values"),
        (lambda: models.wav2vec2_encoder(**WAV2VEC2)(SOUND, None, np.ones((2, 3))), r"must be \(batch, time\)"),
        (lambda: models.wav2vec2_encoder(**WAV2VEC2, mask_time_prob=0.0)(SOUND, None, np.ones((2, 49))), "no masked_spec_embed"),
        (lambda: models.wavlm_encoder(num_buckets=3), "num_buckets is at least 4"),
        (lambda: models.wavlm_encoder(max_bucket_distance=80), "not 320 and 80"),
        (lambda: models.wavlm_encoder(hidden_size=50), "hidden_size 50 must be a multiple"),
        (lambda: models.m5_classifier(channels=(1, 2)), "four numbers"),
        (lambda: models.m5_classifier()(np.zeros((2, 2, 9))), "of one channel"),
        (lambda: models.conv_tasnet_base()(np.zeros((2, 2, 9))), "of one channel"),
        (lambda: models.conv_tasnet_base(msk_activate="tanh"), "must be 'sigmoid' or 'relu'"),
        (lambda: models.conv_tasnet_base(msk_kernel_size=5), "must be 3"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_whole_numbers_are_no_samples() -> None:
    with pytest.raises(TypeError, match="samples are floating-point numbers"):
        models.wav2vec2_encoder(**WAV2VEC2)(np.zeros((1, 400), np.int16))


@pytest.mark.parametrize("places", [1, 7, 30])
def test_whispers_encoder_gives_the_same_in_parts(places: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = models.whisper(
        n_audio_state=16, n_audio_head=2, n_audio_layer=2, n_text_state=16, n_text_head=2, n_text_layer=1
    )
    mel = engine.Tensor(np.random.default_rng(0).normal(size=(2, 80, 60)).astype(np.float32))
    whole = model.encoder(mel).detach().numpy()
    monkeypatch.setattr("numzoo.audio.models.openai_whisper.AT_ONCE", places)
    with engine.no_grad():
        np.testing.assert_allclose(model.encoder(mel).numpy(), whole, atol=2e-6)
