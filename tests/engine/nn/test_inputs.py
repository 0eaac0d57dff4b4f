"""What layers are called with: tensors, arrays and lists give the same; anything else is refused in the engine's words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn
from numzoo.engine.errors import EngineError

ROWS, IMAGES, TOKENS = np.ones((2, 4), np.float32), np.ones((2, 4, 6, 6), np.float32), np.array([[1, 2], [0, 1]])
LAYERS: dict[str, tuple[Any, Any]] = {
    "Linear": (nn.Linear(4, 2), ROWS), "Conv1d": (nn.Conv1d(4, 2, 1), IMAGES[:, :, 0]), "Conv2d": (nn.Conv2d(4, 2, 3), IMAGES),
    "ConvTranspose2d": (nn.ConvTranspose2d(4, 2, 2), IMAGES), "BatchNorm1d": (nn.BatchNorm1d(4), ROWS), "BatchNorm2d": (nn.BatchNorm2d(4), IMAGES),
    "InstanceNorm2d": (nn.InstanceNorm2d(4), IMAGES), "GroupNorm": (nn.GroupNorm(2, 4), IMAGES), "LayerNorm": (nn.LayerNorm(4), ROWS),
    "RMSNorm": (nn.RMSNorm(4), ROWS), "Embedding": (nn.Embedding(3, 2), TOKENS), "LSTM": (nn.LSTM(4, 2), ROWS), "RNNCell": (nn.RNNCell(4, 2), ROWS),
    "LSTMCell": (nn.LSTMCell(4, 2), ROWS), "GRUCell": (nn.GRUCell(4, 2), ROWS), "Flatten": (nn.Flatten(), IMAGES),
    "Unflatten": (nn.Unflatten(1, (2, 2)), ROWS), "MaxPool2d": (nn.MaxPool2d(2), IMAGES), "AdaptiveAvgPool2d": (nn.AdaptiveAvgPool2d(1), IMAGES),
    "Softmax": (nn.Softmax(1), ROWS), "GELU": (nn.GELU(), ROWS), "Dropout": (nn.Dropout(0.1).eval(), ROWS), "Upsample": (nn.Upsample(scale_factor=2), IMAGES),
    "TransformerEncoderLayer": (nn.TransformerEncoderLayer(4, 2, 4).eval(), ROWS[None]),
}  # fmt: skip


def first(result: Any) -> Any:
    return (result[0] if isinstance(result, tuple) else result).numpy()


@pytest.mark.parametrize("name", LAYERS)
def test_arrays_and_lists_are_taken_as_tensors_are(name: str) -> None:
    layer, given = LAYERS[name]
    wanted = first(layer(engine.tensor(given)))
    np.testing.assert_array_equal(first(layer(given)), wanted)
    np.testing.assert_array_equal(first(layer(given.tolist())), wanted)


@pytest.mark.parametrize("given", ["photo.jpg", None, {"a": 1}, object()], ids=["text", "nothing", "mapping", "object"])
@pytest.mark.parametrize("name", LAYERS)
def test_what_is_no_tensor_is_refused_in_words(name: str, given: Any) -> None:
    with pytest.raises(EngineError, match=type(given).__name__):
        LAYERS[name][0](given)
