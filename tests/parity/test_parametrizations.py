"""Weight and spectral normalisation beside PyTorch's: names of the state, results and gradients from shared states."""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any

import numpy as np
import pytest

from numzoo.engine import nn

if importlib.util.find_spec("torch") is None:
    pytest.skip(
        "parametrizations are compared with PyTorch where torch is installed (the parity extra)",
        allow_module_level=True,
    )

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch
    import torch.nn.utils.parametrizations

from conformance.compare import close, ours, theirs

LAYERS: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = [
    ("Linear", (4, 3), (5, 4)), ("Conv2d", (3, 4, 3), (2, 3, 5, 5)), ("ConvTranspose2d", (3, 4, 3), (2, 3, 5, 5)),
]  # fmt: skip

NORMS: list[tuple[str, dict[str, Any]]] = [
    ("weight_norm", {}), ("weight_norm", {"dim": 1}), ("weight_norm", {"dim": None}), ("spectral_norm", {}), ("spectral_norm", {"n_power_iterations": 3}),
]  # fmt: skip


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("norm", "settings"),
    [
        ("weight_norm", {}),
        ("weight_norm", {"dim": 1}),
        ("weight_norm", {"dim": None}),
        ("spectral_norm", {}),
        ("spectral_norm", {"n_power_iterations": 3}),
    ],
)
@pytest.mark.parametrize(("layer", "sizes", "shape"), LAYERS)
def test_norms_of_weights_are_pytorchs(
    layer: str, sizes: tuple[int, ...], shape: tuple[int, ...], norm: str, settings: dict[str, Any], training: bool
) -> None:
    torch.manual_seed(0)
    reference = getattr(torch.nn.utils.parametrizations, norm)(getattr(torch.nn, layer)(*sizes).double(), **settings)
    made = getattr(nn.utils.parametrizations, norm)(getattr(nn, layer)(*sizes, dtype="float64"), **settings)
    assert {k: tuple(v.shape) for k, v in made.state_dict().items()} == {
        k: tuple(v.shape) for k, v in reference.state_dict().items()
    }
    made.load_state_dict({k: v.numpy().copy() for k, v in reference.state_dict().items()})
    made.train(training), reference.train(training)
    x = np.random.default_rng(0).standard_normal(shape)
    left, right = made(ours(x)), reference(theirs(x))
    close(left, right)
    (left * left).sum().backward(), (right * right).sum().backward()
    gradients = dict(made.named_parameters())
    for name, parameter in reference.named_parameters():
        close(gradients[name].grad, parameter.grad, 1e-8, name)
    for name, value in reference.state_dict().items():
        close(made.state_dict()[name], value, 1e-9, name)
