"""Image models: a family per file, a builder function per published model, parameter names as in torchvision.

>>> from numzoo.vision import models
>>> model = models.resnet18(classes=10)

A family is imported when one of its builders is first asked for, so that one prediction costs one family.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numzoo.engine import nn

_FAMILIES: dict[str, tuple[str, ...]] = {
    "classic": ("lenet", "alexnet"),
    "vgg": ("vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"),
    "resnet": (
        "resnet18",
        "resnet34",
        "resnet50",
        "resnet101",
        "resnet152",
        "resnext50_32x4d",
        "resnext101_32x8d",
        "resnext101_64x4d",
        "wide_resnet50_2",
        "wide_resnet101_2",
    ),
    "densenet": ("densenet121", "densenet161", "densenet169", "densenet201"),
    "squeezenet": ("squeezenet1_0", "squeezenet1_1"),
    "mobilenet": ("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"),
    "inception": ("googlenet", "inception_v3"),
    "mnasnet": ("mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"),
    "shufflenet": ("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"),
    "efficientnet": (
        *(f"efficientnet_b{scale}" for scale in range(8)),
        "efficientnet_v2_s",
        "efficientnet_v2_m",
        "efficientnet_v2_l",
    ),
    "regnet": (
        *(f"regnet_y_{flops}" for flops in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf", "128gf")),
        *(f"regnet_x_{flops}" for flops in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")),
    ),
    "convnext": ("convnext_tiny", "convnext_small", "convnext_base", "convnext_large"),
    "vision_transformer": ("vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32", "vit_h_14"),
    "swin": ("swin_t", "swin_s", "swin_b", "swin_v2_t", "swin_v2_s", "swin_v2_b"),
    "maxvit": ("maxvit_t",),
}

_OTHER_TASKS: dict[str, dict[str, tuple[str, ...]]] = {
    "face-detection": {"faces": ("mtcnn",)},
    "style-transfer": {"styles": ("style_transfer",)},
}

_TASKS = {"image-classification": _FAMILIES, **_OTHER_TASKS}
_BUILDERS: dict[str, str] = {
    builder: family for families in _TASKS.values() for family, names in families.items() for builder in names
}

_ANY: dict[str, str] = {
    "any_convnext": "convnext",
    "any_efficientnet": "efficientnet",
    "any_regnet": "regnet",
    "any_resnet": "resnet",
    "any_swin": "swin",
    "any_vit": "vision_transformer",
}
"""Builders of other people's sizes: they take all the numbers that a published size has fixed."""

__all__ = ["builders", *_ANY, *_BUILDERS]


def builders(task: str = "image-classification") -> list[str]:
    """The names of the published sizes' builder functions for a task, sorted; each returns a `Module`, and takes ``classes=`` if it classifies."""
    if task not in _TASKS:
        raise ValueError(f"{__name__} has no builders for {task!r}; tasks are {', '.join(_TASKS)}")
    return sorted(name for names in _TASKS[task].values() for name in names)


def __getattr__(name: str) -> Callable[..., nn.Module]:
    family = _BUILDERS.get(name) or _ANY.get(name)
    if family is None:
        raise AttributeError(_unknown(name))
    builder: Callable[..., nn.Module] = getattr(importlib.import_module(f"{__name__}.{family}"), name)
    return builder


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, _BUILDERS, n=3)
    way_out = f"did you mean {' or '.join(close)}?" if close else "builders() lists what there is."
    return f"{__name__} has no model named {name!r}; {way_out}"
