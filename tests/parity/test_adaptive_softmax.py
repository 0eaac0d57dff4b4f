"""The softmax in clusters beside PyTorch's: outputs, predictions and gradients."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn

if importlib.util.find_spec("torch") is None:
    pytest.skip("layers are compared with PyTorch where torch is installed (the parity extra)", allow_module_level=True)

import torch


@pytest.mark.parametrize(
    ("cutoffs", "div_value", "head_bias"), [([5, 10], 2.0, True), ([1], 4.0, False), ([19], 1.5, False)]
)
def test_it_equals_pytorch(cutoffs: list[int], div_value: float, head_bias: bool) -> None:
    torch.manual_seed(5)
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs, div_value, head_bias).double()
    ours = nn.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs, div_value, head_bias, dtype="float64")
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    x, target = torch.randn(30, 8, dtype=torch.float64, requires_grad=True), torch.randint(0, 20, (30,))
    wanted = theirs(x, target)
    wanted.loss.backward()
    given = engine.tensor(x.detach().numpy(), requires_grad=True)
    found = ours(given, target.numpy())
    found.loss.backward()
    assert given.grad is not None
    assert np.allclose(found.output.detach().numpy(), wanted.output.detach().numpy(), rtol=0, atol=1e-12)
    assert np.allclose(given.grad.numpy(), x.grad.numpy(), rtol=0, atol=1e-12)
    assert (ours.predict(given).numpy() == theirs.predict(x).numpy()).all()
    for (name, mine), yours in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert (mine.grad is None) == (yours.grad is None), name  # a cluster that no target touches has no gradient
        assert mine.grad is None or np.allclose(mine.grad.numpy(), yours.grad.numpy(), rtol=0, atol=1e-12), name
