"""Where layers are made, and of what kind: device=, dtype= and bias= of their constructors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn

LAYERS: list[tuple[str, Callable[..., nn.Module]]] = [
    ("Linear", lambda **place: nn.Linear(3, 2, **place)),
    ("Bilinear", lambda **place: nn.Bilinear(3, 2, 4, **place)),
    ("Conv1d", lambda **place: nn.Conv1d(2, 4, 3, **place)),
    ("Conv2d", lambda **place: nn.Conv2d(2, 4, 3, **place)),
    ("Conv3d", lambda **place: nn.Conv3d(2, 4, 3, **place)),
    ("ConvTranspose2d", lambda **place: nn.ConvTranspose2d(2, 4, 3, **place)),
    ("BatchNorm1d", lambda **place: nn.BatchNorm1d(4, **place)),
    ("BatchNorm2d", lambda **place: nn.BatchNorm2d(4, **place)),
    ("InstanceNorm2d", lambda **place: nn.InstanceNorm2d(4, affine=True, track_running_stats=True, **place)),
    ("GroupNorm", lambda **place: nn.GroupNorm(2, 4, **place)),
    ("LayerNorm", lambda **place: nn.LayerNorm(4, **place)),
    ("RMSNorm", lambda **place: nn.RMSNorm(4, **place)),
    ("Embedding", lambda **place: nn.Embedding(5, 4, **place)),
    ("EmbeddingBag", lambda **place: nn.EmbeddingBag(5, 4, **place)),
    ("PReLU", lambda **place: nn.PReLU(4, **place)),
    ("RNN", lambda **place: nn.RNN(3, 4, **place)),
    ("LSTM", lambda **place: nn.LSTM(3, 4, 2, **place)),
    ("GRU", lambda **place: nn.GRU(3, 4, bidirectional=True, **place)),
    ("RNNCell", lambda **place: nn.RNNCell(3, 4, **place)),
    ("LSTMCell", lambda **place: nn.LSTMCell(3, 4, **place)),
    ("GRUCell", lambda **place: nn.GRUCell(3, 4, **place)),
    ("MultiheadAttention", lambda **place: nn.MultiheadAttention(4, 2, add_bias_kv=True, **place)),
    ("TransformerEncoderLayer", lambda **place: nn.TransformerEncoderLayer(4, 2, 8, **place)),
    ("Transformer", lambda **place: nn.Transformer(4, 2, 1, 1, 8, **place)),
]


def gpu() -> bool:
    try:
        engine.zeros(1, device="cuda:0")
    except engine.DeviceError:
        return False
    return True


@pytest.mark.parametrize(("name", "make"), LAYERS, ids=[name for name, _ in LAYERS])
def test_a_layer_is_made_in_the_dtype_and_on_the_device_that_it_is_told(name: str, make: Callable[..., Any]) -> None:
    layer = make(device="cpu", dtype="float64")
    kinds = {tensor.dtype for key, tensor in layer.state_dict().items() if not key.endswith("num_batches_tracked")}
    assert kinds == {engine.float64}
    assert {str(tensor.device) for tensor in layer.state_dict().values()} == {"cpu"}


@pytest.mark.parametrize(("name", "make"), LAYERS, ids=[name for name, _ in LAYERS])
def test_none_stands_for_the_cpu_and_float32(name: str, make: Callable[..., Any]) -> None:
    for parameter in make(device=None, dtype=None).parameters():
        assert (str(parameter.device), parameter.dtype) == ("cpu", engine.float32)


@pytest.mark.parametrize(("name", "make"), LAYERS, ids=[name for name, _ in LAYERS])
def test_the_device_reaches_every_parameter(name: str, make: Callable[..., Any]) -> None:
    if name in {"BatchNorm1d", "BatchNorm2d", "InstanceNorm2d"} and not gpu():
        with pytest.raises(engine.DeviceError, match="CuPy"):  # a buffer is made at once, a parameter at its first use
            make(device="cuda:0")
        return
    assert {str(parameter.device) for parameter in make(device="cuda:0").parameters()} == {"cuda:0"}


def test_an_unknown_device_is_named() -> None:
    with pytest.raises(engine.DeviceError, match="'gpu' is no device; give 'cpu'"):
        nn.Linear(3, 2, device="gpu")


def test_a_given_table_takes_the_dtype() -> None:
    table = nn.Embedding(2, 3, _weight=np.ones((2, 3), np.float32), dtype="bfloat16")
    assert table.weight.dtype == engine.bfloat16


@pytest.mark.parametrize(
    "layer",
    [nn.BatchNorm2d(4, bias=False), nn.GroupNorm(2, 4, bias=False), nn.InstanceNorm2d(4, affine=True, bias=False)],
    ids=lambda layer: type(layer).__name__,
)
def test_norms_work_without_a_bias(layer: nn.Module) -> None:
    assert [name for name in layer.state_dict() if name in ("weight", "bias")] == ["weight"]
    x = engine.randn(2, 4, 3, 3)
    layer(x).sum().backward()
    layer.eval()
    assert layer(x).shape == (2, 4, 3, 3)
