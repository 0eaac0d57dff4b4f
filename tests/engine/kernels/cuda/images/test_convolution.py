"""Convolutions on a GPU: layouts, copies and gradients, with the bodies in cuDNN's place; and what falls back to them."""

from __future__ import annotations

from typing import Any

import emulated_libraries
import numpy as np
import pytest

import numzoo.engine as engine
from numzoo.engine import Tensor
from numzoo.engine.kernels.cuda.images import convolution
from numzoo.engine.nn import functional

GENERATOR = np.random.default_rng(0)
TOLERANCE = {"float32": 2e-5, "float64": 1e-12, "float16": 5e-3, "bfloat16": 4e-2}


@pytest.fixture
def asked(gpu: Any) -> list[Any]:
    """What the library is asked for from now on."""
    convolution.PLANS.clear()
    emulated_libraries.ASKED.clear()
    return emulated_libraries.ASKED


def drawn(*shape: int) -> Any:
    return GENERATOR.standard_normal(shape)


CASES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "3 x 3": ((2, 4, 7, 6), (5, 4, 3, 3), {"padding": (1, 1)}),
    "1 x 1": ((2, 4, 5, 5), (3, 4, 1, 1), {}),
    "one pixel": ((2, 4, 1, 1), (3, 4, 1, 1), {}),
    "1 x 1 of whole channels": ((2, 8, 3, 5), (16, 8, 1, 1), {}),
    "strided": ((1, 3, 9, 8), (4, 3, 3, 2), {"stride": (2, 3), "padding": (1, 0)}),
    "dilated": ((1, 2, 9, 9), (2, 2, 3, 3), {"dilation": (2, 1)}),
    "grouped": ((2, 4, 6, 6), (6, 2, 3, 3), {"groups": 2, "padding": (1, 1)}),
    "depthwise": ((2, 4, 6, 6), (4, 1, 3, 3), {"groups": 4, "stride": (2, 2), "padding": (1, 1)}),
    "volume": ((1, 2, 4, 5, 4), (3, 2, 2, 3, 1), {"stride": (1, 2, 1), "padding": (1, 0, 0)}),
}


def run_on(place: str, case: str, dtype: str, turned: bool = False) -> list[Any]:
    """The result and three gradients of a case on a device."""
    shape, kernel, settings = CASES[case]
    axes = len(shape) - 2
    generator = np.random.default_rng(1)
    values = [generator.standard_normal(s) for s in (shape, kernel, kernel[:1])]
    if turned:
        values[:2] = [np.moveaxis(np.ascontiguousarray(np.moveaxis(v, 1, -1)), -1, 1) for v in values[:2]]
    leaves = [Tensor(v).to(dtype=getattr(engine, dtype)).to(place).requires_grad_() for v in values]
    out = (engine.conv3d if axes == 3 else engine.conv2d)(*leaves, **settings)
    (out * out).sum().backward()
    return [t.cpu().double().numpy() for t in (out.detach(), *(leaf.grad for leaf in leaves))]  # type: ignore[union-attr]


@pytest.mark.parametrize("turned", [False, True], ids=["rows", "channels last"])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("case", CASES)
def test_convolutions_and_their_gradients_are_the_body_s(asked: list[Any], case: str, dtype: str, turned: bool) -> None:
    for found, wanted in zip(run_on("cuda", case, dtype, turned), run_on("cpu", case, "float64"), strict=True):
        scale = max(np.abs(wanted).max(), 1.0)
        np.testing.assert_allclose(found, wanted, atol=TOLERANCE[dtype] * scale)
    kinds = [each.kind for each in asked if isinstance(each, convolution.Convolution)]
    # Of float64 cuDNN reads the factor wrongly.
    assert kinds == ([] if dtype == "float64" else ["forward", "input", "weight"])


@pytest.mark.parametrize("precision", ["tf32", "bf16", "f32"])
def test_results_lie_with_channels_side_by_side_or_by_planes_and_are_taken_so(
    asked: list[Any], gpu: Any, precision: Any
) -> None:
    x = Tensor(drawn(2, 3, 5, 4).astype(np.float32)).to("cuda")
    weight = Tensor(drawn(6, 3, 3, 3).astype(np.float32)).to("cuda")
    again = Tensor(drawn(4, 6, 1, 1).astype(np.float32)).to("cuda")
    with engine.precision(precision):
        out = engine.conv2d(x, weight, padding=(1, 1))
        shape = 2, 6, 5, 4
        wanted = convolution.strides_of_images(shape) if precision != "f32" else (120, 20, 4, 1)
        assert tuple(s // out.array.itemsize for s in out.array.strides) == wanted
        gpu.launched.clear()
        engine.conv2d(out, again)
    assert gpu.launched in ([], ["flat"])  # nothing is copied but a weight that is narrowed


def test_what_no_engine_computes_by_planes_one_may_where_channels_lie_side_by_side(gpu: Any, monkeypatch: Any) -> None:
    real = gpu.prepare
    monkeypatch.setattr(gpu, "prepare", lambda wanted: None if getattr(wanted, "planes", False) else real(wanted))
    x, weight = drawn(2, 3, 5, 4).astype(np.float32), drawn(6, 3, 3, 3).astype(np.float32)
    leaves = [Tensor(x).to("cuda").requires_grad_(), Tensor(weight).to("cuda").requires_grad_()]
    plain = [Tensor(x).requires_grad_(), Tensor(weight).requires_grad_()]
    found, wanted = (engine.conv2d(*pair, padding=(1, 1)) for pair in (leaves, plain))
    assert tuple(s // 4 for s in found.array.strides) == convolution.strides_of_images((2, 6, 5, 4))
    (found * found).sum().backward()
    (wanted * wanted).sum().backward()
    for one, other in zip(leaves, plain, strict=True):
        np.testing.assert_allclose(one.grad.cpu().numpy(), other.grad.numpy(), rtol=1e-4, atol=1e-3)  # type: ignore[union-attr]


@pytest.mark.parametrize("view", ["cut", "flipped", "every other", "repeated", "shifted"])
def test_convolutions_take_images_that_lie_in_any_way(asked: list[Any], view: str) -> None:
    x = Tensor(drawn(3, 4, 6, 8).astype(np.float32)).to("cuda")
    views = {
        "cut": x[:, 1:3, 1:5],
        "flipped": x.flip(-1)[:, :2],
        "every other": x[:, ::2, ::2],
        "repeated": x[:, :1].expand(3, 2, 6, 8),
        "shifted": x.reshape(-1)[1:101].reshape(2, 2, 5, 5),
    }
    x = views[view]
    weight = Tensor(drawn(3, 2, 3, 3).astype(np.float32)).to("cuda")
    bias = Tensor(drawn(9).astype(np.float32)).to("cuda")
    for cut in (bias[:3], bias[1:4], bias[::3]):
        found = engine.conv2d(x, weight, cut).cpu().numpy()
        wanted = engine.conv2d(x.cpu(), weight.cpu(), cut.cpu()).numpy()
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_lines_and_transposed_convolutions_go_the_same_way(asked: list[Any]) -> None:
    line, kernel, image, back = (Tensor(drawn(*s)).float() for s in ((2, 3, 9), (4, 3, 3), (2, 4, 3, 3), (4, 2, 3, 3)))
    for settings in ({"padding": 1}, {"stride": 2}, {"dilation": 2}):
        found = functional.conv1d(line.to("cuda"), kernel.to("cuda"), **settings).cpu().numpy()
        np.testing.assert_allclose(found, functional.conv1d(line, kernel, **settings).numpy(), rtol=1e-5, atol=1e-5)
    for more in ({"stride": 2, "output_padding": 1, "padding": 1}, {"groups": 2}, {"dilation": 3, "output_padding": 2}):
        found = functional.conv_transpose2d(image.to("cuda"), back.to("cuda"), **more).cpu().numpy()
        np.testing.assert_allclose(
            found, functional.conv_transpose2d(image, back, **more).numpy(), rtol=1e-5, atol=1e-5
        )
    assert {each.kind for each in asked if isinstance(each, convolution.Convolution)} == {"forward", "input"}


def test_precision_and_determinism_reach_the_library(asked: list[Any]) -> None:
    x, weight = (Tensor(drawn(*s).astype(np.float32)).to("cuda").requires_grad_() for s in ((1, 2, 4, 4), (2, 2, 3, 3)))
    with engine.precision("tf32"):
        out = engine.conv2d(x, weight)
    out.sum().backward()
    assert [(each.kind, each.dtype, each.tf32) for each in asked] == [
        (k, "float32", True) for k in ("forward", "input", "weight")
    ]
    asked.clear()
    with engine.precision("bf16"):
        narrow = engine.conv2d(x, weight)
    narrow.float().sum().backward()
    assert narrow.dtype == engine.bfloat16
    assert [(each.dtype, each.tf32) for each in asked] == [("bfloat16", False)] * 3
    assert weight.grad is not None
    assert weight.grad.dtype == engine.float32
    asked.clear()
    engine.use_deterministic_algorithms(True)
    try:
        assert engine.are_deterministic_algorithms_enabled()
        engine.conv2d(x, weight)
    finally:
        engine.use_deterministic_algorithms(False)
    engine.conv2d(x, weight)
    assert [each.deterministic for each in asked] == [True, False]


@pytest.mark.parametrize("case", CASES)
def test_where_cudnn_refuses_the_body_computes(gpu: Any, monkeypatch: Any, case: str) -> None:
    convolution.PLANS.clear()
    real = gpu.prepare
    monkeypatch.setattr(
        gpu, "prepare", lambda wanted: None if isinstance(wanted, convolution.Convolution) else real(wanted)
    )
    for found, wanted in zip(run_on("cuda", case, "float32"), run_on("cpu", case, "float64"), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4 * max(np.abs(wanted).max(), 1.0))
    convolution.PLANS.clear()


def test_no_images_and_wrong_sizes_are_the_body_s_business(asked: list[Any]) -> None:
    weight = Tensor(drawn(2, 3, 3, 3)).float().to("cuda")
    assert engine.conv2d(engine.zeros(0, 3, 5, 5, device="cuda"), weight).shape == (0, 2, 3, 3)
    with pytest.raises(engine.errors.ShapeError, match="x has 4 channels but weight expects 3"):
        engine.conv2d(engine.zeros(1, 4, 5, 5, device="cuda"), weight)
    with pytest.raises(engine.errors.ShapeError, match="the kernel spans 3 pixels"):
        engine.conv2d(engine.zeros(1, 3, 2, 5, device="cuda"), weight)
    assert asked == [each for each in asked if not isinstance(each, convolution.Convolution)]


@pytest.mark.parametrize(
    ("precision", "turned"),
    # The images are turned once where channels lie side by side, and what flows back from a sum, which is repeated in memory. By
    # planes, whose units read them so, a weight is turned and its gradient turned back.
    [("tf32", {(1, 3, 5, 5), (1, 2, 5, 5)}), ("f32", {(4, 3, 3, 3), (1, 2, 5, 5)})],
)
def test_a_module_s_weights_lie_as_convolutions_read_them(
    asked: list[Any], monkeypatch: Any, precision: Any, turned: set[Any]
) -> None:
    from numzoo.engine import nn, optim

    torso = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.Conv2d(4, 2, 1))
    before = {name: value.numpy() for name, value in torso.state_dict().items()}
    torso.to("cuda")
    for name, value in torso.state_dict().items():
        np.testing.assert_array_equal(value.cpu().numpy(), before[name])
    copies = []
    real = convolution.copier
    monkeypatch.setattr(convolution, "copier", lambda x, order: copies.append(x.shape) or real(x, order))
    optimizer = optim.SGD(torso.parameters(), lr=0.1)
    for _ in range(2):
        with engine.precision(precision):
            torso(Tensor(drawn(1, 3, 5, 5).astype(np.float32)).to("cuda")).sum().backward()
        assert torso[0].weight.grad.array.strides == torso[0].weight.array.strides
        optimizer.step()
        optimizer.zero_grad()
    assert set(copies) == turned
