"""Recurrent layers: the fast gradient beside the plain one, what packing promises, and inputs that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import ArgumentError, DtypeError, SettingError, ShapeError, nn

rnn = nn.utils.rnn
t = engine.ones


def draw(*shape: int, seed: int = 0) -> Any:
    return engine.Tensor(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


LAYERS = [
    lambda **more: nn.RNN(24, 32, 2, **more),
    lambda **more: nn.RNN(24, 32, 2, "relu", **more),
    lambda **more: nn.LSTM(24, 32, 2, **more),
    lambda **more: nn.LSTM(24, 32, 2, proj_size=20, **more),
    lambda **more: nn.GRU(24, 32, 2, **more),
]


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("make", LAYERS)
def test_the_gradient_over_all_steps_is_that_of_every_step_recorded(make: Any, dtype: str) -> None:
    layer = make(bidirectional=True).to(dtype=dtype)
    x = draw(7, 9, 24).to(dtype=dtype).requires_grad_()
    wanted = [x, *layer.parameters()]

    def grads(**more: Any) -> Any:
        out, last = layer(rnn.pack_padded_sequence(x, [7, 7, 5, 4, 4, 2, 2, 1, 1]))
        last = last if isinstance(last, tuple) else (last,)
        return engine.grad(sum((v * v).sum() for v in (out.data, *last)), wanted, **more)

    tolerance = {"float32": 2e-4, "float64": 1e-10, "bfloat16": 0.1}[dtype]
    for fast, plain in zip(grads(), grads(create_graph=True), strict=True):
        assert fast.dtype == plain.dtype == x.dtype
        scale = max(float(np.abs(plain.numpy().astype(float)).max()), 1.0)
        difference = np.abs(fast.numpy().astype(float) - plain.numpy().astype(float)).max()
        assert difference <= tolerance * scale


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("make", LAYERS)
def test_what_a_convolution_narrowed_is_taken_as_it_was(make: Any, precision: str) -> None:
    layer, convolution, x = make(), nn.Conv1d(24, 24, 3, padding=1), draw(7, 24, 9)
    with engine.precision(precision):
        narrow = convolution(x).transpose(1, 2)
        out, last = layer(narrow)
    assert narrow.dtype == ("bfloat16" if precision == "bf16" else "float16")
    wide, _ = layer(narrow.to(dtype="float32"))
    assert out.dtype == wide.dtype
    assert np.abs(out.numpy() - wide.numpy()).max() < 0.02
    out.sum().backward()
    assert convolution.weight.grad is not None
    first = last[0] if isinstance(last, tuple) else last
    with pytest.raises(DtypeError, match="one dtype"):
        layer(
            x.transpose(1, 2),
            first.to(dtype="float64") if not isinstance(last, tuple) else (first.to(dtype="float64"), last[1]),
        )


@pytest.mark.parametrize("make", LAYERS)
def test_kernels_give_what_the_bodies_give(make: Any) -> None:
    lengths = [9, 9, 8, 8, 8, 6, 5, 5, 5, 3, 2, 1]
    layer, x = make(bidirectional=True), draw(9, 12, 24)

    def run(dtype: str) -> list[Any]:
        layer.to(dtype=dtype).zero_grad()
        leaf = x.to(dtype=dtype).detach().requires_grad_()
        out, last = layer(rnn.pack_padded_sequence(leaf, lengths))
        last = last if isinstance(last, tuple) else (last,)
        sum((v * v).sum() for v in (out.data, *last)).backward()
        return [out.data, *last, leaf.grad, *(p.grad for p in layer.parameters())]

    # In float64 oneDNN has nothing, so the bodies compute.
    for by_kernel, by_body in zip(run("float32"), run("float64"), strict=True):
        np.testing.assert_allclose(by_kernel.numpy(), by_body.numpy(), rtol=2e-4, atol=2e-4)


def test_padding_changes_nothing() -> None:
    layer = nn.GRU(3, 4, bidirectional=True)
    sequences = [draw(n, 3, seed=n) for n in (2, 5, 3)]
    packed, last = layer(rnn.pack_sequence(sequences, enforce_sorted=False))
    for n, (given, alone) in enumerate(zip(rnn.unpack_sequence(packed), sequences, strict=True)):
        out, state = layer(alone)
        np.testing.assert_allclose(given.numpy(), out.numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(last.numpy()[:, n], state.numpy(), rtol=1e-5, atol=1e-6)


def test_frozen_weights_and_inputs_get_no_gradient() -> None:
    layer = nn.LSTM(3, 4)
    layer.weight_hh_l0.requires_grad_(False)
    layer(draw(5, 2, 3))[0].sum().backward()
    assert layer.weight_hh_l0.grad is None
    assert layer.weight_ih_l0.grad is not None
    assert layer.bias_ih_l0.grad is not layer.bias_hh_l0.grad
    np.testing.assert_array_equal(layer.bias_ih_l0.grad.numpy(), layer.bias_hh_l0.grad.numpy())
    assert not np.shares_memory(layer.bias_ih_l0.grad.numpy(), layer.bias_hh_l0.grad.numpy())


def test_a_graph_that_is_kept_can_be_walked_twice() -> None:
    layer, x = nn.LSTM(3, 4), draw(5, 2, 3).requires_grad_()
    out = layer(x)[0].sum()
    out.backward(retain_graph=True)
    once = x.grad.numpy().copy()
    out.backward()
    np.testing.assert_array_equal(x.grad.numpy(), once * 2)


def test_dropout_lies_between_layers_in_training_only() -> None:
    engine.manual_seed(1)
    layer, x = nn.GRU(3, 8, 2, dropout=0.5), draw(4, 2, 3)
    assert (layer(x)[0].numpy() != layer(x)[0].numpy()).any()
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0].numpy(), layer(x)[0].numpy())


def test_dropout_of_a_single_layer_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="acts between layers"):
        nn.LSTM(3, 4, dropout=0.5)


def test_initial_values_lie_within_one_over_the_root_of_the_width() -> None:
    for parameter in nn.LSTM(5, 64, 2, bidirectional=True, proj_size=7).parameters():
        assert 0.05 < np.abs(parameter.numpy()).max() <= 1 / 8


def test_packed_data_moves_between_dtypes() -> None:
    packed = rnn.pack_sequence([t(3), t(2)])
    assert packed.to(dtype="float64").data.dtype == np.float64
    assert packed.batch_sizes.tolist() == [2, 2, 1]
    assert packed.sorted_indices is None
    assert rnn.invert_permutation(engine.tensor([2, 0, 1])).tolist() == [1, 2, 0]
    assert rnn.invert_permutation(None) is None


LSTM, PACKED = nn.LSTM(3, 4), rnn.pack_sequence([t(3, 3), t(2, 3)])
REFUSED: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    ("sizes", lambda: nn.LSTM(0, 4), SettingError, "input_size.*at least 1"),
    ("layers", lambda: nn.GRU(3, 4, 0), SettingError, "num_layers"),
    ("dropout", lambda: nn.GRU(3, 4, 2, dropout=1.5), SettingError, "between 0 and 1"),
    ("projection", lambda: nn.LSTM(3, 4, proj_size=4), SettingError, "proj_size 4 must be below hidden_size 4"),
    ("nonlinearity", lambda: nn.RNN(3, 4, nonlinearity="gelu"), SettingError, "'tanh' or 'relu'"),
    ("cell nonlinearity", lambda: nn.RNNCell(3, 4, nonlinearity="gelu"), SettingError, "'tanh' or 'relu'"),
    ("width", lambda: LSTM(t(5, 2, 4)), ShapeError, r"LSTM: wants \(time, batch, 3\) or \(time, 3\), not \(5, 2, 4\)"),
    ("axes", lambda: LSTM(t(3)), ShapeError, r"not \(3,\)"),
    ("no steps", lambda: LSTM(t(0, 2, 3)), ShapeError, "at least one step"),
    ("no sequence", lambda: LSTM(t(2, 0, 3)), ShapeError, "at least one"),
    ("packed width", lambda: nn.GRU(4, 4)(PACKED), ShapeError, r"not \(5, 3\)"),
    ("text", lambda: LSTM("abc"), ArgumentError, "LSTM: wants tensors or arrays, not str"),
    ("state", lambda: LSTM(t(5, 2, 3), (t(1, 2, 4), t(1, 3, 4))), ShapeError, r"\(1, 2, 4\), not \(1, 3, 4\)"),
    ("one state", lambda: LSTM(t(5, 2, 3), t(1, 2, 4)), ArgumentError, r"\(h, c\)"),
    ("two states", lambda: nn.GRU(3, 4)(t(5, 2, 3), (t(1, 2, 4), t(1, 2, 4))), ArgumentError, "must be a tensor"),
    ("flat state", lambda: LSTM(t(5, 3), (t(1, 5), t(1, 4))), ShapeError, r"\(1, 4\), not \(1, 5\)"),
    ("dtype", lambda: LSTM(t(5, 2, 3, dtype="float64")), DtypeError, "lstm.*one dtype"),
    ("integers", lambda: LSTM(t(5, 2, 3, dtype="int64")), DtypeError, "dtype"),
    ("cell width", lambda: nn.GRUCell(3, 4)(t(2, 4)), ShapeError, r"GRUCell.*not \(2, 4\)"),
    ("cell state", lambda: nn.GRUCell(3, 4)(t(2, 3), t(3, 4)), ShapeError, r"\(2, 4\), not \(3, 4\)"),
    ("cell states", lambda: nn.LSTMCell(3, 4)(t(2, 3), t(2, 4)), ArgumentError, r"\(h, c\)"),
    ("cell word", lambda: nn.RNNCell(3, 4)(t(2, 3), "h"), ArgumentError, "str"),
    ("base", lambda: nn.RNNBase(3, 4)(t(2, 2, 3)), ArgumentError, "take RNN, LSTM or GRU"),
    ("unsorted", lambda: rnn.pack_padded_sequence(t(3, 2), [2, 3]), SettingError, "enforce_sorted=False"),
    ("unsorted list", lambda: rnn.pack_sequence([t(2), t(3)]), SettingError, "enforce_sorted=False"),
    ("too long", lambda: rnn.pack_padded_sequence(t(3, 2), [4, 3]), ShapeError, "between 1 and 3"),
    ("empty", lambda: rnn.pack_padded_sequence(t(3, 2), [3, 0]), ShapeError, "between 1 and 3"),
    ("lengths", lambda: rnn.pack_padded_sequence(t(3, 2), [3]), ShapeError, "each of the 2 sequences"),
    ("float lengths", lambda: rnn.pack_padded_sequence(t(3, 2), [3.0, 1.0]), DtypeError, "whole numbers"),
    ("flat", lambda: rnn.pack_padded_sequence(t(3), [3]), ShapeError, "time, batch"),
    ("total", lambda: rnn.pad_packed_sequence(PACKED, total_length=2), SettingError, "longest sequence, 3"),
    ("not packed", lambda: rnn.pad_packed_sequence(t(3)), ArgumentError, "PackedSequence"),
    ("no list", lambda: rnn.pad_sequence(t(3)), ArgumentError, "list of at least one tensor"),
    ("nothing", lambda: rnn.pad_sequence([]), ArgumentError, "at least one"),
    ("mixed", lambda: rnn.pad_sequence([t(3, 2), t(3, 3)]), ShapeError, "first axis only"),
    ("side", lambda: rnn.pad_sequence([t(3)], padding_side="top"), SettingError, "'right' or 'left'"),
    ("unpad", lambda: rnn.unpad_sequence(t(3), [1]), ShapeError, "time, batch"),
    ("rows", lambda: engine.ops.lstm_layer(t(4, 3), t(2, 4), t(2, 4), t(16, 3), t(16, 4), sizes=(1, 3)), ShapeError, "must fall"),
    ("cells", lambda: engine.ops.lstm_layer(t(4, 3), t(2, 4), t(2, 5), t(16, 3), t(16, 4), sizes=(2, 2)), ShapeError, "width of 4"),
    ("weights", lambda: engine.ops.gru_layer(t(4, 3), t(2, 4), t(12, 2), t(12, 4), sizes=(2, 2)), ShapeError, "3 width"),
    ("bias", lambda: engine.ops.rnn_layer(t(4, 3), t(2, 4), t(4, 3), t(4, 4), t(3), sizes=(2, 2)), ShapeError, "4 numbers"),
]  # fmt: skip


@pytest.mark.parametrize("row", [pytest.param(row[1:], id=row[0]) for row in REFUSED])
def test_what_does_not_fit_is_refused(row: Any) -> None:
    call, error, message = row
    with pytest.raises(error, match=message):
        call()
