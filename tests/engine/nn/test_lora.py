"""Adapters: nothing at first, W + s B A when trained, and off again without a trace."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn, optim


class Small(nn.Module):
    classifier_modules = ("head",)

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 6, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.depthwise = nn.Conv2d(6, 6, 3, padding="same", groups=6)
        self.point = nn.Conv2d(6, 8, 1)
        self.around = nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect")
        self.inner = nn.Linear(8, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        x = self.around(self.point(self.depthwise(self.norm(self.conv(x)).relu())).relu())
        return self.head(self.inner(x.mean((2, 3))).relu())


@pytest.fixture
def model() -> Small:
    engine.manual_seed(5)
    made = Small().train()
    made(engine.randn(8, 2, 9, 9))  # statistics of their own
    return made.eval()


X = np.random.default_rng(0).standard_normal((4, 2, 9, 9)).astype(np.float32)


def stirred(model: nn.Module) -> None:
    """Adapters that do something."""
    for name, parameter in model.named_parameters():
        if name.endswith("lora_B"):
            parameter.array[...] = np.random.default_rng(len(name)).standard_normal(parameter.shape) * 0.3


def trained(model: nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_a_fresh_adapter_changes_nothing_and_all_else_is_frozen(model: Small) -> None:
    before, names = model(X).numpy(), set(model.state_dict())
    assert nn.add_lora(model, rank=2) == ["conv", "point", "around", "inner"]
    np.testing.assert_array_equal(model(X).numpy(), before)
    parts = {f"{layer}.lora_{part}" for layer in ("conv", "point", "around", "inner") for part in "AB"}
    assert trained(model) == parts | {"head.weight", "head.bias"}
    assert names < set(model.state_dict())
    assert not model.train().norm.training


def test_an_adapted_layer_computes_with_the_sum(model: Small) -> None:
    plain = copy.deepcopy(model)
    nn.add_lora(model, rank=3, alpha=6)
    stirred(model)
    for name in ("conv", "point", "around", "inner"):
        layer, own = model.get_submodule(name), plain.get_submodule(name)
        a, b = layer.lora_A.numpy(), layer.lora_B.numpy()
        delta = 2.0 * (b.reshape(b.shape[0], -1).astype(np.float64) @ a.reshape(a.shape[0], -1)).reshape(
            own.weight.shape
        )
        own.weight.set_array((own.weight.numpy() + delta).astype(np.float32))
        np.testing.assert_allclose(
            layer.weight.numpy(), own.weight.numpy(), rtol=1e-5, atol=1e-6
        )  # whoever uses the weight itself
    np.testing.assert_allclose(model(X).numpy(), plain(X).numpy(), rtol=1e-4, atol=1e-5)


def test_merging_keeps_the_results_and_unmerging_the_bits(model: Small) -> None:
    nn.add_lora(model, rank=2)
    stirred(model)
    adapted, weight = model(X).numpy(), model.inner.__dict__["weight"].numpy().copy()
    nn.merge_lora(model)
    nn.merge_lora(model)  # a second time does nothing
    np.testing.assert_allclose(model(X).numpy(), adapted, rtol=1e-4, atol=1e-5)
    assert (model.inner.weight.numpy() != weight).any()
    assert "merged" in repr(model.inner)
    nn.unmerge_lora(model)
    np.testing.assert_array_equal(model.inner.__dict__["weight"].numpy(), weight)
    np.testing.assert_array_equal(model(X).numpy(), adapted)


@pytest.mark.parametrize("merge", [True, False])
def test_removing_leaves_a_plain_model(merge: bool, model: Small) -> None:
    names, before = list(model.state_dict()), model(X).numpy()
    nn.add_lora(model, rank=2)
    stirred(model)
    adapted = model(X).numpy()
    nn.remove_lora(model, merge=merge)
    assert list(model.state_dict()) == names
    assert {type(m).__name__ for m in model.modules()} == {"Small", "Conv2d", "BatchNorm2d", "Linear"}
    np.testing.assert_allclose(model(X).numpy(), adapted if merge else before, rtol=1e-4, atol=1e-5)
    assert (adapted != before).any()


def test_training_moves_adapters_and_head_alone_and_lowers_the_loss(model: Small) -> None:
    nn.add_lora(model, rank=2, dropout=0.1)
    model.train()
    optimizer = optim.AdamW(model.parameters(), lr=0.02)
    before = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    losses = []
    for _ in range(30):
        loss = nn.functional.cross_entropy(model(X), np.array([0, 1, 2, 0]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    changed = {name for name, tensor in model.state_dict().items() if (tensor.numpy() != before[name]).any()}
    assert changed == trained(model)
    assert len(optimizer.state) == len(changed)
    assert losses[-1] < 0.5 * losses[0]


def test_the_gradient_is_that_of_the_sum(model: Small) -> None:
    """dL/dB = s dL/dW A^T and dL/dA = s B^T dL/dW."""
    nn.add_lora(model, rank=2, targets="inner", alpha=1)
    stirred(model)
    plain = copy.deepcopy(model)
    nn.remove_lora(plain)
    plain.inner.weight.requires_grad_()
    for each in (model, plain):
        (each(X) ** 2).sum().backward()
    whole = plain.inner.weight.grad.numpy()
    a, b = model.inner.lora_A, model.inner.lora_B
    np.testing.assert_allclose(b.grad.numpy(), 0.5 * whole @ a.numpy().T, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(a.grad.numpy(), 0.5 * b.numpy().T @ whole, rtol=1e-3, atol=1e-4)


def test_a_rank_is_no_more_than_the_layer_allows(model: Small) -> None:
    nn.add_lora(model, rank=64, alpha=64, targets=["conv", "inner"])
    assert model.conv.lora_A.shape == (6, 2, 3, 3)
    assert model.conv.lora_B.shape == (6, 6, 1, 1)
    assert model.inner.lora_A.shape == (8, 8)
    assert model.inner.lora_scale.item() == 1.0  # alpha / rank, whatever became of the rank


def test_states_and_dtypes_go_along(model: Small) -> None:
    nn.add_lora(model, rank=2)
    stirred(model)
    other = Small()
    nn.add_lora(other, rank=2)
    other.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(other.eval()(X).numpy(), model(X).numpy())
    model.to(dtype="bfloat16")
    assert model(X.astype(engine.bfloat16)).dtype == engine.bfloat16


BAD = [
    (lambda m: nn.add_lora(m, 0), engine.SettingError, "rank"),
    (lambda m: nn.add_lora(m, 2, alpha=-1), engine.SettingError, "alpha must be"),
    (lambda m: nn.add_lora(m, 2, dropout=1.5), engine.SettingError, "probability|dropout|p must"),
    (lambda m: nn.add_lora(m, 2, targets="features.*"), engine.ArgumentError, "nothing fits"),
    (lambda m: nn.add_lora(m, 2, targets="head"), engine.ArgumentError, "names only the head"),
    (lambda m: nn.add_lora(nn.ReLU()), engine.ArgumentError, "no Linear"),
    (lambda m: (nn.add_lora(m), nn.add_lora(m)), engine.StateError, "adapters already"),
    (lambda m: nn.merge_lora(m), engine.StateError, "no adapters"),
    (lambda m: nn.remove_lora(3), engine.ArgumentError, "nn.Module"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "message"), BAD)
def test_bad_input_is_refused(call: Any, kind: type[Exception], message: str, model: Small) -> None:
    with pytest.raises(kind, match=message):
        call(model)
