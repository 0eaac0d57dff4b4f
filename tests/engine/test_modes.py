"""Recording and precision: where they hold, and for whom."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import ml_dtypes
import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import SettingError, Tensor, modes

BF16 = ml_dtypes.bfloat16


def test_no_grad_holds_inside_and_ends_outside_even_by_an_error() -> None:
    x = engine.ones(2, requires_grad=True)
    with engine.no_grad():
        assert not engine.is_grad_enabled()
        assert not (x * 2).requires_grad
        with engine.enable_grad():
            assert (x * 2).requires_grad
        assert not engine.is_grad_enabled()
    assert (x * 2).requires_grad
    with pytest.raises(ZeroDivisionError), engine.no_grad():
        raise ZeroDivisionError
    assert engine.is_grad_enabled()


def test_one_object_may_be_entered_twice() -> None:
    off = engine.no_grad()
    with off:
        with off:
            assert not engine.is_grad_enabled()
        assert not engine.is_grad_enabled()
    assert engine.is_grad_enabled()


def test_no_grad_decorates_functions() -> None:
    @engine.no_grad()
    def inside(x: Tensor) -> Tensor:
        """Kept."""
        return x * 2

    assert inside.__name__ == "inside"
    assert inside.__doc__ == "Kept."
    assert not inside(engine.ones(1, requires_grad=True)).requires_grad
    assert engine.is_grad_enabled()

    @engine.set_grad_enabled(True)
    def recorded(x: Tensor) -> Tensor:
        return x * 2

    with engine.no_grad():
        assert recorded(engine.ones(1, requires_grad=True)).requires_grad


def test_every_thread_has_its_own_modes() -> None:
    seen: list[tuple[bool, bool]] = []

    def work() -> None:
        seen.append((engine.is_grad_enabled(), modes.modes.precision is None))

    with engine.no_grad(), engine.precision("bf16"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert seen == [(True, True)]


# ---- precision --------------------------------------------------------------------------------------------------


def narrow(array: object) -> np.ndarray:  # type: ignore[type-arg]
    return np.asarray(array).astype(BF16).astype(np.float32)


GENERATOR = np.random.default_rng(0)
A, B, C = (GENERATOR.standard_normal(s).astype(np.float32) for s in ((5, 7), (7, 3), (3,)))
IMAGE, KERNEL = (GENERATOR.standard_normal(s).astype(np.float32) for s in ((2, 3, 6, 5), (4, 3, 3, 3)))

NARROWED: list[tuple[str, Callable[..., Tensor], tuple[np.ndarray, ...]]] = [  # type: ignore[type-arg]
    ("matmul", engine.matmul, (A, B)),
    ("linear", lambda x, w, b: engine.linear(x, w, b), (A, B.T.copy(), C)),
    ("conv2d", lambda x, w: engine.conv2d(x, w, padding=(1, 1)), (IMAGE, KERNEL)),
]


@pytest.mark.parametrize(("call", "arrays"), [row[1:] for row in NARROWED], ids=[row[0] for row in NARROWED])
def test_products_are_made_of_narrowed_operands(call: Callable[..., Tensor], arrays: tuple[np.ndarray, ...]) -> None:  # type: ignore[type-arg]
    full = call(*map(Tensor, arrays)).numpy()
    with engine.precision("bf16"):
        given = call(*map(Tensor, arrays))
    assert given.dtype == (engine.bfloat16 if arrays[0] is IMAGE else engine.float32)
    wanted = narrow(call(*[Tensor(narrow(a)) for a in arrays]).numpy())
    np.testing.assert_allclose(given.float().numpy(), wanted, rtol=2**-7, atol=2**-7)
    assert np.abs(given.float().numpy() - full).max() > 1e-4


def test_what_convolutions_give_stays_narrow_until_the_next_matrix_product() -> None:
    image, kernel = Tensor(IMAGE, requires_grad=True), Tensor(KERNEL, requires_grad=True)
    scale, head = Tensor(np.ones(4, np.float32), requires_grad=True), Tensor(A[:, :4].copy(), requires_grad=True)
    with engine.precision("bf16"):
        convolved = engine.conv2d(image, kernel, padding=(1, 1))
        normal, mean, variance = engine.ops.batch_norm_training(convolved, scale, None)
        hidden = engine.relu(normal)
        pooled = engine.conv2d(hidden, engine.ones(4, 4, 1, 1)).mean((2, 3))
        out = engine.linear(pooled, head)
    assert {t.dtype for t in (convolved, normal, hidden, pooled)} == {engine.bfloat16}
    assert {t.dtype for t in (mean, variance, out)} == {engine.float32}
    out.sum().backward()
    for leaf in (image, kernel, scale, head):
        assert leaf.grad is not None
        assert leaf.grad.dtype == engine.float32
        assert np.isfinite(leaf.grad.numpy()).all()


def test_beside_wide_operands_narrow_ones_serve_as_they_are() -> None:
    narrowed = Tensor(narrow(A).astype(BF16))
    with engine.precision("bf16"):
        mixed = engine.matmul(narrowed, Tensor(B))
        whole = engine.matmul(Tensor(A), Tensor(B))
        both = engine.matmul(narrowed, Tensor(B.astype(BF16)))
    assert mixed.dtype == engine.float32
    np.testing.assert_array_equal(mixed.numpy(), whole.numpy())
    assert both.dtype == engine.bfloat16
    with pytest.raises(engine.DtypeError):
        engine.matmul(narrowed, Tensor(B))


def test_backward_outside_the_block_stays_narrowed() -> None:
    x, w = Tensor(A, requires_grad=True), Tensor(B, requires_grad=True)
    with engine.precision("bf16"):
        out = engine.matmul(x, w)
    seed = GENERATOR.standard_normal((5, 3)).astype(np.float32)
    out.backward(Tensor(seed))
    assert x.grad is not None
    assert w.grad is not None
    wanted = narrow(seed) @ narrow(B).T
    np.testing.assert_allclose(x.grad.numpy(), wanted, rtol=2**-7, atol=2**-7)
    assert np.abs(x.grad.numpy() - seed @ B.T).max() > 1e-4
    np.testing.assert_allclose(w.grad.numpy(), narrow(A).T @ narrow(seed), rtol=2**-7, atol=2**-6)
    assert x.grad.dtype == engine.float32


def test_what_was_computed_outside_stays_wide_in_a_backward_inside() -> None:
    x, w = Tensor(A, requires_grad=True), Tensor(B, requires_grad=True)
    engine.matmul(x, w).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), np.ones((5, 3), np.float32) @ B.T, rtol=1e-5, atol=1e-6)


def test_doubles_and_other_operations_are_not_narrowed() -> None:
    with engine.precision("bf16"):
        wide = engine.matmul(Tensor(A.astype(np.float64)), Tensor(B.astype(np.float64)))
        product = Tensor(A) * Tensor(A)
        softmax = engine.softmax(Tensor(A), axis=1)
    assert wide.dtype == engine.float64
    np.testing.assert_array_equal(wide.numpy(), A.astype(np.float64) @ B.astype(np.float64))
    np.testing.assert_array_equal(product.numpy(), A * A)
    np.testing.assert_array_equal(softmax.numpy(), engine.softmax(Tensor(A), axis=1).numpy())


def test_tf32_changes_nothing_on_a_cpu_and_holds_for_the_backward_pass() -> None:
    x, w = Tensor(A, requires_grad=True), Tensor(B, requires_grad=True)
    with engine.precision("tf32"):
        out = engine.matmul(x, w)
        image = engine.conv2d(Tensor(IMAGE), Tensor(KERNEL))
        with pytest.raises(engine.DtypeError):
            engine.matmul(Tensor(A), Tensor(B.astype(np.float64)))
        with pytest.raises(engine.DtypeError):
            engine.nn.functional.conv1d(Tensor(IMAGE[0]), Tensor(KERNEL[:, :, 0].astype(np.float64)))
    np.testing.assert_array_equal(out.numpy(), engine.matmul(Tensor(A), Tensor(B)).numpy())
    np.testing.assert_array_equal(image.numpy(), engine.conv2d(Tensor(IMAGE), Tensor(KERNEL)).numpy())
    assert out.node is not None
    assert out.node.precision is modes.TF32  # type: ignore[union-attr]
    out.sum().backward()
    assert modes.modes.precision is None
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), np.ones((5, 3), np.float32) @ B.T, rtol=1e-5, atol=1e-6)


def test_precisions_nest_and_end() -> None:
    with engine.precision("bf16"):
        with engine.precision("f32"):
            np.testing.assert_allclose(engine.matmul(Tensor(A), Tensor(B)).numpy(), A @ B, rtol=1e-5, atol=1e-6)
        assert modes.modes.precision == engine.bfloat16
    assert modes.modes.precision is None
    with engine.precision("fp16"):
        out = engine.matmul(Tensor(A), Tensor(B))
    assert out.dtype == engine.float32


@pytest.mark.parametrize("name", ["bf17", "", None, 16])
def test_unknown_precisions_are_refused(name: object) -> None:
    with pytest.raises(SettingError, match="'bf16'"), engine.precision(name):  # type: ignore[arg-type]
        pass


# ---- more ways to say it ----------------------------------------------------------------------------------------


def test_set_grad_enabled_holds_from_the_call_on() -> None:
    try:
        engine.set_grad_enabled(False)
        assert not engine.is_grad_enabled()
        with engine.set_grad_enabled(True):
            assert engine.is_grad_enabled()
        assert not engine.is_grad_enabled()
    finally:
        engine.set_grad_enabled(True)
    assert engine.is_grad_enabled()
    with pytest.raises(SettingError, match="True or False"):
        engine.set_grad_enabled(3)  # type: ignore[arg-type]


def test_nothing_records_in_inference_mode() -> None:
    x = engine.ones(2, requires_grad=True)
    with engine.inference_mode():
        assert engine.is_inference_mode_enabled()
        with engine.enable_grad():
            assert not (x * 2).requires_grad
        with engine.inference_mode(False):
            assert (x * 2).requires_grad
        assert not engine.is_grad_enabled()
    assert not engine.is_inference_mode_enabled()
    assert engine.is_grad_enabled()
    with pytest.raises(SettingError, match="True or False"):
        engine.inference_mode(3)  # type: ignore[call-overload]


def test_modes_decorate_with_and_without_parentheses() -> None:
    x = engine.ones(2, requires_grad=True)

    @engine.no_grad
    def plain() -> Tensor:
        return x * 2

    @engine.inference_mode
    def use() -> Tensor:
        return x * 2

    @engine.inference_mode()
    def also() -> Tensor:
        return x * 2

    assert [f().requires_grad for f in (plain, use, also)] == [False, False, False]


def test_a_decorated_generator_holds_the_mode_only_while_it_runs() -> None:
    seen = []

    @engine.no_grad()
    def steps() -> Iterator[int]:
        try:
            for i in range(3):
                seen.append(engine.is_grad_enabled())
                got = yield i
                assert got in (None, "sent")
        except KeyError:
            seen.append(engine.is_grad_enabled())
            yield 7

    running = steps()
    assert next(running) == 0
    assert engine.is_grad_enabled()
    assert running.send("sent") == 1  # type: ignore[attr-defined]
    assert running.throw(KeyError()) == 7  # type: ignore[attr-defined]
    assert engine.is_grad_enabled()
    running.close()  # type: ignore[attr-defined]
    assert seen == [False, False, False]
    assert list(steps()) == [0, 1, 2]


def test_narrow_products_give_sums_that_were_never_narrowed() -> None:
    generator = np.random.default_rng(0)
    x, y = (engine.tensor(generator.standard_normal((300, 300)).astype(np.float32)) for _ in range(2))
    wanted = np.matmul(*(t.bfloat16().numpy().astype(np.float64) for t in (x, y)))
    with engine.precision("bf16"):
        given = x @ y
        attended = engine.attend(x, y, y, scale=0.1)
        row = engine.nn.functional.linear(x, y)
    assert given.dtype == attended.dtype == row.dtype == np.float32
    np.testing.assert_allclose(given.numpy(), wanted, rtol=1e-4, atol=1e-4)
