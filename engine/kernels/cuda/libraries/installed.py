"""NVIDIA's libraries: which are here, in which versions, and which of them computes what. None is loaded before it is needed.

cublasLt multiplies matrices (cuBLAS where nvmath-python is missing), cuDNN convolves and attends, NVRTC compiles the sources.
"""

from __future__ import annotations

import ctypes
import glob
import importlib.util
import os
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ....errors import DeviceError
from ..machine import Machine
from .gemm import Gemm

__all__ = ["PARTS", "misfit", "parts", "preload", "prepare", "product_version", "workspaces"]

WORKSPACE = {8: 8 << 20, 9: 32 << 20, 10: 32 << 20}
"""Bytes for cublasLt by the major number of the architecture: what NVIDIA recommends."""

PARTS = (
    ("CuPy", ("cupy-cuda13x", "cupy-cuda12x", "cupy"), "arrays on the GPU"),
    ("nvmath-python", ("nvmath-python",), "products of matrices by cublasLt; cuBLAS through CuPy serves without it"),
    ("cublasLt", ("nvidia-cublas", "nvidia-cublas-cu12"), "products of matrices"),
    ("NVRTC", ("nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12"), "the compiler of the kernels"),
    (
        "CUDA runtime",
        ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu12"),
        "what cuDNN's front end asks about the device",
    ),
    ("cuDNN", ("nvidia-cudnn-cu13", "nvidia-cudnn-cu12"), "convolution and attention"),
    ("cuDNN front end", ("nvidia-cudnn-frontend",), "convolution and attention"),
)
"""What the GPU path is made of: its name, the packages that may bring it, and what it is for."""

KNOWS_RESHAPES, ASKS_FOR_RESHAPES, ASKS_AGAIN = (9, 22), (1, 24), (1, 27)
"""From this cuDNN on a reshape in a graph may say how it is meant; front ends from the second to before the third say it always."""

_products: dict[int, Any] = {}
_engines: dict[int, Any] = {}


def prepare(here: Machine, wanted: Any) -> Callable[..., None] | None:
    """What runs a computation, or None where no library takes it.

    For a Gemm it takes the addresses of A, B, D and the bias, for a graph of cuDNN's those of its tensors. Raises DeviceError where a library is missing.
    """
    if isinstance(wanted, Gemm):
        return _prepare_product(here, wanted)
    if hasattr(wanted, "write"):
        found = _engines.get(id(here))
        if found is None:
            from . import graphs

            found = _engines[id(here)] = graphs.Engines(here, graphs.bindings(), _device_name(here))
        run: Callable[..., None] | None = found.prepare(wanted)
        return run
    raise TypeError(f"no library computes {wanted!r}")


def _prepare_product(here: Machine, wanted: Gemm) -> Callable[..., None] | None:
    from . import blas, lt

    found = _products.get(id(here))
    if found is None:
        found = _products[id(here)] = _open_products(here)
    if isinstance(found, lt.Products):
        run = found.prepare(wanted)
        if run is not None or wanted.epilogue:
            return run
    cublas, handle = _cublas(here)
    return blas.prepare(wanted, cublas, handle)


def workspaces(here: Machine) -> tuple[int, int]:
    """Bytes that cublasLt holds to work in, one piece for each stream, and the most that an engine of cuDNN borrows while it runs."""
    products, engines = _products.get(id(here)), _engines.get(id(here))
    return getattr(products, "held", 0), 0 if engines is None else engines.largest_workspace


def _open_products(here: Machine) -> Any:
    from . import lt

    preload("cublasLt")
    if importlib.util.find_spec("nvmath") is None:
        return "cuBLAS"
    major = int(here.architecture.removeprefix("sm_").rstrip("a")) // 10
    return lt.Products(
        here, lt.bindings(), _device_name(here), WORKSPACE.get(major, 32 << 20 if major > 10 else 8 << 20)
    )


def _cublas(here: Machine) -> tuple[Any, int]:
    try:
        from cupy_backends.cuda.libs import cublas
    except ImportError as problem:
        raise DeviceError(
            f"products of matrices on a GPU need cublasLt or cuBLAS, which did not load ({problem}); "
            "install them with: pip install 'numzoo[gpu]'"
        ) from problem
    return cublas, here.xp.cuda.device.get_cublas_handle()


def _device_name(here: Machine) -> str:
    properties = here.xp.cuda.runtime.getDeviceProperties(here.xp.cuda.Device().id)
    return f"{properties['name'].decode(errors='replace')} {here.architecture}"


@cache
def preload(part: str) -> str | None:
    """Load a library of a wheel so that others find it under its name; gives its path, or None where there is no such wheel."""
    pattern = {
        "cublasLt": "cu1*/lib/libcublasLt.so.1*",
        "CUDA runtime": "cu1*/lib/libcudart.so.1*",
        "cuDNN": "cudnn/lib/libcudnn.so.9",
    }[part]
    older = {"cublasLt": "cublas/lib/libcublasLt.so.1*", "CUDA runtime": "cuda_runtime/lib/libcudart.so.1*"}.get(part)
    path: str
    for path in [*_in_wheels(pattern), *(_in_wheels(older) if older else ())]:
        try:
            ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return path
    return None


def _in_wheels(pattern: str) -> Iterator[str]:
    package = importlib.util.find_spec("nvidia")
    for folder in (package.submodule_search_locations or ()) if package else ():
        yield from sorted(glob.glob(os.path.join(folder, pattern)), reverse=True)


def product_version(packages: tuple[str, ...]) -> str | None:
    """The version of the first of these packages that is installed."""
    for name in packages:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None


def misfit(cudnn: str | None, front_end: str | None) -> tuple[str, str] | None:
    """What is lacking where this front end drives this cuDNN, and what to install; None where they fit."""
    if cudnn is None or front_end is None:
        return None
    driven, driver = _numbers(cudnn), _numbers(front_end)
    if driven >= KNOWS_RESHAPES or not ASKS_FOR_RESHAPES <= driver < ASKS_AGAIN:
        return None
    return (
        f"cuDNN's front end {front_end} writes the gradients of attention as only cuDNN 9.22 and newer read them, and this one is {cudnn}: "
        "attention holds its scores in training, more slowly",
        "python -m pip install nvidia-cudnn-frontend==1.23.0",
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def parts() -> Iterator[tuple[str, str | None, str]]:
    """Each part of the GPU path, its version (None where no package brings it), and what it is for."""
    for name, packages, purpose in PARTS:
        yield name, product_version(packages), purpose
