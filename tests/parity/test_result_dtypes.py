"""The dtypes and values of results for integers, booleans and operands of two dtypes beside PyTorch's."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

from numzoo import engine

if importlib.util.find_spec("torch") is None:
    pytest.skip("dtypes are compared with PyTorch where torch is installed (the parity extra)", allow_module_level=True)

from conformance.compare import torch

KINDS = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")
FIRST = np.array([1, 0, 2, 3, 1.0])
SECOND = np.array([1, 3, 1, 2, 2.0])
ONE = (
    "abs neg sign square reciprocal exp exp2 expm1 log log1p log2 log10 sqrt rsqrt sin cos tan asin acos atan sinh cosh asinh acosh "
    "atanh tanh sigmoid sinc deg2rad rad2deg erf erfc erfinv lgamma digamma floor ceil round trunc frac nan_to_num isnan isinf isfinite "
    "isposinf isneginf signbit logical_not logit positive sum prod mean amax amin argmax argmin all any count_nonzero nansum nanmean "
    "std var norm median nanmedian aminmax unique unique_consecutive bincount histc msort diff"
)
ALONG = ["cumsum", "cumprod", "logcumsumexp", "cummax", "cummin", "logsumexp", "max", "min", "sort", "argsort"]
TWO = (
    "add sub mul div pow floor_divide remainder fmod maximum minimum fmax fmin atan2 hypot copysign logaddexp logaddexp2 xlogy eq lt "
    "logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift float_power"
)


def outcome(call: Any) -> list[Any] | None:
    """The results of a call; None where it is refused."""
    try:
        result = call()
    except (RuntimeError, NotImplementedError, TypeError, ValueError, IndexError):
        return None
    return list(result) if isinstance(result, (tuple, list)) else [result]


def as_pytorchs(ours: Any, theirs: Any, what: Any) -> bool:
    """Compare where PyTorch has an answer; whether it has one. Ours may take more."""
    wanted = outcome(theirs)
    if wanted is None:
        return False
    given = outcome(ours)
    assert given is not None, what
    for x, y in zip(given, wanted, strict=True):
        assert str(x.dtype) == str(y.dtype).removeprefix("torch."), what
        assert tuple(x.shape) == tuple(y.shape), what
        np.testing.assert_allclose(x.numpy().astype(float), y.double().numpy(), 2e-2, 1e-2, err_msg=str(what))
    return True


def mine(values: Any, kind: str) -> Any:
    return engine.tensor(values.astype(engine.dtype.as_dtype(kind)))


def other(values: Any, kind: str) -> Any:
    return torch.tensor(values.astype(np.float32)).to(getattr(torch, kind))


@pytest.mark.parametrize("name", ONE.split() + ALONG)
def test_a_result_has_pytorchs_dtype(name: str) -> None:
    axis = (0,) if name in ALONG else ()
    order = {"sort": FIRST, "argsort": FIRST}
    values = np.array([4, 0, 2, 3, 1.0]) if name in order else FIRST
    compared = [
        as_pytorchs(
            lambda: getattr(engine, name)(mine(values, kind), *axis),  # noqa: B023
            lambda: getattr(torch, name)(other(values, kind), *axis),  # noqa: B023
            kind,
        )
        for kind in KINDS
        if not (name in order and kind == "bool")
        and not (name in ("any", "all") and kind == "uint8")  # kept for old programs there
    ]
    assert any(compared)


@pytest.mark.parametrize("name", TWO.split())
def test_two_operands_make_pytorchs_dtype(name: str) -> None:
    compared = []
    for first in KINDS:
        for second in KINDS:
            compared.append(
                as_pytorchs(
                    lambda: getattr(engine, name)(mine(FIRST, first), mine(SECOND, second)),  # noqa: B023
                    lambda: getattr(torch, name)(other(FIRST, first), other(SECOND, second)),  # noqa: B023
                    (first, second),
                )
            )
        for number in (2, 1.5, True):
            compared.append(
                as_pytorchs(
                    lambda: getattr(engine, name)(mine(FIRST, first), number),  # noqa: B023
                    lambda: getattr(torch, name)(other(FIRST, first), number),  # noqa: B023
                    (first, number),
                )
            )
    assert any(compared)


@pytest.mark.parametrize("mode", ["trunc", "floor"])
@pytest.mark.parametrize("kind", ["uint8", "int8", "int32", "int64", "float32"])
def test_rounded_quotients_of_every_sign_are_pytorchs(mode: str, kind: str) -> None:
    x, y = (np.array(v) for v in np.meshgrid(np.arange(-7, 8), [-3, -2, -1, 1, 2, 3, 7]))
    x, y = (np.abs(v) if kind == "uint8" else v for v in (x, y))
    assert as_pytorchs(
        lambda: engine.div(mine(x, kind), mine(y, kind), rounding_mode=mode),
        lambda: torch.div(other(x, kind), other(y, kind), rounding_mode=mode),
        kind,
    )


@pytest.mark.parametrize("name", ["sum", "prod", "cumsum", "cumprod", "nansum"])
@pytest.mark.parametrize("dtype", ["int8", "int32", "float32", "float64", "bool", None])
def test_the_dtype_that_is_asked_for_is_pytorchs(name: str, dtype: str | None) -> None:
    axis = (0,) if name.startswith("cum") else ()
    for kind in KINDS:
        if name == "nansum" and dtype in ("bool", "int8", "int32"):
            continue  # theirs refuses
        as_pytorchs(
            lambda: getattr(engine, name)(mine(FIRST, kind), *axis, dtype=dtype),  # noqa: B023
            lambda: getattr(torch, name)(other(FIRST, kind), *axis, dtype=dtype and getattr(torch, dtype)),  # noqa: B023
            kind,
        )


@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "nearest", "midpoint"])
def test_quantiles_at_every_rank_and_between_are_pytorchs(interpolation: str) -> None:
    x = np.random.default_rng(3).standard_normal((3, 9))
    shares = np.linspace(0, 1, 17)
    for dtype in (np.float32, np.float64):
        given = engine.quantile(
            engine.tensor(x.astype(dtype)), shares.astype(dtype), dim=1, interpolation=interpolation
        )
        wanted = torch.quantile(
            torch.tensor(x.astype(dtype)), torch.tensor(shares.astype(dtype)), dim=1, interpolation=interpolation
        )
        np.testing.assert_allclose(given.numpy(), wanted.numpy(), 1e-6, 1e-6)
