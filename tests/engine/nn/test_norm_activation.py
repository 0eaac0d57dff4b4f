"""Batch normalisation, a shortcut's sum and ReLU as one operation: where it happens, that nobody can tell, and where it must not happen."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn
from numzoo.engine.nn import functional as F
from numzoo.engine.nn import pairs
from numzoo.engine.nn.norm import BatchNorm2d

Build = Callable[[], nn.Module]


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, str | None]]:
    """What normalisations were called with: whether with a residual, and with which activation."""
    calls: list[tuple[bool, str | None]] = []
    original = BatchNorm2d.followed

    def noted(self: Any, x: Any, residual: Any = None, activation: str | None = None) -> Any:
        calls.append((residual is not None, activation))
        return original(self, x, residual, activation)

    monkeypatch.setattr(nn.norm._BatchNorm, "followed", noted)
    return calls


class Other(nn.ReLU):
    """A class made of one."""


class Doubling(nn.BatchNorm2d):
    """Likewise."""

    def forward(self, x: Any) -> Any:
        return super().forward(x) * 2


def images(seed: int = 0, channels: int = 4) -> engine.Tensor:
    values = np.random.default_rng(seed).standard_normal((3, channels, 5, 6)).astype(np.float32)
    return engine.tensor(values * 2 + 0.5, requires_grad=True)


def norm(kind: type[nn.BatchNorm2d] = nn.BatchNorm2d, **settings: Any) -> nn.BatchNorm2d:
    made = kind(4, **settings)
    if made.affine:
        made.weight.array[...] = [1.0, -2.0, 0.5, 3.0]
        made.bias.array[...] = [0.5, 0.0, -1.0, 2.0]
    return made


def apart(layers: nn.Module, x: Any, activation: Any, residual: Any) -> Any:
    for layer in layers.children() if isinstance(layers, nn.Sequential) else [layers]:
        x = layer(x)
    x = x if residual is None else x + residual
    return x if activation is None else activation(x)


CHAINS: dict[str, tuple[Build, list[tuple[bool, str | None]]]] = {
    "norm, relu": (lambda: nn.Sequential(norm(), nn.ReLU()), [(False, "relu")]),
    "norm, relu6": (lambda: nn.Sequential(nn.Conv2d(4, 4, 1), norm(), nn.ReLU6()), [(False, "relu6")]),
    "norm, norm, relu, norm": (
        lambda: nn.Sequential(norm(), norm(), nn.ReLU(), norm()),
        [(False, None), (False, "relu"), (False, None)],
    ),
    "norm, sigmoid, relu": (lambda: nn.Sequential(norm(), nn.Sigmoid(), nn.ReLU()), [(False, None)]),
    "norm, a class made of relu": (lambda: nn.Sequential(norm(), Other()), [(False, None)]),
    "a class made of norm, relu": (lambda: nn.Sequential(norm(Doubling), nn.ReLU()), [(False, None)]),
    "norm without statistics": (
        lambda: nn.Sequential(norm(track_running_stats=False, affine=False), nn.ReLU()),
        [(False, "relu")],
    ),
    "nothing": (nn.Sequential, []),
}


def outcome(model: nn.Module, x: engine.Tensor, call: Callable[[], Any]) -> list[Any]:
    """The result, the gradients, and the statistics afterwards."""
    out = call()
    leaves = [x, *model.parameters()]
    found = engine.grad((out * out).sum(), leaves)
    return [out.numpy(), *(g.numpy() for g in found), *(b.numpy() for b in model.buffers())]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", CHAINS)
def test_a_row_gives_what_its_layers_give_one_after_another(name: str, training: bool, joined: Any) -> None:
    build, expected = CHAINS[name]
    engine.manual_seed(0)
    row = build().train(training)
    single = copy.deepcopy(row)
    x, y = images(), images()
    given = outcome(row, x, lambda: row(x))
    assert joined == expected
    wanted = outcome(single, y, lambda: apart(single, y, None, None))
    for a, b in zip(given, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)
        assert a.dtype == b.dtype


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "activation", [None, nn.ReLU(), nn.ReLU6(), F.relu, F.relu6, engine.relu, F.silu, nn.Identity()]
)
@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("layers", [lambda: norm(), lambda: nn.Sequential(nn.Conv2d(4, 4, 1), nn.Sequential(norm()))])
def test_the_end_of_a_block_is_its_norm_its_sum_and_its_activation(
    layers: Build, residual: bool, activation: Any, training: bool, joined: Any
) -> None:
    engine.manual_seed(0)
    model = layers().train(training)
    single = copy.deepcopy(model)
    x, y, beside = images(), images(), images(1) if residual else None
    given = outcome(model, x, lambda: nn.norm_activation(model, x, activation, residual=beside))
    known = {nn.ReLU: "relu", nn.ReLU6: "relu6"}.get(type(activation)) or {F.relu: "relu", F.relu6: "relu6"}.get(
        activation
    )
    known = "relu" if activation is engine.relu else known
    assert joined == [(residual and (known is not None or activation is None), known)]
    wanted = outcome(single, y, lambda: apart(single, y, activation, beside))
    for a, b in zip(given, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)


# ---- whoever watches sees every layer ---------------------------------------------------------------------------------


def forward_hook(row: nn.Sequential) -> Iterator[None]:
    seen: list[Any] = []
    row[0].register_forward_hook(lambda *_: seen.append(0))
    yield
    assert seen == [0]


def activation_pre_hook(row: nn.Sequential) -> Iterator[None]:
    seen: list[Any] = []
    row[1].register_forward_pre_hook(lambda module, args: seen.append(float(args[0].min())))
    yield
    assert seen[0] < 0  # what the norm gave, not what the ReLU did


def backward_hook(row: nn.Sequential) -> Iterator[None]:
    seen: list[Any] = []
    row[0].register_full_backward_hook(lambda *_: seen.append(0))
    yield
    assert seen == [0]


def hook_on_all_modules(row: nn.Sequential) -> Iterator[None]:
    seen: list[Any] = []
    handle = nn.register_module_forward_hook(lambda module, *_: seen.append(type(module)))
    yield
    handle.remove()
    assert seen == [nn.BatchNorm2d, nn.ReLU, nn.Sequential]


def own_forward(row: nn.Sequential) -> Iterator[None]:
    row[1].forward = lambda x: x * 0.0  # type: ignore[method-assign]
    yield


def own_forward_of_the_norm(row: nn.Sequential) -> Iterator[None]:
    row[0].forward = lambda x: x * 0.0  # type: ignore[method-assign]
    yield


def a_patched_class(row: nn.Sequential) -> Iterator[None]:
    held = nn.ReLU.forward
    nn.ReLU.forward = lambda self, x: x * 0.0  # type: ignore[method-assign]
    yield
    nn.ReLU.forward = held  # type: ignore[method-assign]


def anomalies(row: nn.Sequential) -> Iterator[None]:
    with engine.detect_anomaly():
        yield


def a_profile(row: nn.Sequential) -> Iterator[None]:
    with engine.profile(row, show=False) as profile:
        yield
    assert {r.name for r in profile.rows} >= {"batch_norm_training", "relu"}


def a_parametrized_norm(row: nn.Sequential) -> Iterator[None]:
    nn.utils.parametrize.register_parametrization(row[0], "weight", nn.Identity())
    yield


WATCHED = [
    forward_hook, activation_pre_hook, backward_hook, hook_on_all_modules, own_forward, own_forward_of_the_norm, a_patched_class, anomalies,
    a_profile, a_parametrized_norm,
]  # fmt: skip
ZEROS = (own_forward, own_forward_of_the_norm, a_patched_class)
"""Those whose layer gives nothing but zeros, if it is asked at all."""


@pytest.mark.parametrize("watch", WATCHED, ids=lambda watch: watch.__name__)
@pytest.mark.parametrize("by_hand", [False, True])
def test_whoever_watches_sees_one_layer_after_another(watch: Any, by_hand: bool, joined: Any) -> None:
    row = nn.Sequential(norm(), nn.ReLU()).train()
    watching = watch(row)
    next(watching)
    x = images()
    out = nn.norm_activation(row[0], x, row[1]) if by_hand and watch is not hook_on_all_modules else row(x)
    out.sum().backward()
    assert joined == ([] if watch is own_forward_of_the_norm else [(False, None)])
    assert out.numpy().any() == (watch not in ZEROS)
    next(watching, None)
    assert (watch is a_parametrized_norm) == (nn.utils.parametrize.is_parametrized(row[0]))


def test_once_nobody_watches_any_more_they_are_one_again_and_children_may_change(joined: Any) -> None:
    row, x = nn.Sequential(norm(), nn.ReLU()), images()
    handle = row[0].register_forward_hook(lambda *_: None)
    row(x)
    handle.remove()
    row(x)
    row[1] = nn.Sigmoid()
    row(x)
    row[1] = nn.ReLU6()
    row.eval()(x)
    assert joined == [(False, None), (False, "relu"), (False, None), (False, "relu6")]


def test_a_summary_names_every_layers_shape() -> None:
    lines = nn.Sequential(norm(), nn.ReLU()).summary(2, 4, 5, 5).splitlines()
    assert [line.count("(2, 4, 5, 5)") for line in lines[1:4]] == [1, 1, 1]


@pytest.mark.parametrize(
    "residual",
    [lambda: images(1)[:1], lambda: images(1).double(), lambda: 1.5, lambda: np.ones((3, 4, 5, 6), np.float32)],
)
def test_a_residual_that_must_be_broadcast_or_promoted_is_added_as_ever(residual: Any, joined: Any) -> None:
    layer, x, beside = norm().eval(), images(), residual()
    given = nn.norm_activation(layer, x, nn.ReLU(), residual=beside)
    wanted = F.relu(layer(x) + beside)
    assert joined == [(False, None)] * 2
    assert given.dtype == wanted.dtype
    np.testing.assert_array_equal(given.numpy(), wanted.numpy())


def test_errors_are_those_of_the_layers() -> None:
    layer = norm()
    for call in (
        lambda x: nn.norm_activation(layer, x, nn.ReLU()),
        lambda x: nn.Sequential(layer, nn.ReLU())(x),
        layer,
    ):
        with pytest.raises(
            engine.ShapeError, match=r"^BatchNorm2d: wants \(batch, channels, height, width\), not \(4, 5\)"
        ):
            call(engine.zeros((4, 5)))
        with pytest.raises(engine.ShapeError, match="training needs more than one value for each channel"):
            call(engine.zeros((1, 4, 1, 1)))
        with pytest.raises(engine.ShapeError, match="x has 3 channels"):
            call(engine.zeros((2, 3, 2, 2)))
    with pytest.raises(engine.ShapeError, match="do not broadcast"):
        nn.norm_activation(layer, images(), nn.ReLU(), residual=engine.zeros((3, 2, 5, 6)))


def test_arrays_are_taken_as_by_every_module(joined: Any) -> None:
    row, values = nn.Sequential(norm(), nn.ReLU()).eval(), images().numpy()
    np.testing.assert_array_equal(row(values).numpy(), row(engine.tensor(values)).numpy())
    nn.norm_activation(row[0], values, row[1])
    assert joined == [(False, "relu")] * 2 + [(False, None)]


def test_frozen_norms_keep_their_statistics_and_give_gradients_past_the_activation(joined: Any) -> None:
    row = nn.Sequential(nn.Conv2d(4, 4, 1), norm(), nn.ReLU())
    nn.freeze(row, "1")
    row.train()
    before = row[1].running_mean.numpy().copy()
    x, y = images(), images()
    given = outcome(row[0], x, lambda: row(x))
    assert joined == [(False, "relu")]
    wanted = outcome(row[0], y, lambda: apart(row, y, None, None))
    for a, b in zip(given, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(row[1].running_mean.numpy(), before)


def test_a_state_and_a_copy_are_as_before() -> None:
    row = nn.Sequential(norm(), nn.ReLU())
    row(images())
    names = ["0.weight", "0.bias", "0.running_mean", "0.running_var", "0.num_batches_tracked"]
    assert list(row.state_dict()) == names
    assert int(row[0].num_batches_tracked) == 1
    other = copy.deepcopy(row)
    other(images())
    assert (int(row[0].num_batches_tracked), int(other[0].num_batches_tracked)) == (1, 2)
    assert list(row.__dict__) == list(other.__dict__)


# ---- in use, the convolution too ----------------------------------------------------------------------------------------


@pytest.fixture
def convolved(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """An entry for each convolution that was computed with its norm."""
    calls: list[int] = []
    original = pairs.ops.conv2d_norm.run
    monkeypatch.setattr(pairs.ops.conv2d_norm, "run", lambda *given: calls.append(1) or original(*given))
    return calls


class OtherConvolution(nn.Conv2d):
    """A class made of one."""


BLOCKS: dict[str, tuple[Build, int]] = {
    "convolution, norm": (lambda: nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), norm()), 1),
    "convolution, norm, relu6, twice": (
        lambda: nn.Sequential(
            nn.Conv2d(4, 4, 1, bias=False),
            norm(),
            nn.ReLU6(),
            nn.Conv2d(4, 4, 3, padding=1, groups=4),
            norm(),
            nn.ReLU(),
        ),
        2,
    ),
    "two convolutions, norm, sigmoid": (
        lambda: nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1), norm(affine=False), nn.Sigmoid()),
        1,
    ),
    "convolution, norm, silu": (lambda: nn.Sequential(nn.Conv2d(4, 4, 1), norm(), nn.SiLU()), 1),
    "convolution, norm, hardswish": (lambda: nn.Sequential(nn.Conv2d(4, 4, 1), norm(), nn.Hardswish()), 1),
    "a class made of one": (lambda: nn.Sequential(OtherConvolution(4, 4, 1), norm(), nn.ReLU()), 0),
    "a border of another kind": (
        lambda: nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), norm()),
        0,
    ),
    "statistics of the batch": (lambda: nn.Sequential(nn.Conv2d(4, 4, 1), norm(track_running_stats=False)), 0),
    "convolution, relu": (lambda: nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU()), 0),
}


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("name", BLOCKS)
def test_in_use_without_gradients_a_convolution_is_computed_with_its_norm(
    name: str, residual: bool, convolved: Any
) -> None:
    build, count = BLOCKS[name]
    engine.manual_seed(0)
    row, x = build().eval(), images()
    with engine.no_grad():
        beside = images(1) if residual else None
        for norms in row.modules():
            if isinstance(norms, nn.BatchNorm2d) and norms.running_mean is not None:
                norms.running_mean.array = np.array([0.5, -0.5, 1.0, 0.0], np.float32)
        given = nn.norm_activation(row, x, F.relu, residual=beside) if residual else row(x)
        assert len(convolved) == count
        wanted = apart(row, x, F.relu if residual else None, beside)
        np.testing.assert_allclose(given.numpy(), wanted.numpy(), rtol=2e-5, atol=2e-5)
        tupled = nn.norm_activation(tuple(row.children()), x, F.relu if residual else None, residual=beside)
        np.testing.assert_allclose(tupled.numpy(), given.numpy(), rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(row(x).numpy(), apart(row, x, None, None).numpy(), rtol=2e-5, atol=2e-5)  # recorded
    assert len(convolved) == 2 * count


def test_a_convolution_that_is_watched_trained_narrowed_or_given_what_it_refuses_is_called(convolved: Any) -> None:
    row = nn.Sequential(nn.Conv2d(4, 4, 3), norm(), nn.ReLU()).eval()
    seen: list[int] = []
    with engine.no_grad():
        handle = row[0].register_forward_hook(lambda *_: seen.append(1))
        row(images())
        handle.remove()
        with engine.precision("bf16"):
            row(images())
        row.train()(images())
        row.eval()
        with pytest.raises(engine.ShapeError, match=r"^conv2d: x has 3 channels but weight expects 4"):
            row(images(channels=3))
        with pytest.raises(engine.ShapeError, match=r"^conv2d"):
            row(engine.zeros((1, 4, 2, 2)))
        with pytest.raises(engine.ShapeError, match="do not broadcast"):
            nn.norm_activation((row[0], row[1]), images(), nn.ReLU(), residual=images())
        assert nn.norm_activation((row[0], row[1]), images(), nn.ReLU(), residual=engine.ones((4, 1, 1))).shape == (
            3,
            4,
            3,
            4,
        )
        assert not convolved
        row(images())
    assert (len(seen), len(convolved)) == (1, 1)


def test_frozen_parameters_want_no_gradient_either_but_an_input_may(convolved: Any) -> None:
    row = nn.Sequential(nn.Conv2d(4, 4, 1), norm(), nn.ReLU()).eval().requires_grad_(False)
    wanting = images()
    out = row(wanting)
    assert out.requires_grad
    assert not convolved
    np.testing.assert_allclose(row(wanting.detach()).numpy(), out.numpy(), rtol=2e-5, atol=2e-5)
    assert len(convolved) == 1
    for name in ("0.weight", "0.bias", "1.weight", "1.bias"):
        parameter = dict(row.named_parameters())[name].requires_grad_(True)
        assert row(wanting.detach()).requires_grad
        parameter.requires_grad_(False)
    assert nn.norm_activation((row[0], row[1]), wanting.detach(), F.relu, residual=images(1)).requires_grad
    assert len(convolved) == 1


def test_a_curve_behind_a_shortcut_is_taken_by_itself(convolved: Any) -> None:
    layers, x, beside = (nn.Conv2d(4, 4, 1), norm()), images(), images(1)
    row = nn.Sequential(*layers).eval()
    with engine.no_grad():
        given = nn.norm_activation(layers, x, nn.SiLU(), residual=beside)
        np.testing.assert_allclose(given.numpy(), apart(row, x, F.silu, beside).numpy(), rtol=2e-5, atol=2e-5)
    assert len(convolved) == 1
