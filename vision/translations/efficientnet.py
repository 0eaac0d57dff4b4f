"""EfficientNet of transformers (model_type "efficientnet"), padded as TensorFlow does at the size that it was made for."""

from __future__ import annotations

import math
from typing import Any

from numzoo.hub.foreign.fields import Fields

__all__ = ["transformers"]

_ROWS: dict[str, list[int]] = {
    "kernel_sizes": [3, 3, 5, 3, 5, 5, 3],
    "in_channels": [32, 16, 24, 40, 80, 112, 192],
    "out_channels": [16, 24, 40, 80, 112, 192, 320],
    "strides": [1, 2, 2, 2, 1, 2, 1],
    "num_block_repeats": [1, 2, 2, 3, 3, 4, 1],
    "expand_ratios": [1, 6, 6, 6, 6, 6, 6],
}


def transformers(fields: Fields) -> dict[str, Any]:
    """`EfficientNetConfig` and the names of `EfficientNetForImageClassification`."""
    fields.must("hidden_act", ("swish", "silu"), "swish")
    fields.must("pooling_type", "mean", "mean")
    fields.must("depth_divisor", 8, 8)
    fields.must("squeeze_expansion_ratio", 0.25, 0.25)
    for name, row in _ROWS.items():
        if fields.wholes(name, row, most=1 << 12) != row:
            fields.differs(f"{name} are {fields.values[name]}, and numzoo's {row}")
    width = fields.number("width_coefficient", 2.0, least=0.1, most=16)
    depth = fields.number("depth_coefficient", 3.1, least=0.1, most=16)
    depths = [math.ceil(depth * repeats) for repeats in _ROWS["num_block_repeats"]]
    _check_padding(fields, depths)
    rename = [
        (r"efficientnet\.embeddings\.convolution\.(.+)", r"features.0.0.\1"),
        (r"efficientnet\.embeddings\.batchnorm\.(.+)", r"features.0.1.\1"),
        (r"efficientnet\.encoder\.top_conv\.(.+)", r"features.8.0.\1"),
        (r"efficientnet\.encoder\.top_bn\.(.+)", r"features.8.1.\1"),
        (r"classifier\.(.+)", r"classifier.1.\1"),
    ]
    number = 0
    for stage, count in enumerate(depths, 1):
        for position in range(count):
            before, after = rf"efficientnet\.encoder\.blocks\.{number}", f"features.{stage}.{position}.block"
            first = 0 if stage == 1 else 1  # the first stage does not widen
            rename += [
                (rf"{before}\.expansion\.expand_conv\.(.+)", rf"{after}.0.0.\1"),
                (rf"{before}\.expansion\.expand_bn\.(.+)", rf"{after}.0.1.\1"),
                (rf"{before}\.depthwise_conv\.depthwise_conv\.(.+)", rf"{after}.{first}.0.\1"),
                (rf"{before}\.depthwise_conv\.depthwise_norm\.(.+)", rf"{after}.{first}.1.\1"),
                (rf"{before}\.squeeze_excite\.reduce\.(.+)", rf"{after}.{first + 1}.fc1.\1"),
                (rf"{before}\.squeeze_excite\.expand\.(.+)", rf"{after}.{first + 1}.fc2.\1"),
                (rf"{before}\.projection\.project_conv\.(.+)", rf"{after}.{first + 2}.0.\1"),
                (rf"{before}\.projection\.project_bn\.(.+)", rf"{after}.{first + 2}.1.\1"),
            ]
            number += 1
    return {
        "model": "vision.models.any_efficientnet",
        "config": {
            "width": width,
            "depth": depth,
            "top_width": fields.whole("hidden_dim", 2560, most=1 << 16),
            "norm_eps": fields.number("batch_norm_eps", 0.001, most=1.0),
            "same_padding": True,
        },
        "keys": {"rename": [{"match": match, "to": to} for match, to in rename]},
    }


def _check_padding(fields: Fields, depths: list[int]) -> None:
    """Refuse a list of evenly padded blocks that is not TensorFlow's at the image size of the configuration."""
    given = fields.values.get("depthwise_padding") or []
    image = fields.square("image_size", 600)
    even, number, side = [], 0, -(-image // 2)
    for stride, count in zip(_ROWS["strides"], depths, strict=True):
        if stride == 2:
            if side % 2:
                even.append(number)
            side = -(-side // 2)
        number += count
    if image % 2 or given != even:
        fields.differs(
            f"depthwise_padding is {ascii(given)[:60]}, and for images of {image} pixels TensorFlow's padding is even at "
            f"{'the stem and ' if image % 2 else ''}the blocks {even}"
        )
