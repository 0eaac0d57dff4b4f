"""Random numbers drawn on the GPU: the published bits, what distributions they have, and that a seed, a checkpoint and a replay find them again."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from emulated_gpu import EmulatedMachine

from numzoo import engine
from numzoo.engine import nn
from numzoo.engine.kernels.cuda.layers.drawing import Stream, drop_drawn
from numzoo.engine.kernels.cuda.program import Kernel
from numzoo.engine.random import default_generator

KNOWN = (
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
)
"""Counters, keys and results that the authors of Philox published with Random123."""
SIZE = 20000


@pytest.mark.parametrize(("counter", "key", "wanted"), KNOWN)
def test_the_bits_are_those_published(one_order: EmulatedMachine, counter: Any, key: Any, wanted: Any) -> None:
    place, out = one_order.put(np.array([*counter, *key], np.uint32)), one_order.empty((4,), np.dtype(np.uint32))
    Kernel("drawing.cu", "known_bits", "PP")(1, 1, one_order.address(place), one_order.address(out))
    assert out.get().tolist() == list(wanted)


def test_a_stream_is_the_bits_of_its_places(one_order: EmulatedMachine) -> None:
    stream = Stream(0x299F31D0A4093822, 2**32 - 1)
    words = stream.words(10).get()
    assert stream.drawn() == 2**32 + 2
    again = Stream(0x299F31D0A4093822, 2**32)
    np.testing.assert_array_equal(again.words(6).get(), words[4:])
    assert ctypes.c_uint32(int(Stream(0).words(1).get()[0])).value == KNOWN[0][2][0]


DRAWS: dict[str, Callable[[], Any]] = {
    "rand": lambda: engine.rand(3, 7, device="cuda"),
    "rand in float64": lambda: engine.rand(13, dtype="float64", device="cuda"),
    "randn in float16": lambda: engine.randn(3, 7, dtype="float16", device="cuda"),
    "uniform": lambda: engine.uniform(-3, 5, (11,), device="cuda"),
    "normal": lambda: engine.normal(2, 3, (9,), device="cuda"),
    "randint": lambda: engine.randint(-5, 5, (30,), device="cuda"),
    "bernoulli": lambda: engine.bernoulli(0.5, (33,), device="cuda"),
    "like": lambda: engine.rand_like(engine.ones(5).to("cuda")),
    "dropout": lambda: nn.functional.dropout(engine.ones(5, 10).to("cuda")),
    "alpha dropout": lambda: nn.functional.alpha_dropout(engine.ones(50).to("cuda"), training=True),
    "rrelu": lambda: nn.functional.rrelu(engine.Tensor([-1.0] * 40).to("cuda"), training=True),
    "gumbel softmax": lambda: nn.functional.gumbel_softmax(engine.ones(3, 5).to("cuda")),
    "stochastic depth": lambda: nn.functional.stochastic_depth(engine.ones(50, 1).to("cuda"), 0.5),
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_seed_and_a_state_give_the_same_numbers_again(
    one_order: EmulatedMachine, name: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(engine.random, "_default", engine.Generator(0))
    draw = DRAWS[name]
    engine.manual_seed(7)
    first, second = draw(), draw()
    assert first.device.type == "cuda"
    state = default_generator().get_state()
    third = draw().numpy()
    engine.manual_seed(7)
    np.testing.assert_array_equal(draw().numpy(), first.numpy())
    np.testing.assert_array_equal(draw().numpy(), second.numpy())
    assert (first.numpy() != second.numpy()).any()
    engine.manual_seed(8)
    assert (draw().numpy() != first.numpy()).any()
    default_generator().set_state(state)
    np.testing.assert_array_equal(draw().numpy(), third)
    monkeypatch.setattr(engine.random, "_default", engine.Generator(1))
    default_generator().set_state(state)  # a generator that has drawn nothing on a GPU yet
    np.testing.assert_array_equal(draw().numpy(), third)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_distributions_have_their_moments(one_order: EmulatedMachine, dtype: str) -> None:
    stream, kind = Stream(5), engine.dtype.as_dtype(dtype)
    even = stream.uniform((SIZE,), kind).get().astype(float)
    assert even.min() >= 0
    assert even.max() < 1
    assert abs(even.mean() - 0.5) < 0.01
    assert abs(even.var() - 1 / 12) < 0.005
    round_ = stream.normal((SIZE,), kind, 2.0, 3.0).get().astype(float)
    away = (round_ - 2) / 3
    assert abs(away.mean()) < 0.03
    assert abs(away.var() - 1) < 0.05
    assert abs((away**4).mean() - 3) < 0.3
    assert abs(np.corrcoef(away[:-1], away[1:])[0, 1]) < 0.03
    assert 3.2 < abs(away).max() < 7


def test_whole_numbers_are_all_drawn(one_order: EmulatedMachine) -> None:
    stream = Stream(6)
    drawn = stream.integers((7000,), np.dtype(np.int8), -3, 4).get()
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == list(range(-3, 4))
    assert counts.min() > 850
    widest = stream.integers((4000,), np.dtype(np.int64), -(2**63), 2**63).get().astype(float)
    assert widest.min() < -(2**62)
    assert widest.max() > 2**62
    chances = stream.bernoulli((SIZE,), np.dtype(np.bool_), 0.3).get()
    assert chances.dtype == np.bool_
    assert abs(chances.mean() - 0.3) < 0.015
    assert stream.bernoulli((9,), np.dtype(np.float32), 1.0).get().tolist() == [1.0] * 9
    assert not stream.bernoulli((9,), np.dtype(np.float32), 0.0).get().any()


def test_dropout_leaves_out_its_share_in_any_layout(gpu: EmulatedMachine) -> None:
    engine.manual_seed(2)
    x = engine.Tensor(gpu.put(np.moveaxis(np.ones((3, 20, 30, 4), np.float32), -1, 1))).requires_grad_()
    before = len(gpu.launched)
    result = nn.functional.dropout(x, 0.25)
    assert gpu.launched[before:][-1] == "dropped"
    values = result.numpy()
    np.testing.assert_array_equal(np.unique(values), np.array([0, 1 / 0.75], np.float32))
    assert abs((values == 0).mean() - 0.25) < 0.03
    result.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), values)
    assert nn.functional.dropout(engine.ones(0, 3).to("cuda")).shape == (0, 3)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_dropout_in_one_launch_is_a_mask_and_a_product(gpu: EmulatedMachine, dtype: str) -> None:
    for size in (1, 3, 64, 1201):
        x = gpu.put((np.arange(size + 1) - 9.25).astype(engine.dtype.as_dtype(dtype)))
        for given in (x[:-1], x[1:], x[::-1]):
            stream, other = Stream(3, 5), Stream(3, 5)
            found = drop_drawn(given, p=0.4, scale=1.7, stream=stream)
            kept = other.kept(given.shape, 0.4)
            if given.strides[0] < 0:
                assert found is NotImplemented
                continue
            wanted = engine.ops.drop(engine.Tensor(given), engine.Tensor(kept), scale=1.7)
            np.testing.assert_array_equal(found[0].get(), wanted.numpy())
            np.testing.assert_array_equal(found[1].get(), kept.get())
            assert stream.drawn() == other.drawn() == 5 + -(-size // 4)


def test_each_replay_of_a_captured_step_drops_others(one_order: EmulatedMachine) -> None:
    x = engine.ones(100).to("cuda")
    engine.manual_seed(4)
    nn.functional.dropout(x)
    engine.manual_seed(4)
    wanted = [nn.functional.dropout(x).numpy() for _ in range(5)]
    engine.manual_seed(4)
    step = engine.capture(lambda x: nn.functional.dropout(x), warmup=1)
    given = [step(x).numpy() for _ in range(5)]
    np.testing.assert_array_equal(given, wanted)


def test_what_is_computed_again_drops_the_same(one_order: EmulatedMachine) -> None:
    x = engine.ones(200).to("cuda").requires_grad_()
    result = engine.checkpoint(lambda x: nn.functional.dropout(x * 2.0), x)
    after = engine.rand(3, device="cuda").numpy()
    (result * result).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * 2 * 2 * result.numpy(), rtol=1e-6)
    assert (engine.rand(3, device="cuda").numpy() != after).all()
