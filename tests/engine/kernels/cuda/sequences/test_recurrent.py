"""The steps of recurrent layers on a GPU against their bodies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from held_to_bodies import assert_same, placed

from numzoo import engine
from numzoo.engine.dtype import as_dtype
from numzoo.engine.kernels.cuda.sequences import recurrent
from numzoo.engine.op import TABLE

SIZES = (3, 3, 2, 1)
GATES = {"lstm": 4, "gru": 3, "rnn": 1}


@pytest.fixture
def gpu(one_order: Any) -> Any:
    """Threads know nothing of one another here."""
    return one_order


def drawn(shape: tuple[int, ...], dtype: Any = "float32", seed: int = 0) -> Any:
    return (np.random.default_rng(seed).standard_normal(shape) * 0.5).astype(as_dtype(dtype))


def inputs(name: str, dtype: str, width: int, biased: bool) -> list[Any]:
    tall = GATES[name] * width
    shapes = [(sum(SIZES), 5), (3, width), *([(3, width)] if name == "lstm" else []), (tall, 5), (tall, width)]
    return [*(drawn(shape, dtype, i) for i, shape in enumerate(shapes)), *([drawn((tall,), dtype, 9), drawn((tall,), dtype, 8)] if biased else [])]  # fmt: skip


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize(("biased", "whole"), [(False, False), (True, True), (True, False)])
def test_layers_and_their_gradients(
    gpu: Any, name: str, dtype: str, biased: bool, whole: bool, monkeypatch: Any
) -> None:
    if not whole:
        monkeypatch.setattr(recurrent, "EXAMPLES", (0,))
    settings = [{"nonlinearity": "tanh"}, {"nonlinearity": "relu"}] if name == "rnn" else [{}]
    width = 6 if dtype == "float64" else 4
    for setting in settings:
        given = inputs(name, dtype, width, biased)
        there = getattr(recurrent, f"{name}_layer")(*(placed(gpu, a) for a in given), sizes=SIZES, **setting)
        here = assert_same(there, TABLE[f"{name}_layer"].body(np, *given, sizes=SIZES, **setting), given[0].itemsize, 3)
        outs = 2 if name == "lstm" else 1
        flows: list[list[Any]] = [[drawn((sum(SIZES), width), dtype, 20 + i) for i in range(outs)]]
        if name == "lstm":
            flows += [[None, flows[0][1]], [flows[0][0], None]]
        kept = here[outs:]
        weights = given[outs + 1 : outs + 3]
        for flow in flows:
            for wants_x in (True, False):
                arrays = [*flow, given[0], *weights, *kept]
                back = getattr(recurrent, f"{name}_backward")(*(placed(gpu, a) for a in arrays), sizes=SIZES, wants_x=wants_x, **setting)  # fmt: skip
                wanted = TABLE[f"{name}_backward"].body(np, *arrays, sizes=SIZES, wants_x=wants_x, **setting)
                assert_same(back, wanted, given[0].itemsize, 20)
    steps = {f"{name}_whole_step", f"{name}_whole_step_backward"}
    assert not steps & {*gpu.launched} if name == "rnn" or not whole else steps <= {*gpu.launched}


@pytest.mark.parametrize(
    ("name", "examples", "width"), [("lstm", 5, 136), ("gru", 1, 260), ("gru", 8, 8), ("lstm", 9, 8), ("lstm", 2, 10)]
)
def test_whole_steps_of_wide_layers(gpu: Any, name: str, examples: int, width: int) -> None:
    sizes = (examples, examples, 1)
    rows, tall, number = sum(sizes), GATES[name] * width, 1 + (name == "lstm")
    shapes = [(rows, 3), *[(examples, width)] * number, (tall, 3), (tall, width)]
    given = [drawn(shape, seed=i) * (1 if shape[-1] == 3 else 0.2) for i, shape in enumerate(shapes)]
    there = getattr(recurrent, f"{name}_layer")(*(placed(gpu, a) for a in given), sizes=sizes)
    here = assert_same(there, TABLE[f"{name}_layer"].body(np, *given, sizes=sizes), 4, 3)
    arrays = [*(drawn((rows, width), seed=9 + i) for i in range(number)), given[0], *given[-2:], *here[number:]]
    back = getattr(recurrent, f"{name}_backward")(*(placed(gpu, a) for a in arrays), sizes=sizes)
    assert_same(back, TABLE[f"{name}_backward"].body(np, *arrays, sizes=sizes), 4, 20)
    whole = examples <= 8 and not width % 4
    assert (f"{name}_whole_step" in gpu.launched) == (f"{name}_whole_step_backward" in gpu.launched) == whole


def test_what_does_not_fit_is_left_to_the_body(gpu: Any) -> None:
    given = [gpu.put(a) for a in inputs("lstm", "float32", 4, False)]
    assert recurrent.lstm_layer(*given, sizes=(3, 3, 2)) is NotImplemented
    assert recurrent.lstm_layer(*given[:3], given[4], given[3], sizes=SIZES) is NotImplemented
    assert recurrent.rnn_layer(*(gpu.put(a) for a in inputs("rnn", "float32", 4, False)), sizes=SIZES, nonlinearity="sin") is NotImplemented  # fmt: skip


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN"])
def test_modules_give_the_cpus_gradients(gpu: Any, name: str) -> None:
    layer = getattr(engine.nn, name)(5, 4, num_layers=2, bidirectional=True, batch_first=True)
    state = {key: value.numpy().copy() for key, value in layer.state_dict().items()}

    def slopes(device: str) -> list[Any]:
        other = getattr(engine.nn, name)(5, 4, num_layers=2, bidirectional=True, batch_first=True)
        other.load_state_dict({key: engine.Tensor(value) for key, value in state.items()})
        other.to(device=device)
        x = engine.Tensor(drawn((2, 3, 5))).to(device=device)
        x.requires_grad_(True)
        out, _ = other(x)
        (out * out).sum().backward()
        return [out.numpy(), x.grad.numpy(), *(p.grad.numpy() for p in other.parameters())]

    for there, here in zip(slopes("cuda"), slopes("cpu"), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-5)
    assert {f"{name.lower()}_step_backward", f"{name.lower()}_whole_step_backward"} & {*gpu.launched}
