"""The kernels of embeddings against their bodies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from held_to_bodies import assert_kernel_is_body, assert_same, at_odd_place, memory_orders

from numzoo import engine
from numzoo.engine import ops
from numzoo.engine.dtype import as_dtype
from numzoo.engine.kernels.cuda import complaints
from numzoo.engine.kernels.cuda.indexing import rows


def drawn(shape: tuple[int, ...], dtype: Any = "float32", seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(as_dtype(dtype))


@pytest.mark.parametrize("width", [1, 3, 8, 300])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64", "int64", "bool"])
def test_rows_are_picked(gpu: Any, width: int, dtype: str) -> None:
    table = (drawn((11, width)) * 4).astype(as_dtype(dtype))
    index = np.random.default_rng(1).integers(0, 11, (3, 7))
    for kind in (np.int64, np.int32):
        given = rows.take_rows(gpu.put(table), gpu.put(index.astype(kind)))
        assert given.dtype == table.dtype
        np.testing.assert_array_equal(given.get(), table[index])


def test_tables_in_every_memory_order(gpu: Any) -> None:
    index = np.array([[4, 0], [2, 2]])
    for table in memory_orders(drawn((5, 8))):
        assert_kernel_is_body(gpu, rows.take_rows, "take_rows", table, index)
        assert_kernel_is_body(gpu, rows.sum_rows, "sum_rows", table, np.array([3, 0, 3, 1, 3]), rows=4)
    np.testing.assert_array_equal(rows.take_rows(at_odd_place(gpu, drawn((5, 8))), gpu.put(index)).get(), drawn((5, 8))[index])  # fmt: skip


@pytest.mark.parametrize("count", [1, 5, 33, 300, 2000])
@pytest.mark.parametrize("kinds", [1, 3, 1000])
def test_rows_are_added_up(gpu: Any, count: int, kinds: int) -> None:
    index = np.random.default_rng(1).integers(0, kinds, count)
    assert_kernel_is_body(gpu, rows.sum_rows, "sum_rows", drawn((count, 5)), index, rows=kinds, scale=10)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_rows_of_every_dtype_are_added_up_wide(gpu: Any, dtype: str) -> None:
    x, index = drawn((90, 130), dtype), np.random.default_rng(1).integers(0, 4, 90).astype(np.int32)
    wanted = np.zeros((4, 130))
    np.add.at(wanted, index, x.astype(np.float64))
    given = rows.sum_rows(gpu.put(x), gpu.put(index), rows=4)
    assert_same(given, wanted.astype(x.dtype), x.dtype.itemsize)


@pytest.mark.parametrize("kinds", [1, 7, 255, 256, 70000])
def test_the_same_sums_come_again_and_so_they_do_where_numbers_are_put_in_order(
    gpu: Any, monkeypatch: Any, kinds: int
) -> None:
    numbers = np.random.default_rng(1).integers(0, kinds, 3000)
    x, index = gpu.put(drawn((3000, 3))), gpu.put(numbers)
    first = rows.sum_rows(x, index, rows=kinds).get()
    np.testing.assert_array_equal(rows.sum_rows(x, index, rows=kinds).get(), first)
    monkeypatch.setattr(rows, "RANKED", 10)
    monkeypatch.setattr(rows, "SHARE", 256)
    np.testing.assert_array_equal(rows.sum_rows(x, index, rows=kinds).get(), first)
    order, ordered = rows._sorted(gpu, index, 3000, kinds, "index_t")
    np.testing.assert_array_equal(order.get(), np.argsort(numbers, kind="stable"))
    np.testing.assert_array_equal(ordered.get(), np.sort(numbers))
    index[17] = kinds
    rows.sum_rows(x, index, rows=kinds)
    with pytest.raises(engine.errors.ShapeError, match=f"row {kinds} lies outside"):
        rows.sum_rows(x, index, rows=kinds)
    complaints.check.__globals__["_held"][id(gpu)][0][0] = 0


@pytest.mark.parametrize("wrong", [-1, 5])
def test_a_row_outside_of_the_table_is_an_error_when_the_result_is_read(gpu: Any, wrong: int) -> None:
    index, x = engine.Tensor(gpu.put(np.array([0, wrong]))), engine.Tensor(gpu.put(drawn((2, 3))))
    table = engine.Tensor(gpu.put(drawn((5, 3))))
    for compute in (lambda: ops.take_rows(table, index), lambda: ops.sum_rows(x, index, rows=5)):
        out = compute()
        with pytest.raises(
            engine.errors.ShapeError, match=f"row {wrong} lies outside of the table, whose rows are 0 to 4"
        ):
            out.numpy()
        out.numpy()  # it was said once


def test_an_embeddings_gradient_is_the_cpus(gpu: Any) -> None:
    def slope(device: str) -> Any:
        layer = engine.nn.Embedding(7, 12, padding_idx=2, scale_grad_by_freq=True)
        layer.to(device=device)
        index = engine.Tensor(np.array([[1, 2, 1], [6, 0, 1]])).to(device=device)
        out = layer(index)
        (out * engine.Tensor(drawn((2, 3, 12), seed=3)).to(device=device)).sum().backward()
        return layer.weight.grad.numpy()

    np.testing.assert_allclose(slope("cuda"), slope("cpu"), rtol=1e-5, atol=1e-6)
    assert {"take_rows", "sum_pieces"} <= set(gpu.launched)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("offsets", [None, [0, 2, 2, 5]])
def test_bags_of_rows_are_the_cpus(gpu: Any, mode: str, offsets: Any) -> None:
    index = np.array([[1, 2, 1], [6, 0, 2]])

    def slopes(device: str) -> list[Any]:
        weight = engine.Tensor(drawn((7, 12))).to(device=device)
        weight.requires_grad_(True)
        numbers = engine.Tensor(index if offsets is None else index.reshape(-1)).to(device=device)
        starts = None if offsets is None else engine.Tensor(np.array(offsets)).to(device=device)
        out = engine.nn.functional.embedding_bag(numbers, weight, starts, mode=mode, padding_idx=2)
        (out * out).sum().backward()
        return [out.numpy(), weight.grad.numpy()]

    for there, here in zip(slopes("cuda"), slopes("cpu"), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-6)


def test_losses_of_classes_by_number(gpu: Any) -> None:
    from numzoo.engine.kernels.cuda.indexing import places

    for x in memory_orders(drawn((9, 5))):
        for kind in (np.int64, np.int32):
            target, scale = (np.arange(9) % 6 - 1).astype(kind), drawn((9,), seed=2)
            assert_kernel_is_body(gpu, places.nll, "nll", x, target, scale)
    slopes = []
    for device in ("cpu", "cuda"):
        x = engine.Tensor(drawn((9, 5))).to(device).requires_grad_()
        engine.nn.functional.nll_loss(x, engine.Tensor(np.arange(9) % 5).to(device)).backward()
        slopes.append(x.grad.numpy())
    np.testing.assert_allclose(slopes[1], slopes[0], rtol=1e-6)
    assert "nll" in gpu.launched


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_rows_of_packed_sequences_are_picked_and_put(gpu: Any, dtype: str) -> None:
    for shape in ((12, 5), (12, 2, 4), (12,)):
        x, places = drawn(shape, dtype), np.array([7, 0, 11, 3])
        for each in (places, places.astype(np.int32)):
            given = rows.pick_rows(gpu.put(x), rows=(gpu.put(each),))
            np.testing.assert_array_equal(given.get(), x[places])
            np.testing.assert_array_equal(rows.pick_rows(gpu.put(x), rows=(each,)).get(), x[places])
        for value in (0.0, 2.5):
            wanted = np.full(shape, value, x.dtype)
            wanted[places] = x[:4]
            given = rows.place_rows(gpu.put(x)[:4], rows=(gpu.put(places),), shape=shape, value=value)
            np.testing.assert_array_equal(given.get(), wanted)
    assert rows.pick_rows(gpu.put(x), rows=(slice(0, 2),)) is NotImplemented


@pytest.mark.parametrize("batch_first", [True, False])
def test_packed_sequences_are_the_cpus(gpu: Any, batch_first: bool) -> None:
    found = []
    for device in ("cpu", "cuda"):
        x = engine.Tensor(drawn((4, 3, 5))).to(device).requires_grad_()
        lengths = np.array([2, 1, 3, 3] if batch_first else [2, 4, 1])
        packed = engine.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
        padded, _ = engine.nn.utils.rnn.pad_packed_sequence(packed, batch_first, padding_value=7.0)
        (padded * padded).sum().backward()
        found.append([packed.data.detach().numpy(), padded.detach().numpy(), x.grad.numpy()])
    for there, here in zip(found[1], found[0], strict=True):
        np.testing.assert_array_equal(there, here)
    assert {"take_rows", "put_rows"} <= {*gpu.launched}
