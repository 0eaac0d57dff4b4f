"""Shortcuts with the normalisation behind them: what the modules give one after another, called or not."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import Tensor, nn

WIDTH = 48


def drawn(shape: tuple[int, ...], dtype: Any = "float32", seed: int = 0) -> Tensor:
    x = Tensor(np.random.default_rng(seed).standard_normal(shape).astype(np.float32)).to(dtype=dtype)
    return x.requires_grad_()


def post(x: Tensor, residual: Tensor, norm: Any, dropout: Any) -> Tensor:
    return nn.normalised_sum(x, residual, norm, dropout)


def post_apart(x: Tensor, residual: Tensor, norm: Any, dropout: Any) -> Any:
    return norm((x if dropout is None else dropout(x)) + residual)


def pre(x: Tensor, residual: Tensor, norm: Any, dropout: Any) -> Tensor:
    total, out = nn.add_and_normalise(x, residual, norm, dropout)
    return total * 0.5 + out * out


def pre_apart(x: Tensor, residual: Tensor, norm: Any, dropout: Any) -> Any:
    total = (x if dropout is None else dropout(x)) + residual
    out = norm(total)
    return total * 0.5 + out * out


WAYS = {"normalised_sum": (post, post_apart), "add_and_normalise": (pre, pre_apart)}
NORMS: dict[str, Callable[..., nn.Module]] = {
    "LayerNorm": lambda **s: nn.LayerNorm(WIDTH, **s),
    "LayerNorm without weights": lambda **s: nn.LayerNorm(WIDTH, elementwise_affine=False, **s),
    "LayerNorm without bias": lambda **s: nn.LayerNorm(WIDTH, bias=False, **s),
    "RMSNorm": lambda **s: nn.RMSNorm(WIDTH, eps=1e-6, **s),
    "RMSNorm by the dtype's eps": lambda **s: nn.RMSNorm(WIDTH, **s),
}


def outcome(way: Any, norm: nn.Module, dropout: Any, x: Tensor, residual: Tensor) -> list[Any]:
    """The result and all gradients, with the stream started anew."""
    engine.manual_seed(3)
    for tensor in (x, residual, *norm.parameters()):
        tensor.grad = None
    out = way(x, residual, norm, dropout)
    (out * out).sum().backward()
    grads = [t.grad for t in (x, residual, *norm.parameters())]
    return [v.to(dtype="float64").numpy() for v in (out, *grads) if v is not None]


def assert_alike(way: str, norm: nn.Module, dropout: Any, x: Tensor, residual: Tensor, tolerance: float = 2e-5) -> None:
    together, apart = (outcome(each, norm, dropout, x, residual) for each in WAYS[way])
    assert len(together) == len(apart)
    for given, wanted in zip(together, apart, strict=True):
        np.testing.assert_allclose(
            given, wanted, rtol=tolerance, atol=tolerance * max(1.0, np.abs(wanted).max(initial=0.0))
        )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("p", [None, 0.0, 0, 0.1, 1.0])
@pytest.mark.parametrize("shape", [(3, 5, WIDTH), (2, 256, WIDTH), (WIDTH,), (0, WIDTH)], ids=str)
def test_it_is_what_the_modules_give_one_after_another(way: str, norm: str, p: Any, shape: tuple[int, ...]) -> None:
    dropout = None if p is None else nn.Dropout(p)
    assert_alike(way, NORMS[norm](), dropout, drawn(shape), drawn(shape, seed=1))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("first", "second"),
    [("float64", "float64"), ("bfloat16", "bfloat16"), ("float16", "float16"), ("bfloat16", "float32"), ("float32", "float64"), ("float32", "bfloat16")],
)  # fmt: skip
def test_every_pair_of_dtypes_gives_what_it_gives_apart(way: str, first: str, second: str) -> None:
    wide = max(first, second, key=lambda name: np.dtype(engine.dtype.as_dtype(name)).itemsize)
    x, residual = drawn((4, 9, WIDTH), first), drawn((4, 9, WIDTH), second, 1)
    assert_alike(
        way, NORMS["LayerNorm"](dtype=wide), nn.Dropout(0.2), x, residual, 2e-2 if wide.endswith("16") else 2e-5
    )
    out = WAYS[way][0](x, residual, NORMS["LayerNorm"](dtype=wide), None)
    assert out.dtype == engine.dtype.as_dtype(wide)


@pytest.mark.parametrize("way", WAYS)
def test_a_residual_that_repeats_and_operands_that_lie_anyhow(way: str) -> None:
    norm, dropout = NORMS["LayerNorm"](), nn.Dropout(0.3)
    assert_alike(way, norm, dropout, drawn((4, 9, WIDTH)), drawn((9, WIDTH), seed=1))
    assert_alike(way, norm, dropout, drawn((9, WIDTH)), drawn((4, 1, WIDTH), seed=1))
    x = drawn((9, 4, WIDTH)).transpose(0, 1)
    together, apart = (each(x, drawn((4, 9, WIDTH), seed=1), norm, None) for each in WAYS[way])
    np.testing.assert_allclose(together.numpy(), apart.numpy(), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("way", WAYS)
def test_in_use_nothing_is_left_out(way: str) -> None:
    norm, dropout = NORMS["LayerNorm"]().eval(), nn.Dropout(0.5).eval()
    x, residual = drawn((3, WIDTH)), drawn((3, WIDTH), seed=1)
    assert_alike(way, norm, dropout, x, residual)
    with engine.no_grad():
        out = WAYS[way][0](x, residual, norm, dropout)
    np.testing.assert_allclose(out.numpy(), WAYS[way][1](x, residual, norm, None).numpy(), rtol=2e-5, atol=2e-5)
    assert not out.requires_grad


@pytest.mark.parametrize("way", WAYS)
def test_it_is_one_operation_in_the_graph(way: str) -> None:
    x, residual = drawn((3, WIDTH)), drawn((3, WIDTH), seed=1)
    names: set[str] = set()
    stack: list[Any] = [WAYS[way][0](x, residual, NORMS["LayerNorm"](), nn.Dropout(0.5)).node]
    while stack:
        node = getattr(stack[-1], "node", None) or stack[-1]
        stack.pop()
        if hasattr(node, "op"):
            names.add(node.op.name)
            stack += [edge for edge in node.edges if edge is not None]
    assert names <= {"add_layer_norm", "add", "mul"}
    assert "add_layer_norm" in names


class Doubled(nn.LayerNorm):
    """A normalisation of somebody's own."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 2.0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("which", ["norm", "dropout", "everywhere", "backward"])
def test_hooks_see_every_module(way: str, which: str) -> None:
    norm, dropout, seen = NORMS["LayerNorm"](), nn.Dropout(0.5), []
    if which == "everywhere":
        handle = nn.register_module_forward_hook(lambda module, args, out: seen.append(module))
    elif which == "backward":
        handle = norm.register_full_backward_hook(lambda module, inner, outer: seen.append(module))
    else:
        handle = {"norm": norm, "dropout": dropout}[which].register_forward_hook(lambda m, args, out: seen.append(m))
    try:
        assert_alike(way, norm, dropout, drawn((3, WIDTH)), drawn((3, WIDTH), seed=1))
    finally:
        handle.remove()
    # Once for each of both ways.
    assert seen == {"everywhere": [dropout, norm] * 2, "dropout": [dropout] * 2}.get(which, [norm] * 2)


@pytest.mark.parametrize("way", WAYS)
def test_modules_of_ones_own_are_called(way: str) -> None:
    dropout, norm = nn.Dropout(0.5), NORMS["LayerNorm"]()
    x, residual = drawn((3, WIDTH)), drawn((3, WIDTH), seed=1)
    assert_alike(way, Doubled(WIDTH), dropout, x, residual)
    assert_alike(way, norm, nn.AlphaDropout(0.5), x, residual)
    assert_alike(way, nn.Identity(), dropout, x, residual)
    norm.forward = lambda x: x * 3.0  # type: ignore[method-assign]
    assert_alike(way, norm, dropout, x, residual)


def test_what_does_not_fit_is_refused_as_by_the_modules() -> None:
    norm = NORMS["LayerNorm"]()
    with pytest.raises(engine.errors.ShapeError, match="add"):
        nn.normalised_sum(drawn((3, WIDTH)), drawn((2, WIDTH)), norm)
    with pytest.raises(engine.errors.ShapeError, match="last axes"):
        nn.normalised_sum(drawn((3, 2)), drawn((3, 2)), norm)
    with pytest.raises(engine.errors.ShapeError, match="one shape"):
        engine.ops.add_layer_norm(drawn((3, 2)), drawn((2,)))
    with pytest.raises(engine.errors.SettingError, match="eps"):
        nn.functional.add_layer_norm(drawn((3, 2)), drawn((3, 2)), (2,), eps=-1.0)
    with pytest.raises(engine.errors.SettingError, match="probability"):
        nn.functional.add_layer_norm(drawn((3, 2)), drawn((3, 2)), (2,), p=2.0)


def test_what_is_not_wanted_is_not_written() -> None:
    x, residual = drawn((3, WIDTH)), drawn((3, WIDTH), seed=1)
    with engine.no_grad():
        assert engine.ops.add_layer_norm(x, residual, both=False)[1] is None
    # The sum is what backward goes by.
    assert engine.ops.add_layer_norm(x, residual, both=False)[1] is not None


def test_a_sum_that_was_written_to_is_noticed() -> None:
    x, residual = drawn((3, WIDTH)), drawn((3, WIDTH), seed=1)
    out, total = engine.ops.add_layer_norm(x, residual)
    with engine.no_grad():
        total.detach()[0] = 7.0
    with pytest.raises(engine.errors.GradientError, match="written"):
        out.sum().backward()


class Forgetting(nn.Module):
    """A block that looks whether what it and its fellows were given is gone when its perceptron computes."""

    living: tuple[weakref.ref[Any], ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.last = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def parts(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, None]:
        assert [each for each in Forgetting.living if each() is not None] == []
        Forgetting.living = tuple(weakref.ref(each.array) for each in (x, y))
        x, y = nn.add_and_normalise(y + 1.0, x, self.last)
        assert [each for each in Forgetting.living if each() is not None] == []
        Forgetting.living += (weakref.ref(y.array),)
        y = y * 2.0
        return x, y, None


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 holds what a function is given until it returns")
def test_blocks_free_what_they_no_longer_need() -> None:
    blocks, last = nn.ModuleList([Forgetting() for _ in range(3)]), nn.LayerNorm(WIDTH)
    with engine.no_grad():
        out = nn.through_blocks(blocks, drawn((4, WIDTH)).detach() + 0.0, Forgetting, "norm", last)
    assert out.shape == (4, WIDTH)
    assert Forgetting.living


@pytest.mark.parametrize("norm", ["LayerNorm", "RMSNorm"])
@pytest.mark.parametrize("readers", [2, 4, 7])
@pytest.mark.parametrize("watched", [False, True])
def test_what_flows_from_several_readers_is_added_up(norm: str, readers: int, watched: bool) -> None:
    module, seen = NORMS[norm](), []

    def way(together: bool) -> Any:
        def call(x: Tensor, residual: Tensor, norm: Any, dropout: Any) -> Tensor:
            if together:
                total, out = nn.add_and_normalise(x, residual, norm, dropout)
            else:
                total = dropout(x) + residual
                out = norm(total)
            if watched:
                out.register_hook(lambda gradient: seen.append(gradient.numpy()))
            parts = [out * float(i + 1) for i in range(readers)] + [total * float(i) for i in range(readers)]
            return sum(parts[1:], parts[0])

        return call

    x, residual = drawn((4, 9, WIDTH)), drawn((4, 9, WIDTH), seed=1)
    together, apart = (outcome(way(each), module, nn.Dropout(0.3), x, residual) for each in (True, False))
    for given, wanted in zip(together, apart, strict=True):
        np.testing.assert_allclose(given, wanted, rtol=2e-5, atol=2e-5 * np.abs(wanted).max())
    if watched:
        np.testing.assert_allclose(seen[0], seen[1], rtol=2e-5, atol=1e-4)
    assert len(seen) == 2 * watched
