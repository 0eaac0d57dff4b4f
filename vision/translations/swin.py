"""Swin of transformers, versions 1 and 2 (model_type "swin", "swinv2"), whose windows fit the image at every stage."""

from __future__ import annotations

from typing import Any

from numzoo.hub.foreign.fields import Fields

__all__ = ["check_windows", "transformers"]

_MOST_PLACES = 1 << 26
"""The most numbers in the tables of which place is where, of all blocks together: half a gigabyte."""


def transformers(fields: Fields) -> dict[str, Any]:
    """`SwinConfig` or `Swinv2Config` and the names of their models for classification."""
    family = fields.text("model_type")
    version = 2 if family == "swinv2" else 1
    fields.must("hidden_act", "gelu", "gelu")
    fields.must("use_absolute_embeddings", False, False)
    fields.must("layer_norm_eps", 1e-5, 1e-5)
    depths = fields.wholes("depths", [2, 2, 6, 2], total=1000)
    if len(depths) > 8:
        fields.fail("depths", "at most 8 stages")
    heads = fields.wholes("num_heads", [3, 6, 12, 24], count=len(depths), most=1 << 12)
    width = fields.whole("embed_dim", 96, most=1 << 16)
    for stage, count in enumerate(heads):
        if (width << stage) % count:
            fields.fail("num_heads", f"divisors of the stages' widths, {width} and its doubles")
    patch_size, window = fields.square("patch_size", 4, most=1 << 10), fields.square("window_size", 7, most=64)
    if sum(depths) * window**4 > _MOST_PLACES:
        fields.fail(
            "window_size", f"windows whose {window**4} pairs of places fit into memory for {sum(depths)} blocks"
        )
    check_windows(fields, fields.square("image_size", 224), patch_size, window, len(depths))
    trained = fields.values.get("pretrained_window_sizes")
    if version == 2 and trained is not None and not (isinstance(trained, list) and all(size == 0 for size in trained)):
        fields.differs("pretrained_window_sizes are set: steps between places are scaled by another window")
    before, after = rf"{family}\.encoder\.layers\.{{0}}\.blocks\.(\d+)", "features.{0}.\\1"
    rename = [
        (rf"{family}\.embeddings\.patch_embeddings\.projection\.(.+)", r"features.0.0.\1"),
        (rf"{family}\.embeddings\.norm\.(.+)", r"features.0.2.\1"),
        (rf"{family}\.layernorm\.(.+)", r"norm.\1"),
        (r"classifier\.(.+)", r"head.\1"),
    ]
    inside = {
        r"attention\.self\.relative_position_bias_table": "attn.relative_position_bias_table",
        r"attention\.self\.relative_position_index": "attn.relative_position_index",
        r"attention\.self\.relative_coords_table": "attn.relative_coords_table",
        r"attention\.self\.logit_scale": "attn.logit_scale",
        r"attention\.self\.continuous_position_bias_mlp\.(.+)": r"attn.cpb_mlp.\2",
        r"attention\.self\.query\.(weight|bias)": r"attn.qkv.\2[0/3]",
        r"attention\.self\.key\.(weight|bias)": r"attn.qkv.\2[1/3]",
        r"attention\.self\.value\.(weight|bias)": r"attn.qkv.\2[2/3]",
        r"attention\.output\.dense\.(.+)": r"attn.proj.\2",
        r"layernorm_before\.(.+)": r"norm1.\2",
        r"layernorm_after\.(.+)": r"norm2.\2",
        r"intermediate\.dense\.(.+)": r"mlp.0.\2",
        r"output\.dense\.(.+)": r"mlp.3.\2",
    }
    for stage in range(len(depths)):
        old, new = before.format(stage), after.format(2 * stage + 1)
        rename += [(rf"{old}\.{match}", f"{new}.{to}") for match, to in inside.items()]
        rename.append((rf"{family}\.encoder\.layers\.{stage}\.downsample\.(.+)", rf"features.{2 * stage + 2}.\1"))
    zero = [r"features\..+\.attn\.qkv\.bias\[1/3\]"] if version == 2 else []
    if not fields.flag("qkv_bias", True):
        zero = [r"features\..+\.attn\.qkv\.bias"]
    return {
        "model": "vision.models.any_swin",
        "config": {
            "width": width,
            "depths": depths,
            "heads": heads,
            "window": window,
            "version": version,
            "patch_size": patch_size,
            "expansion": fields.number("mlp_ratio", 4.0, most=64),
        },
        "keys": {
            "rename": [{"match": match, "to": to} for match, to in rename],
            # What follows from the window's size alone; newer files do not hold it.
            "absent": [r"features\..+\.relative_(position_index|coords_table)"],
            "reshape": [r"features\..+\.relative_position_index"],
            "zero": zero,
        },
    }


def check_windows(fields: Fields, image_size: int, patch_size: int, window: int, stages: int) -> None:
    """Refuse an image whose last stage is smaller than a window: the window shrinks there, and numzoo's does not."""
    side = -(-image_size // patch_size)
    for _ in range(stages - 1):
        side = -(-side // 2)
    if window < 2 or side < window:
        fields.differs(
            f"for images of {image_size} pixels its last stage is {side} x {side}, smaller than its windows of {window}"
        )
