"""ConvNeXt of transformers (model_type "convnext"); version 2 has another normalisation and is not translated."""

from __future__ import annotations

from typing import Any

from numzoo.hub.foreign.fields import Fields

__all__ = ["transformers"]


def transformers(fields: Fields) -> dict[str, Any]:
    """`ConvNextConfig` and the names of `ConvNextForImageClassification`; only its last norm obeys layer_norm_eps."""
    fields.must("hidden_act", "gelu", "gelu")
    fields.must("patch_size", 4, 4)
    fields.must("num_stages", 4, 4)
    if fields.number("layer_scale_init_value", 1e-6) == 0:
        fields.differs("layer_scale_init_value is 0: the blocks have no scales")
    stages = [
        (
            rf"convnext\.encoder\.stages\.{stage}\.layers\.(\d+)",
            rf"features.{2 * stage + 1}.\1",
        )
        for stage in range(4)
    ]
    rename = [
        (r"convnext\.embeddings\.patch_embeddings\.(.+)", r"features.0.0.\1"),
        (r"convnext\.embeddings\.layernorm\.(.+)", r"features.0.1.\1"),
        (r"convnext\.layernorm\.(.+)", r"classifier.0.\1"),
        (r"classifier\.(.+)", r"classifier.2.\1"),
        *(
            (rf"convnext\.encoder\.stages\.{stage}\.downsampling_layer\.(.+)", rf"features.{2 * stage}.\1")
            for stage in range(1, 4)
        ),
    ]
    for before, after in stages:
        rename += [
            (rf"{before}\.layer_scale_parameter", rf"{after}.layer_scale"),
            (rf"{before}\.dwconv\.(.+)", rf"{after}.block.0.\2"),
            (rf"{before}\.layernorm\.(.+)", rf"{after}.block.2.\2"),
            (rf"{before}\.pwconv1\.(.+)", rf"{after}.block.3.\2"),
            (rf"{before}\.pwconv2\.(.+)", rf"{after}.block.5.\2"),
        ]
    return {
        "model": "vision.models.any_convnext",
        "config": {
            "widths": fields.wholes("hidden_sizes", [96, 192, 384, 768], count=4, most=1 << 16),
            "depths": fields.wholes("depths", [3, 3, 9, 3], count=4, total=1000),
            "head_norm_eps": fields.number("layer_norm_eps", 1e-12, most=1.0),
        },
        "keys": {
            "rename": [{"match": match, "to": to} for match, to in rename],
            "reshape": [r"features\..+\.layer_scale"],
        },
    }
