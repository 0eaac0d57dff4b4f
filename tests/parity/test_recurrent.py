"""Recurrent layers beside PyTorch's: shared weights, every setting, padded and packed sequences, gradients of two orders."""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn

if importlib.util.find_spec("torch") is None:
    pytest.skip(
        "recurrent layers are compared with PyTorch's where torch is installed (the parity extra)",
        allow_module_level=True,
    )

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch

from conformance.compare import close, ours, theirs

rnn, torch_rnn = nn.utils.rnn, torch.nn.utils.rnn
KINDS = ["RNN", "RNN relu", "LSTM", "LSTM projected", "GRU"]


def layers(kind: str, random: np.random.Generator, **settings: Any) -> tuple[Any, Any, int]:
    """One of ours and PyTorch's with equal weights, in float64; and how wide its inputs are."""
    name = kind.split()[0]
    width, hidden = int(random.integers(1, 6)), int(random.integers(2, 6))
    settings = {
        "num_layers": int(random.integers(1, 4)), "bias": bool(random.integers(2)), "batch_first": bool(random.integers(2)),
        "bidirectional": bool(random.integers(2)), **settings,
    }  # fmt: skip
    if kind == "RNN relu":
        settings["nonlinearity"] = "relu"
    if kind == "LSTM projected":
        settings["proj_size"] = int(random.integers(1, hidden))
    mine, reference = getattr(nn, name)(width, hidden, **settings), getattr(torch.nn, name)(width, hidden, **settings)
    assert repr(mine) == repr(reference)
    mine, reference = mine.double(), reference.double()
    state = reference.state_dict()
    assert list(mine.state_dict()) == list(state)
    assert [tuple(p.shape) for p in mine.parameters()] == [tuple(p.shape) for p in reference.parameters()]
    mine.load_state_dict({name: value.numpy() for name, value in state.items()})
    return mine, reference, width


def states(layer: Any, random: np.random.Generator, *batch: int) -> list[Any]:
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    widths = [layer.proj_size or layer.hidden_size, layer.hidden_size]
    return [random.standard_normal((count, *batch, w)) for w in widths[: 2 if isinstance(layer, nn.LSTM) else 1]]


def flat(result: Any) -> list[Any]:
    """The tensors of (out, h) or (out, (h, c))."""
    out, last = result
    out = out.data if hasattr(out, "batch_sizes") else out
    return [out, *(last if isinstance(last, tuple) else [last])]


def compare(mine: Any, reference: Any, x: Any, y: Any, left: Any, right: Any, order: int, wanted: list[Any], others: list[Any]) -> None:  # fmt: skip
    """Results, and gradients for the input, the first states and all weights."""
    total, other = ours(0.0), theirs(0.0)
    generator = np.random.default_rng(5)
    for a, b in zip(flat(left), flat(right), strict=True):
        close(a, b, 1e-9)
        weights = generator.standard_normal(tuple(a.shape))
        total, other = total + (a * a * ours(weights)).sum(), other + (b * b * theirs(weights)).sum()
    wanted = [x, *wanted, *mine.parameters()]
    others = [y, *others, *reference.parameters()]
    grads = engine.grad(total, wanted, create_graph=order > 1)
    references = torch.autograd.grad(other, others, create_graph=order > 1)
    for a, b in zip(grads, references, strict=True):
        close(a, b, 1e-8)
    if order > 1:
        total, other = (
            sum(((g * g).sum() for g in grads), ours(0.0)),
            sum(((g * g).sum() for g in references), theirs(0.0)),
        )  # type: ignore[arg-type]
        for a, b in zip(engine.grad(total, wanted), torch.autograd.grad(other, others), strict=True):
            close(a, b, 1e-7)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", KINDS)
def test_padded_sequences_are_pytorchs(kind: str, seed: int) -> None:
    random = np.random.default_rng([seed, KINDS.index(kind)])
    mine, reference, width = layers(kind, random)
    time, batch = (int(random.integers(1, 6)) for _ in range(2))
    lead = (time,) if seed % 4 == 3 else (batch, time) if mine.batch_first else (time, batch)
    array = random.standard_normal((*lead, width))
    x, y = ours(array, True), theirs(array, True)
    first = states(mine, random, *([] if seed % 4 == 3 else [batch])) if seed % 2 else []
    given, counterparts = [ours(s, True) for s in first], [theirs(s, True) for s in first]
    hx = None if not first else tuple(given) if len(given) > 1 else given[0]
    other = None if not first else tuple(counterparts) if len(given) > 1 else counterparts[0]
    order = 2 if seed % 3 == 0 else 1
    compare(mine, reference, x, y, mine(x, hx), reference(y, other), order, given, counterparts)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", KINDS)
def test_packed_sequences_are_pytorchs(kind: str, seed: int) -> None:
    random = np.random.default_rng([seed, 50 + KINDS.index(kind)])
    mine, reference, width = layers(kind, random)
    time, batch = int(random.integers(1, 7)), int(random.integers(1, 6))
    lengths = random.integers(1, time + 1, batch)
    lengths = lengths if seed % 2 else -np.sort(-lengths)
    array = random.standard_normal((batch, time, width))
    x, y = ours(array, True), theirs(array, True)
    packed = rnn.pack_padded_sequence(x, lengths, True, enforce_sorted=not seed % 2)
    counterpart = torch_rnn.pack_padded_sequence(y, torch.tensor(lengths), True, enforce_sorted=not seed % 2)
    assert packed.batch_sizes.tolist() == counterpart.batch_sizes.tolist()
    first = states(mine, random, batch) if seed % 3 else []
    given, counterparts = [ours(s, True) for s in first], [theirs(s, True) for s in first]
    hx = None if not first else tuple(given) if len(given) > 1 else given[0]
    other = None if not first else tuple(counterparts) if len(given) > 1 else counterparts[0]
    left, right = mine(packed, hx), reference(counterpart, other)
    # PyTorch sorts equal lengths in an order of its own, so what is compared is in the order given.
    left = (rnn.pad_packed_sequence(left[0], mine.batch_first)[0], left[1])
    right = (torch_rnn.pad_packed_sequence(right[0], mine.batch_first)[0], right[1])
    compare(mine, reference, x, y, left, right, 2 if seed % 4 == 0 else 1, given, counterparts)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("kind", KINDS)
def test_narrow_dtypes_are_close(kind: str, dtype: str) -> None:
    random = np.random.default_rng(7)
    mine, reference, width = layers(kind, random, batch_first=False)
    array = random.standard_normal((5, 3, width)).astype(engine.dtype.as_dtype(dtype))
    mine.to(dtype=dtype)
    reference.load_state_dict(
        {name: torch.tensor(p.numpy().astype(np.float64)) for name, p in mine.state_dict().items()}
    )
    left, right = flat(mine(engine.Tensor(array))), flat(reference(torch.tensor(array.astype(np.float64))))
    tolerance = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 4e-2}[dtype]
    for a, b in zip(left, right, strict=True):
        assert str(a.dtype) == dtype
        np.testing.assert_allclose(a.numpy().astype(np.float64), b.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_large_layers_by_kernels_are_pytorchs(name: str) -> None:
    random = np.random.default_rng(8)
    mine, reference = getattr(nn, name)(48, 64, 2, bidirectional=True), getattr(torch.nn, name)(48, 64, 2, bidirectional=True)  # fmt: skip
    mine.load_state_dict({name: value.numpy() for name, value in reference.state_dict().items()})
    array = random.standard_normal((20, 16, 48)).astype(np.float32)
    lengths = random.integers(1, 21, 16)
    x, y = ours(array, True), theirs(array, True)
    left = mine(rnn.pack_padded_sequence(x, lengths, enforce_sorted=False))
    right = reference(torch_rnn.pack_padded_sequence(y, torch.tensor(lengths), enforce_sorted=False))
    for a, b in zip(flat(left)[1:], flat(right)[1:], strict=True):
        close(a, b, 1e-5)
    sum((t * t).sum() for t in flat(left)).backward()
    sum((t * t).sum() for t in flat(right)).backward()
    close(x.grad, y.grad, 1e-4)
    for a, b in zip(mine.parameters(), reference.parameters(), strict=True):
        close(a.grad, b.grad, 1e-4)


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["RNNCell", "RNNCell relu", "LSTMCell", "GRUCell"])
def test_cells_are_pytorchs(kind: str, bias: bool, batched: bool) -> None:
    name, *more = kind.split()
    settings = {"bias": bias, **({"nonlinearity": more[0]} if more else {})}
    mine, reference = getattr(nn, name)(3, 4, **settings).double(), getattr(torch.nn, name)(3, 4, **settings).double()
    assert repr(mine) == repr(reference)
    assert list(mine.state_dict()) == list(reference.state_dict())
    mine.load_state_dict({name: value.numpy() for name, value in reference.state_dict().items()})
    random = np.random.default_rng(3)
    lead = (5,) if batched else ()
    array = random.standard_normal((*lead, 3))
    x, y = ours(array, True), theirs(array, True)
    for given in (False, True):
        first = [random.standard_normal((*lead, 4)) for _ in range(2 if name == "LSTMCell" else 1)] if given else []
        a, b = [ours(s, True) for s in first], [theirs(s, True) for s in first]
        left = mine(x, tuple(a) if len(a) > 1 else a[0] if a else None)
        right = reference(y, tuple(b) if len(b) > 1 else b[0] if b else None)
        left, right = (r if isinstance(r, tuple) else (r, r) for r in (left, right))
        compare(mine, reference, x, y, left, right, 2, a, b)


@pytest.mark.parametrize("seed", range(20))
def test_padding_and_packing_are_pytorchs(seed: int) -> None:
    random = np.random.default_rng(seed)
    first = bool(random.integers(2))
    trail = tuple(random.integers(1, 4, int(random.integers(0, 3))))
    lengths = random.integers(1, 6, int(random.integers(1, 5)))
    arrays = [random.standard_normal((n, *trail)) for n in lengths]
    value, side = float(random.standard_normal()), str(random.choice(["left", "right"]))
    mine, reference = [ours(a, True) for a in arrays], [theirs(a, True) for a in arrays]
    padded = rnn.pad_sequence(mine, first, value, side)
    close(padded, torch_rnn.pad_sequence(reference, first, value, side))
    packed, counterpart = rnn.pack_sequence(mine, False), torch_rnn.pack_sequence(reference, False)
    total = int(lengths.max()) + int(random.integers(0, 3)) if random.integers(2) else None
    again, found = rnn.pad_packed_sequence(packed, first, value, total)
    other, wanted = torch_rnn.pad_packed_sequence(counterpart, first, value, total)
    close(again, other)
    assert found.tolist() == wanted.tolist() == lengths.tolist()
    (again * again).sum().backward()
    (other * other).sum().backward()
    for a, b in zip(mine, reference, strict=True):
        close(a.grad, b.grad)
    for a, b in zip(rnn.unpack_sequence(packed), arrays, strict=True):
        np.testing.assert_array_equal(a.numpy(), b)
    padded = rnn.pad_sequence(mine, first)
    for a, b in zip(rnn.unpad_sequence(padded, found, first), arrays, strict=True):
        np.testing.assert_array_equal(a.numpy(), b)
