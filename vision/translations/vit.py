"""ViT of transformers (model_type "vit"): queries, keys and values are one matrix here, three there."""

from __future__ import annotations

from typing import Any

from numzoo.hub.foreign.fields import Fields

__all__ = ["transformers"]


def transformers(fields: Fields) -> dict[str, Any]:
    """`ViTConfig` and the names of `ViTForImageClassification`."""
    fields.must("hidden_act", "gelu", "gelu")
    width = fields.whole("hidden_size", 768, most=1 << 16)
    heads = fields.whole("num_attention_heads", 12, most=1 << 12)
    if width % heads:
        fields.fail("num_attention_heads", f"a divisor of hidden_size, {width}")
    image_size, patch_size = fields.square("image_size", 224), fields.square("patch_size", 16)
    if image_size % patch_size:
        fields.differs(f"patches of {patch_size} pixels do not cover images of {image_size}")
    before, after = r"vit\.encoder\.layer\.(\d+)", r"encoder.layers.encoder_layer_\1"
    rename = [
        (r"vit\.embeddings\.cls_token", "class_token"),
        (r"vit\.embeddings\.position_embeddings", "encoder.pos_embedding"),
        (r"vit\.embeddings\.patch_embeddings\.projection\.(.+)", r"conv_proj.\1"),
        (rf"{before}\.layernorm_before\.(.+)", rf"{after}.ln_1.\2"),
        (rf"{before}\.layernorm_after\.(.+)", rf"{after}.ln_2.\2"),
        (rf"{before}\.attention\.output\.dense\.(.+)", rf"{after}.self_attention.out_proj.\2"),
        (rf"{before}\.intermediate\.dense\.(.+)", rf"{after}.mlp.0.\2"),
        (rf"{before}\.output\.dense\.(.+)", rf"{after}.mlp.3.\2"),
        (r"vit\.layernorm\.(.+)", r"encoder.ln.\1"),
        (r"classifier\.(.+)", r"heads.head.\1"),
    ]
    for place, name in enumerate(("query", "key", "value")):
        to = rf"{after}.self_attention.in_proj_\2[{place}/3]"
        rename.append((rf"{before}\.attention\.attention\.{name}\.(weight|bias)", to))
    return {
        "model": "vision.models.any_vit",
        "config": {
            "image_size": image_size,
            "patch_size": patch_size,
            "depth": fields.whole("num_hidden_layers", 12, most=1000),
            "width": width,
            "heads": heads,
            "mlp_width": fields.whole("intermediate_size", 3072, most=1 << 18),
            "norm_eps": fields.number("layer_norm_eps", 1e-12, most=1.0),
        },
        "keys": {
            "rename": [{"match": match, "to": to} for match, to in rename],
            "ignore": [r"vit\.pooler\.dense\.(weight|bias)"],
            **({} if fields.flag("qkv_bias", True) else {"zero": [r"encoder\..+\.in_proj_bias"]}),
        },
    }
