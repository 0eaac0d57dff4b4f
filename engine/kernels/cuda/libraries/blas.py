"""Products of matrices by cuBLAS through CuPy's bindings: what serves where nvmath-python is not installed."""

from __future__ import annotations

from typing import Any

import numpy as np

from .gemm import Gemm
from .lt import COMPUTE, COMPUTE_TF32, KINDS, SCALES, Run

__all__ = ["prepare"]

DEFAULT_ALGORITHM = -1
MOST = 2**31 - 1
"""cuBLAS counts rows and columns in 32 bits."""


def prepare(gemm: Gemm, cublas: Any, handle: int) -> Run | None:
    """What computes a product, or None where cuBLAS does not take it. It runs on CuPy's current stream."""
    if gemm.epilogue or max(gemm.rows, gemm.columns, gemm.inner, *gemm.leading, gemm.batch) > MOST:
        return None
    scale = SCALES.get(gemm.dtype, gemm.dtype)
    compute = COMPUTE_TF32 if gemm.tf32 and gemm.dtype in ("float32", "complex64") else COMPUTE[gemm.dtype]
    number = np.dtype(scale).type
    numbers = np.array([number(gemm.scale), number(1 if gemm.accumulates else 0)], scale)
    alpha = numbers.ctypes.data
    beta = alpha + numbers.itemsize
    kind, result = KINDS[gemm.dtype], KINDS[gemm.result]
    sizes = (int(gemm.turned[0]), int(gemm.turned[1]), gemm.rows, gemm.columns, gemm.inner)
    (lead_a, lead_b, lead_d), (step_a, step_b, step_d) = gemm.leading, gemm.steps

    def run(a: int, b: int, d: int, bias: int) -> None:
        # fmt: off
        cublas.gemmEx(
            handle, *sizes, alpha, a, kind, lead_a, b, kind, lead_b, beta, d, result, lead_d, compute, DEFAULT_ALGORITHM
        )
        # fmt: on

    def run_batch(a: int, b: int, d: int, bias: int) -> None:
        # fmt: off
        cublas.gemmStridedBatchedEx(
            handle, *sizes, alpha, a, kind, lead_a, step_a, b, kind, lead_b, step_b, beta, d, result, lead_d, step_d, gemm.batch,
            compute, DEFAULT_ALGORITHM,
        )
        # fmt: on

    chosen = run if gemm.batch == 1 else run_batch
    chosen.held = numbers  # type: ignore[attr-defined]
    return chosen
