"""Whole models give on a GPU what they give on the CPU: outputs and every parameter's gradient."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from sequence_check import build
from sequences import CASES, Case, inputs

from numzoo import engine
from numzoo.engine import nn
from numzoo.text.generation import stream
from numzoo.text.generation.steps import Decoder, EncoderDecoder

TOLERANCE = {"float32": 5e-3, "bfloat16": 5e-2}
"""Largest length of the difference over the length of the right answer."""
IMAGES = [
    ("resnet18", 64), ("resnext50_32x4d", 64), ("vgg11_bn", 64), ("mobilenet_v2", 64), ("mobilenet_v3_small", 64), ("densenet121", 64),
    ("efficientnet_b0", 64), ("squeezenet1_1", 64), ("shufflenet_v2_x1_0", 64), ("googlenet", 64), ("convnext_tiny", 64),
    ("swin_t", 64), ("maxvit_t", 224), ("vit_b_16", 224), ("alexnet", 64), ("inception_v3", 96), ("regnet_y_400mf", 64), ("mnasnet0_5", 64),
]  # fmt: skip


def first(result: Any) -> Any:
    """The tensor of a result that loss is taken of."""
    while not isinstance(result, engine.Tensor):
        result = result[0] if isinstance(result, (tuple, list)) else next(iter(result.values()))
    return result


def on_both(make: Any, given: dict[str, Any], dtype: str, *, training: bool) -> None:
    found = {}
    for device in ("cpu", "cuda"):
        engine.manual_seed(0)
        model = make().train(training).to(device, dtype=dtype)
        arguments = {name: engine.tensor(value).to(device) for name, value in given.items()}
        arguments = {n: v.to(dtype=dtype) if v.dtype == engine.float32 else v for n, v in arguments.items()}
        result = first(model(*arguments.values()) if "x" in arguments else model(**arguments)).float()
        assert result.device.type == device
        weights = engine.tensor(np.random.default_rng(1).standard_normal(result.shape).astype(np.float32)).to(device)
        (result * weights).sum().backward()
        gradients = {name: p.grad.float().numpy() for name, p in model.named_parameters() if p.grad is not None}
        found[device] = {"output": result.numpy(), **gradients}
    assert found["cpu"].keys() == found["cuda"].keys()
    largest = max(float(np.linalg.norm(value)) for name, value in found["cpu"].items() if name != "output")
    for name, wanted in found["cpu"].items():
        # Deep networks of random weights enlarge the last bit, and where two elements of a window differ by it their gradients change
        # places; what is small beside the largest gradient is noise.
        size = max(float(np.linalg.norm(wanted)), 0.0 if name == "output" else 1e-3 * largest)
        away = float(np.linalg.norm(found["cuda"][name] - wanted))
        assert away <= TOLERANCE[dtype] * (1 if name == "output" else 4) * size, f"{name}: {away:.3g} of {size:.3g}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_model_of_text_or_sound(case: Case) -> None:
    given = {name: value for name, value in inputs(case.kind).items() if value is not None}
    on_both(lambda: build(case)[0], given, "float32", training=False)


@pytest.mark.parametrize(("name", "side"), IMAGES, ids=[name for name, _ in IMAGES])
def test_a_model_of_images(name: str, side: int) -> None:
    builder = getattr(importlib.import_module("numzoo.vision.models"), name)
    images = np.random.default_rng(0).standard_normal((2, 3, side, side)).astype(np.float32)
    on_both(builder, {"x": images}, "float32", training=False)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_small_network_in_training(dtype: str) -> None:
    def make() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, groups=8), nn.GELU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(8), nn.Linear(8, 5),
        )  # fmt: skip

    images = np.random.default_rng(0).standard_normal((4, 3, 12, 12)).astype(np.float32)
    on_both(make, {"x": images}, dtype, training=True)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_a_recurrent_network(kind: str) -> None:
    sounds = np.random.default_rng(0).standard_normal((5, 3, 6)).astype(np.float32)
    on_both(lambda: getattr(nn, kind)(6, 8, 2, bidirectional=True), {"x": sounds}, "float32", training=True)


@pytest.mark.parametrize("name", ["gpt2_causal_lm", "llama_causal_lm", "t5_text_to_text"])
def test_a_model_that_writes_gives_the_same_tokens(name: str) -> None:
    case = next(case for case in CASES if case.builder == name)
    prompt = np.random.default_rng(0).integers(3, 200, (2, 7))
    found = []
    for device in ("cpu", "cuda"):
        model = build(case)[0].to(device)
        step = EncoderDecoder(model, prompt) if name.startswith("t5") else Decoder(model)
        first = np.zeros((2, 1), np.int64) if name.startswith("t5") else prompt
        found.append([np.asarray(tokens).tolist() for tokens in stream(step, first, longest=8)])
    assert found[0] == found[1]
