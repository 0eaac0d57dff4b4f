"""RegNet of transformers (model_type "regnet"), X and Y."""

from __future__ import annotations

from typing import Any

from numzoo.hub.foreign.fields import Fields

__all__ = ["transformers"]


def transformers(fields: Fields) -> dict[str, Any]:
    """`RegNetConfig` and the names of `RegNetForImageClassification`."""
    fields.must("hidden_act", "relu", "relu")
    fields.must("downsample_in_first_stage", True, True)
    fields.must("layer_type", ("x", "y"), "y")
    squeezes = fields.text("layer_type", "y") == "y"
    widths = fields.wholes("hidden_sizes", [128, 192, 512, 1088], count=4, most=1 << 16)
    group_width = fields.whole("groups_width", 64, most=1 << 16)
    for width in widths:
        if width % min(group_width, width):
            fields.differs(f"a stage of {width} channels is not divided into groups of {group_width}")
    rename = [
        (r"regnet\.embedder\.embedder\.convolution\.(.+)", r"stem.0.\1"),
        (r"regnet\.embedder\.embedder\.normalization\.(.+)", r"stem.1.\1"),
        (r"classifier\.1\.(.+)", r"fc.\1"),
    ]
    layers = {0: "f.a", 1: "f.b", 2: "f.se", 3: "f.c"} if squeezes else {0: "f.a", 1: "f.b", 2: "f.c"}
    for stage in range(4):
        before = rf"regnet\.encoder\.stages\.{stage}\.layers\.(\d+)"
        after = rf"trunk_output.block{stage + 1}.block{stage + 1}-\1"
        rename += [
            (rf"{before}\.shortcut\.convolution\.(.+)", rf"{after}.proj.0.\2"),
            (rf"{before}\.shortcut\.normalization\.(.+)", rf"{after}.proj.1.\2"),
            (rf"{before}\.layer\.2\.attention\.0\.(.+)", rf"{after}.f.se.fc1.\2"),
            (rf"{before}\.layer\.2\.attention\.2\.(.+)", rf"{after}.f.se.fc2.\2"),
        ]
        for layer, name in layers.items():
            rename += [
                (rf"{before}\.layer\.{layer}\.convolution\.(.+)", rf"{after}.{name}.0.\2"),
                (rf"{before}\.layer\.{layer}\.normalization\.(.+)", rf"{after}.{name}.1.\2"),
            ]
    return {
        "model": "vision.models.any_regnet",
        "config": {
            "depths": fields.wholes("depths", [2, 6, 12, 2], count=4, total=1000),
            "widths": widths,
            "group_width": group_width,
            "stem_width": fields.whole("embedding_size", 32, most=1 << 16),
            **({"squeeze_ratio": 0.25} if squeezes else {}),
        },
        "keys": {"rename": [{"match": match, "to": to} for match, to in rename]},
    }
