"""torchvision without its compiled part: its models and transforms need only that these operators have a name."""

from __future__ import annotations

from types import ModuleType

import torch


def torchvision() -> ModuleType:
    """The package, whether or not its binary fits this build of PyTorch."""
    try:
        import torchvision as package
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        torchvision.library = library  # type: ignore[attr-defined]  # as long as it lives, the names do
        import torchvision as package
    return package
