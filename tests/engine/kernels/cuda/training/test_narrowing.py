"""Precision on a GPU: what is narrowed, how often, and what stays wide."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import Tensor, nn, ops, optim, twins, writes
from numzoo.engine.kernels.cuda.elementwise import operations as elementwise
from numzoo.engine.kernels.cuda.training import narrowing

BF16 = ml_dtypes.bfloat16
RNG = np.random.default_rng(0)
pytestmark = pytest.mark.usefixtures("one_order")


def there(*shape: int, grad: bool = False) -> Tensor:
    found = Tensor(RNG.standard_normal(shape).astype(np.float32)).to("cuda")
    return found.requires_grad_() if grad else found


def rounded(tensor: Tensor) -> Any:
    return tensor.detach().cpu().numpy().astype(BF16)


@pytest.fixture
def casts(monkeypatch: Any) -> list[tuple[int, ...]]:
    """The shapes of what is brought to another dtype by a launch of its own."""
    found: list[tuple[int, ...]] = []
    cast = elementwise.cast

    def noted(x: Any, *, dtype: Any) -> Any:
        found.append(tuple(x.shape))
        return cast(x, dtype=dtype)

    monkeypatch.setattr(elementwise, "cast", noted)
    return found


def test_results_stay_narrow_and_gradients_are_as_wide_as_what_they_are_of() -> None:
    x, layer = there(4, 8, grad=True), nn.Linear(8, 8).to("cuda")
    with engine.precision("bf16"):
        first = layer(x)
        second = layer(first)
        attended = engine.nn.functional.scaled_dot_product_attention(first, first, first)
    assert {first.dtype, second.dtype, attended.dtype} == {engine.bfloat16}
    (second + attended).float().sum().backward()
    assert x.grad is not None
    assert layer.weight.grad is not None
    assert layer.bias.grad is not None
    assert {t.grad.dtype for t in (x, layer.weight, layer.bias)} == {engine.float32}
    assert np.abs(x.grad.cpu().numpy() - x.grad.cpu().numpy().astype(BF16).astype(np.float32)).max() > 0


def test_a_tensor_is_narrowed_once_for_all_that_read_it(casts: list[Any]) -> None:
    x, layers = there(4, 8), [nn.Linear(8, 8, bias=False).to("cuda") for _ in range(3)]
    with engine.precision("bf16"):
        for layer in layers:
            layer(x)
        assert casts == [(4, 8), (8, 8), (8, 8), (8, 8)]
        casts.clear()
        x[0] = 1.0
        given = layers[0](x)
        assert casts.count((4, 8)) == 1
    np.testing.assert_array_equal(rounded(given), rounded(engine.matmul(x.bfloat16(), layers[0].weight.bfloat16().mT)))


def test_backward_keeps_the_narrow_form() -> None:
    x, weight = there(4, 8, grad=True), there(8, 8, grad=True)
    with engine.precision("bf16"):
        out = engine.matmul(x * 2.0, weight)
    node: Any = out.node
    assert node.kept(0).dtype == engine.bfloat16
    assert node.saved[1] is weight  # a leaf stands for itself, or backward would not notice what is written to it


def test_parameters_are_renewed_in_one_launch_after_a_step(one_order: Any, casts: list[Any]) -> None:
    model = nn.Sequential(nn.Linear(8, 24), nn.Linear(24, 5), nn.Linear(5, 1031, bias=False)).to("cuda")
    frozen = nn.Linear(8, 8).requires_grad_(False).to("cuda")
    rule, x = optim.SGD(model.parameters(), lr=0.1), there(4, 8)
    for step in range(3):
        casts.clear()
        one_order.launched.clear()
        with engine.precision("bf16"):
            out = model(frozen(x.clone()))
        if step:
            assert one_order.launched.count("narrow_all") == 1
            assert casts == [(4, 8)]
        for layer in model:
            assert layer.weight.twin.array is not None
            np.testing.assert_array_equal(layer.weight.twin.array.get(), rounded(layer.weight))
        rule.zero_grad()
        out.float().sum().backward()
        rule.step()


def test_parameters_that_are_given_other_values_are_narrowed_anew() -> None:
    layer, x = nn.Linear(8, 8, bias=False).to("cuda"), there(4, 8)
    with engine.precision("bf16"):
        for change in (
            lambda: layer.load_state_dict({"weight": there(8, 8)}),
            lambda: layer.weight.set_array(there(8, 8).array),
            lambda: layer.weight.array.__setitem__(slice(None), there(8, 8).array) or engine.ops.touch(layer.weight),
            lambda: layer.weight.convert(engine.float16, None),
        ):
            layer(x)
            change()
            wanted = engine.matmul(x.bfloat16(), layer.weight.bfloat16().mT)
            np.testing.assert_array_equal(rounded(layer(x)), rounded(wanted))


def test_a_weight_that_is_stored_the_other_way_round_shares_its_parameter_s_narrow_form(casts: list[Any]) -> None:
    weight, x = nn.Parameter(np.float32(RNG.standard_normal((8, 6)))), there(4, 8, grad=True)
    weight.convert(None, engine.device.Device("cuda"))
    with engine.precision("bf16"):
        for _ in range(2):
            out = engine.linear(x, weight.T)
    assert casts == [(4, 8), (8, 6)]
    np.testing.assert_array_equal(rounded(out), rounded(engine.matmul(x.bfloat16(), weight.bfloat16())))
    out.float().sum().backward()
    assert weight.grad is not None
    np.testing.assert_allclose(weight.grad.cpu().numpy()[:, 0], rounded(x).astype(np.float32).sum(0), rtol=1e-5)
    with engine.precision("bf16"):
        node: Any = engine.linear(x, weight.T).node
    assert (
        node.kept(1).dtype == engine.float32
    )  # whose memory is the parameter's, so that backward notices what is written to it


@pytest.mark.parametrize("warmup", [1, 3])
def test_a_captured_step_trains_as_one_that_is_not_and_whoever_comes_after_sees_its_weights(warmup: int) -> None:
    batches = [there(4, 8) for _ in range(6)]

    def trained(captured: bool) -> tuple[list[Any], Any, Any]:
        engine.manual_seed(0)
        model = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 4)).to("cuda")
        rule = optim.AdamW(model.parameters(), lr=0.01)

        def step(x: Tensor) -> Tensor:
            with engine.precision("bf16"):
                scores = model(x).float()
                loss = (scores * scores).mean()
            rule.zero_grad()
            loss.backward()
            rule.step()
            return loss

        run = engine.capture(step, warmup=warmup) if captured else step
        seen = []
        for number, x in enumerate(batches):
            seen.append(run(x).item())
            if number == 4:
                with engine.precision("bf16"), engine.no_grad():
                    between = model(batches[0]).float().cpu().numpy()
        with engine.precision("bf16"), engine.no_grad():
            return seen, between, model(batches[0]).float().cpu().numpy()

    for wanted, found in zip(trained(False), trained(True), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_float32_beside_narrow_numbers_is_computed_in_one_launch(one_order: Any, casts: list[Any]) -> None:
    narrow, wide = there(6, 7).bfloat16(), there(6, 7)
    casts.clear()
    for operation in (engine.add, engine.sub, engine.mul, engine.div, engine.maximum, engine.minimum):
        for x, y in ((narrow, wide), (wide, narrow), (narrow.T, wide.T[:, :1]), (narrow[:, ::2], wide[0, ::2])):
            one_order.launched.clear()
            found = operation(x, y)
            assert found.dtype == engine.float32
            assert len(one_order.launched) == 1
            one = operation(x.cpu().float(), y.cpu().float())
            np.testing.assert_array_equal(found.cpu().numpy(), one.numpy())
    assert not casts
    assert (narrow + engine.ones((), device="cuda")).dtype == engine.bfloat16  # a number does not widen


def test_gradients_reach_narrow_and_wide_operands_in_their_own_dtypes() -> None:
    x, y = there(6, 7, grad=True), there(6, 7, grad=True)
    narrow = x.bfloat16()
    (narrow * y).sum().backward()
    assert x.grad is not None
    assert y.grad is not None
    np.testing.assert_array_equal(y.grad.cpu().numpy(), rounded(x).astype(np.float32))
    np.testing.assert_array_equal(x.grad.cpu().numpy(), rounded(y).astype(np.float32))


def test_what_suffers_from_few_digits_is_computed_and_given_in_float32() -> None:
    x = there(4, 8, grad=True)
    with engine.precision("bf16"):
        narrow = engine.matmul(x, there(8, 8))
        found = [
            engine.softmax(narrow, axis=-1),
            engine.ops.log_softmax(narrow, axis=-1),
            engine.ops.layer_norm(narrow),
        ]
    assert {each.dtype for each in found} == {engine.float32}
    np.testing.assert_allclose(found[0].cpu().numpy().sum(-1), 1, rtol=1e-6)
    sum(found[1:], found[0]).sum().backward()
    assert x.grad is not None
    assert engine.softmax(narrow, axis=-1).dtype == engine.bfloat16  # outside, as ever


def test_gradients_of_gradients_are_those_of_float32_but_for_rounding() -> None:
    x, w = there(4, 8, grad=True), there(8, 8, grad=True)

    def second(precision: str) -> Any:
        with engine.precision(precision):
            out = engine.matmul(engine.matmul(x, w).relu() * x, w).float()
            (first,) = engine.grad((out**2).mean(), [x], create_graph=True)
            return engine.grad((first**2).sum(), [x, w])

    for wide, narrow in zip(second("f32"), second("bf16"), strict=True):
        assert narrow.dtype == engine.float32
        difference = np.linalg.norm((wide - narrow).cpu().numpy()) / np.linalg.norm(wide.cpu().numpy())
        assert 0 < difference < 0.03


def test_a_sum_of_narrow_numbers_in_float32_is_not_rounded_between() -> None:
    x = there(1000, 3).bfloat16()
    found = engine.sum(x, 0, dtype="float32")
    np.testing.assert_allclose(found.cpu().numpy(), x.float().cpu().numpy().astype(np.float64).sum(0), rtol=1e-6)
    assert engine.sum(x, 0).dtype == engine.bfloat16


def test_gradients_of_convolutions_weights_are_widened_together(one_order: Any, casts: list[Any]) -> None:
    engine.manual_seed(0)
    kinds = [
        nn.Conv2d(4, 6, 3, padding=1),
        nn.Conv2d(6, 6, 3, groups=2),
        nn.Conv2d(6, 1030, 1, bias=False),
        nn.Conv2d(1030, 16, 1),
    ]
    model, x = nn.Sequential(*kinds).to("cuda"), there(2, 4, 6, 5)
    shared = kinds[0].weight

    factors = there(2, 16)

    def run(precision: str) -> dict[str, Any]:
        model.zero_grad()
        with engine.precision(precision):
            loss = (model(x).float().mean((2, 3)) * factors).mean()
        one_order.launched.clear()
        casts.clear()
        loss.backward()
        return {name: parameter.grad for name, parameter in model.named_parameters()}

    wide = run("f32")
    narrow = [run("bf16") for _ in range(2)][-1]
    assert one_order.launched.count("widen_all") == 1
    assert not [shape for shape in casts if len(shape) == 4 and shape[0] != 2]
    for name, gradient in narrow.items():
        difference = np.linalg.norm((gradient - wide[name]).cpu().numpy())
        assert difference < 0.05 * np.linalg.norm(wide[name].cpu().numpy()), name
    assert {each.dtype for each in narrow.values()} == {engine.float32}
    assert len({each.array.data.ptr for each in narrow.values()}) == len(narrow)
    kept = {name: each.clone() for name, each in narrow.items()}
    with engine.precision("bf16"):
        (model(x).float().sum() * 0.0).backward()  # adds to what is there, which is not widened late
    for name, parameter in model.named_parameters():
        np.testing.assert_array_equal(parameter.grad.cpu().numpy(), kept[name].cpu().numpy())
    model.zero_grad()
    with engine.precision("bf16"):
        twice = kinds[0](x).float().sum() + kinds[0](x * 2.0).float().sum()
    twice.backward()  # a leaf that two operations read
    once = shared.grad.cpu().numpy()
    model.zero_grad()
    twice = kinds[0](x).sum() + kinds[0](x * 2.0).sum()
    twice.backward()
    np.testing.assert_allclose(once, shared.grad.cpu().numpy(), rtol=0.03, atol=0.3)


@pytest.mark.parametrize("width", [8, 13, 1027])
@pytest.mark.parametrize("norm", [nn.LayerNorm, nn.RMSNorm])
def test_what_normalises_rows_writes_the_narrow_form_besides(norm: Any, width: int, casts: list[Any]) -> None:
    layer, dense, x = norm(width).to("cuda"), nn.Linear(width, 8, bias=False).to("cuda"), there(3, 5, width, grad=True)
    with engine.precision("bf16"):
        dense(there(1, width))
        casts.clear()
        normal = layer(x)
        out = dense(normal)
        assert not casts
        assert normal.dtype == engine.float32
        np.testing.assert_array_equal(normal.twin.array.get(), rounded(normal))
        again = layer(x).detach()
        again[0] = 1.0  # written to before it is read so
        changed = dense(again)
    np.testing.assert_array_equal(
        rounded(changed), rounded(engine.matmul(again.bfloat16(), dense.weight.bfloat16().mT))
    )
    out.float().sum().backward()
    assert x.grad is not None
    with engine.precision("bf16"):
        layer(x)  # which nobody reads: its narrow form goes with it
    assert twins._offered.pair is None


@pytest.mark.parametrize(
    "move", [lambda layer: layer.to("cpu"), lambda layer: layer.weight.set_array(there(4, 8).array)]
)
def test_a_parameter_with_another_array_lets_its_narrow_copy_go(move: Any) -> None:
    layer = nn.Linear(8, 4).to("cuda")
    with engine.precision("bf16"), engine.no_grad():
        layer(there(3, 8))
    assert layer.weight.twin is not None
    move(layer)
    assert layer.weight.twin is None


def test_what_wants_a_gradient_only_now_takes_part_in_second_derivatives() -> None:
    x, weight = there(3, 8), there(8, 4, grad=True)
    found = []
    with engine.precision("bf16"):
        for read_before in (True, False):
            x = Tensor(x.array)
            if read_before:
                engine.matmul(x, weight.detach())
            x.requires_grad_()
            (slope,) = engine.grad((engine.matmul(x, weight).float() ** 2).sum(), weight, create_graph=True)
            (curve,) = engine.grad((slope.float() ** 2).sum(), x)
            found.append(curve.cpu().numpy())
    np.testing.assert_array_equal(*found)


def test_writes_that_were_forgotten_count(monkeypatch: Any) -> None:
    layer, x = nn.Linear(8, 4, bias=False).to("cuda"), there(3, 8)
    monkeypatch.setattr(writes, "LIMIT", 4)
    with engine.precision("bf16"), engine.no_grad():
        layer(x)
        layer.weight.mul_(2.0)
        others = [engine.zeros(size)[size - 1 :] for size in (1, 2) for _ in range(9)]
        for other in others:
            other.fill_(1.0)
        given = layer(x)
    np.testing.assert_array_equal(rounded(given), rounded(engine.matmul(x.bfloat16(), layer.weight.bfloat16().mT)))


def test_copies_and_pickles_of_tensors_go_without_the_narrow_form() -> None:
    layer, x = nn.Linear(8, 4).to("cuda"), there(3, 8)
    with engine.precision("bf16"), engine.no_grad():
        layer(x)
    for tensor in (x, layer.weight):
        assert tensor.twin is not None
        assert copy.deepcopy(tensor).twin is None
        assert pickle.loads(pickle.dumps(tensor.twin)) is None


def test_who_watches_may_come_between_an_operation_and_its_narrow_operands(monkeypatch: Any) -> None:
    def refuses(*_: Any, **__: Any) -> Any:
        return NotImplemented

    x, weight = Tensor(np.ones((2, 3), np.float32)), Tensor(np.ones((4, 3), np.float32))
    with engine.precision("bf16"):
        engine.linear(x, weight)
        monkeypatch.setitem(ops.linear.implementations, np.ndarray, refuses)
        monkeypatch.delitem(ops.linear.composed, np.ndarray)
        assert engine.linear(x, weight).tolist() == [[3.0] * 4] * 2


def test_memory_that_lacks_for_gradients_is_told_of(one_order: Any, monkeypatch: Any) -> None:
    if not hasattr(one_order, "memory"):
        pytest.skip("a real GPU is asked in tests/gpu")
    layer, x = nn.Conv2d(4, 4, 3, bias=False).to("cuda"), there(1, 4, 5, 5)

    def full(*_: Any) -> Any:
        raise MemoryError("Out of memory allocating 3,221,225,472 bytes (allocated so far: 1,024 bytes).")

    monkeypatch.setattr(narrowing, "widen", full)
    with engine.precision("bf16"):
        out = layer(x)
    with pytest.raises(engine.OutOfMemoryError, match=r"backward: asked for 3\.00 GiB"):
        out.float().sum().backward()
