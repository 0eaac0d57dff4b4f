"""What surrounds gradients, beside PyTorch's: one script of hooks, modes and functions, run with both."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine

if importlib.util.find_spec("torch") is None:
    pytest.skip("PyTorch is compared where it is installed (the parity extra)", allow_module_level=True)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch

Library = Any


def leaf(library: Library, *values: float) -> Any:
    return library.tensor(list(values), requires_grad=True)


def plain(value: Any) -> Any:
    """Tensors as lists, so that what two libraries saw can be compared."""
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    return value.detach().tolist() if hasattr(value, "detach") else value


def tensor_hooks(library: Library, seen: list[Any]) -> None:
    x, w = leaf(library, 1.0, 2.0), leaf(library, 3.0, -1.0)
    y = x * w
    y.retain_grad()
    y.register_hook(lambda g: seen.append(("y", plain(g))))
    y.register_hook(lambda g: g * 2)
    x.register_hook(lambda g: seen.append(("x", plain(g))))
    x.register_hook(lambda g: g + 1)
    of_w: list[Any] = []  # which of two leaves comes first is nobody's promise
    w.register_post_accumulate_grad_hook(lambda p: of_w.append(("w", plain(p.grad))))
    x.register_post_accumulate_grad_hook(lambda p: seen.append(("x done", plain(p.grad))))
    ((y * y).sum() + (w * 3).sum() + x.sum()).backward()
    seen.append(
        (of_w, plain(x.grad), plain(w.grad), plain(y.grad), y.retains_grad, x.retains_grad, x.is_leaf, y.is_leaf)
    )
    (g,) = library.autograd.grad((x * w).sum(), x) if library is torch else library.grad((x * w).sum(), x)
    seen.append(plain(g))


def module_hooks(library: Library, seen: list[Any]) -> None:
    layer = library.nn.Linear(2, 2)
    with library.no_grad():
        layer.weight[...] = library.tensor([[1.0, 2.0], [3.0, 4.0]])
        layer.bias[...] = library.tensor([0.5, -0.5])
    model = library.nn.Sequential(layer, library.nn.ReLU())
    layer.register_forward_pre_hook(lambda m, a: seen.append(("pre", plain(a))))
    layer.register_forward_pre_hook(lambda m, a, k: seen.append(("first", plain(a), k)), prepend=True, with_kwargs=True)
    layer.register_forward_hook(lambda m, a, k, out: out * 2, with_kwargs=True)
    layer.register_forward_hook(lambda m, a, out: seen.append(("out", plain(out))))
    layer.register_full_backward_pre_hook(lambda m, g: seen.append(("grads", plain(g))))
    layer.register_full_backward_hook(lambda m, i, o: None if i[0] is None else (i[0] * 3,))
    layer.register_full_backward_hook(lambda m, i, o: seen.append(("back", plain(i), plain(o))))
    model.register_full_backward_hook(lambda m, i, o: seen.append(("whole", plain(i), plain(o))))
    x = library.tensor([[1.0, -1.0]], requires_grad=True)
    model(x).sum().backward()
    seen.append((plain(x.grad), plain(layer.weight.grad), plain(layer.bias.grad)))
    model(x.detach()).sum().backward()  # no argument takes part


def modes(library: Library, seen: list[Any]) -> None:
    x = leaf(library, 1.0)

    def state() -> tuple[bool, bool, bool]:
        return library.is_grad_enabled(), library.is_inference_mode_enabled(), (x * 2).requires_grad

    with library.no_grad():
        seen.append(state())
        with library.enable_grad():
            seen.append(state())
        with library.set_grad_enabled(True):
            seen.append(state())
        seen.append(state())
    with library.inference_mode():
        seen.append(state())
        with library.inference_mode(False):
            seen.append(state())
    library.set_grad_enabled(False)
    seen.append(state())
    library.set_grad_enabled(True)

    @library.set_grad_enabled(False)
    def decorated() -> Any:
        return state()

    seen.append(state())
    seen.append(decorated())


def functions(library: Library, seen: list[Any]) -> None:
    base = torch.autograd.Function if library is torch else engine.Function

    class Two(base):  # type: ignore[misc, valid-type]
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any, factor: float) -> Any:
            out = x * y * factor
            ctx.save_for_backward(x, y, out)
            ctx.factor = factor
            return out, x + y

        @staticmethod
        def backward(ctx: Any, first: Any, second: Any) -> Any:
            x, y, out = ctx.saved_tensors
            seen.append((ctx.needs_input_grad, plain(first), plain(second), plain(out)))
            return first * y * ctx.factor + second, first * x * ctx.factor + second, None

    x, y = leaf(library, 1.0, 2.0), library.tensor([4.0, 5.0])
    out, _ = Two.apply(x, y, 3.0)
    (out * out).sum().backward()
    seen.append(plain(x.grad))
    y.requires_grad_(True)
    grad = torch.autograd.grad if library is torch else engine.grad
    (g,) = grad(Two.apply(x, y, 3.0)[0].sum(), x, create_graph=True)
    seen.append(plain(grad(g.sum(), y)))


@pytest.mark.parametrize("script", [tensor_hooks, module_hooks, modes, functions], ids=lambda f: f.__name__)
def test_the_same_script_sees_the_same(script: Callable[[Library, list[Any]], None]) -> None:
    ours: list[Any] = []
    theirs: list[Any] = []
    script(engine, ours)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script(torch, theirs)
    assert len(ours) == len(theirs), (ours, theirs)
    for mine, other in zip(ours, theirs, strict=True):
        compare(mine, other)


def compare(mine: Any, other: Any) -> None:
    if isinstance(mine, (list, tuple)):
        assert len(mine) == len(other)
        for a, b in zip(mine, other, strict=True):
            compare(a, b)
    elif isinstance(mine, float):
        np.testing.assert_allclose(mine, other, rtol=1e-5)
    else:
        assert mine == other


def test_transformations_give_what_pytorchs_give() -> None:
    random = np.random.default_rng(0)
    x, w, t = (random.standard_normal(s) for s in ((3,), (4, 3), (3,)))

    def run(library: Any, api: Any) -> list[Any]:
        a, b, c = (library.tensor(v) for v in (x, w, t))

        def network(v: Any, weight: Any) -> Any:
            return library.tanh(library.matmul(weight, v))

        def loss(v: Any) -> Any:
            return (network(v, b) ** 3).sum()

        jacobian = api.jacrev if library is torch else api.jacobian
        both = jacobian(network, argnums=(0, 1))(a, b)
        out, pull = api.vjp(lambda v: network(v, b), a)
        hessian = api.hessian(loss)(a)
        product = api.jvp(api.grad(loss), (a,), (c,))[1] if library is torch else api.hvp(loss, (a,), (c,))[1][0]
        return [
            api.grad(loss)(a), *api.grad_and_value(loss)(a), *both, out, *pull(out), hessian, product,
            *api.jvp(lambda v: network(v, b), (a,), (c,)), jacobian(jacobian(lambda v: network(v, b)))(a),
        ]  # fmt: skip

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = run(torch, torch.func)
    for mine, other in zip(run(engine, engine.func), theirs, strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-9, atol=1e-12)


def test_checkpointed_training_follows_pytorchs() -> None:
    from torch.utils.checkpoint import checkpoint

    random = np.random.default_rng(0)
    arrays = [random.standard_normal(s) * 0.3 for s in ((8, 8), (8,), (8, 8), (8,))]
    x = random.standard_normal((4, 8))

    def run(library: Any, call: Callable[..., Any]) -> list[Any]:
        p = [library.tensor(a, requires_grad=True) for a in arrays]
        given = library.tensor(x, requires_grad=True)

        def layer(v: Any, w: Any, b: Any) -> Any:
            return library.tanh(library.matmul(v, w) + b)

        out = call(layer, call(layer, given, p[0], p[1]), p[2], p[3])
        (out**2).sum().backward()
        return [t.grad.numpy() for t in (given, *p)]

    ours = run(engine, engine.checkpoint)
    theirs = run(torch, lambda *a: checkpoint(*a, use_reentrant=False))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12)


def test_the_gradient_scaler_moves_as_pytorchs() -> None:
    def run(library: Any, make: Any, sgd: Any) -> list[Any]:
        w = library.tensor([1.0, 2.0], requires_grad=True)
        optimizer = sgd([w], lr=0.5)
        scaler = make(init_scale=16.0, growth_interval=3)
        seen = []
        for step in range(12):
            assert scaler.scale(library.tensor(1.0)).item() == scaler.get_scale()
            w.grad = library.tensor([float("inf") if step in (2, 7, 8) else 16.0, 32.0])
            if step % 2:
                scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update(5.0 if step == 10 else None)
            seen.append((scaler.get_scale(), plain(w), dict(scaler.state_dict())))
        return seen

    ours = run(engine, engine.GradScaler, engine.optim.SGD)
    theirs = run(torch, lambda **settings: torch.amp.GradScaler("cpu", **settings), torch.optim.SGD)
    assert ours == theirs
