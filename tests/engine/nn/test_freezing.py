"""Freezing by name, and what stays as it is in training then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn, optim


class Small(nn.Module):
    classifier_modules = ("head",)

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2, affine=False), nn.Dropout(0.5)
        )
        self.head = nn.Linear(2, 3)

    def forward(self, x: Any) -> Any:
        return self.head(self.features(x).mean((2, 3)))


def trained(model: nn.Module) -> list[str]:
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def stepped(model: nn.Module) -> None:
    optimizer = optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
    (model(engine.randn(4, 1, 7, 7)) ** 2).sum().backward()
    optimizer.step()


def test_without_patterns_everything_but_the_head_is_frozen() -> None:
    model = Small().train()
    frozen = nn.freeze(model)
    assert trained(model) == ["head.weight", "head.bias"]
    assert len(frozen) == 6
    before = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    stepped(model)
    changed = [name for name, tensor in model.state_dict().items() if (tensor.numpy() != before[name]).any()]
    assert changed == ["head.weight", "head.bias"]  # statistics, too, are as they were


def test_frozen_normalisations_stay_in_evaluation_mode_and_dropout_does_not() -> None:
    model = Small()
    nn.freeze(model)
    model.train()
    assert [m.training for m in model.features] == [True, False, True, False, True]
    model.eval()
    assert not any(m.training for m in model.modules())
    nn.unfreeze(model)
    assert [m.training for m in model.features] == [False] * 5
    model.train()
    assert [m.training for m in model.features] == [True] * 5
    assert len(trained(model)) == 8


def test_stages_are_frozen_by_pattern_or_by_the_modules_name() -> None:
    model = Small().train()
    assert nn.freeze(model, "features.0") == ["features.0.weight", "features.0.bias"]
    assert nn.freeze(model, "*.bias", but="head") == ["features.1.bias", "features.2.bias"]
    assert model.features[1].training  # its weight is still trained
    assert nn.freeze(model, "features.1") == ["features.1.weight"]
    assert not model.features[1].training
    assert nn.unfreeze(model, "features.*", but=["features.0.*"]) == [
        "features.1.weight",
        "features.1.bias",
        "features.2.bias",
    ]
    assert model.features[1].training


BAD = [
    (lambda: nn.freeze(Small(), "feature.*"), "nothing fits 'feature"),
    (lambda: nn.unfreeze(Small(), "x"), "names are such as features.0.weight"),
    (lambda: nn.freeze(nn.Linear(2, 2)), "classifier_modules"),
    (lambda: nn.freeze(Small(), 3), "a pattern is a text"),  # type: ignore[arg-type]
    (lambda: nn.freeze("resnet"), "nn.Module"),  # type: ignore[arg-type]
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_is_refused(call: Any, message: str) -> None:
    with pytest.raises(engine.ArgumentError, match=message):
        call()


def test_layer_groups_lower_the_rate_towards_the_input() -> None:
    model = Small()
    groups = optim.layer_groups(model, 0.1, decay=0.5, weight_decay=0.05)
    assert [(g["name"], round(g["lr"], 5), g["weight_decay"], len(g["params"])) for g in groups] == [
        ("features.0", 0.0125, 0.05, 1), ("features.0, no decay", 0.0125, 0.0, 1), ("features.1, no decay", 0.025, 0.0, 2),
        ("features.2", 0.05, 0.05, 1), ("features.2, no decay", 0.05, 0.0, 1), ("head", 0.1, 0.05, 1), ("head, no decay", 0.1, 0.0, 1),
    ]  # fmt: skip
    optim.AdamW(groups)  # an optimiser takes them


def test_layer_groups_leave_out_what_is_frozen_and_take_stages_by_hand() -> None:
    model = Small()
    nn.freeze(model, "features.0")
    assert [group["name"] for group in optim.layer_groups(model, 1.0, stages="head")] == ["head"]
    groups = optim.layer_groups(model, 1.0, decay=0.1, stages=["features", "head"], momentum=0.9)
    assert [(g["name"], g["lr"], len(g["params"]), g["momentum"]) for g in groups] == [
        ("features", 0.1, 4, 0.9),
        ("head", 1.0, 2, 0.9),
    ]


@pytest.mark.parametrize(("call", "kind", "message"), [
    (lambda: optim.layer_groups(Small(), -1.0), engine.SettingError, "lr must be"),
    (lambda: optim.layer_groups(Small(), 1.0, decay=1.5), engine.SettingError, "at most 1"),
    (lambda: optim.layer_groups(Small(), 1.0, stages=["x"]), engine.ArgumentError, "nothing fits"),
    (lambda: optim.layer_groups(Small().requires_grad_(False), 1.0), engine.ArgumentError, "everything is frozen"),
    (lambda: optim.layer_groups(nn.ReLU(), 1.0), engine.ArgumentError, "no stages"),
])  # fmt: skip
def test_layer_groups_refuse_bad_input(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_every_parameter_is_in_exactly_one_group() -> None:
    from numzoo.vision import models

    for name in ("resnet18", "mobilenet_v3_small", "swin_t", "vit_b_16", "vgg11"):
        model = getattr(models, name)()
        held = [id(p) for group in optim.layer_groups(model, 1.0, weight_decay=0.1) for p in group["params"]]
        assert sorted(held) == sorted(id(p) for p in model.parameters()), name
        rates = [group["lr"] for group in optim.layer_groups(model, 1.0)]
        assert rates == sorted(rates)
        assert len(rates) > 8, name
    np.testing.assert_equal(rates[-1], 1.0)
