"""Models whose norms, sums and ReLUs run as one operation compute what they compute layer by layer, and show every layer to hooks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn
from numzoo.engine.nn import functional as F
from numzoo.vision import models
from numzoo.vision.models.densenet import DenseNet
from numzoo.vision.models.inception import InceptionV1
from numzoo.vision.models.shufflenet import ShuffleNetV2

SMALL: dict[str, Callable[[], nn.Module]] = {
    "basic blocks": lambda: models.any_resnet(
        block="basic", depths=(2, 1, 1, 1), widths=(16, 16, 24, 24), stem_width=16, classes=5
    ),
    "bottlenecks": lambda: models.any_resnet(depths=(2, 1, 1, 1), widths=(8, 8, 16, 16), classes=5),
    "mobilenet_v2": lambda: models.mobilenet_v2(width_multiplier=0.25, classes=5),
    "mobilenet_v3": lambda: models.mobilenet_v3_small(width_multiplier=0.5, classes=5),
    "mnasnet": lambda: models.mnasnet0_5(classes=5),
    "shufflenet": lambda: ShuffleNetV2((16, 44, 64, 64, 64), depths=(1, 1, 1), classes=5),
    "regnet": lambda: models.any_regnet(depths=(1, 2), widths=(16, 24), group_width=8, classes=5),
    "densenet": lambda: DenseNet((1, 2), growth_rate=8, stem_width=16, classes=5),
    "inception": lambda: nn.Sequential(
        InceptionV1(3, 8, 4, 8, 4, 8, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 5)
    ),
}


def model_of(name: str) -> nn.Module:
    engine.manual_seed(0)
    model = SMALL[name]()
    rng = np.random.default_rng(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.array = rng.normal(0, 0.1, module.num_features).astype(np.float32)  # type: ignore[union-attr]
            module.running_var.array = rng.uniform(0.5, 1.5, module.num_features).astype(np.float32)  # type: ignore[union-attr]
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def computed(model: nn.Module) -> list[Any]:
    """The logits, the gradients and the statistics afterwards."""
    x = engine.tensor(np.random.default_rng(2).standard_normal((4, 3, 64, 64)).astype(np.float32))
    logits = model(x)
    F.cross_entropy(logits, engine.tensor(np.arange(4))).backward()
    gradients = [p.grad.numpy() for p in model.parameters() if p.grad is not None]
    return [logits.numpy(), *gradients, *(b.numpy() for b in model.buffers())]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", SMALL)
def test_a_model_computes_the_same_while_somebody_watches_its_layers(name: str, training: bool) -> None:
    together, apart = model_of(name).train(training), model_of(name).train(training)
    seen: list[str] = []
    for path, module in apart.named_modules():
        module.register_forward_hook(lambda *_, path=path: seen.append(path))
    given, wanted = computed(together), computed(apart)
    norms = {path for path, module in apart.named_modules() if isinstance(module, (nn.BatchNorm2d, nn.ReLU, nn.ReLU6))}
    assert norms <= set(seen)
    assert list(together.state_dict()) == list(copy.deepcopy(apart).state_dict())
    for a, b in zip(given, wanted, strict=True):
        # Training on four images of which little is left in the deepest layers is as sensitive as it gets.
        np.testing.assert_allclose(a, b, rtol=0, atol=(2e-2 if training else 1e-4) * max(1.0, np.abs(b).max()))


def test_stages_of_a_model_are_read_by_hooks_as_ever() -> None:
    model = model_of("basic blocks").eval()
    found: dict[str, Any] = {}
    for path in ("layer1.0.bn2", "layer1.0.relu", "layer1.0"):

        def note(_module: Any, _arguments: Any, out: Any, path: str = path) -> None:
            found[path] = out.numpy()

        model.get_submodule(path).register_forward_hook(note)
    with engine.no_grad():
        model(engine.tensor(np.random.default_rng(2).standard_normal((1, 3, 64, 64)).astype(np.float32)))
    assert found["layer1.0.bn2"].min() < 0 == found["layer1.0"].min()
    np.testing.assert_array_equal(found["layer1.0.relu"], found["layer1.0"])


def test_hooks_see_a_block_s_shortcut_behind_its_layers() -> None:
    block, seen = models.resnet50().layer1[0], []
    for name, module in block.named_modules():
        module.register_forward_hook(lambda *_, name=name: seen.append(name))
    block(engine.ones(2, 64, 4, 4))
    layers = ["conv1", "bn1", "relu", "conv2", "bn2", "relu", "conv3", "bn3"]
    assert seen == [*layers, "downsample.0", "downsample.1", "downsample", "relu", ""]
