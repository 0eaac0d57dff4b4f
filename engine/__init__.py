"""The engine: tensors, gradients, layers and optimisers, on NumPy and CuPy arrays. It knows no model and no file format.

>>> from numzoo import engine
>>> x = engine.tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad.tolist()
[2.0, 4.0, 6.0]
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from . import device, dtype, errors, modes
from .device import CPU, Device, set_threads
from .dtype import (
    bfloat16,
    bool_,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    promote,
    result_type,
    uint8,
)  # fmt: skip
from .errors import (
    ArgumentError,
    CaptureError,
    DeviceError,
    DtypeError,
    EngineError,
    ExchangeError,
    GradientError,
    MatrixError,
    OutOfMemoryError,
    SettingError,
    ShapeError,
    StateError,
)  # fmt: skip
from .gradient import backward, grad
from .modes import (
    are_deterministic_algorithms_enabled,
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    precision,
    set_grad_enabled,
    use_deterministic_algorithms,
)
from .op import Op, elementwise, floating, op
from .ops import *  # noqa: F403 - listed once, in ops.__all__
from .random import Generator, bernoulli, manual_seed, normal, rand, randint, randn, randperm, uniform
from .sampling import exponential, multinomial, poisson, rand_like, randint_like, randn_like
from .tensor import Tensor, tensor

if TYPE_CHECKING:
    from . import check, cuda, data, distributions, fft, func, linalg, nn, ops, optim, special, train
    from .cuda.graphs import capture
    from .debug import graph
    from .debug.anomaly import detect_anomaly
    from .debug.profiler import profile
    from .exchange import from_dlpack
    from .function import Function
    from .optim import GradScaler
    from .recompute import checkpoint, checkpoint_sequential

__all__ = [
    "CPU",
    "ArgumentError",
    "CaptureError",
    "Device",
    "DeviceError",
    "DtypeError",
    "EngineError",
    "ExchangeError",
    "Function",
    "Generator",
    "GradScaler",
    "GradientError",
    "MatrixError",
    "Op",
    "OutOfMemoryError",
    "SettingError",
    "ShapeError",
    "StateError",
    "Tensor",
    "are_deterministic_algorithms_enabled",
    "backward",
    "bernoulli",
    "bfloat16",
    "bool_",
    "capture",
    "check",
    "checkpoint",
    "checkpoint_sequential",
    "complex64",
    "complex128",
    "cuda",
    "data",
    "detect_anomaly",
    "device",
    "distributions",
    "dtype",
    "elementwise",
    "enable_grad",
    "errors",
    "exponential",
    "fft",
    "float16",
    "float32",
    "float64",
    "floating",
    "from_dlpack",
    "func",
    "grad",
    "graph",
    "inference_mode",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "linalg",
    "manual_seed",
    "modes",
    "multinomial",
    "nn",
    "no_grad",
    "normal",
    "op",
    "ops",
    "optim",
    "poisson",
    "precision",
    "profile",
    "promote",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "result_type",
    "set_grad_enabled",
    "set_threads",
    "special",
    "tensor",
    "train",
    "uint8",
    "uniform",
    "use_deterministic_algorithms",
]
__all__ += ops.__all__

_LAZY = ("check", "cuda", "data", "distributions", "fft", "func", "linalg", "nn", "optim", "special", "train")
_LAZY_NAMES = {
    "Function": "function",
    "GradScaler": "optim",
    "capture": "cuda.graphs",
    "checkpoint": "recompute",
    "checkpoint_sequential": "recompute",
    "detect_anomaly": "debug.anomaly",
    "from_dlpack": "exchange",
    "graph": "debug",
    "profile": "debug.profiler",
}
"""Names, and the files that they are fetched from when they are first asked for."""


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _LAZY_NAMES:
        module = importlib.import_module(f"{__name__}.{_LAZY_NAMES[name]}")
        value = getattr(module, name, None) or importlib.import_module(f"{module.__name__}.{name}")
        globals()[name] = value
        return value
    return importlib.import_module(f"{__name__}.familiar").find(name, sys.modules[__name__])


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *_LAZY_NAMES})
