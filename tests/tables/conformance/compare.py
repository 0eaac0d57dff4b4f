"""Comparing a computation with PyTorch's: values, first and second gradients."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from numzoo import engine

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch


def ours(array: Any, requires_grad: bool = False) -> engine.Tensor:
    return engine.Tensor(np.asarray(array), requires_grad=requires_grad)  # the memory as it lies, gaps and all


def theirs(array: Any, requires_grad: bool = False) -> Any:
    return torch.tensor(np.asarray(array), requires_grad=requires_grad)


def close(given: Any, wanted: Any, tolerance: float = 1e-9, note: str = "") -> None:
    given = given.numpy() if isinstance(given, engine.Tensor) else np.asarray(given)
    wanted = wanted.numpy(force=True)
    assert given.shape == wanted.shape, note
    assert str(given.dtype) == str(wanted.dtype), note
    np.testing.assert_allclose(given, wanted, rtol=tolerance, atol=tolerance, err_msg=note)


def agree(
    call: Callable[..., Any],
    reference: Callable[..., Any],
    *arrays: Any,
    tolerance: float = 1e-9,
    second: bool = False,
    gradient: bool = True,
) -> None:
    """Values, first gradients of every floating input and, if asked, second ones, equal to the reference's."""
    for what, given, wanted in compared(call, reference, *arrays, second=second, gradient=gradient):
        close(given, wanted, tolerance * (10 if what == "second gradient" else 1), what)


def compared(
    call: Callable[..., Any], reference: Callable[..., Any], *arrays: Any, second: bool = False, gradient: bool = True
) -> Iterator[tuple[str, Any, Any]]:
    """What is to be equal: "value", "gradient" or "second gradient", ours and the reference's."""
    a = [_given(ours, x, gradient) for x in arrays]
    b = [_given(theirs, x, gradient) for x in arrays]
    left, right = call(*a), reference(*b)
    lefts = list(left) if isinstance(left, (tuple, list)) else [left]
    rights = list(right) if isinstance(right, (tuple, list)) else [right]
    assert len(lefts) == len(rights)
    for x, y in zip(lefts, rights, strict=True):
        yield "value", x, y
    mine, other = _projected(lefts, rights, second)
    if mine is None:
        return
    wanted = [t for t in a if isinstance(t, engine.Tensor) and t.requires_grad]
    asked = [t for t in b if isinstance(t, torch.Tensor) and t.requires_grad]
    grads = engine.grad(mine, wanted, create_graph=second, allow_unused=True)
    references = torch.autograd.grad(other, asked, create_graph=second, allow_unused=True)
    yield from _both("gradient", grads, references)
    if not second:
        return
    pairs = [
        (g, r) for g, r in zip(grads, references, strict=True) if g is not None and r is not None and r.requires_grad
    ]
    if not pairs:
        assert not any(g is not None and g.requires_grad and g.numpy().any() for g in grads)
        return
    pairs = [
        (engine.view_as_real(g), torch.view_as_real(r.resolve_conj())) if r.is_complex() else (g, r) for g, r in pairs
    ]
    mine = sum(((g * g).sum() for g, _ in pairs), start=ours(0.0))
    other = sum(((r * r).sum() for _, r in pairs), start=theirs(0.0))
    grads = engine.grad(mine, wanted, allow_unused=True)
    references = torch.autograd.grad(other, asked, allow_unused=True)
    yield from _both("second gradient", grads, references)


def _projected(lefts: list[Any], rights: list[Any], second: bool) -> tuple[Any, Any]:
    """One number made of all results by fixed random weights, ours and the reference's; None where nothing has a gradient."""
    generator = np.random.default_rng(9)
    mine: Any = None
    other: Any = None
    for x, y in zip(lefts, rights, strict=True):
        if not y.requires_grad:
            assert not x.requires_grad
            continue
        if y.is_complex():
            x, y = engine.view_as_real(x), torch.view_as_real(y.resolve_conj())
        weights = generator.standard_normal(tuple(x.shape)).astype(x.dtype)
        # Squared where second gradients are wanted, so that linear functions have some too.
        x, y = (x * x, y * y) if second else (x, y)
        part, counterpart = (x * ours(weights)).sum(), (y * theirs(weights)).sum()
        mine = part if mine is None else mine + part
        other = counterpart if other is None else other + counterpart
    return mine, other


def _both(what: str, grads: Any, references: Any) -> Iterator[tuple[str, Any, Any]]:
    """Gradients side by side; one that is missing on one side is zero on the other."""
    for g, r in zip(grads, references, strict=True):
        if r is None or g is None:
            assert r is None or not r.any()
            assert g is None or not g.numpy().any()
        else:
            yield what, g, r


def _given(make: Callable[..., Any], value: Any, gradient: bool) -> Any:
    """An array as a tensor; anything else as it is."""
    if not isinstance(value, (np.ndarray, np.generic)):
        return value
    return make(value, gradient and np.asarray(value).dtype.kind in "fc")
