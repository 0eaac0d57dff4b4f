"""Modules: the tree of attributes, states, modes, hooks, looks."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import ArgumentError, DtypeError, StateError, Tensor, nn
from numzoo.engine.op import TABLE


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.scale = nn.Parameter(np.ones(4, np.float32))
        self.register_buffer("offset", engine.zeros(1))
        self.register_buffer("scratch", engine.zeros(1), persistent=False)
        self.register_buffer("absent", None)
        self.shortcut: nn.Module | None = None
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.convolution(x)).relu() * self.scale.reshape(4, 1, 1) + self.offset
        result: Tensor = self.head(x.mean((2, 3)))
        return result


NAMES = [
    "scale", "offset", "convolution.weight", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked",
    "head.weight", "head.bias",
]  # fmt: skip


def block(seed: int = 0) -> Block:
    engine.manual_seed(seed)
    return Block()


def values(module: nn.Module) -> dict[str, Any]:
    return {name: value.numpy().copy() for name, value in module.state_dict().items()}


def same(module: nn.Module, wanted: dict[str, Any]) -> None:
    for name, value in module.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), wanted[name], err_msg=name)


# ---- the tree ---------------------------------------------------------------------------------------------------


def test_the_state_has_parameters_then_buffers_then_children() -> None:
    assert list(block().state_dict()) == NAMES
    assert [name for name, _ in block().named_buffers()] == [
        "offset",
        "scratch",
        *[n for n in NAMES if "running" in n or "num_b" in n],
    ]
    assert [name for name, _ in block().named_parameters()] == [
        n for n in NAMES if n not in dict(block().named_buffers())
    ]


def test_modules_are_listed_with_dotted_names() -> None:
    model = nn.Sequential(block(), nn.ModuleList([nn.ReLU(), nn.ModuleDict({"a": nn.Tanh()})]))
    names = [name for name, _ in model.named_modules()]
    assert names == ["", "0", "0.convolution", "0.norm", "0.head", "1", "1.0", "1.1", "1.1.a"]
    assert model.get_submodule("1.1.a") is model[1][1]["a"]
    assert model.get_submodule("") is model
    assert [type(m).__name__ for m in model.children()] == ["Block", "ModuleList"]
    seen: list[str] = []
    model.apply(lambda m: seen.append(type(m).__name__))
    assert seen[-1] == "Sequential"


def test_a_missing_module_is_named() -> None:
    with pytest.raises(ArgumentError, match=r"'norm\.weight'.*'weight'"):
        block().get_submodule("norm.weight")


def test_a_shared_parameter_counts_once_and_stays_shared() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    assert len(list(model.parameters())) == 3
    assert list(model.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    twin = copy.deepcopy(model)
    assert twin[0].weight is twin[1].weight
    assert twin[0].weight is not model[0].weight
    model(engine.ones(1, 3)).sum().backward()
    state = values(model)
    other = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    other[1].weight = other[0].weight
    for assign in (False, True):
        other.load_state_dict(state, assign=assign)
        assert other[0].weight is other[1].weight
        same(other, state)


def test_a_shared_module_is_listed_once() -> None:
    part = nn.Linear(2, 2)
    model = nn.Sequential(part, part)
    assert len(list(model.modules())) == 2
    assert len(list(model.parameters())) == 2
    assert len(model.state_dict()) == 4


def test_reassigning_replaces() -> None:
    model = block()
    model.head = nn.Linear(4, 7)
    assert model(engine.ones(2, 2, 4, 4)).shape == (2, 7)
    model.scale = nn.Parameter(np.zeros(4, np.float32))
    assert model.state_dict()["scale"].tolist() == [0, 0, 0, 0]
    model.offset = engine.ones(1)
    assert model.state_dict()["offset"].tolist() == [1]
    del model.head
    assert "head.weight" not in model.state_dict()


def test_a_plain_tensor_does_not_silently_replace_a_parameter() -> None:
    model = block()
    with pytest.raises(ArgumentError, match=r"nn\.Parameter"):
        model.scale = engine.ones(4)  # type: ignore[assignment]
    assert list(model.state_dict()) == NAMES


WRONG_NAMES: list[Callable[[nn.Module], Any]] = [
    lambda m: m.register_buffer("a.b", engine.ones(1)),
    lambda m: m.register_buffer("", None),
    lambda m: m.add_module("a.b", nn.ReLU()),
    lambda m: m.add_module("", nn.ReLU()),
    lambda m: m.register_buffer("a", np.ones(1)),
    lambda m: m.add_module("a", 3),
    lambda m: m.add_module(3, nn.ReLU()),
    lambda m: nn.Sequential(nn.ReLU(), 3),
    lambda m: nn.ModuleDict({"keys": nn.ReLU()}),
    lambda m: nn.ModuleDict({"a.b": nn.ReLU()}),
    lambda m: nn.ModuleList([3]),
    lambda m: nn.Module()(1),
]


@pytest.mark.parametrize("act", WRONG_NAMES)
def test_what_cannot_be_part_of_a_module_is_refused(act: Callable[[nn.Module], Any]) -> None:
    with pytest.raises(ArgumentError):
        act(nn.Module())


def test_an_unknown_attribute_comes_with_a_near_one() -> None:
    with pytest.raises(AttributeError, match="did you mean 'convolution'"):
        _ = block().convolutoin
    with pytest.raises(AttributeError, match="did you mean 'state_dict'"):
        block().state_dic()


# ---- states -----------------------------------------------------------------------------------------------------


def test_a_state_is_copied_in() -> None:
    source, target = block(1), block(2)
    target(engine.ones(2, 2, 4, 4))
    report = target.load_state_dict(source.state_dict())
    assert report.loaded == tuple(NAMES)
    assert report.missing == report.unexpected == report.mismatched == ()
    same(target, values(source))
    with engine.no_grad():
        source.scale[...] = 9
    assert target.scale.tolist() == [1, 1, 1, 1]


def test_a_pending_parameter_takes_the_values_without_being_drawn() -> None:
    layer = nn.Linear(3, 2)
    state = {"weight": np.ones((2, 3), np.float32), "bias": np.zeros(2, np.float32)}
    layer.load_state_dict(state)
    assert not layer.weight.is_pending
    state["weight"][0] = 7
    assert layer.weight.tolist() == [[1, 1, 1], [1, 1, 1]]


def test_assign_shares_memory() -> None:
    layer = nn.Linear(3, 2)
    state = {"weight": np.ones((2, 3), np.float32), "bias": np.zeros(2, np.float32)}
    layer.load_state_dict(state, assign=True)
    assert np.shares_memory(layer.weight.array, state["weight"])
    norm = nn.BatchNorm2d(2)
    norm.load_state_dict({name: np.asarray(v) for name, v in nn.BatchNorm2d(2).state_dict().items()}, assign=True)
    assert norm(engine.ones(2, 2, 2, 2)).shape == (2, 2, 2, 2)


def test_values_come_in_the_dtype_and_memory_of_what_they_replace() -> None:
    layer = nn.Linear(2, 2, dtype="float16")
    layer.load_state_dict({"weight": np.ones((2, 2)), "bias": np.ones(2, np.int64)})
    assert layer.weight.dtype == engine.float16
    assert layer.bias is not None
    assert layer.bias.dtype == engine.float16
    frozen = np.zeros((2, 2), np.float32)
    frozen.flags.writeable = False
    layer.weight = nn.Parameter(frozen)
    layer.load_state_dict({"weight": np.ones((2, 2)), "bias": np.ones(2)})
    assert layer.weight.tolist() == [[1, 1], [1, 1]]
    assert frozen.tolist() == [[0, 0], [0, 0]]


CHANGES: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("missing", lambda s: {k: v for k, v in s.items() if k != "head.bias"}, "head.bias"),
    ("unexpected", lambda s: {**s, "head.bais": s["head.bias"]}, r"head\.bais.*near|head\.bais"),
    ("misspelt", lambda s: {k.replace("head.bias", "head.bais"): v for k, v in s.items()}, "near 'head.bias'"),
    ("shape", lambda s: {**s, "head.weight": np.ones((3, 5))}, r"head\.weight: given \(3, 5\), wanted \(3, 4\)"),
    ("last shape", lambda s: {**s, "head.bias": np.ones(4)}, r"head\.bias"),
    ("complex", lambda s: {**s, "head.bias": np.ones(3, complex)}, "complex128"),
    ("strings", lambda s: {**s, "head.bias": np.array(["a", "b", "c"])}, "head.bias"),
    ("a list", lambda s: {**s, "head.bias": [1, 2, 3]}, "a list"),
    ("nested", lambda s: {"state_dict": s}, "that inner mapping"),
    ("not a mapping", lambda s: list(s.items()), "mapping"),
    ("none", lambda s: None, "NoneType"),
    ("float counter", lambda s: {**s, "norm.num_batches_tracked": np.array(1.5)}, "float64"),
]


@pytest.mark.parametrize(("change", "says"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES])
@pytest.mark.parametrize("assign", [False, True])
def test_a_state_that_does_not_fit_changes_nothing(
    change: Callable[[dict[str, Any]], Any], says: str, assign: bool
) -> None:
    model = block(1)
    before = values(model)
    given = change({name: value + 1 for name, value in values(block(2)).items()})
    with pytest.raises(StateError, match=says):
        model.load_state_dict(given, assign=assign)
    same(model, before)


def test_without_strictness_missing_and_unexpected_names_are_reported() -> None:
    model = block(1)
    state = values(block(2))
    state["tail.weight"] = state.pop("head.weight")
    report = model.load_state_dict(state, strict=False)
    assert report.missing == ("head.weight",)
    assert report.unexpected == ("tail.weight",)
    assert len(report.loaded) == len(NAMES) - 1
    assert "missing: 1" in str(report)
    np.testing.assert_array_equal(model.convolution.weight.numpy(), state["convolution.weight"])
    with pytest.raises(StateError):
        model.load_state_dict({"scale": np.ones(9)}, strict=False)


def test_the_state_shares_the_memory_of_the_module_and_follows_it() -> None:
    model = block()
    state = model.state_dict()
    model(engine.rand(4, 2, 4, 4))
    assert state["norm.num_batches_tracked"].item() == 1
    assert isinstance(state["norm.num_batches_tracked"].numpy(), np.ndarray)
    assert state["norm.running_mean"].any()
    assert isinstance(state, OrderedDict)


def test_a_refused_batch_does_not_count() -> None:
    model = nn.BatchNorm2d(2)
    with pytest.raises(engine.ShapeError, match="more than one value"):
        model(engine.ones(1, 2, 1, 1))
    assert model.num_batches_tracked is not None
    assert model.num_batches_tracked.item() == 0


# ---- modes, dtypes, copies --------------------------------------------------------------------------------------


def test_train_and_eval_reach_everything_below() -> None:
    model = nn.Sequential(block(), nn.Dropout(0.5))
    assert all(m.training for m in model.modules())
    assert model.eval() is model
    assert not any(m.training for m in model.modules())
    model[0].train()
    assert model[0].norm.training
    assert not model.training
    assert nn.Dropout(0.5).eval()(engine.ones(100)).numpy().min() == 1


def test_to_changes_floats_and_leaves_counters() -> None:
    model = block()
    model(engine.ones(2, 2, 4, 4)).sum().backward()
    parameter = model.scale
    assert model.to("float64") is model
    assert model.scale is parameter
    assert parameter.grad is not None
    assert parameter.grad.dtype == engine.float64
    for name, value in model.state_dict().items():
        assert value.dtype == ("int64" if "num_batches" in name else "float64")
    assert model.scratch.dtype == engine.float64
    assert model(engine.ones(2, 2, 4, 4, dtype="float64")).dtype == engine.float64
    pending = nn.Linear(2, 2).half()
    assert pending.weight.is_pending
    assert pending.weight.dtype == engine.float16
    assert pending.weight.array.dtype == np.float16
    with pytest.raises(DtypeError, match="int64"):
        model.to("int64")


def test_parameters_can_be_frozen() -> None:
    model = block()
    model.convolution.requires_grad_(False)
    model(engine.rand(2, 2, 4, 4)).sum().backward()
    assert model.convolution.weight.grad is None
    assert model.head.weight.grad is not None
    model.zero_grad()
    assert model.head.weight.grad is None


def test_a_deep_copy_is_another_module_with_equal_values() -> None:
    model = block()
    model(engine.rand(2, 2, 4, 4)).sum().backward()
    twin = copy.deepcopy(model)
    same(twin, values(model))
    assert twin.scale.grad is not None
    assert twin.scale.grad is not model.scale.grad
    with engine.no_grad():
        twin.scale[...] = 5
        twin.offset[...] = 5
    assert model.scale.tolist() == [1, 1, 1, 1]
    assert model.offset.tolist() == [0]
    pending = nn.Linear(3, 3)
    assert copy.deepcopy(pending).weight.tolist() == pending.weight.tolist()


def test_a_frozen_parameter_stays_frozen_in_a_copy() -> None:
    layer = nn.Linear(2, 2).requires_grad_(False)
    assert not copy.deepcopy(layer).weight.requires_grad


# ---- calling ----------------------------------------------------------------------------------------------------


def test_arrays_are_taken_as_inputs() -> None:
    layer = nn.Linear(3, 2)
    x = np.ones((4, 3), np.float32)
    assert layer(x).shape == (4, 2)
    np.testing.assert_array_equal(layer(x).numpy(), layer(Tensor(x)).numpy())


def test_hooks_see_and_change_what_passes() -> None:
    layer = nn.Linear(2, 2)
    x = engine.ones(1, 2)
    plain = layer(x).numpy()
    seen: list[Any] = []
    first = layer.register_forward_pre_hook(lambda m, args: seen.append((m, args)))
    second = layer.register_forward_hook(lambda m, args, result: result * 2)
    third = layer.register_forward_pre_hook(lambda m, args: args[0] * 0)
    assert layer.bias is not None
    np.testing.assert_allclose(layer(x).numpy(), 2 * layer.bias.numpy()[None], rtol=1e-6)
    assert seen[0][0] is layer
    assert seen[0][1][0] is x
    for handle in (first, second, third):
        handle.remove()
    np.testing.assert_array_equal(layer(x).numpy(), plain)
    assert len(seen) == 1


def test_one_hook_registered_twice_is_removed_once_at_a_time() -> None:
    layer = nn.Identity()
    calls: list[int] = []

    def hook(module: nn.Module, args: Any, result: Any) -> None:
        calls.append(1)

    first, second = layer.register_forward_hook(hook), layer.register_forward_hook(hook)
    first.remove()
    first.remove()
    layer(engine.ones(1))
    assert len(calls) == 1
    second.remove()
    layer(engine.ones(1))
    assert len(calls) == 1
    assert layer._hooks is None


# ---- looks ------------------------------------------------------------------------------------------------------


def test_modules_are_readable() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.Sequential(nn.ReLU(), nn.Dropout(0.2)))
    assert repr(model) == (
        "Sequential(\n  (0): Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), bias=False)\n"
        "  (1): Sequential(\n    (0): ReLU()\n    (1): Dropout(p=0.2)\n  )\n)"
    )
    assert "not yet filled" in repr(model[0].weight)
    assert model[0].weight.is_pending
    assert repr(nn.Parameter([1.0])) == "Parameter([1.], requires_grad=True)"


def test_the_summary_counts_and_runs_without_a_trace() -> None:
    model = block()
    assert "scale" not in model.summary()
    text = model.summary(2, 2, 8, 8)
    assert "(2, 4, 8, 8)" in text
    assert "(2, 3)" in text
    total = sum(p.numel() for p in model.parameters())
    assert f"{total:,} parameters, {total:,} of them trained" in text
    assert all(m.training for m in model.modules())
    assert not any(m._hooks for m in model.modules())
    assert model.norm.num_batches_tracked is not None
    assert model.norm.num_batches_tracked.item() == 0
    with pytest.raises(engine.ShapeError):
        model.summary(2, 5, 8, 8)
    assert model.training
    assert not any(m._hooks for m in model.modules())


# ---- containers -------------------------------------------------------------------------------------------------


def test_sequential_is_a_list_that_runs() -> None:
    model = nn.Sequential(OrderedDict(first=nn.Linear(2, 3), second=nn.ReLU()))
    assert list(dict(model.named_children())) == ["first", "second"]
    assert model.first is model[0]
    assert len(model) == 2
    plain = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert isinstance(plain[:2], nn.Sequential)
    assert plain[:2](engine.ones(1, 2)).shape == (1, 3)
    assert plain[-1] is list(plain)[2]
    plain[1] = nn.Tanh()
    assert list(dict(plain.named_children())) == ["0", "1", "2"]
    assert isinstance(plain[1], nn.Tanh)
    plain.append(nn.Sigmoid()).extend([nn.ReLU()])
    plain.insert(0, nn.Identity())
    assert [type(m).__name__ for m in plain] == ["Identity", "Linear", "Tanh", "Linear", "Sigmoid", "ReLU"]
    del plain[0]
    del plain[-1]
    assert list(dict(plain.named_children())) == ["0", "1", "2", "3"]
    assert plain(engine.ones(1, 2)).shape == (1, 1)
    with pytest.raises(IndexError, match="4 modules"):
        _ = plain[9]
    assert nn.Sequential()(5) == 5


def test_lists_of_many_modules_keep_their_order() -> None:
    modules = nn.ModuleList(nn.Linear(1, 1) for _ in range(12))
    assert [name for name, _ in modules.named_children()] == [str(i) for i in range(12)]
    assert len(modules[2:5]) == 3
    modules[3] = nn.Identity()
    assert [name for name, _ in modules.named_children()] == [str(i) for i in range(12)]
    with pytest.raises(ArgumentError, match="forward"):
        modules(1)


def test_modules_by_name() -> None:
    modules = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ReLU()})
    assert "a" in modules
    assert "c" not in modules
    assert list(modules) == list(modules.keys()) == ["a", "b"]
    assert [type(m).__name__ for m in modules.values()] == ["Linear", "ReLU"]
    assert len(modules) == 2
    modules["c"] = nn.Tanh()
    del modules["a"]
    assert [name for name, _ in modules.items()] == ["b", "c"]
    with pytest.raises(ArgumentError, match="'z'"):
        _ = modules["z"]


def test_layers_do_what_their_functions_do() -> None:
    x = engine.rand(2, 3, 8, 8)
    functional = nn.functional
    pairs: list[tuple[nn.Module, Tensor]] = [
        (nn.MaxPool2d(2), functional.max_pool2d(x, 2)),
        (nn.AvgPool2d(3, 2, 1), functional.avg_pool2d(x, 3, 2, 1)),
        (nn.AdaptiveAvgPool2d((2, None)), functional.adaptive_avg_pool2d(x, (2, 8))),
        (nn.Flatten(), x.reshape(2, -1)),
        (nn.Flatten(2), x.reshape(2, 3, 64)),
        (nn.Softmax(1), functional.softmax(x, 1)),
        (nn.LogSoftmax(1), functional.log_softmax(x, 1)),
        (nn.GELU("tanh"), functional.gelu(x, "tanh")),
        (nn.ReLU6(), x.clamp(0, 6)),
        (nn.LeakyReLU(0.3), functional.leaky_relu(x, negative_slope=0.3)),
        (nn.Identity(3, a=4), x),
        (nn.StochasticDepth(0.5).eval(), x),
        (nn.LayerNorm((8, 8)), functional.layer_norm(x, (8, 8))),
        (nn.LayerNorm(8, elementwise_affine=False), functional.layer_norm(x, 8)),
    ]
    for layer, wanted in pairs:
        np.testing.assert_allclose(layer(x).numpy(), wanted.numpy(), rtol=1e-6, atol=1e-6)
        assert type(layer).__name__ in repr(layer)
    loss = nn.CrossEntropyLoss(engine.ones(3), label_smoothing=0.1)
    assert loss(x[:, :, 0, 0], [0, 2]).item() == pytest.approx(
        functional.cross_entropy(x[:, :, 0, 0], [0, 2], label_smoothing=0.1).item()
    )
    assert list(loss.state_dict()) == ["weight"]


def test_parameter_lists_and_dictionaries_hold_parameters() -> None:
    listed = nn.ParameterList([nn.Parameter(engine.ones(2)), engine.zeros(3)])
    listed.append(engine.ones(1))
    assert list(listed.state_dict()) == ["0", "1", "2"]
    assert len(listed) == len(list(listed)) == 3
    listed[-1] = engine.ones(4)
    assert listed[2].shape == (4,)
    assert all(isinstance(value, nn.Parameter) for value in listed)
    named = nn.ParameterDict({"scale": engine.ones(2)})
    named["shift"] = engine.zeros(2)
    assert list(named) == list(named.keys()) == ["scale", "shift"]
    assert [tuple(value.shape) for value in named.values()] == [(2,), (2,)]
    del named["scale"]
    assert "scale" not in named
    assert repr(named) == "ParameterDict(shift=(2,))"
    with pytest.raises(KeyError, match="scale"):
        _ = named["scale"]
    with pytest.raises(ArgumentError, match="ParameterList"):
        listed.append(3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="has no dot"):
        named["a.b"] = engine.ones(1)


def test_a_bilinear_layer_weighs_every_pair() -> None:
    layer = nn.Bilinear(3, 4, 2)
    assert {name: tuple(value.shape) for name, value in layer.state_dict().items()} == {
        "weight": (2, 3, 4),
        "bias": (2,),
    }
    x, y = engine.randn(5, 6, 3), engine.randn(5, 6, 4)
    wanted = np.einsum("abi,kij,abj->abk", x.numpy(), layer.weight.numpy(), y.numpy()) + layer.bias.numpy()
    np.testing.assert_allclose(layer(x, y).numpy(), wanted, rtol=1e-5, atol=1e-6)
    with pytest.raises(engine.ShapeError, match="bilinear"):
        layer(x, x)


def test_unflatten_undoes_flatten() -> None:
    x = engine.randn(2, 12, 5)
    assert nn.Unflatten(1, (3, -1))(x).shape == (2, 3, 4, 5)
    assert repr(nn.Unflatten(1, (3, 4))) == "Unflatten(dim=1, unflattened_size=(3, 4))"


def test_weights_of_linear_layers_alone_are_held_in_narrower_types() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    names = {name: np.dtype(np.float16) for name in model.state_dict()} | {"2.weight": np.dtype(np.float64)}
    model.hold_narrow(names)
    assert {name for name, tensor in model.state_dict().items() if tensor.dtype == np.float16} == {"0.weight"}
    given = Tensor(np.ones((1, 3), np.float32))
    wide = model[0].weight.to(dtype="float32")
    np.testing.assert_allclose(
        model[0](given).numpy(), nn.functional.linear(given, wide, model[0].bias).numpy(), rtol=1e-6
    )


def test_a_copy_of_a_module_that_holds_an_operation_calls_the_same_one() -> None:
    module = nn.Linear(2, 2)
    module.activation = engine.gelu  # type: ignore[assignment]
    for twin in (copy.deepcopy(module), copy.copy(module)):
        assert twin.activation is engine.gelu  # type: ignore[comparison-overlap]


def test_every_operation_is_sent_to_other_processes_by_its_name() -> None:
    for operation in TABLE.values():
        assert pickle.loads(pickle.dumps(operation)) is operation
