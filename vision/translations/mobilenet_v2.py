"""MobileNetV2 of transformers (model_type "mobilenet_v2"), with TensorFlow's padding as its files have it, or without."""

from __future__ import annotations

from typing import Any

from numzoo.hub.foreign.fields import Fields

__all__ = ["transformers"]


def transformers(fields: Fields) -> dict[str, Any]:
    """`MobileNetV2Config` and the names of `MobileNetV2ForImageClassification`."""
    fields.must("hidden_act", "relu6", "relu6")
    fields.must("first_layer_is_expansion", True, True)
    fields.must("expand_ratio", (6, 6.0), 6.0)
    fields.must("min_depth", 8, 8)
    fields.must("depth_divisible_by", 8, 8)
    fields.must("output_stride", 32, 32)
    width = fields.number("depth_multiplier", 1.0, least=0.05, most=16)
    if width < 1:
        fields.must("finegrained_output", True, True)
    rename = [
        (r"mobilenet_v2\.conv_stem\.first_conv\.convolution\.(.+)", r"features.0.0.\1"),
        (r"mobilenet_v2\.conv_stem\.first_conv\.normalization\.(.+)", r"features.0.1.\1"),
        (r"mobilenet_v2\.conv_stem\.conv_3x3\.convolution\.(.+)", r"features.1.conv.0.0.\1"),
        (r"mobilenet_v2\.conv_stem\.conv_3x3\.normalization\.(.+)", r"features.1.conv.0.1.\1"),
        (r"mobilenet_v2\.conv_stem\.reduce_1x1\.convolution\.(.+)", r"features.1.conv.1.\1"),
        (r"mobilenet_v2\.conv_stem\.reduce_1x1\.normalization\.(.+)", r"features.1.conv.2.\1"),
        (r"mobilenet_v2\.conv_1x1\.convolution\.(.+)", r"features.18.0.\1"),
        (r"mobilenet_v2\.conv_1x1\.normalization\.(.+)", r"features.18.1.\1"),
        (r"classifier\.(.+)", r"classifier.1.\1"),
    ]
    for block in range(16):
        before, after = rf"mobilenet_v2\.layer\.{block}", f"features.{block + 2}.conv"
        rename += [
            (rf"{before}\.expand_1x1\.convolution\.(.+)", rf"{after}.0.0.\1"),
            (rf"{before}\.expand_1x1\.normalization\.(.+)", rf"{after}.0.1.\1"),
            (rf"{before}\.conv_3x3\.convolution\.(.+)", rf"{after}.1.0.\1"),
            (rf"{before}\.conv_3x3\.normalization\.(.+)", rf"{after}.1.1.\1"),
            (rf"{before}\.reduce_1x1\.convolution\.(.+)", rf"{after}.2.\1"),
            (rf"{before}\.reduce_1x1\.normalization\.(.+)", rf"{after}.3.\1"),
        ]
    return {
        "model": "vision.models.mobilenet_v2",
        "config": {
            "width_multiplier": width,
            "norm_eps": fields.number("layer_norm_eps", 0.001, most=1.0),
            "same_padding": fields.flag("tf_padding", True),
        },
        "keys": {"rename": [{"match": match, "to": to} for match, to in rename]},
    }
