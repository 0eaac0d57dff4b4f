"""Weights of 16 bits, as files have them: widened exactly, kept for few rows, and their pages given back."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import DtypeError, Tensor, ops
from numzoo.engine.kernels.cpu import onednn, packs, plans, stored
from numzoo.engine.kernels.cpu.copy import cast
from numzoo.engine.kernels.cpu.rows import take_rows

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
NARROW = [np.dtype(np.float16), BFLOAT16]
EVERY = np.arange(1 << 16, dtype=np.uint16)


def drawn(*shape: int, dtype: Any = np.float32, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32).astype(dtype)


def at_odd_address(array: Any) -> Any:
    raw = np.zeros(array.nbytes + 1, np.uint8)
    moved = np.ndarray(array.shape, array.dtype, raw, 1)
    moved[...] = array
    assert not moved.flags.aligned
    return moved


def mapped(path: Path, array: Any) -> Any:
    path.write_bytes(bytes(16) + array.tobytes())
    with open(path, "rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(mapping, array.dtype, array.size, 16).reshape(array.shape)


def resident(path: Path) -> int:
    """The bytes of a file that the process has in its pages now."""
    found = 0
    is_it = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if line[:1] not in "ABCDEFGHIJKLMNOPQRSTUVWXYZ":
            is_it = line.endswith(str(path))
        elif is_it and line.startswith("Rss:"):
            found += int(line.split()[1]) * 1024
    return found


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize("finite", [True, False])
def test_every_number_of_16_bits_is_widened_exactly(dtype: Any, odd: bool, finite: bool) -> None:
    exponent = 0x7F80 if dtype == BFLOAT16 else 0x7C00
    numbers = (EVERY[EVERY & exponent != exponent] if finite else EVERY).view(dtype)
    wide = np.empty(numbers.shape, np.float32)
    with np.errstate(invalid="ignore"):
        stored.widen(at_odd_address(numbers) if odd else numbers, wide)
        wanted = numbers.astype(np.float32)
    np.testing.assert_array_equal(wide, wanted)
    assert np.array_equal(np.signbit(wide), np.signbit(wanted))


def test_a_cast_from_float16_is_numpys() -> None:
    numbers = np.concatenate([EVERY, EVERY]).view(np.float16).reshape(2, -1)
    np.testing.assert_array_equal(cast(numbers, dtype=np.float32), numbers.astype(np.float32))


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("rows", [1, 3, stored.MANY + 1])
@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_products_are_those_of_the_widened_weight(dtype: Any, rows: int, odd: bool) -> None:
    x, weight, bias = Tensor(drawn(rows, 600)), drawn(513, 600, dtype=dtype, seed=1), Tensor(drawn(513, seed=2))
    weight = at_odd_address(weight) if odd else weight
    wanted = x.numpy().astype(np.float64) @ weight.astype(np.float64).T
    with engine.no_grad():
        for _ in range(3):  # at last from what was kept
            np.testing.assert_allclose(ops.linear(x, Tensor(weight)).numpy(), wanted, atol=2e-4)
        with_bias = ops.linear(x, Tensor(weight), bias)
    assert with_bias.dtype == np.float32
    np.testing.assert_allclose(with_bias.numpy(), wanted + bias.numpy(), atol=2e-4)


@pytest.mark.parametrize("rows", [1, 3, stored.MANY + 1])
@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_under_a_precision_the_product_is_that_of_rounded_numbers_and_one_pack_is_kept(dtype: Any, rows: int) -> None:
    x, weight, bias = Tensor(drawn(rows, 600)), drawn(513, 600, dtype=dtype, seed=1), Tensor(drawn(513, seed=2))
    wide = Tensor(weight.astype(np.float32))
    before = packs.kept_bytes()
    with engine.no_grad(), engine.precision("bf16"):
        for _ in range(2):
            found = ops.linear(x, Tensor(weight), bias)
        assert 2 * weight.size <= packs.kept_bytes() - before < 2.5 * weight.size
        wanted = ops.linear(x, wide, bias)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-3, atol=1e-5)


def test_what_was_narrowed_before_meets_a_stored_weight_under_a_precision() -> None:
    x, weight = Tensor(drawn(3, 600)).to(dtype="bfloat16"), drawn(513, 600, dtype=np.float16)
    with engine.no_grad(), engine.precision("bf16"):
        found = ops.linear(x, Tensor(weight))
    rounded = weight.astype(np.float32).astype(BFLOAT16).astype(np.float64)
    np.testing.assert_allclose(
        found.to(dtype="float32").numpy(), x.numpy().astype(np.float64) @ rounded.T, rtol=1e-2, atol=0.2
    )


def product(rows: int, weight: Any) -> Any:
    with engine.no_grad():
        return ops.linear(Tensor(drawn(rows, weight.shape[1])), Tensor(weight)).numpy()


def test_few_rows_keep_a_wide_weight_once_and_many_keep_nothing() -> None:
    weight = drawn(512, 640, dtype=np.float16)
    before = packs.kept_bytes()
    product(stored.MANY, weight)
    assert packs.kept_bytes() == before
    for rows in (1, 3, 5, 1):
        product(rows, weight)
        assert packs.kept_bytes() == before + 512 * 640 * 4


@pytest.mark.parametrize(("outs", "inner"), [(513, 600), (1000, 300), (70, 4100), (3001, 130)])
def test_weights_are_packed_in_pieces_whatever_their_sizes(outs: int, inner: int, monkeypatch: Any) -> None:
    weight = drawn(outs, inner, dtype=np.float16)
    whole = product(2, weight)
    plans.clear()
    packs.clear()
    monkeypatch.setattr(stored, "PIECE", 1 << 13)
    np.testing.assert_array_equal(product(2, weight), whole)
    plans.clear()
    packs.clear()
    monkeypatch.setattr(stored, "_in_pieces", lambda *_: None)
    np.testing.assert_array_equal(product(2, weight), whole)
    plans.clear()


def test_a_changed_weight_is_widened_anew() -> None:
    x, weight = drawn(2, 600), drawn(512, 600, dtype=np.float16)
    for _ in range(3):
        weight += np.float16(1)
        onednn.forget(weight)
        np.testing.assert_allclose(product(2, weight), x @ weight.astype(np.float32).T, rtol=1e-4, atol=1e-3)


@pytest.mark.skipif(sys.platform != "linux", reason="pages of a mapping are given back on Linux alone")
def test_pages_of_a_read_only_mapping_are_given_back_and_come_again(tmp_path: Path) -> None:
    values = drawn(2048, 600, dtype=np.float16)
    weight = mapped(tmp_path / "weights", values)
    np.testing.assert_array_equal(weight, values)
    assert resident(tmp_path / "weights") >= values.nbytes
    for rows in (stored.MANY, 1):
        np.testing.assert_allclose(product(rows, weight), product(rows, values), rtol=1e-5)
        assert resident(tmp_path / "weights") < values.nbytes / 10
    np.testing.assert_array_equal(weight, values)


def test_memory_that_may_be_written_to_is_never_given_back() -> None:
    mapping = mmap.mmap(-1, 1 << 20)
    weight = np.frombuffer(mapping, np.float16).reshape(512, 1024)
    weight[...] = 3
    weight.flags.writeable = False
    np.testing.assert_allclose(product(1, weight)[0], 3 * drawn(1, 1024).sum(), rtol=1e-4)
    assert (weight == 3).all()


def test_rows_of_a_table_at_an_odd_address_are_its_rows() -> None:
    table = drawn(100, 64, dtype=np.float16)
    index = np.array([[3, 99], [0, 3]])
    np.testing.assert_array_equal(take_rows(at_odd_address(table), index), table[index])


@pytest.mark.parametrize("size", [4, 600])
def test_a_gradient_passes_through_a_stored_weight(size: int) -> None:
    x, weight = Tensor(drawn(3, size), requires_grad=True), drawn(512, size, dtype=np.float16, seed=1)
    ops.linear(x, Tensor(weight)).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy()[0], weight.astype(np.float64).sum(0), atol=1e-3)


@pytest.mark.parametrize(("x", "weight"), [("float64", "float16"), ("float16", "float32"), ("bfloat16", "float16")])
def test_other_mixtures_are_still_refused(x: str, weight: str) -> None:
    with pytest.raises(DtypeError, match="one dtype"):
        ops.linear(Tensor(np.ones((2, 3))).to(dtype=x), Tensor(np.ones((4, 3))).to(dtype=weight))
