"""Elementwise functions, reductions, scans and orders: exact values, special cases, named results, and bad input."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import DtypeError, SettingError, ShapeError

F64 = np.float64
EULER = 0.5772156649015329


def t(values: Any, dtype: str | None = None, **more: Any) -> engine.Tensor:
    return engine.tensor(values, dtype=dtype, **more)


def relative(given: engine.Tensor, wanted: Any) -> float:
    return float(np.max(np.abs(given.numpy() / np.asarray(wanted) - 1)))


# ---- special functions -------------------------------------------------------------------------------------------------


def test_erfc_is_exact_relative_to_its_size_where_it_is_tiny() -> None:
    x = np.concatenate([np.linspace(-6, 26, 500), np.linspace(-1e-3, 1e-3, 21)])
    assert relative(engine.erfc(t(x)), [math.erfc(v) for v in x]) < 2e-15
    narrow = np.linspace(0, 9, 200).astype(np.float32)
    assert relative(engine.erfc(t(narrow)), [math.erfc(v) for v in narrow]) < 1e-6


def test_lgamma_is_exact_relative_to_its_size_near_its_zeros_too() -> None:
    x = np.concatenate(
        [10.0 ** np.linspace(-300, 300, 200), np.linspace(0.01, 20, 400), 1 + np.linspace(-0.1, 0.1, 20)]
    )
    wanted = np.array([math.lgamma(v) for v in x])
    given = engine.lgamma(t(x)).numpy()
    np.testing.assert_allclose(given, wanted, rtol=1e-14, atol=1e-15)
    below = -np.linspace(0.013, 30.7, 300)
    np.testing.assert_allclose(engine.lgamma(t(below)).numpy(), [math.lgamma(v) for v in below], rtol=1e-12, atol=1e-13)
    # Where it crosses 0, the series gives what a difference of large numbers would lose.
    step = 2.0**-30
    near = [-EULER * step + math.pi**2 / 12 * step**2, (1 - EULER) * step + (math.pi**2 / 12 - 0.5) * step**2]
    assert relative(engine.lgamma(t([1 + step, 2 + step], "float64")), near) < 1e-14


def test_digamma_and_its_slopes_have_their_known_values() -> None:
    third = -EULER - math.pi / (2 * math.sqrt(3)) - 1.5 * math.log(3)
    assert relative(engine.digamma(t([1.0, 0.5, 1 / 3], "float64")), [-EULER, -EULER - 2 * math.log(2), third]) < 1e-14
    assert relative(engine.polygamma(1, t([1.0, 0.5], "float64")), [math.pi**2 / 6, math.pi**2 / 2]) < 1e-14
    assert relative(engine.polygamma(2, t([1.0], "float64")), [-2 * 1.2020569031595942]) < 1e-14  # Apery's constant
    x = t([-0.3, -1.7, -6.4], "float64")
    for n in range(5):  # psi_n(x + 1) = psi_n(x) + (-1)^n n! / x^(n + 1)
        step = (-1.0) ** n * math.factorial(n) / x ** (n + 1)
        np.testing.assert_allclose(
            engine.polygamma(n, x + 1).numpy(), (engine.polygamma(n, x) + step).numpy(), rtol=1e-10
        )


def test_erfinv_undoes_erf_and_keeps_what_is_tiny() -> None:
    x = np.concatenate([np.linspace(-0.999, 0.999, 301), 10.0 ** np.linspace(-300, -1, 50)])
    assert relative(engine.erf(engine.erfinv(t(x[x != 0]))), x[x != 0]) < 1e-14
    assert engine.erfinv(t([0.0])).item() == 0.0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_special_functions_at_their_ends(dtype: str) -> None:
    inf, nan = math.inf, math.nan
    table = [
        (engine.erfc, [inf, -inf, nan, 0.0], [0.0, 2.0, nan, 1.0]),
        (engine.erfinv, [1.0, -1.0, 2.0, nan], [inf, -inf, nan, nan]),
        (engine.lgamma, [0.0, -1.0, -2.0, inf, -inf, nan, 1.0, 2.0], [inf, inf, inf, inf, inf, nan, 0.0, 0.0]),
        (engine.digamma, [0.0, -0.0, -1.0, inf, nan], [-inf, inf, nan, inf, nan]),
        (lambda x: engine.polygamma(1, x), [0.0, -1.0, inf, nan], [inf, inf, 0.0, nan]),
        (lambda x: engine.polygamma(2, x), [0.0, inf], [-inf, 0.0]),
        (engine.sinc, [0.0, nan], [1.0, nan]),
        (engine.nan_to_num, [nan], [0.0]),
    ]
    for function, given, wanted in table:
        np.testing.assert_array_equal(function(t(given, dtype)).numpy().astype(F64), np.array(wanted))


# ---- gradients at corners ----------------------------------------------------------------------------------------------


def slope(function: Callable[[Any], Any], values: Any) -> list[Any]:
    x = engine.tensor(values, requires_grad=True)
    function(x).sum().backward()
    assert x.grad is not None
    return x.grad.tolist()  # type: ignore[no-any-return]


def test_slopes_are_finite_where_a_length_is_0() -> None:
    for p in (0.5, 1, 1.5, 2, 3, "fro", math.inf):
        assert np.isfinite(slope(lambda x: engine.norm(x, p), [0.0, 0.0])).all()  # noqa: B023
    assert slope(lambda x: x.std(), [2.0, 2.0]) == [0.0, 0.0]
    assert slope(lambda x: engine.dist(x, x.detach()), [1.0, 2.0]) == [0.0, 0.0]


def test_second_slopes_of_products_with_zeros_are_right() -> None:
    engine.check.gradients(lambda x: engine.prod(x, 0), t([2.0, 0.0, 3.0, 0.0], "float64"), order=3)
    engine.check.gradients(lambda x: engine.cumprod(x, 0), t([2.0, 0.0, 3.0, 0.0, 1.5], "float64"), order=3)


def test_products_of_whole_axes_of_zeros_have_slopes() -> None:
    assert slope(lambda x: x.prod(), [[0.0, 2.0], [3.0, 4.0]]) == [[24.0, 0.0], [0.0, 0.0]]
    assert slope(lambda x: x.cumprod(1), [[0.0, 0.0, 5.0]]) == [[1.0, 0.0, 0.0]]


def test_logcumsumexp_is_stable_however_far_the_values_lie_apart() -> None:
    values = [-1e4, 0.0, 1e4, -math.inf]
    assert t(values).logcumsumexp(0).tolist() == [-1e4, 0.0, 1e4, 1e4]
    assert np.isfinite(slope(lambda x: x.logcumsumexp(0), values)).all()
    assert slope(lambda x: x.logsumexp(0), [-math.inf, -math.inf]) == [0.0, 0.0]


def test_gradients_flow_to_the_elements_that_were_chosen() -> None:
    values = [3.0, 1.0, 2.0]
    assert slope(lambda x: x.sort().values * t([1.0, 2.0, 3.0]), values) == [3.0, 1.0, 2.0]
    assert slope(lambda x: x.topk(2).values * t([5.0, 7.0]), values) == [5.0, 0.0, 7.0]
    assert slope(lambda x: x.kthvalue(1).values, values) == [0.0, 1.0, 0.0]
    assert slope(lambda x: x.median(), values) == [0.0, 0.0, 1.0]
    assert slope(lambda x: x.quantile(0.75), values) == [0.5, 0.0, 0.5]
    assert slope(lambda x: x.cummax(0).values, values) == [3.0, 0.0, 0.0]


# ---- results with names ------------------------------------------------------------------------------------------------


def test_results_of_several_tensors_have_pytorchs_names() -> None:
    x = t([[3.0, 1.0, 2.0]])
    for result in (x.sort(), x.topk(2), x.kthvalue(1), x.median(1), x.nanmedian(1), x.mode(), x.cummax(1), x.cummin(1), x.max(1), x.min(1)):  # fmt: skip
        values, indices = result
        assert values is result.values
        assert indices is result.indices
        assert indices.dtype == engine.int64
    assert x.aminmax().min.item() == 1.0
    assert x.aminmax().max.item() == 3.0


def test_second_names_are_the_same_operations() -> None:
    assert engine.multiply is engine.mul
    assert engine.arccos is engine.acos
    assert engine.special.expit is engine.sigmoid
    x = t([0.25, -0.5])
    assert x.absolute().tolist() == [0.25, 0.5]
    assert x.multiply(2).subtract(1).tolist() == [-0.5, -2.0]
    assert x.less(0).tolist() == [False, True]


def test_random_numbers_are_written_in_place_from_the_generator() -> None:
    x = engine.zeros(2000, requires_grad=True)
    with engine.no_grad():
        first = x.normal_(3.0, 0.5, generator=engine.Generator(1)).clone()
        assert abs(float(first.mean()) - 3.0) < 0.05
        assert x.normal_(3.0, 0.5, generator=engine.Generator(1)).equal(first)
        assert 0.0 <= float(x.uniform_(0, 2).min()) < float(x.max()) <= 2.0
        assert set(x.bernoulli_(0.5).tolist()) == {0.0, 1.0}
    with pytest.raises(engine.GradientError, match="normal_"):
        x.normal_()


def test_axis_and_dim_mean_the_same_everywhere() -> None:
    x = t(np.arange(6.0).reshape(2, 3))
    for name in (
        "sum",
        "mean",
        "amax",
        "argmax",
        "all",
        "logsumexp",
        "std",
        "cumsum",
        "sort",
        "median",
        "softmax",
        "count_nonzero",
    ):
        function = getattr(engine, name)
        by_axis, by_dim = function(x, axis=0), function(x, dim=0)
        first, second = (v[0] if isinstance(v, tuple) else v for v in (by_axis, by_dim))
        assert first.tolist() == second.tolist(), name
    with pytest.raises(engine.ArgumentError, match="dim"):
        engine.exp(x, dim=0)  # type: ignore[call-arg]


def test_stable_orders_keep_equals_in_place_both_ways() -> None:
    x = t([2, 1, 2, 1, 2])
    assert x.sort(stable=True).indices.tolist() == [1, 3, 0, 2, 4]
    assert x.sort(descending=True, stable=True).indices.tolist() == [0, 2, 4, 1, 3]
    assert t([math.nan, 1.0, -math.inf], "bfloat16").sort().indices.tolist() == [2, 1, 0]
    assert t([math.nan, 1.0, math.inf], "bfloat16").topk(2).indices.tolist() == [0, 2]


def test_unique_finds_slices_and_treats_each_nan_as_one_of_its_own() -> None:
    x = t([[1, 2], [3, 4], [1, 2]])
    values, inverse, counts = x.unique(dim=0, return_inverse=True, return_counts=True)
    assert values.tolist() == [[1, 2], [3, 4]]
    assert inverse.tolist() == [0, 1, 0]
    assert counts.tolist() == [2, 1]
    assert t([math.nan, 1.0, math.nan, 1.0]).unique().numel() == 3
    assert t([1, 1, 2, 1]).unique_consecutive(return_counts=True)[1].tolist() == [2, 1, 1]


def test_a_large_topk_is_that_of_a_sort() -> None:
    x = t(np.random.default_rng(0).permutation(100_000).astype(np.float32).reshape(10, -1))
    for largest in (True, False):
        top, full = x.topk(37, largest=largest), x.sort(descending=largest)
        assert np.array_equal(top.values.numpy(), full.values.numpy()[:, :37])
        assert np.array_equal(top.indices.numpy(), full.indices.numpy()[:, :37])


# ---- bad input ---------------------------------------------------------------------------------------------------------

X = engine.ones(2, 3)
WHOLE = engine.ones(2, dtype="int64")
BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: engine.div(X, X, rounding_mode="up"), SettingError, "div.*trunc.*floor.*'up'"),
    (lambda: engine.div(WHOLE, 0, rounding_mode="trunc"), SettingError, r"div.*0.*\.float\(\)"),
    (lambda: engine.fmod(WHOLE, 0), SettingError, r"fmod.*0.*\.float\(\)"),
    (lambda: engine.frac(WHOLE), DtypeError, r"frac.*int64.*\.float\(\)"),
    (lambda: engine.lerp(WHOLE, WHOLE, 1), DtypeError, r"lerp.*int64.*\.float\(\)"),
    (lambda: engine.addcdiv(WHOLE, WHOLE, WHOLE), DtypeError, r"addcdiv.*int64.*\.float\(\)"),
    (lambda: engine.addcmul(WHOLE, WHOLE, WHOLE, value=0.5), DtypeError, "addcmul.*int64.*0.5"),
    (lambda: engine.clamp(X), engine.ArgumentError, "clamp.*min and max"),
    (lambda: engine.positive(engine.tensor([True])), DtypeError, "positive.*int"),
    (lambda: engine.polygamma(-1, X), SettingError, "polygamma.*-1"),
    (lambda: engine.polygamma(0.5, X), SettingError, "polygamma.*0.5"),  # type: ignore[arg-type]
    (lambda: X << 1, DtypeError, "left_shift.*float32"),
    (lambda: engine.isclose(X, X, rtol=-1.0), SettingError, "isclose.*rtol.*-1"),
    (lambda: X.norm("max"), SettingError, "norm.*'fro'.*'max'"),
    (lambda: X.cov(fweights=engine.ones(3)), ShapeError, "cov: fweights are 3 whole numbers"),
    (lambda: X.cov(aweights=-engine.ones(3)), SettingError, "cov: aweights.*below 0"),
    (lambda: engine.ones(1, 2, 3).cov(), ShapeError, r"cov.*\(1, 2, 3\)"),
    (lambda: WHOLE.cov(), DtypeError, r"cov.*int64.*\.float\(\)"),
    (lambda: engine.trapezoid(X, X, dx=1.0), engine.ArgumentError, "trapezoid.*x or dx"),
    (lambda: engine.trapezoid(X, engine.ones(2)), ShapeError, "trapezoid.*along axis 1"),
    (lambda: engine.mvlgamma(X, 3), SettingError, r"mvlgamma.*1\.0"),
    (lambda: engine.mvlgamma(X, 0), SettingError, "mvlgamma.*0"),
    (lambda: engine.gcd(X, X), DtypeError, r"gcd.*float32.*long"),
    (lambda: WHOLE.normal_(), DtypeError, "normal_.*int64"),
    (lambda: X.clone().normal_(0, -1), SettingError, "normal.*std.*-1"),
    (lambda: X.clone().bernoulli_(2), SettingError, "bernoulli.*2"),
    (lambda: X.norm(math.nan), SettingError, "norm.*nan"),
    (lambda: WHOLE.norm(), DtypeError, r"norm.*int64.*\.float\(\)"),
    (lambda: X.norm(dim=2), ShapeError, "norm: axis 2"),
    (lambda: engine.ones(0).norm(math.inf), ShapeError, r"norm.*\(0,\)"),
    (lambda: X.var(correction="a"), SettingError, "var.*correction.*'a'"),
    (lambda: X.std(unbiased=True, correction=1), engine.ArgumentError, "std.*unbiased.*correction"),
    (lambda: WHOLE.nanmean(), DtypeError, r"nanmean.*int64.*\.float\(\)"),
    (lambda: X.logsumexp(5), ShapeError, "logsumexp: axis 5"),
    (lambda: X.cumsum(), ShapeError, "cumsum.*axis=0.*flatten"),
    (lambda: X.cumprod(4), ShapeError, "cumprod: axis 4"),
    (lambda: X.cummax(-3), ShapeError, "cummax: axis -3"),
    (lambda: X.logcumsumexp(2), ShapeError, "logcumsumexp: axis 2"),
    (lambda: X.diff(-1), SettingError, "diff.*-1"),
    (lambda: X.sum().diff(), ShapeError, "diff.*0-dimensional"),
    (lambda: engine.recurrence(X, WHOLE.float(), axis=0), ShapeError, r"recurrence.*\(2, 3\).*\(2,\)"),
    (lambda: X.sort(2), ShapeError, "sort: axis 2"),
    (lambda: engine.tensor([1j]).sort(), DtypeError, r"sort.*complex.*abs\(\)"),
    (lambda: X.topk(4), SettingError, "topk.*0 to the 3 elements.*4"),
    (lambda: X.topk(-1), SettingError, "topk.*-1"),
    (lambda: X.topk(1.5), SettingError, "topk.*1.5"),
    (lambda: X.kthvalue(0), SettingError, "kthvalue.*1 to the 3.*0"),
    (lambda: engine.ones(2, 0).median(1), ShapeError, r"median.*\(2, 0\)"),
    (lambda: engine.ones(2, 0).mode(1), ShapeError, r"mode.*\(2, 0\)"),
    (lambda: X.quantile(1.5), SettingError, "quantile.*from 0 to 1.*1.5"),
    (lambda: X.quantile(math.nan), SettingError, "quantile.*nan"),
    (lambda: X.quantile([[0.5]]), ShapeError, "quantile.*q is a number or a row"),
    (lambda: X.quantile(0.5, interpolation="cubic"), SettingError, "quantile.*midpoint.*'cubic'"),
    (lambda: WHOLE.quantile(0.5), DtypeError, r"quantile.*int64.*\.float\(\)"),
    (lambda: engine.ones(2, 0).quantile(0.5, 1), ShapeError, r"quantile.*\(2, 0\)"),
    (lambda: engine.searchsorted(X, engine.ones(3)), ShapeError, r"searchsorted.*\(3,\).*\(2, 3\)"),
    (lambda: engine.searchsorted(WHOLE, 1, side="up"), SettingError, "searchsorted.*'left' or 'right'.*'up'"),
    (lambda: engine.searchsorted(WHOLE, 1, side="left", right=True), SettingError, "searchsorted.*agrees"),
    (lambda: engine.searchsorted(WHOLE, 1, sorter=X), ShapeError, "searchsorted: sorter"),
    (lambda: engine.bucketize(1.0, X), ShapeError, r"bucketize.*one axis.*\(2, 3\)"),
    (lambda: X.bincount(), DtypeError, "bincount.*float32.*long"),
    (lambda: engine.tensor([[1]]).bincount(), ShapeError, r"bincount.*\(1, 1\).*flatten"),
    (lambda: engine.tensor([-1]).bincount(), SettingError, "bincount.*-1"),
    (lambda: WHOLE.bincount(minlength=-2), SettingError, "bincount.*minlength.*-2"),
    (lambda: WHOLE.bincount(X), ShapeError, "bincount: weights"),
    (lambda: X.histc(0), SettingError, "histc.*bins.*0"),
    (lambda: X.histc(3, 2, 1), SettingError, "histc.*min below max"),
    (lambda: engine.tensor([math.inf]).histc(3), SettingError, "histc.*finite"),
    (lambda: WHOLE.histc(3), DtypeError, r"histc.*int64.*\.float\(\)"),
    (lambda: X.unique(dim=3), ShapeError, "unique: axis 3"),
]


@pytest.mark.parametrize(("act", "error", "says"), BAD)
def test_bad_input_is_refused_in_words_that_help(act: Callable[[], Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        act()
    assert isinstance(caught.value, engine.EngineError)


def test_derivatives_of_a_power_end_in_zeros() -> None:
    x = engine.tensor([0.0, 2.0], requires_grad=True)
    found = x**3
    for wanted in ([0.0, 12.0], [0.0, 12.0], [6.0, 6.0], [0.0, 0.0], [0.0, 0.0]):
        (found,) = engine.grad(found.sum(), x, create_graph=True)
        assert found.tolist() == wanted
