"""Every model against torchvision's: names, shapes and dtypes, logits on shared random weights, one training step.

By default images are small and models have at most 100 million parameters; NUMZOO_PARITY=full takes every model at the
image size it is made for. That needs some 12 GB of memory and an hour.
"""

from __future__ import annotations

import os
import zlib
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.vision import models

FULL = os.environ.get("NUMZOO_PARITY") == "full"
LARGEST = 100_000_000

# One of each kind of block, small, for a training step.
TRAINED = [
    "lenet",
    "alexnet",
    "vgg11_bn",
    "resnet18",
    "resnext50_32x4d",
    "densenet121",
    "squeezenet1_1",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "googlenet",
    "inception_v3",
    "mnasnet0_5",
    "shufflenet_v2_x0_5",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "regnet_x_400mf",
    "regnet_y_400mf",
    "convnext_tiny",
    "vit_b_32",
    "swin_t",
    "swin_v2_t",
    "maxvit_t",
]


def test_there_is_a_reference_for_every_builder(reference: SimpleNamespace) -> None:
    assert models.builders() == reference.names()


@pytest.mark.parametrize("name", models.builders())
def test_names_shapes_and_dtypes_are_the_references(name: str, reference: SimpleNamespace) -> None:
    model, theirs = getattr(models, name)(), reference.build(name, empty=True)
    assert layout(model) == layout(theirs)
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in theirs.parameters())
    assert [key for key, _ in model.named_parameters()] == [key for key, _ in theirs.named_parameters()]


@pytest.mark.parametrize("name", models.builders())
def test_logits_are_the_references(name: str, reference: SimpleNamespace) -> None:
    import torch

    theirs = reference.build(name, empty=True)
    if sum(p.numel() for p in theirs.parameters()) > LARGEST and not FULL:
        pytest.skip(f"{name} has more than {LARGEST:,} parameters; NUMZOO_PARITY=full runs it")
    theirs = reference.build(name).eval()
    size = reference.image_size(name, small=not FULL)
    x = images(name, size, batch=2)
    fill(theirs, name)
    settle(theirs, images(name, size, batch=4, seed=1))

    model = getattr(models, name)().eval()
    model.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    with engine.no_grad():
        logits = model(x).numpy()
    with torch.no_grad():
        single = theirs(torch.from_numpy(x)).numpy()
        expected = theirs.double()(torch.from_numpy(x).double()).numpy()
    scale = np.abs(expected).max()
    assert np.abs(single - expected).max() < 2e-5 * scale, "the reference itself is at the mercy of rounding"
    assert np.abs(expected[0] - expected[1]).max() > 0.005 * scale, "the images make no difference"
    assert np.abs(logits - expected).max() < 1e-4 * scale


@pytest.mark.parametrize("name", TRAINED)
def test_a_training_step_has_the_references_gradients_and_statistics(name: str, reference: SimpleNamespace) -> None:
    """In float64, where rounding decides nothing: behind a batch norm's statistics, ReLUs and maxima, a rounding error
    of float32 may move a gradient by a percent, in PyTorch as here."""
    import torch

    theirs = reference.build(name)
    fill(theirs, name)
    size = 299 if name == "inception_v3" else reference.image_size(name, small=True)
    x = images(name, size, batch=3)
    settle(theirs, x)  # also leaves counters at other than zero
    model = getattr(models, name)()
    model.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    without_chance(model.train().double())
    without_chance(theirs.train().double())

    outputs, expected = as_tuple(model(x.astype(np.float64))), as_tuple(theirs(torch.from_numpy(x).double()))
    assert len(outputs) == len(expected)
    ours_loss: Any = 0.0
    their_loss: Any = 0.0
    for i, (ours, other) in enumerate(zip(outputs, expected, strict=True)):
        weights = np.random.default_rng(i).standard_normal(other.shape)
        ours_loss = ours_loss + (ours * engine.tensor(weights)).sum()
        their_loss = their_loss + (other * torch.from_numpy(weights)).sum()
    ours_loss.backward()
    their_loss.backward()

    for ours, other in zip(outputs, expected, strict=True):
        close(ours.numpy(), other.detach().numpy(), 1e-9, "outputs")
    gradients = {key: p.grad.numpy() for key, p in theirs.named_parameters()}
    largest = max(float(np.abs(gradient).max()) for gradient in gradients.values())
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, f"{key} has no gradient"
        # A bias in front of a batch norm has no gradient but rounding, which only the network's scale can judge.
        close(parameter.grad.numpy(), gradients[key], 1e-6, key, least=1e-6 * largest)
    buffers = dict(theirs.named_buffers())
    for key, buffer in model.named_buffers():
        if key in buffers:
            close(buffer.numpy(), buffers[key].numpy(), 1e-9, key)


@pytest.mark.parametrize("name", TRAINED)
def test_training_in_single_precision_gives_the_references_outputs(name: str, reference: SimpleNamespace) -> None:
    import torch

    theirs = reference.build(name)
    fill(theirs, name)
    x = images(name, 299 if name == "inception_v3" else max(28, reference.image_size(name, small=True)), batch=3)
    model = getattr(models, name)()
    model.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    without_chance(model.train())
    without_chance(theirs.train().double())
    outputs, expected = as_tuple(model(x)), as_tuple(theirs(torch.from_numpy(x).double()))
    for ours, other in zip(outputs, expected, strict=True):
        close(ours.numpy(), other.detach().numpy(), 1e-3, "outputs")


def layout(model: Any) -> list[tuple[str, tuple[int, ...], str]]:
    """Name, shape and dtype of every entry of the state, in order."""
    return [
        (key, tuple(value.shape), str(value.dtype).removeprefix("torch.")) for key, value in model.state_dict().items()
    ]


def images(name: str, size: int, *, batch: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Blurred noise, since neighbouring points of a photograph are alike."""
    channels = 1 if name == "lenet" else 3
    noise = np.random.default_rng(seed).standard_normal((batch, channels, size, size), dtype=np.float32)
    return noise + 2 * sum(np.roll(noise, shift, (2, 3)) for shift in (1, 2, 3)) / 3


def fill(model: Any, name: str) -> None:
    """Random weights that keep the scale of a signal, in place; the same for the same name."""
    import torch

    generator = np.random.default_rng(zlib.crc32(name.encode()))
    for key, parameter in model.named_parameters():
        shape = tuple(parameter.shape)
        values = generator.standard_normal(shape, dtype=np.float32)
        if key.endswith("weight") and len(shape) > 1:
            values *= np.float32(np.sqrt(2 / np.prod(shape[1:])))
        elif key.endswith("weight"):
            values = 1 + values / 8
        else:
            values /= 4
        parameter.data = torch.from_numpy(values)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data /= 4  # no larger than the biases, or deep networks blow up rounding errors


def settle(model: Any, x: np.ndarray[Any, Any]) -> None:
    """Statistics for the batch norms, as training would leave them, times random factors; in place.

    With statistics that fit nothing a deep network either dies or turns chaotic.
    """
    import torch

    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    training = model.training
    model.eval()
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches: this one
    with torch.no_grad():
        model(torch.from_numpy(x))
    generator = np.random.default_rng(5)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        factors = generator.uniform(0.7, 1.4, norm.num_features).astype(np.float32)
        norm.running_var.clamp_(min=0.5 * float(norm.running_var.mean()) + 1e-6).mul_(torch.from_numpy(factors))
    model.train(training)


def without_chance(model: Any) -> None:
    """Switch off dropout and stochastic depth, on either side."""
    for module in model.modules():
        if type(module).__name__ in ("Dropout", "StochasticDepth"):
            module.p = 0.0
        if type(module).__name__ == "MultiheadAttention":
            module.dropout = 0.0


def as_tuple(outputs: Any) -> tuple[Any, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


def close(given: Any, wanted: Any, tolerance: float, what: str, *, least: float = 1e-12) -> None:
    assert given.shape == wanted.shape, what
    difference = float(np.abs(given - wanted).max()) / max(float(np.abs(wanted).max()), least)
    assert difference < tolerance, f"{what}: {difference:.2e} apart, relative to the largest"
