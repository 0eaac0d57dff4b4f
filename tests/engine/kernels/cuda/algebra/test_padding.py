"""Products of odd sizes: rows with room at their ends, copies into them, and what reads and writes such rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import emulated_libraries
import numpy as np
import pytest
from held_to_bodies import placed

from numzoo import engine
from numzoo.engine import Tensor, ops
from numzoo.engine.kernels.cuda.algebra import matrix, padding
from numzoo.engine.kernels.cuda.libraries import gemm
from numzoo.engine.kernels.cuda.libraries.gemm import Gemm
from numzoo.engine.kernels.cuda.losses import entropy

TOLERANCE = {"tf32": 2e-3, "float32": 2e-5, "float16": 5e-3, "bfloat16": 4e-2}


@pytest.fixture
def asked(gpu: Any, monkeypatch: Any) -> Iterator[list[Any]]:
    """What the library is asked for, where every size pays."""
    for name, value in (("LARGE", 256), ("PER_BYTE", 0), ("PER_BYTE_WITH_GAPS", 0), ("PER_COPY", 0)):
        monkeypatch.setattr(padding, name, value)
    matrix.PLANS.clear()
    emulated_libraries.ASKED.clear()
    yield emulated_libraries.ASKED
    matrix.PLANS.clear()


def drawn(*shape: int) -> Any:
    return np.random.default_rng(list(shape)).standard_normal(shape)


def is_straight(each: Gemm) -> bool:
    """Whether the library has fast algorithms for it."""
    size = {"float32": 4}.get(each.dtype, 2)
    along = [each.rows, *[each.inner] * (each.turned[0] or not each.turned[1]), *[each.columns] * each.turned[1]]
    return (
        not any(n * size % padding.ALIGNED for n in (*along, *each.leading, *each.steps))
        and each.alignment >= padding.ALIGNED
    )


CASES = {
    "classes": ((5, 6, 16), (16, 33)), "both": ((7, 13), (13, 21)), "batches": ((3, 7, 5), (3, 5, 9)), "shared": ((3, 7, 5), (5, 9)),
    "few": ((2, 3), (3, 5)), "two axes of batches": ((2, 3, 4, 7), (2, 3, 7, 5)), "even": ((8, 16), (16, 24)),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["bfloat16", "float16", "tf32"])
@pytest.mark.parametrize("case", CASES)
def test_products_in_long_rows_are_the_same(asked: list[Any], case: str, kind: str) -> None:
    dtype = "float32" if kind == "tf32" else kind
    found = []
    for place in ("cuda", "cpu"):
        x, y = (Tensor(drawn(*s)).to(dtype=getattr(engine, dtype)).to(place).requires_grad_() for s in CASES[case])
        with engine.precision("tf32" if kind == "tf32" else "f32"):
            out = engine.matmul(x, y)
            (out * out).sum().backward()
        found.append([t.detach().cpu().double().numpy() for t in (out, x.grad, y.grad)])  # type: ignore[union-attr]
    for mine, right in zip(*found, strict=True):
        np.testing.assert_allclose(mine, right, atol=4 * TOLERANCE[kind] * max(np.abs(right).max(), 1))
    products = [each for each in asked if isinstance(each, Gemm)]
    assert len(products) == 3
    assert all(map(is_straight, products))


@pytest.mark.parametrize("view", ["cut", "shifted", "turned"])
def test_operands_that_begin_at_odd_places_are_copied(asked: list[Any], view: str) -> None:
    weight = Tensor(drawn(17, 16)).to(dtype=engine.float16)
    wide = Tensor(drawn(9, 17)).to(dtype=engine.float16)
    views = {
        "cut": lambda t: t[:, :16],
        "shifted": lambda t: t[:, 1:],
        "turned": lambda t: t[1:].mT.contiguous().mT[:, 1:],
    }
    for bias in (None, Tensor(drawn(17)).to(dtype=engine.float16)):
        found, right = (
            engine.linear(views[view](wide.to(p)), weight.to(p), None if bias is None else bias.to(p))
            .cpu()
            .double()
            .numpy()
            for p in ("cuda", "cpu")
        )
        np.testing.assert_allclose(found, right, atol=2e-2)
    assert all(map(is_straight, asked))
    assert {each.alignment for each in asked} <= {16, 32, 64, 128, 256}


def test_only_where_it_pays(asked: list[Any], monkeypatch: Any) -> None:
    def asked_for(x: Any, y: Any) -> list[Any]:
        asked.clear()
        matrix.PLANS.clear()
        out = engine.matmul(*(Tensor(v).to(dtype=engine.float16).to("cuda") for v in (x, y)))
        return [asked[0].rows, asked[0].inner, asked[0].columns, asked[0].leading, out.array.strides[0] // 2]

    x, y = drawn(40, 13), drawn(13, 21)
    assert asked_for(x, y) == [24, 16, 40, (24, 16, 24), 24]
    monkeypatch.setattr(padding, "LARGE", 1 << 20)  # a small result is copied to where it lies without gaps
    assert asked_for(x, y) == [24, 16, 40, (24, 16, 24), 21]
    monkeypatch.setattr(padding, "PER_COPY", 2 * 40 * 13 * 21 // 3 + 1)
    assert asked_for(x, y) == [21, 13, 40, (21, 13, 21), 21]
    monkeypatch.setattr(padding, "PER_COPY", 0)
    monkeypatch.setattr(padding, "PER_BYTE", 1000)
    assert asked_for(x, y) == [21, 13, 40, (21, 13, 21), 21]


def test_float32_and_float64_lie_as_they_are(asked: list[Any]) -> None:
    for dtype in (engine.float32, engine.float64):
        out = engine.matmul(*(Tensor(drawn(*s)).to(dtype=dtype).to("cuda") for s in ((40, 13), (13, 21))))
        assert out.is_contiguous()
    assert [each.leading for each in asked] == [(21, 13, 21)] * 2


def arranged(x: Any, y: Any, full: tuple[int, ...]) -> gemm.Arranged:
    found = gemm.arrange(gemm.Matrices(*x), gemm.Matrices(*y), gemm.Matrices(full, gemm.dense(full)))
    assert found is not None
    return found


@pytest.mark.usefixtures("one_order")
def test_gpt2_s_classes_become_whole_lines() -> None:
    half, single = np.dtype(np.float16), np.dtype(np.float32)
    weight, turned = ((50257, 768), (768, 1)), ((768, 50257), (1, 768))
    forward = arranged(((8192, 768), (768, 1)), turned, (8192, 50257))
    shapes = [
        (half, half, False, 50304),
        (half, single, False, 50304),
        (single, single, True, 50272),
        (single, single, False, None),
    ]
    for dtype, result, tf32, wanted in shapes:
        found = padding.lengthened(forward, (8192, 50257), dtype, result, tf32, 256)
        assert (None if found is None else (found.arranged.rows, found.whole)) == (wanted and (wanted, (8192, wanted)))
    few = arranged(((128, 768), (768, 1)), turned, (128, 50257))
    found = padding.lengthened(few, (128, 50257), half, half, False, 256)
    assert found is None  # the weight's copy would take as long
    narrow = arranged(((8192, 64), (64, 1)), ((64, 50257), (1, 64)), (8192, 50257))
    assert padding.lengthened(narrow, (8192, 50257), half, half, False, 256) is None
    # What flows back: the inner size, and the columns of what is read turned.
    found = padding.lengthened(
        arranged(((8192, 50257), (50257, 1)), weight, (8192, 768)), (8192, 768), half, half, False, 256
    )
    assert found is not None
    assert (found.arranged.inner, found.arranged.leading, found.whole, found.result) == (
        50304,
        (768, 50304, 768),
        None,
        None,
    )
    slope = arranged(((50257, 8192), (1, 50257)), ((8192, 768), (768, 1)), (50257, 768))
    found = padding.lengthened(slope, (50257, 768), half, half, False, 256)
    assert found is not None
    assert (found.arranged.columns, found.arranged.leading, found.whole) == (50304, (768, 50304, 768), (50304, 768))
    assert [each is not None for each in found.operands] == [False, True]


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_logits_in_long_rows_are_what_others_expect(asked: list[Any], dtype: str) -> None:
    hidden, weight = (Tensor(drawn(*s)).to(dtype=getattr(engine, dtype)) for s in ((2, 9, 16), (37, 16)))
    labels = engine.tensor(np.arange(18) % 37)
    found = []
    for place in ("cuda", "cpu"):
        x, w = hidden.to(place).detach().requires_grad_(), weight.to(place).detach().requires_grad_()
        with engine.precision("tf32" if dtype == "float32" else "f32"):
            logits = engine.linear(x, w)
            loss = ops.cross_entropy(logits.reshape((-1, 37)), labels.to(place))
            (x_grad, w_grad) = engine.grad(loss, [x, w], retain_graph=True)
        if place == "cuda":
            row = padding._longer(37, logits.array.itemsize)
            assert [s // logits.array.itemsize for s in logits.array.strides] == [9 * row, row, 1]
            assert logits.contiguous().is_contiguous()
            assert np.array_equal(
                logits.contiguous().detach().cpu().float().numpy(), logits.detach().cpu().float().numpy()
            )
        plain = logits.detach()
        others = [
            plain, plain.float(), plain * 2, plain.softmax(-1), plain.sum(-1), plain.argmax(-1), plain[:, -1], plain[:, :-1].reshape((-1, 37)),
            plain.transpose(0, 1), plain.reshape(-1), plain.view(18, 37), engine.cat([plain, plain], -1), plain.clone(),
        ]  # fmt: skip
        found.append([t.detach().cpu().double().numpy() for t in (loss, x_grad, w_grad, *others)])
    for mine, right in zip(*found, strict=True):
        assert mine.shape == right.shape
        tolerance = TOLERANCE["tf32" if dtype == "float32" else dtype]
        np.testing.assert_allclose(mine, right, atol=4 * tolerance * max(np.abs(right).max(), 1))
    assert all(map(is_straight, [each for each in asked if isinstance(each, Gemm)]))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize(("step", "width"), [(128, 37), (64, 64), (50, 37), (131, 130)])
def test_cross_entropy_reads_rows_with_gaps_and_writes_its_gradient_so(
    gpu: Any, dtype: str, step: int, width: int
) -> None:
    entropy.PLANS.clear()
    room = Tensor(drawn(9, step)).to(dtype=getattr(engine, dtype)).array
    x, target = room[:, :width], np.arange(9) % width
    found = entropy.class_entropy(placed(gpu, x), gpu.put(target))
    sums = found[2]
    wide = engine.float64 if dtype == "float64" else engine.float32
    flow = gpu.put(np.ones((), wide))
    slope = entropy.class_entropy_input(flow, placed(gpu, x), gpu.put(target), sums=sums)
    exact = Tensor(x).double().requires_grad_()
    loss = ops.cross_entropy(exact, engine.tensor(target), reduction="sum")
    loss.backward()
    tolerance = {2: 2e-2, 4: 2e-5, 8: 1e-11}[x.itemsize]
    np.testing.assert_allclose(found[0].get(), loss.item(), rtol=tolerance)
    np.testing.assert_allclose(slope.get().astype(np.float64), exact.grad.numpy(), atol=tolerance)  # type: ignore[union-attr]
    assert slope.strides[0] // x.itemsize == (
        step if step * x.itemsize % 128 == 0 and step - width < 128 // x.itemsize else width
    )


def test_a_gradient_with_room_is_multiplied_as_it_lies(asked: list[Any], gpu: Any, monkeypatch: Any) -> None:
    wholes: list[Any] = []
    real = entropy.with_room
    # CuPy's views hold what they are views of, those of the emulated GPU do not.
    monkeypatch.setattr(
        entropy, "with_room", lambda here, whole, width: wholes.append(whole) or real(here, whole, width)
    )  # type: ignore[func-returns-value]
    entropy.PLANS.clear()
    x, w = (Tensor(drawn(*s)).to(dtype=engine.float16).to("cuda") for s in ((9, 16), (37, 16)))
    logits, target = engine.linear(x, w), gpu.put(np.arange(9) % 37)
    logits.array[...] = np.float16(0.5)
    slope = entropy.class_entropy_input(gpu.put(np.ones((), np.float32)), logits.array, target)
    whole = wholes[-1].get()
    assert slope.strides == whole.strides == (80, 2)
    assert not whole[:, 37:].any()
    gpu.launched.clear()
    back, weight = matrix.matmul(slope, w.array), matrix.linear_weight(slope, x.array)
    assert gpu.launched.count("lengthened") == 1  # of the weight
    assert [each.inner if not each.turned[1] else each.columns for each in asked[-2:]] == [40, 40]
    exact = whole[:, :37].astype(np.float64)
    np.testing.assert_allclose(back.get(), exact @ w.double().numpy(), atol=1e-2)
    np.testing.assert_allclose(weight.get(), exact.T @ x.double().numpy(), atol=1e-2)
    # What lies alike, but belongs to someone else, is copied: NaN may lie behind its rows.
    other = gpu.empty((9, 40), np.dtype(np.float16))
    other[...] = np.float16("nan")
    other[:, :37] = gpu.put(whole[:, :37])
    np.testing.assert_array_equal(matrix.matmul(other[:, :37], w.array).get(), back.get())
    assert gpu.launched.count("lengthened") == 3
    place = gpu.address(wholes[-1])
    assert place in padding._rooms
    del slope
    wholes.clear()
    assert place not in padding._rooms
