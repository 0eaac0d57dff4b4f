"""What NVIDIA's libraries compute, on a CPU and from their own words: for tests of what they are asked.

A product follows the definition of ``cublasLtMatmul``: matrices stored by columns, leading sizes, steps from matrix to
matrix. A convolution's arrays have channels side by side. All read and write the memory at the addresses that they are
given, so what is asked wrongly computes wrongly.
"""

from __future__ import annotations

import ctypes
from typing import Any

import ml_dtypes
import numpy as np

from numzoo.engine.kernels.cuda.attention.graph import Attention, Laid
from numzoo.engine.kernels.cuda.images.convolution import Convolution
from numzoo.engine.kernels.cuda.libraries.gemm import Gemm
from numzoo.engine.ops.images import convolution as bodies

EPILOGUES = {"", "bias", "relu", "bias relu", "gelu", "bias gelu"}
ASKED: list[Any] = []
"""Everything that was prepared, in order."""


def prepare(wanted: Any) -> Any:
    """What computes it from addresses."""
    ASKED.append(wanted)
    if isinstance(wanted, Gemm):
        return prepare_product(wanted)
    if isinstance(wanted, Convolution):
        return prepare_convolution(wanted)
    if isinstance(wanted, Attention):
        return prepare_attention(wanted)
    raise TypeError(f"no library computes {wanted!r}")


def at(address: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: Any) -> Any:
    """The array of ``shape`` at an address; strides are in elements."""
    kind = np.dtype(dtype)
    span = 1 + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    raw = (ctypes.c_char * (span * kind.itemsize)).from_address(address)
    flat = np.frombuffer(raw, kind)
    return np.lib.stride_tricks.as_strided(flat, shape, tuple(step * kind.itemsize for step in strides))


def named(dtype: str) -> Any:
    """A dtype by name."""
    return np.dtype(getattr(ml_dtypes, dtype, dtype))


def prepare_product(gemm: Gemm) -> Any:
    """A product of matrices as cublasLt defines it."""
    stored_a = (gemm.inner, gemm.rows) if gemm.turned[0] else (gemm.rows, gemm.inner)
    stored_b = (gemm.columns, gemm.inner) if gemm.turned[1] else (gemm.inner, gemm.columns)
    for rows, leading in zip((stored_a[0], stored_b[0], gemm.rows), gemm.leading, strict=True):
        assert leading >= max(rows, 1), f"cublasLt refuses a leading size of {leading} for {rows} rows"
    assert gemm.epilogue in EPILOGUES
    assert gemm.alignment in (1, 2, 4, 8, 16, 32, 64, 128, 256)
    spans = gemm.leading[2] * (gemm.columns - 1) + gemm.rows
    beside = gemm.steps[2] >= gemm.rows and gemm.leading[2] >= gemm.steps[2] * (gemm.batch - 1) + gemm.rows
    assert gemm.batch == 1 or gemm.steps[2] >= spans or beside, "results overlap"
    kind, result = named(gemm.dtype), named(gemm.result)
    wide = np.dtype(np.float32) if kind.itemsize < 4 else kind

    def run(a: int, b: int, d: int, bias: int) -> None:
        for address in (a, b, d):
            assert not address % gemm.alignment, f"{address} is no multiple of {gemm.alignment}"

        def matrices(address: int, shape: tuple[int, int], place: int, dtype: Any) -> Any:
            return at(address, (gemm.batch, *shape), (gemm.steps[place], 1, gemm.leading[place]), dtype)

        left, right = matrices(a, stored_a, 0, kind).astype(wide), matrices(b, stored_b, 1, kind).astype(wide)
        left = left.swapaxes(1, 2) if gemm.turned[0] else left
        right = right.swapaxes(1, 2) if gemm.turned[1] else right
        out = matrices(d, (gemm.rows, gemm.columns), 2, result)
        made = wide.type(gemm.scale) * (left @ right)
        if gemm.accumulates:
            made = made + out.astype(wide)
        if "bias" in gemm.epilogue:
            assert bias
            assert not bias % 16
            made = made + at(bias, (gemm.rows, 1), (1, 0), result).astype(wide)
        if "relu" in gemm.epilogue:
            made = np.maximum(made, 0)
        if "gelu" in gemm.epilogue:
            made = made * 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (made + 0.044715 * made**3)))
        out[...] = made.astype(result)

    return run


def prepare_convolution(wanted: Convolution) -> Any:
    """A convolution or a gradient of one, as cuDNN's graph says it."""
    kind = named(wanted.dtype)
    *operands, made = wanted.operands
    settings = (wanted.stride, wanted.padding, wanted.dilation, wanted.image[1] // wanted.weight[1])

    def run(first: int, second: int, out: int, *bias: int) -> None:
        assert len(bias) == wanted.bias
        for address in (first, second, out, *bias):
            assert address % 16 == 0, "cuDNN reads 16 bytes at once"
        left, right = (
            at(place, shape, wanted.strides(shape), kind)
            for place, shape in zip((first, second), operands, strict=True)
        )
        vector = at(bias[0], made[1:2], (1,), kind) if bias else None
        if wanted.kind == "forward":
            computed = bodies._forward(np, "conv", left, right, vector, *settings)
        elif wanted.kind == "input":
            computed = bodies._to_input(np, "conv", left, right, made, *settings)
        else:
            computed = bodies._to_weight(np, "conv", right, left, made, *settings)
        if wanted.activation:
            computed = np.maximum(computed, 0)
        at(out, made, wanted.strides(made), kind)[...] = computed

    return run


def prepare_attention(wanted: Attention) -> Any:
    """An attention or its gradients, as cuDNN's graph says it. The masks of dropout are this model's own."""
    kind = named(wanted.dtype)
    entries, heads, queries, width = wanted.query.shape
    shared, keys = wanted.key.shape[1:3]
    for laid in (wanted.query, wanted.key, wanted.value, wanted.out, *(wanted.gradients or ())):
        assert laid.strides[3] == 1
        assert all(
            n == 1 or (step > 0 and step % 8 == 0) for n, step in zip(laid.shape[:3], laid.strides[:3], strict=True)
        )
    assert width % 8 == 0
    assert width <= 256
    # The real one takes a bias of one row too, and on the way back adds it wrongly.
    assert wanted.bias is None or wanted.bias.shape[2:] == (queries, keys)

    def read(address: int, laid: Laid, dtype: Any = kind) -> Any:
        assert address % 16 == 0
        return at(address, laid.shape, laid.strides, dtype)

    def wide(address: int, laid: Laid) -> Any:
        return read(address, laid).astype(np.float32)

    def run(*places: int) -> None:
        query, key, value = (
            wide(a, laid) for a, laid in zip(places, (wanted.query, wanted.key, wanted.value), strict=False)
        )
        key, value = (np.repeat(each, heads // shared, 1) for each in (key, value))
        first = {"forward": 4, "statistics": 5, "backward": 9}[wanted.kind]
        rest = list(places[first:])
        scores = query @ key.swapaxes(2, 3) * np.float32(wanted.scale)
        if wanted.bias is not None:
            bias = wide(rest.pop(0), wanted.bias)
            assert np.isfinite(bias[~np.isnan(bias)]).all(), "a row of minus infinity would be NaN"
            scores = scores + bias
        if wanted.causal:
            scores = np.where(np.tril(np.ones((queries, keys), bool)), scores, -np.inf)
        kept = np.float32(1)
        if wanted.dropout:
            seed, offset = (int(at(address, (1,), (1,), np.uint64)[0]) for address in rest)
            drawn = np.random.Generator(np.random.Philox(key=[seed, offset])).random(scores.shape)
            kept = (drawn >= wanted.dropout).astype(np.float32) / np.float32(1 - wanted.dropout)
        row = Laid((entries, heads, queries, 1), (heads * queries, queries, 1, 1))
        if wanted.kind != "backward":
            sums = np.log(np.exp(scores - scores.max(-1, keepdims=True)).sum(-1, keepdims=True)) + scores.max(
                -1, keepdims=True
            )
            read(places[3], wanted.out)[...] = np.exp(scores - sums) * kept @ value
            if wanted.kind == "statistics":
                read(places[4], row, np.float32)[...] = sums
            return
        assert wanted.flow is not None
        assert wanted.gradients is not None
        out, flow, sums = wide(places[3], wanted.out), wide(places[4], wanted.flow), read(places[5], row, np.float32)
        weights = np.exp(scores - sums)
        arrived = flow @ value.swapaxes(2, 3) * kept
        dscores = weights * (arrived - (out * flow).sum(-1, keepdims=True)) * np.float32(wanted.scale)
        for address, laid, made in zip(
            places[6:9], wanted.gradients, (dscores @ key, dscores.swapaxes(2, 3) @ query, (weights * kept).swapaxes(2, 3) @ flow), strict=True
        ):  # fmt: skip
            size = made.shape[2:]
            read(address, laid)[...] = made.reshape(entries, laid.shape[1], -1, *size).sum(2)

    return run
