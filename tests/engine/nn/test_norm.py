"""Batch normalisation's own state."""

from __future__ import annotations

import numpy as np

from numzoo import engine
from numzoo.engine import nn


def test_the_state_stays_arrays_through_training() -> None:
    layer = nn.BatchNorm2d(3)
    for step in range(3):
        layer(engine.randn(4, 3, 2, 2))
        assert layer.num_batches_tracked is not None
        assert layer.num_batches_tracked.item() == step + 1
    for name, value in layer.state_dict().items():
        assert isinstance(value.array, np.ndarray), name
        assert value.numpy().shape == value.shape
