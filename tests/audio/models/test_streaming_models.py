"""Emformer RNN-T and VGGish: the goldens of torchaudio, segments beside the whole, padding, sizes, bad input."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import streaming_sounds
from integers import integer_array

from numzoo import engine
from numzoo.audio import models
from numzoo.audio.models.emformer import Emformer, EmformerConfig

SMALL: dict[str, Any] = {"input_dim": 8, "num_heads": 2, "ffn_dim": 12, "num_layers": 2, "segment_length": 3}
RANDOM = np.random.default_rng(0)


def rnnt(settings: dict[str, Any]) -> Any:
    model = models.emformer_rnnt_model(**settings).eval()
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    model.load_state_dict(streaming_sounds.weights_of(shapes), assign=True)
    return model


@pytest.mark.parametrize("name", streaming_sounds.SETTINGS)
def test_scores_gradients_and_segments_are_the_golden_ones(name: str) -> None:
    settings = streaming_sounds.SETTINGS[name]
    model = rnnt(settings)
    scores = streaming_sounds.counted(model(**streaming_sounds.sounds(settings))[0])
    losses = [(row * engine.tensor(integer_array(13, tuple(row.shape)))).sum() for row in scores]
    (losses[0] + losses[1]).backward()
    gradients = {
        name: np.zeros(tuple(each.shape), np.float32) if each.grad is None else each.grad.numpy()
        for name, each in model.named_parameters()
    }
    heard, state = [], None
    with engine.no_grad():
        for frames in streaming_sounds.segments(settings):
            encoded, _, state = model.transcribe_streaming(frames, [frames.shape[1]], state)
            heard.append(encoded.numpy())
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    results = [*(row.detach().numpy() for row in scores), np.concatenate(heard, 1)]
    streaming_sounds.check(name, streaming_sounds.golden(shapes, results, gradients))


def test_vggish_gives_the_golden_embeddings() -> None:
    model = models.vggish().eval()
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    model.load_state_dict(streaming_sounds.weights_of(shapes), assign=True)
    with engine.no_grad():
        found = model(integer_array(5, (2, 1, 96, 64))).numpy()
    streaming_sounds.check("vggish", streaming_sounds.golden(shapes, [found], {}))


@pytest.mark.parametrize("memory", [0, 2])
@pytest.mark.parametrize(("left", "right"), [(0, 0), (5, 2), (2, 1)])
def test_segments_one_by_one_give_what_the_whole_gives(left: int, right: int, memory: int) -> None:
    config = EmformerConfig(
        **SMALL, left_context_length=left, right_context_length=right, max_memory_size=memory, tanh_on_mem=True
    )
    model = Emformer(config).eval()
    frames = RANDOM.normal(size=(2, 12 + right, 8)).astype(np.float32)
    whole, _ = model(frames, [12, 12])
    for edges in ([0, 3, 6, 9, 12], [0, 6, 12], [0, 3, 12], [0, 9, 11], [0, 12]):
        parts, state = [], None
        for start, end in pairwise(edges):
            part, _, state = model.infer(frames[:, start : end + right], [end - start + right] * 2, state)
            parts.append(part.detach().numpy())
        found = np.concatenate(parts, 1)
        assert np.abs(found - model(frames[:, : edges[-1] + right], [edges[-1]] * 2)[0].detach().numpy()).max() < 1e-5
        assert state is not None
        assert [tuple(each.shape) for each in state[0]] == [(2, memory, 8), (2, left, 8), (2, left, 8)]
    assert np.abs(found - whole.detach().numpy()).max() < 1e-5


def test_what_is_padding_in_a_batch_changes_nothing() -> None:
    config = EmformerConfig(**SMALL, left_context_length=4, max_memory_size=2)
    model = Emformer(config).eval()
    frames = RANDOM.normal(size=(2, 12, 8)).astype(np.float32)
    before, lengths = model(frames, [12, 5])
    frames[1, 5:] = 9.0
    after, _ = model(frames, np.array([12, 5]))
    assert lengths.tolist() == [12, 5]
    assert (after.detach().numpy()[0] == before.detach().numpy()[0]).all()
    assert np.abs(after.detach().numpy()[1, :5] - before.detach().numpy()[1, :5]).max() < 1e-6
    unsaid, _ = model(frames, [12, 12])
    assert np.abs(unsaid.detach().numpy()[1, :5] - before.detach().numpy()[1, :5]).max() > 1e-3


def test_tokens_one_by_one_give_what_the_text_gives() -> None:
    model = rnnt(streaming_sounds.SETTINGS["base"])
    tokens = np.array([[8, 1, 2, 3]])
    whole, last = model.predict(tokens)
    state, parts = None, []
    for place in range(4):
        part, state = model.predict(tokens[:, place : place + 1], state)
        parts.append(part.detach().numpy())
    assert np.abs(np.concatenate(parts, 1) - whole.detach().numpy()).max() < 1e-6
    assert np.abs(last[1][1].detach().numpy() - state[1][1].detach().numpy()).max() < 1e-6


@pytest.mark.parametrize(
    ("symbols", "parameters"), [(4097, 76_738_049), (501, 71_210_997)], ids=["librispeech", "mustc"]
)
def test_the_sizes_are_those_of_the_authors(symbols: int, parameters: int) -> None:
    assert sum(each.numel() for each in models.emformer_rnnt_base(num_symbols=symbols).parameters()) == parameters


def test_layers_begin_with_smaller_weights_the_deeper_they_lie() -> None:
    engine.manual_seed(0)
    layers = Emformer(EmformerConfig(**{**SMALL, "input_dim": 64, "num_layers": 4})).emformer_layers
    largest = [float(layer.attention.emb_to_query.weight.abs().max()) for layer in layers]
    assert np.allclose(largest, np.sqrt(6 / 128) / np.sqrt(np.arange(1, 5)), rtol=0.01)


FRAMES = np.zeros((1, 8, 8), np.float32)
EMFORMER = EmformerConfig(**SMALL, right_context_length=2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: EmformerConfig(**{**SMALL, "num_heads": 3}), "input_dim 8 must be a multiple of num_heads 3"),
        (lambda: EmformerConfig(**{**SMALL, "segment_length": 0}), "segment_length is a number of frames from 1, not 0"),
        (lambda: EmformerConfig(**SMALL, left_context_length=-1), "are 0 or more, not -1, 0 and 0"),
        (lambda: EmformerConfig(**SMALL, activation="tanh"), "activation must be one of relu, gelu, silu, not 'tanh'"),
        (lambda: EmformerConfig(**SMALL, weight_init_scale_strategy="deep"), "depthwise, constant or None, not 'deep'"),
        (lambda: Emformer(EMFORMER)(FRAMES[:, :2], [0]), "2 of right context behind them, not 2 in all"),
        (lambda: Emformer(EMFORMER)(FRAMES[:, :, :5], [3]), r"frames \(batch, time, 8\), not an array \(1, 8, 5\)"),
        (lambda: Emformer(EMFORMER)(FRAMES, [7]), "1 lengths, whole numbers from 0 to 6"),
        (lambda: Emformer(EMFORMER)(FRAMES, [1.0]), "1 lengths, whole numbers from 0 to 6"),
        (lambda: Emformer(EMFORMER).infer(FRAMES[:, :2], [2]), "2 of right context behind them, not 2 in all"),
        (lambda: Emformer(EMFORMER).infer(FRAMES[:, :5], [5], []), "0 states were given for 2 layers"),
        (lambda: models.emformer_rnnt_model(segment_length=18), "must be multiples of time_reduction_stride 4"),
        (lambda: models.emformer_rnnt_model(num_symbols=1), "from 2, not 1"),
        (lambda: rnnt(streaming_sounds.BASE).predict(np.zeros((1, 0), np.int64)), "at least one of each"),
        (lambda: rnnt(streaming_sounds.BASE).predict(np.zeros((1, 1))), "numbers of tokens"),
        (lambda: models.vggish()(np.zeros((1, 1, 64, 96))), r"examples \(batch, 1, 96, 64\)"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_whole_numbers_are_no_frames() -> None:
    with pytest.raises(TypeError, match="frames are floating-point numbers"):
        Emformer(EMFORMER)(np.zeros((1, 8, 8), np.int16), [3])
