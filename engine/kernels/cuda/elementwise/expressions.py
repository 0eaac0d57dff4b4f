"""What elementwise kernels compute: for each operation an expression in CUDA C++ over a, b, c, d and the settings s, t, u, v.

W is the type that is computed in: float, for float64 double, for whole numbers their own. The functions are in ``functions.cuh``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from ....dtype import Array, Dtype
from ....ops.elementwise.arithmetic import _limit

__all__ = ["EXPRESSIONS", "Expression"]

Settings = Callable[[tuple[Array, ...], dict[str, Any]], "tuple[float, ...] | None"]


@dataclass(frozen=True)
class Expression:
    """An expression for floating-point numbers, and the ones for whole numbers and for booleans if it serves these."""

    floats: str = ""
    whole: str = ""
    booleans: str = ""
    asks: bool = False
    """Whether the results are booleans."""
    settings: Settings | str = ""
    """Names of settings that are numbers, or a function that gives them; None for what the body is to serve or to refuse."""
    masks: tuple[int, ...] = ()
    """Operands that count as true or false, whatever their dtype."""
    wide: bool = False
    """Whether settings are rounded to the type that is computed in, not to the operands'."""

    def text(self, dtype: Dtype) -> str:
        """The expression for operands of a dtype; empty if there is none."""
        return {"f": self.floats, "V": self.floats, "i": self.whole, "u": self.whole, "b": self.booleans}.get(
            dtype.kind, ""
        )


def _f(text: str, settings: Settings | str = "", **more: Any) -> Expression:
    return Expression(text, settings=settings, **more)


def _asks(floats: str, whole: str | None = None, booleans: str | None = None) -> Expression:
    whole = floats if whole is None else whole
    return Expression(floats, whole, whole if booleans is None else booleans, asks=True)


def _clip(arrays: tuple[Array, ...], settings: dict[str, Any]) -> tuple[float, ...] | None:
    dtype = arrays[0].dtype
    low, high = settings.get("low"), settings.get("high")
    if low is None and high is None:
        return None
    low, high = _limit(low, dtype), _limit(high, dtype)
    if dtype.kind in "iu":
        if float in (type(low), type(high)):
            return None
        ends = np.iinfo(dtype)
        return int(ends.min) if low is None else low, int(ends.max) if high is None else high
    return -math.inf if low is None else low, math.inf if high is None else high


def _elu(arrays: tuple[Array, ...], settings: dict[str, Any]) -> tuple[float, ...]:
    alpha, scale, stretch = settings.get("alpha", 1.0), settings.get("scale", 1.0), settings.get("stretch", 1.0)
    return alpha * scale, scale, stretch, alpha * scale * stretch


def _nan_to_num(arrays: tuple[Array, ...], settings: dict[str, Any]) -> tuple[float, ...]:
    finfo: Any = ml_dtypes.finfo
    ends = finfo(arrays[0].dtype)
    high, low = settings.get("posinf"), settings.get("neginf")
    return settings.get("nan", 0.0), float(ends.max) if high is None else high, float(ends.min) if low is None else low


def _value(arrays: tuple[Array, ...], settings: dict[str, Any]) -> tuple[float, ...] | None:
    value = settings.get("value", 1)
    if type(value) not in (int, float) or (arrays[0].dtype.kind in "iu" and type(value) is not int):
        return None
    return (value,)


def _close(arrays: tuple[Array, ...], settings: dict[str, Any]) -> tuple[float, ...] | None:
    relative, absolute = settings.get("rtol", 1e-5), settings.get("atol", 1e-8)
    if not (relative >= 0 and absolute >= 0):
        return None
    return relative, absolute, float(bool(settings.get("equal_nan", False)))


def _rounded(arrays: tuple[Array, ...], settings: dict[str, Any]) -> tuple[float, ...] | None:
    return None if settings.get("decimals") else ()


def _logit(arrays: tuple[Array, ...], settings: dict[str, Any]) -> tuple[float, ...]:
    eps = settings.get("eps")
    return (-math.inf, math.inf) if eps is None else (eps, 1 - eps)


def _scale(arrays: tuple[Array, ...], settings: dict[str, Any]) -> tuple[float, ...] | None:
    return (settings["scale"],) if arrays[1].dtype.kind == "b" else None


def _nonzero(arrays: tuple[Array, ...], settings: dict[str, Any]) -> tuple[float, ...] | None:
    """Whole numbers are divided by a number of the host that is not 0; what else there is the body must look at."""
    divisor = arrays[1]
    return () if divisor.dtype.kind not in "iub" or (isinstance(divisor, np.ndarray) and divisor != 0) else None


def _power(arrays: tuple[Array, ...], settings: dict[str, Any]) -> tuple[float, ...] | None:
    power = arrays[1]
    return () if power.dtype.kind in "fVu" or (isinstance(power, np.ndarray) and power >= 0) else None


EXPRESSIONS: dict[str, Expression] = {
    # ---- arithmetic
    "add": Expression("a + b", "a + b", "a || b"),
    "sub": Expression("a - b", "a - b"),
    "mul": Expression("a * b", "a * b", "a && b"),
    "div": _f("a / b"),
    "pow": Expression("b == W(2) ? a * a : pow_of(a, b)", "whole_power<W>(a, b)", settings=_power),
    "neg": Expression("-a", "-a"),
    "abs": Expression("fabs_of(a)", "a < 0 ? -a : a", "a"),
    "sign": Expression("a != a ? a : W(a > W(0)) - W(a < W(0))", "(a > 0) - (a < 0)", "a"),
    "maximum": Expression("greater(a, b)", "a > b ? a : b", "a || b"),
    "minimum": Expression("lesser(a, b)", "a < b ? a : b", "a && b"),
    "fmax": Expression("fmax_of(a, b)", "a > b ? a : b", "a || b"),
    "fmin": Expression("fmin_of(a, b)", "a < b ? a : b", "a && b"),
    "clip": Expression("lesser(greater(a, W(s)), W(t))", "a < s ? s : (a > t ? t : a)", settings=_clip),
    "floor_divide": Expression("floor_quotient(a, b)", "whole_quotient<W>(a, b)", settings=_nonzero),
    "div_floor": Expression("floor_quotient(a, b)", "whole_quotient<W>(a, b)", settings=_nonzero),
    "div_trunc": Expression("trunc_of(a / b)"),
    "remainder": Expression("rest_of(a, b)", "whole_rest<W>(a, b)", settings=_nonzero),
    "fmod": Expression("fmod_of(a, b)"),
    "reciprocal": _f("W(1) / a"),
    "either": Expression("a ? b : c", "a ? b : c", "a ? b : c", masks=(0,)),
    "clamp_between": Expression("lesser(greater(a, b), c)", "a < b ? (b > c ? c : b) : (a > c ? c : a)"),
    "clamp_min": Expression("greater(a, b)", "a > b ? a : b"),
    "clamp_max": Expression("lesser(a, b)", "a < b ? a : b"),
    "addcmul": Expression("a + b * c * W(s)", "a + b * c * s", settings=_value),
    "addcdiv": Expression("a + b / c * W(s)", settings=_value),
    "lerp": _f("lerp_of(a, b, c)"),
    # ---- elementary functions
    **{
        name: _f(f"{function}_of(a)")
        for name, function in (
            ("exp", "exp"), ("exp2", "exp2"), ("expm1", "expm1"), ("log", "log"), ("log2", "log2"), ("log10", "log10"), ("log1p", "log1p"),
            ("sqrt", "sqrt"), ("sin", "sin"), ("cos", "cos"), ("tan", "tan"), ("asin", "asin"), ("acos", "acos"), ("atan", "atan"),
            ("sinh", "sinh"), ("cosh", "cosh"), ("tanh", "tanh"), ("asinh", "asinh"), ("acosh", "acosh"), ("atanh", "atanh"),
            ("erf", "erf"), ("erfc", "erfc"), ("lgamma", "lgamma"), ("sigmoid", "sigmoid"), ("sinc", "sinc"),
            ("floor", "floor"), ("ceil", "ceil"), ("trunc", "trunc"),
        )
    },
    "round": _f("rint_of(a)", _rounded),
    "rsqrt": _f("W(1) / sqrt_of(a)"),
    "frac": _f("a - trunc_of(a)"),
    "deg2rad": _f("a * W(0.017453292519943295)"),
    "rad2deg": _f("a * W(57.29577951308232)"),
    "atan2": _f("atan2_of(a, b)"),
    "hypot": _f("hypot_of(a, b)"),
    "copysign": _f("copysign_of(a, b)"),
    "heaviside": Expression("a == W(0) ? b : W(a > W(0))", "a == 0 ? b : W(a > 0)"),
    "logaddexp": _f("logaddexp_of(a, b)"),
    "logaddexp2": _f("logaddexp2_of(a, b)"),
    "xlogy": _f("xlogy_of(a, b)"),
    "logit": _f("logit_of(lesser(greater(a, W(s)), W(t)))", _logit),
    "nan_to_num": _f("a != a ? W(s) : (is_finite(a) ? a : (a > W(0) ? W(t) : W(u)))", _nan_to_num),
    # ---- questions
    "eq": _asks("a == b"),
    "ne": _asks("a != b"),
    "lt": _asks("a < b"),
    "le": _asks("a <= b"),
    "gt": _asks("a > b"),
    "ge": _asks("a >= b"),
    "logical_and": _asks("a != W(0) && b != W(0)", "a && b"),
    "logical_or": _asks("a != W(0) || b != W(0)", "a || b"),
    "logical_xor": _asks("(a != W(0)) != (b != W(0))", "!a != !b"),
    "logical_not": _asks("a == W(0)", "!a"),
    "isnan": _asks("a != a", "false"),
    "isfinite": _asks("is_finite(a)", "true"),
    "isinf": _asks("is_infinite(a)", "false"),
    "isposinf": _asks("is_infinite(a) && a > W(0)", "false"),
    "isneginf": _asks("is_infinite(a) && a < W(0)", "false"),
    "signbit": Expression("sign_of(a)", "a < 0", asks=True),
    "isclose": Expression("close_to(a, b, W(s), W(t), u != 0)", asks=True, settings=_close, wide=True),
    "bitwise_and": Expression("", "a & b", "a && b"),
    "bitwise_or": Expression("", "a | b", "a || b"),
    "bitwise_xor": Expression("", "a ^ b", "a != b"),
    "bitwise_not": Expression("", "~a", "!a"),
    "bitwise_left_shift": Expression("", "shifted_up<W>(a, b)"),
    "bitwise_right_shift": Expression("", "shifted_down<W>(a, b)"),
    # ---- activations, and what flows back through them (first the flow, then what the rule keeps)
    "relu": _f("greater(a, W(0))"),
    "relu_input": _f("b > W(0) ? a : W(0)"),
    "tanh_input": _f("a * (W(1) - b * b)"),
    "sigmoid_input": _f("a * b * (W(1) - b)"),
    "gelu": _f("W(0.5) * a * (erf_of(a * W(0.7071067811865476)) + W(1))"),
    "gelu_input": _f("a * gelu_slope(b)"),
    "gelu_tanh": _f("gelu_tanh_of(a)"),
    "gelu_tanh_input": _f("a * gelu_tanh_slope(b)"),
    "silu": _f("a * sigmoid_of(a)"),
    "silu_input": _f("a * silu_slope(b)"),
    "hardswish": _f("a * hardsigmoid_of(a)"),
    "hardswish_input": _f("a * hardswish_slope(b)"),
    "hardsigmoid": _f("hardsigmoid_of(a)"),
    "hardsigmoid_input": _f("a * W(fabs_of(b) < W(3)) * W(1.0 / 6)"),
    "softplus": _f("a * W(s) > W(t) ? a : softplus_of(a * W(s)) / W(s)", "beta threshold"),
    "softplus_input": _f("b * W(s) > W(t) ? a : a * sigmoid_of(b * W(s))", "beta threshold"),
    "softsign": _f("a / (fabs_of(a) + W(1))"),
    "softsign_input": _f("a / ((fabs_of(b) + W(1)) * (fabs_of(b) + W(1)))"),
    "logsigmoid": _f("lesser(a, W(0)) - log1p_of(exp_of(-fabs_of(a)))"),
    "logsigmoid_input": _f("a * sigmoid_of(-b)"),
    "mish": _f("a * tanh_of(softplus_of(a))"),
    "mish_input": _f("a * mish_slope(b)"),
    "leaky_relu": _f("greater(a, W(0)) + lesser(a, W(0)) * W(s)", "negative_slope"),
    "leaky_relu_input": _f("a * (b > W(0) ? W(1) : W(s))", "negative_slope"),
    "prelu": _f("greater(a, W(0)) + lesser(a, W(0)) * b"),
    "elu": _f("greater(a, W(0)) * W(t) + expm1_of(lesser(a, W(0)) * W(u)) * W(s)", _elu),
    "elu_input": _f("a * (exp_of(lesser(b, W(0)) * W(u)) * W(v) + W(b > W(0)) * (W(t) - W(v)))", _elu),
    "hardtanh": _f("lesser(greater(a, W(s)), W(t))", "low high"),
    "hardtanh_input": _f("b > W(s) && b < W(t) ? a : W(0)", "low high"),
    "hardshrink": _f("a * W(!(fabs_of(a) <= W(s)))", "width"),
    "softshrink": _f("a - lesser(greater(a, -W(s)), W(s))", "width"),
    "shrink_input": _f("a * W(!(fabs_of(b) <= W(s)))", "width"),
    "threshold": _f("a <= W(s) ? W(t) : a", "least value"),
    "threshold_input": _f("a * W(!(b <= W(s)))", "least"),
    "drop": _f("a * W(b) * W(s)", _scale, masks=(1,), wide=True),
    # ---- the parts of losses
    "squared_error": _f("(a - b) * (a - b)"),
    "huber_error": _f("huber_of(a - b, W(s))", "delta"),
    "logistic_loss": _f("log1p_of(exp_of(-fabs_of(a))) - lesser(a, W(0))"),
    "bernoulli_nll": _f("(b - W(1)) * greater(log1p_of(-a), W(-100)) - b * greater(log_of(a), W(-100))"),
}  # fmt: skip
"""Operations by name; what an expression does not serve goes to the body."""
