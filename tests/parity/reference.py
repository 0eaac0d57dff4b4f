"""The reference models: torchvision's own, and LeNet in PyTorch, which torchvision lacks."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

if not hasattr(torch.ops.torchvision, "nms"):
    # torchvision declares these only with its compiled part, which no model needs but its import asks for.
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import torchvision

# The usual image size is 224; the smallest that serves every model is 64, but for these. A name stands for its family.
USUAL_SIZES = {
    "lenet": 28, "inception_v3": 299, "efficientnet_b1": 240, "efficientnet_b2": 288, "efficientnet_b3": 300,
    "efficientnet_b4": 380, "efficientnet_b5": 456, "efficientnet_b6": 528, "efficientnet_b7": 600,
    "efficientnet_v2_s": 384, "efficientnet_v2_m": 480, "efficientnet_v2_l": 480, "swin_v2": 256,
}  # fmt: skip
SMALL_SIZES = {"lenet": 28, "inception_v3": 80, "maxvit": 224, "vit": 224}


def names() -> list[str]:
    """Every model there is a reference for."""
    return sorted(["lenet", *torchvision.models.list_models(module=torchvision.models)])


def build(name: str, *, empty: bool = False) -> nn.Module:
    """The reference model; `empty` parameters have shapes and no memory."""
    if empty:
        with _OnMeta():
            return build(name)
    if name == "lenet":
        return LeNet()
    # The two inceptions draw their truncated normals slowly, and warn about it.
    extra = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return torchvision.models.get_model(name, weights=None, **extra)


def image_size(name: str, *, small: bool) -> int:
    """The side of the square images that a model is made for, or a small one that it accepts."""
    sizes = SMALL_SIZES if small else USUAL_SIZES
    fitting = [size for prefix, size in sizes.items() if name == prefix or name.startswith(f"{prefix}_")]
    return fitting[0] if fitting else 64 if small else 224


class LeNet(nn.Module):
    """The layers of `numzoo.vision.models.classic.LeNet`."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 5, padding=2, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 48, 5, bias=False), nn.BatchNorm2d(48), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Linear(1200, 120), nn.ReLU(), nn.Dropout(0.25), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x).flatten(1))


class _OnMeta(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if function is torch.empty:
            kwargs["device"] = "meta"
        return function(*args, **kwargs)
