"""ResNet of transformers (model_type "resnet"): the stride of a bottleneck stands in its 3 x 3 convolution, as here."""

from __future__ import annotations

from typing import Any

from numzoo.hub.foreign.fields import Fields

__all__ = ["transformers"]

_NORM = r"normalization\.(.+)"


def transformers(fields: Fields) -> dict[str, Any]:
    """`ResNetConfig` and the names of `ResNetForImageClassification`."""
    fields.must("hidden_act", "relu", "relu")
    fields.must("downsample_in_first_stage", False, False)
    fields.must("downsample_in_bottleneck", False, False, because="the stride stands in the first 1 x 1 convolution")
    fields.must("layer_type", ("basic", "bottleneck"), "bottleneck")
    block = fields.text("layer_type", "bottleneck")
    sizes = fields.wholes("hidden_sizes", [256, 512, 1024, 2048], count=4, most=1 << 16)
    depths = fields.wholes("depths", [3, 4, 6, 3], count=4, total=1000)
    expansion = 1 if block == "basic" else 4
    if any(size % expansion for size in sizes):
        fields.differs(f"hidden_sizes are {sizes}, not all multiples of the bottleneck's {expansion}")
    rename = [
        (r"resnet\.embedder\.embedder\.convolution\.(.+)", r"conv1.\1"),
        (rf"resnet\.embedder\.embedder\.{_NORM}", r"bn1.\1"),
        (r"classifier\.1\.(.+)", r"fc.\1"),
    ]
    for stage in range(4):
        before = rf"resnet\.encoder\.stages\.{stage}\.layers\.(\d+)"
        after = rf"layer{stage + 1}.\1"
        rename += [
            (rf"{before}\.shortcut\.convolution\.(.+)", rf"{after}.downsample.0.\2"),
            (rf"{before}\.shortcut\.{_NORM}", rf"{after}.downsample.1.\2"),
        ]
        for layer in range(3):
            rename += [
                (rf"{before}\.layer\.{layer}\.convolution\.(.+)", rf"{after}.conv{layer + 1}.\2"),
                (rf"{before}\.layer\.{layer}\.{_NORM}", rf"{after}.bn{layer + 1}.\2"),
            ]
    return {
        "model": "vision.models.any_resnet",
        "config": {
            "block": block,
            "depths": depths,
            "stem_width": fields.whole("embedding_size", 64, most=1 << 16),
            "widths": [size // expansion for size in sizes],
        },
        "keys": {"rename": [{"match": match, "to": to} for match, to in rename]},
    }
