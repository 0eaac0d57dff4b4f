"""Copies of weights in another layout: kept while the weights hold what they held, and no longer."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

import numzoo.engine as engine
from numzoo.engine import Tensor, nn
from numzoo.engine.capturing import Capturing, capturing, replayed
from numzoo.engine.kernels.cuda import kept


@pytest.fixture(autouse=True)
def none_before(one_order: Any) -> None:
    kept._copies.clear()


def layer_and_image() -> tuple[Any, Tensor]:
    """A layer whose weight lies channels last, as other precisions read it, and an image."""
    engine.manual_seed(0)
    layer = nn.Conv2d(4, 8, 3).to("cuda")
    assert not layer.weight.array.flags.c_contiguous
    return layer, engine.randn(1, 4, 6, 6).to("cuda")


def turns(one_order: Any, layer: Any, image: Tensor) -> int:
    """How often the layer's weight is turned around in a call, whose result is right."""
    one_order.launched.clear()
    found = layer(image)
    wanted = engine.conv2d(image.cpu(), layer.weight.detach().cpu(), layer.bias.detach().cpu())
    np.testing.assert_allclose(found.detach().cpu().numpy(), wanted.numpy(), rtol=1e-4, atol=1e-5)
    return len([name for name in one_order.launched if name in ("copied", "transposed")])


def test_a_weight_is_turned_once_where_a_model_is_used(one_order: Any) -> None:
    layer, image = layer_and_image()
    with engine.no_grad():
        assert [turns(one_order, layer, image) for _ in range(3)] == [1, 0, 0]
        assert turns(one_order, layer, engine.cat([image, image])) == 0  # of other sizes, too


@pytest.mark.parametrize("way", ["in place", "by an optimiser", "anew", "by a replay"])
def test_what_was_written_to_is_turned_again(one_order: Any, way: str) -> None:
    layer, image = layer_and_image()
    with engine.no_grad():
        turns(one_order, layer, image)
        if way == "in place":
            layer.weight.mul_(2.0)
        elif way == "by an optimiser":
            layer.weight.grad = engine.ones(*layer.weight.shape).to("cuda")
            engine.optim.SGD([layer.weight], lr=0.5).step()
        elif way == "anew":
            layer.weight.set_array(engine.ones(*layer.weight.shape).to("cuda").array)
        else:
            layer.weight.array[...] = one_order.put(np.ones(layer.weight.shape, np.float32))
            replayed()
        assert [turns(one_order, layer, image) for _ in range(2)] == [1, 0]


def test_weights_that_are_trained_or_captured_are_turned_each_time(one_order: Any) -> None:
    layer, image = layer_and_image()
    assert [turns(one_order, layer, image) for _ in range(2)] == [1, 1]
    with engine.no_grad(), capturing(Capturing()):
        for _ in range(2):
            one_order.launched.clear()
            layer(image)
            assert {"copied", "transposed"} & {*one_order.launched}
    assert not kept._copies


def test_a_copy_goes_with_its_weight_and_all_have_a_limit(one_order: Any, monkeypatch: Any) -> None:
    layer, image = layer_and_image()
    with engine.no_grad():
        layer(image)
        assert len(kept._copies) == 1
        del layer
        gc.collect()
        assert not kept._copies
        layer, image = layer_and_image()
        monkeypatch.setattr(kept, "MOST", layer.weight.array.nbytes - 1)
        assert [turns(one_order, layer, image) for _ in range(2)] == [1, 1]
