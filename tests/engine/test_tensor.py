"""Tensors: what they are made from, what they give back, how they meet NumPy and Python, indexing."""

from __future__ import annotations

import copy
import math
import operator
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from numzoo import engine
from numzoo.engine import DtypeError, GradientError, SettingError, ShapeError, Tensor

F32 = np.float32

# ---- making -----------------------------------------------------------------------------------------------------

MADE: list[tuple[Any, str, tuple[int, ...]]] = [
    (1.5, "float32", ()), (True, "bool", ()), (3, "int64", ()), (1j, "complex64", ()), ([], "float32", (0,)), ([[1, 2]], "int64", (1, 2)),
    ([1, 2.5], "float32", (2,)), (np.float64(2), "float64", ()), (np.ones(2), "float64", (2,)), (np.ones(2, np.float16), "float16", (2,)),
    (np.arange(3, dtype=">i4"), "int32", (3,)), (np.ones(2, ">f8"), "float64", (2,)), (range(4), "int64", (4,)), ([np.ones(2, F32)] * 3, "float32", (3, 2)),
    (np.ma.array([1.0, 2.0]), "float64", (2,)), (np.asarray(5, np.uint8), "uint8", ()), ([True, False], "bool", (2,)), (2**62, "int64", ()),
    (1e300, "float32", ()), (np.asarray([1.0]).astype("longdouble").astype(F32), "float32", (1,)),
]  # fmt: skip


@pytest.mark.parametrize(("data", "dtype", "shape"), MADE, ids=lambda v: repr(v)[:30])
def test_data_becomes_a_tensor_of_the_expected_dtype_and_shape(data: Any, dtype: str, shape: tuple[int, ...]) -> None:
    for made in (engine.tensor(data), Tensor(data)):
        assert (str(made.dtype), made.shape, type(made.array)) == (dtype, shape, np.ndarray)
        assert made.array.dtype.isnative


REFUSED: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
    ("text", {}, DtypeError, "numbers"),
    (None, {}, DtypeError, "numbers"),
    (np.array(["a"]), {}, DtypeError, "numbers"),
    (np.array([object()]), {}, DtypeError, "numbers"),
    ([1, None], {}, DtypeError, "numbers"),
    ({1: 2}, {}, DtypeError, "numbers"),
    ([[1], [2, 3]], {}, ShapeError, "ragged"),
    (2**70, {}, DtypeError, "int64"),
    ([2**63], {}, DtypeError, "int64"),
    ([2**63, -1], {}, DtypeError, "int64"),
    (np.zeros(2, "M8[s]"), {}, DtypeError, "numbers"),
    (np.zeros(2, "f4,f4"), {}, DtypeError, "numbers"),
    ([math.nan], {"dtype": "int64"}, DtypeError, "NaN"),
    ([1.0], {"dtype": "float7"}, DtypeError, "float32"),
    ([1.0], {"dtype": "U3"}, DtypeError, "numbers"),
    ([1], {"requires_grad": True}, GradientError, "floating"),
    (np.datetime64("2020-01-01"), {}, DtypeError, "numbers"),
]


@pytest.mark.parametrize(("data", "settings", "error", "says"), REFUSED, ids=lambda v: repr(v)[:30])
def test_what_is_no_array_of_numbers_is_refused(
    data: Any, settings: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        engine.tensor(data, **settings)


def test_tensor_copies_and_the_class_shares() -> None:
    array = np.zeros(3, F32)
    copied, shared = engine.tensor(array), Tensor(array)
    array[0] = 5
    assert copied.tolist() == [0, 0, 0]
    assert shared.tolist() == [5, 0, 0]
    assert engine.tensor(shared).array is not array


def test_tensors_in_lists_are_put_together() -> None:
    parts = [engine.tensor([1.0, 2.0]), engine.tensor([3.0, 4.0])]
    assert engine.tensor(parts).tolist() == [[1.0, 2.0], [3.0, 4.0]]


# ---- giving back ------------------------------------------------------------------------------------------------


def test_numbers_come_out_as_pythons() -> None:
    assert engine.tensor([[2.5]]).item() == 2.5
    assert type(engine.tensor(3).item()) is int
    assert engine.tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert float(engine.tensor(1.5)) == 1.5
    assert int(engine.tensor(7)) == 7
    assert [10, 20, 30][engine.tensor(1)] == 20
    assert list(range(engine.tensor(2))) == [0, 1]
    assert [v.item() for v in engine.tensor([1, 2])] == [1, 2]
    assert 2 in engine.tensor([[1], [2]])
    assert 3 not in engine.tensor([[1], [2]])


QUESTIONS: list[tuple[Any, type[Exception], str]] = [
    (lambda: engine.ones(2).item(), ShapeError, "tolist"),
    (lambda: bool(engine.ones(2)), ShapeError, "any"),
    (lambda: bool(engine.ones(0)), ShapeError, "any"),
    (lambda: len(engine.ones(())), ShapeError, "item"),
    (lambda: iter(engine.ones(())).__next__(), ShapeError, "item"),
    (lambda: [1, 2][engine.tensor(1.0)], TypeError, "integer"),
    (lambda: float(engine.ones(2)), ShapeError, "one element"),
    (lambda: engine.ones(2).wings, AttributeError, "wings"),
    (lambda: engine.ones(2).to("gpu"), DtypeError, "gpu"),
    (lambda: engine.ones(2).reshape("3"), ShapeError, "whole"),
    (lambda: engine.ones(2).reshape(2.0), ShapeError, "whole"),
    (lambda: hash(engine.ones(2)) and engine.ones(2).sum("x"), ShapeError, "axis"),
]


@pytest.mark.parametrize(("ask", "error", "says"), QUESTIONS)
def test_questions_without_an_answer_say_why(ask: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        ask()


def test_the_array_given_back_cannot_be_written_to_by_accident() -> None:
    x = engine.zeros(2)
    with pytest.raises(ValueError, match="read-only"):
        x.numpy()[0] = 1
    x[0] = 1
    assert x.numpy().tolist() == [1, 0]
    assert np.asarray(x).dtype == F32
    assert np.array(x, np.float64).dtype == np.float64
    assert np.array(x, copy=True).flags.writeable


REPRS = [
    (engine.tensor([1.0, 2.5]), "tensor([1. , 2.5])"), (engine.tensor(True), "tensor(True)"), (engine.zeros(0), "tensor([])"),
    (engine.tensor([1.0], dtype="bfloat16"), "tensor([1], dtype=bfloat16)"), (engine.ones(1, requires_grad=True), "tensor([1.], requires_grad=True)"),
    (engine.ones(1, requires_grad=True) * 2, "tensor([2.], made by mul)"), (engine.tensor(3, dtype="int8"), "tensor(3, dtype=int8)"),
]  # fmt: skip


@pytest.mark.parametrize(("x", "text"), REPRS, ids=lambda v: str(v)[:40])
def test_tensors_are_readable(x: Tensor, text: str) -> None:
    assert repr(x) == text


def test_large_tensors_are_shown_in_part() -> None:
    assert len(repr(engine.zeros(100, 100))) < 1000


def test_copies_are_independent() -> None:
    x = engine.tensor([1.0, 2.0], requires_grad=True)
    for other in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x)), x.clone().detach()):
        assert other.tolist() == [1.0, 2.0]
    deep = copy.deepcopy(x)
    deep.array[0] = 9
    assert deep.requires_grad
    assert x.tolist() == [1.0, 2.0]


def test_moving_nowhere_gives_the_tensor_itself() -> None:
    x = engine.ones(2)
    assert x.to("cpu") is x
    assert x.to(engine.float32) is x
    assert x.float() is x
    assert x.to(engine.ones(1, dtype="float64")).dtype == engine.float64
    assert x.double().dtype == engine.float64
    assert x.half().bfloat16().dtype == engine.bfloat16


# ---- NumPy and Python on the other side -------------------------------------------------------------------------

SIDES: list[tuple[Any, Any, Any]] = [
    (np.float32(2), [2.0, 4.0], "float32"), (np.float64(2), [2.0, 4.0], "float32"), (np.int64(2), [2.0, 4.0], "float32"), (True, [1.0, 2.0], "float32"),
    (np.array([1.0, 2.0], F32), [1.0, 4.0], "float32"), (np.array([1.0, 2.0]), [1.0, 4.0], "float64"), ([3, 4], [3.0, 8.0], "float32"),
    ((0.5, 2), [0.5, 4.0], "float32"), (np.array(2.0), [2.0, 4.0], "float32"),
]  # fmt: skip


@pytest.mark.parametrize(("other", "wanted", "dtype"), SIDES, ids=lambda v: repr(v)[:30])
def test_numpy_and_lists_may_stand_on_either_side(other: Any, wanted: Any, dtype: str) -> None:
    x = engine.tensor([1.0, 2.0], requires_grad=True)
    for result in (x * other, other * x):
        assert isinstance(result, Tensor)
        assert (result.tolist(), str(result.dtype)) == (wanted, dtype)
        result.sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == engine.float32


def test_every_operator_works_from_both_sides() -> None:
    x = engine.tensor([4, 7])
    table = [
        (10 + x, [14, 17]), (10 - x, [6, 3]), (2 * x, [8, 14]), (28 / x, [7.0, 4.0]), (9 // x, [2, 1]), (9 % x, [1, 2]), (2**x, [16, 128]),
        (6 & x, [4, 6]), (1 | x, [5, 7]), (1 ^ x, [5, 6]), (~x, [-5, -8]), (-x, [-4, -7]), (+x, [4, 7]), (abs(-x), [4, 7]), (x - 1, [3, 6]),
        (x // 2, [2, 3]), (x % 3, [1, 1]), (x**2, [16, 49]), (x == 4, [True, False]), (x > 5, [False, True]), (x != np.array([4, 4]), [False, True]),
        (np.array([True, False]) & (x > 5), [False, False]), (np.int64(6) & x, [4, 6]),
    ]  # fmt: skip
    for given_, wanted in table:
        assert given_.tolist() == wanted
    assert ([[1, 1]] @ x.unsqueeze(1)).tolist() == [[11]]
    assert (np.ones((1, 2), np.int64) @ x.unsqueeze(1)).tolist() == [[11]]
    assert (engine.ones(2) @ [1.0, 2.0]).item() == 3.0


def test_comparing_with_none_is_no_error() -> None:
    x = engine.ones(1)
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711
    assert x not in [None]


OPERANDS: list[tuple[Any, type[Exception], str]] = [
    (lambda x: x + "a", engine.ArgumentError, "add.*str"),
    (lambda x: "a" * x, engine.ArgumentError, "mul.*str"),
    (lambda x: x + None, engine.ArgumentError, "add.*NoneType"),
    (lambda x: x + object(), engine.ArgumentError, "add.*object"),
    (lambda x: x + np.array(["a", "b"]), DtypeError, "numbers"),
    (lambda x: operator.add(x, [[1], [2, 3]]), ShapeError, "ragged"),
    (lambda x: x + engine.ones(3), ShapeError, r"add: float32 \(2,\), float32 \(3,\) do not broadcast"),
    (lambda x: x @ engine.ones(3), ShapeError, "matmul"),
    (lambda x: x @ "a", engine.ArgumentError, "matmul.*str"),
    (lambda x: x @ None, engine.ArgumentError, "matmul"),
    (lambda x: x @ engine.ones(2, dtype="float64"), DtypeError, r"\.to\(dtype\)"),
    (lambda x: ~x, DtypeError, "bitwise_not.*float32"),
    (lambda x: x & 1, DtypeError, "bitwise_and"),
    (lambda x: x.long() + 2**70, DtypeError, "add.*int64"),
    (lambda x: x.to("uint8") + 300, DtypeError, "add.*300.*uint8"),
    (lambda x: x.to("uint8") - 257, DtypeError, "sub"),
    (lambda x: x.bool() - x.bool(), DtypeError, "sub"),
    (lambda x: -x.bool(), DtypeError, "neg"),
    (lambda x: x.long() // 0, SettingError, "divided by 0"),
    (lambda x: x.long() % 0, SettingError, "divided by 0"),
    (lambda x: x.long() ** -1, DtypeError, "float"),
    (lambda x: x + 10**400, DtypeError, "float32"),
    (lambda x: x < "a", engine.ArgumentError, "lt"),
    (lambda x: x == "a", engine.ArgumentError, "eq"),
    (lambda x: x.mT, ShapeError, "transpose"),
    (lambda x: x.sum().mT, ShapeError, "0-dimensional"),
    (lambda x: x.sum().split(1), ShapeError, "0-dimensional"),
    (lambda x: x.sum().chunk(1), ShapeError, "0-dimensional"),
    (lambda x: x.sum().transpose(0, 0), ShapeError, "0-dimensional"),
    (lambda x: x.chunk(1.5), SettingError, "chunk"),
    (lambda x: x.split(0.5), ShapeError, "split"),
    (lambda x: x.roll("a"), ShapeError, "roll"),
    (lambda x: engine.clip(x, low=x), SettingError, "clamp"),
    (lambda x: x.clip("a"), SettingError, "clip"),
    (lambda x: x.to([1]), DtypeError, "dtype"),
]


@pytest.mark.parametrize(("act", "error", "says"), OPERANDS)
def test_operands_that_do_not_fit_are_refused_in_the_engines_words(act: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        act(engine.ones(2))
    assert isinstance(caught.value, engine.EngineError)


def test_numbers_outside_an_integer_dtype_compare_rightly() -> None:
    x = engine.tensor([0, 200], dtype="uint8")
    table = [
        (x == -100, False),
        (x != 300, True),
        (x < 300, True),
        (x > -1, True),
        (x >= 2**70, False),
        (x < 300, True),
        (x == -(10**400), False),
    ]
    for given_, wanted in table:
        assert given_.tolist() == [wanted, wanted]


def test_integers_are_clipped_by_what_they_can_hold_and_floats_make_floats() -> None:
    x = engine.tensor([0, 100, 255], dtype="uint8")
    assert x.clip(-5, 1000).tolist() == [0, 100, 255]
    assert x.clip(10, 200).dtype == engine.uint8
    assert x.clip(0.5, 99.5).tolist() == [0.5, 99.5, 99.5]
    assert engine.tensor([math.nan, 5.0]).clip(0, 1).numpy().tolist()[1] == 1.0


def test_division_of_floats_by_zero_is_infinite_and_silent() -> None:
    x = engine.tensor([1.0, -1.0, 0.0])
    assert (x / 0).tolist()[:2] == [math.inf, -math.inf]
    assert math.isnan((x / 0)[2].item())
    assert (engine.tensor([1, 2]) / 0).tolist() == [math.inf, math.inf]


# ---- sums -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precisions_are_summed_in_float32(dtype: str) -> None:
    x = engine.ones(4096, 2, dtype=dtype)
    for axis in (0, None):
        assert x.sum(axis).numpy().astype(F32).max() == (4096 if axis == 0 else 8192)
        assert x.mean(axis).numpy().astype(F32).max() == 1
    assert x.sum(0).dtype == x.dtype


def test_integers_and_booleans_are_counted_without_wrapping() -> None:
    assert engine.full(1000, 200, dtype="uint8").sum().item() == 200_000
    assert (engine.arange(300) >= 0).sum().item() == 300
    assert engine.full(9, 100, dtype="int8").prod().item() == 10**18


AXES: list[tuple[Any, str]] = [
    (lambda x: x.sum(2), "sum: axis 2"),
    (lambda x: x.mean(-3), "mean: axis -3"),
    (lambda x: x.argmax(5), "argmax: axis 5"),
    (lambda x: x.amax((0, 0)), "twice"),
    (lambda x: x.argmax((0, 1)), "argmax: takes one axis"),
    (lambda x: x.sum(1.0), "sum: an axis is a whole number"),
    (lambda x: engine.softmax(x, axis=3), "softmax: axis 3"),
    (lambda x: x[:0].amax(), "amax: there is nothing"),
    (lambda x: x[:0].argmax(0), "argmax: there is nothing"),
    (lambda x: x.permute(0), "permute"),
    (lambda x: engine.cat([x, x], 4), "cat: axis 4"),
    (lambda x: engine.stack([x, x], 4), "stack: axis 4"),
    (lambda x: x.unsqueeze(5), "unsqueeze: axis 5"),
    (lambda x: x.flatten(1, 0), "flatten"),
    (lambda x: x.max(7), "axis 7"),
    (lambda x: engine.gather(x, engine.tensor([[0]]), axis=9), "gather: axis 9"),
]


@pytest.mark.parametrize(("act", "says"), AXES)
def test_axes_that_are_not_there_are_named(act: Any, says: str) -> None:
    with pytest.raises(ShapeError, match=says):
        act(engine.ones(2, 3))


def test_numpy_integers_are_axes_and_sizes() -> None:
    x = engine.ones(2, 3)
    two, one = np.int64(2), np.int32(1)
    assert x.sum(one).shape == (2,)
    assert x.sum((np.int64(0), one)).shape == ()
    assert x.reshape(np.int64(3), two).shape == (3, 2)
    assert [p.shape for p in x.split(two, one)] == [(2, 2), (2, 1)]
    assert x.chunk(two, one)[0].shape == (2, 2)
    assert x.roll(one, one).shape == (2, 3)
    assert engine.zeros(two, one).shape == (2, 1)


def test_empty_tensors_come_apart_as_nothing() -> None:
    x = engine.zeros(0, 3)
    assert x.unbind(0) == ()
    assert [p.shape for p in x.split(2)] == [(0, 3)]
    assert x.sum().item() == 0
    assert x.prod(0).tolist() == [1, 1, 1]
    assert math.isnan(x.mean().item())
    assert not x.any().item()
    assert x.all().item()


# ---- writing ----------------------------------------------------------------------------------------------------


def test_elements_can_be_written() -> None:
    x = engine.zeros(2, 3)
    x[0] = [1, 2, 3]
    x[1, engine.tensor([0, 2])] = engine.tensor([7.0, 8.0])
    x[x == 2] = np.float64(5)
    assert x.tolist() == [[1, 5, 3], [7, 0, 8]]


WRITES: list[tuple[Any, type[Exception], str]] = [
    (lambda x: x.__setitem__(5, 1), ShapeError, "assignment"),
    (lambda x: x.__setitem__(0, [1, 2]), ShapeError, "assignment"),
    (lambda x: x.__setitem__(0, "a"), DtypeError, "numbers"),
    (lambda x: x.__setitem__(0, None), DtypeError, "numbers"),
    (lambda x: x.__setitem__(0, 1j), DtypeError, "complex"),
    (lambda x: x.__setitem__(0, engine.tensor(1j)), DtypeError, "complex"),
    (lambda x: x.__setitem__("a", 1), ShapeError, "assignment"),
    (lambda x: x.requires_grad_().__setitem__(0, 1), GradientError, "no_grad"),
    (lambda x: x.expand(4, 2, 3).__setitem__(0, 1), SettingError, "clone"),
]


@pytest.mark.parametrize(("act", "error", "says"), WRITES)
def test_writes_that_cannot_be_done_are_refused(act: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        act(engine.zeros(2, 3))


def test_a_read_only_array_is_read_and_never_written_to() -> None:
    array = np.ones(3, F32)
    array.flags.writeable = False
    x = Tensor(array)
    assert (x * 2).tolist() == [2, 2, 2]
    with pytest.raises(SettingError, match="read-only"):
        x[0] = 5
    y = engine.tensor(array)
    y[0] = 5
    assert array.tolist() == [1, 1, 1]


def test_a_computed_tensor_is_not_written_to_even_without_recording() -> None:
    x = engine.ones(3, requires_grad=True)
    y = x.exp()
    with engine.no_grad(), pytest.raises(GradientError, match="clone"):
        y[0] = 5
    with engine.no_grad():
        x[0] = 5
    assert x.tolist() == [5, 1, 1]


# ---- indexing ---------------------------------------------------------------------------------------------------

PLACES: list[tuple[Any, str]] = [
    (5, "index"),
    ((0, 0, 0), "index"),
    ("a", "index"),
    (1.5, "index"),
    (slice(0, 1.5), "whole"),
    ([[0], [1, 2]], "ragged"),
    ([0, 9], "index"),
    (np.array([True, False, True]), "index"),
    (slice(None, None, 0), "index"),
    ((Ellipsis, Ellipsis), "index"),
    ([0.5], "index"),
]


@pytest.mark.parametrize(("index", "says"), PLACES, ids=lambda v: repr(v)[:30])
def test_places_that_are_not_there_are_refused(index: Any, says: str) -> None:
    with pytest.raises(ShapeError, match=says):
        engine.zeros(2, 3)[index]


def test_a_float_tensor_is_no_index() -> None:
    with pytest.raises(DtypeError, match="integers or booleans"):
        engine.zeros(2)[engine.zeros(1)]


def test_an_empty_list_picks_nothing() -> None:
    assert engine.zeros(2, 3)[[]].shape == (0, 3)
    assert engine.zeros(2, 3)[:, []].shape == (2, 0)


GATHERED: list[tuple[Any, type[Exception]]] = [
    (lambda x: engine.gather(x, engine.tensor([[5]]), axis=1), ShapeError),
    (lambda x: engine.gather(x, engine.tensor([[0.5]]), axis=1), DtypeError),
    (lambda x: engine.gather(x, engine.tensor([0]), axis=1), ShapeError),
    (lambda x: engine.gather(x, engine.tensor([[0]] * 5), axis=1), ShapeError),
]


@pytest.mark.parametrize(("act", "error"), GATHERED)
def test_gather_refuses_places_that_are_not_there(act: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="gather"):
        act(engine.zeros(2, 3))


SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_basic_indices_pick_what_numpy_picks(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True))
    array = np.arange(math.prod(shape), dtype=np.float64).reshape(shape)
    x = engine.tensor(array, requires_grad=True)
    result = x[index]
    np.testing.assert_array_equal(result.numpy(), array[index])
    result.sum().backward()
    wanted = np.zeros(shape)
    wanted[index] = 1
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), wanted)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_integer_arrays_pick_what_numpy_picks_and_repeats_add_up(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    index = data.draw(hnp.integer_array_indices(shape, dtype=np.int64))
    array = np.arange(math.prod(shape), dtype=np.float64).reshape(shape)
    x = engine.tensor(array, requires_grad=True)
    result = x[tuple(engine.tensor(i) for i in index)]
    np.testing.assert_array_equal(result.numpy(), array[index])
    result.sum().backward()
    wanted = np.zeros(shape)
    np.add.at(wanted, index, 1)
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), wanted)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=1, max_dims=3, max_side=4)))
def test_masks_pick_what_numpy_picks(mask: Any) -> None:
    array = np.arange(mask.size, dtype=np.float64).reshape(mask.shape)
    x = engine.tensor(array, requires_grad=True)
    result = x[engine.tensor(mask)]
    np.testing.assert_array_equal(result.numpy(), array[mask])
    (result * 2).sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), mask * 2.0)


# ---- shapes and broadcasting ------------------------------------------------------------------------------------


@settings(max_examples=120, deadline=None)
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=4))
def test_shapes_broadcast_as_numpys_and_gradients_sum_back(shapes: Any) -> None:
    arrays = [np.arange(math.prod(s), dtype=np.float64).reshape(s) + 1 for s in shapes.input_shapes]
    x, y = (engine.tensor(a, requires_grad=True) for a in arrays)
    result = x * y
    np.testing.assert_array_equal(result.numpy(), arrays[0] * arrays[1])
    result.sum().backward()
    for own, other in ((x, arrays[1]), (y, arrays[0])):
        wide = np.broadcast_to(other, shapes.result_shape)
        extra = wide.ndim - own.ndim
        wanted = wide.sum(tuple(range(extra)))
        wanted = wanted.sum(tuple(i for i, s in enumerate(own.shape) if s == 1), keepdims=True).reshape(own.shape)
        assert own.grad is not None
        np.testing.assert_allclose(own.grad.numpy(), wanted)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_reshaping_keeps_the_order_of_elements(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=0, max_size=4))
    shuffled = data.draw(st.permutations(sizes))
    array = np.arange(math.prod(sizes), dtype=np.float64).reshape(sizes)
    array = np.asfortranarray(array) if data.draw(st.booleans()) else array
    wanted = tuple(shuffled)
    if shuffled and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(shuffled) - 1))
        wanted = (*shuffled[:place], -1, *shuffled[place + 1 :])
    x = engine.tensor(array, requires_grad=True)
    np.testing.assert_array_equal(x.reshape(wanted).numpy(), array.reshape(wanted))
    (x.reshape(wanted) * 3).sum().backward()
    assert x.grad is not None
    assert x.grad.shape == x.shape


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_reductions_over_any_axes_are_numpys(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=4))
    axes = data.draw(
        st.one_of(
            st.none(), st.lists(st.integers(0, max(len(shape) - 1, 0)), unique=True, min_size=1, max_size=4).map(tuple)
        )
    )
    if not shape:
        axes = None
    keepdim = data.draw(st.booleans())
    array = data.draw(hnp.arrays(np.float64, shape, elements=st.floats(-3, 3)))
    array = array[::-1] if shape and data.draw(st.booleans()) else array
    x = Tensor(array)
    for name in ("sum", "mean", "prod", "amax", "amin", "any", "all"):
        wanted = getattr(np, name)(array, axes, keepdims=keepdim)
        np.testing.assert_allclose(getattr(x, name)(axes, keepdim).numpy(), wanted, rtol=1e-12, atol=1e-12)


def test_negative_strides_and_views_are_read_rightly() -> None:
    array = np.arange(24, dtype=F32).reshape(2, 3, 4)
    for view in (
        array[::-1],
        array[:, ::-2],
        array.transpose(2, 0, 1),
        np.broadcast_to(array[:1], (2, 3, 4)),
        array[..., ::-1],
    ):
        x = Tensor(view)
        np.testing.assert_allclose((x * 2 + x.exp()).numpy(), view * 2 + np.exp(view), rtol=1e-6)
        np.testing.assert_allclose(engine.matmul(x, x.mT).numpy(), view @ view.swapaxes(-1, -2), rtol=1e-5)
        np.testing.assert_array_equal(x.contiguous().numpy(), view)
        assert x.contiguous().array.flags.c_contiguous


MAKERS: list[tuple[Any, type[Exception]]] = [
    (lambda: engine.zeros(2.0), ShapeError),
    (lambda: engine.zeros(-1), ShapeError),
    (lambda: engine.ones(2, dtype="object"), DtypeError),
    (lambda: engine.zeros("3"), ShapeError),
    (lambda: engine.full((2, True), 1.0), ShapeError),
    (lambda: engine.arange(0, 1, 0), SettingError),
    (lambda: engine.arange(math.nan), SettingError),
    (lambda: engine.arange("a"), SettingError),
    (lambda: engine.linspace(0, 1, -1), SettingError),
    (lambda: engine.linspace(0, 1, 2.5), SettingError),
    (lambda: engine.eye(-1), ShapeError),
    (lambda: engine.cat([]), ShapeError),
    (lambda: engine.stack([]), ShapeError),
    (lambda: engine.cat([engine.ones(2), engine.ones(2, 2)]), ShapeError),
    (lambda: engine.where(engine.ones(2) > 0, engine.ones(3), 0.0), ShapeError),
    (lambda: engine.where(engine.ones(2) > 0, "a", 0.0), DtypeError),
    (lambda: engine.where([True], engine.ones(1, dtype="uint8"), 300), DtypeError),
    (lambda: engine.zeros(2, device="tpu"), engine.DeviceError),
    (lambda: engine.set_threads(0), engine.DeviceError),
]


@pytest.mark.parametrize(("make", "error"), MAKERS)
def test_tensors_that_cannot_be_made_are_refused(make: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        make()


def test_new_tensors_have_the_expected_dtypes() -> None:
    assert engine.zeros(2, dtype=None).dtype == engine.float32
    assert engine.arange(3).dtype == engine.int64
    assert engine.arange(0, np.float32(1), np.float32(0.25)).tolist() == [0, 0.25, 0.5, 0.75]
    assert engine.arange(np.int32(3)).tolist() == [0, 1, 2]
    assert engine.full((2,), 1).dtype == engine.int64
    assert engine.full((), True).item() is True
    assert engine.ones_like(engine.zeros(2, dtype="float16")).dtype == engine.float16
    assert engine.eye(2, 3).shape == (2, 3)
    assert engine.linspace(0, 1, 5).tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_where_takes_numbers_lists_and_arrays() -> None:
    assert engine.where([True, False], 1.0, 2.0).tolist() == [1, 2]
    assert engine.where(True, engine.tensor([1.0]), 5).tolist() == [1]
    assert engine.where(np.array([1, 0]), [1, 2], engine.tensor([3, 4])).tolist() == [1, 4]
    assert engine.tensor([1.0, 2.0]).masked_fill(engine.tensor([True, False]), -math.inf).tolist() == [-math.inf, 2]


SILENT: list[tuple[Callable[[], Tensor], float]] = [
    (lambda: engine.tensor(math.inf) - math.inf, math.nan),
    (lambda: engine.tensor([3e38]) * engine.tensor([10.0]), math.inf),
    (lambda: engine.tensor([3e38]) + engine.tensor([3e38]), math.inf),
    (lambda: engine.tensor([60000.0], dtype="float16") * 2, math.inf),
    (lambda: engine.tensor([0.0]) * math.inf, math.nan),
    (lambda: engine.tensor([3e38, 3e38]).sum(), math.inf),
    (lambda: engine.tensor([3e38, 3e38]).prod(), math.inf),
    (lambda: engine.tensor([1e200], dtype="float64").float(), math.inf),
    (lambda: engine.tensor([3e38]) @ engine.tensor([10.0]), math.inf),
    (lambda: engine.tensor([math.inf]).sin(), math.nan),
    (lambda: engine.tensor([-1.0]).sqrt(), math.nan),
    (lambda: engine.tensor([-1.0]).log(), math.nan),
    (lambda: engine.tensor([0.0]).rsqrt(), math.inf),
    (lambda: engine.tensor([1000.0]).exp(), math.inf),
    (lambda: engine.tensor([1e30]) ** 2, math.inf),
    (lambda: engine.tensor([1e30]).square(), math.inf),
    (lambda: engine.tensor([math.inf, -math.inf]).mean(), math.nan),
    (lambda: engine.tensor([math.inf, 1.0]).softmax(), math.nan),
    (lambda: engine.layer_norm(engine.tensor([[math.inf, 1.0]])), math.nan),
    (lambda: engine.tensor([math.nan, 1.0]).amax(), math.nan),
    (lambda: engine.tensor([5.0]) % 0.0, math.nan),
    (lambda: engine.tensor([1.0]) * 1e300, math.inf),
    (lambda: engine.tensor([math.inf]).var(correction=0), math.nan),
]


@pytest.mark.parametrize("action", ["error", "always"])
@pytest.mark.parametrize(("compute", "wanted"), SILENT)
def test_overflow_and_nan_are_results_and_no_warnings(
    compute: Callable[[], Tensor], wanted: float, action: Any
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        # As a program sees it: the engine's own filter, before or behind what the program asks for.
        warnings.simplefilter(action, append=action == "always")
        np.testing.assert_equal(float(compute().numpy().flat[0]), wanted)
    assert not caught


def test_new_tensors_take_after_a_tensor() -> None:
    x = engine.ones(2, 3, dtype="float64")
    for made, wanted in (
        (x.new_zeros(2, 1), np.zeros((2, 1))),
        (x.new_ones((3,)), np.ones(3)),
        (x.new_full((2,), 7), np.full(2, 7.0)),
        (x.new_tensor([1, 2]), np.array([1.0, 2.0])),
        (engine.full_like(x, 2), np.full((2, 3), 2.0)),
        (engine.logspace(0, 2, 3, dtype="float64"), np.array([1.0, 10.0, 100.0])),
    ):
        assert made.dtype == np.float64
        np.testing.assert_array_equal(made.numpy(), wanted)
    assert x.new_empty(4, dtype="int32").dtype == np.int32
    assert engine.empty_like(x).shape == (2, 3)
    assert x.byte().dtype == np.uint8
    assert x.char().dtype == np.int8
    assert x.short().dtype == np.int16


def test_as_tensor_and_from_numpy_share_memory() -> None:
    array = np.zeros(3, np.float32)
    for made in (engine.as_tensor(array), engine.from_numpy(array)):
        assert made.array is array
    x = engine.ones(2)
    assert engine.as_tensor(x) is x
    assert engine.as_tensor([1, 2], dtype="float32").dtype == np.float32
    with pytest.raises(engine.ArgumentError, match="from_numpy"):
        engine.from_numpy([1.0])


def test_how_a_tensor_lies_in_memory() -> None:
    x = engine.zeros(2, 3, 4)
    assert x.stride() == (12, 4, 1)
    assert x.stride(-1) == 1
    assert x.is_contiguous()
    assert not x.transpose(0, 1).is_contiguous()
    assert x.nelement() == 24
    assert x.ndimension() == 3
    assert x.is_floating_point()
    assert not engine.arange(3).is_floating_point()
