"""The transducer's loss on a GPU: the numbers that go with scores may lie on the CPU, and results are the CPU's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine.nn import functional as F

SCORES = np.random.default_rng(0).normal(size=(2, 4, 3, 5)).astype(np.float32)
LOSSES: dict[str, Callable[[Any], Any]] = {
    "rnnt": lambda x: F.rnnt_loss(x, [[1, 2], [3, 3]], [4, 3], [2, 1], 0),
    "rnnt clamped": lambda x: F.rnnt_loss(x, np.array([[1, 2], [3, 3]]), [4, 3], [2, 1], 0, 0.1),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_gradients_are_those_of_the_cpu(name: str, gpu: Any) -> None:
    found = []
    for device in ("cpu", "cuda"):
        x = engine.tensor(SCORES).to(device=device).detach().requires_grad_()
        loss = LOSSES[name](x)
        loss.backward()
        found.append((loss.item(), x.grad.numpy()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    assert np.abs(found[0][1] - found[1][1]).max() < 1e-6
