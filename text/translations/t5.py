"""T5 of transformers (model_type "t5"), both versions, and Flan-T5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numzoo.hub.foreign.fields import Fields
from numzoo.text.models.encoder import ACTIVATIONS

__all__ = ["transformers"]

_BUILDERS = {
    "T5ForConditionalGeneration": ("t5_text_to_text", "text-to-text"),
    "T5WithLMHeadModel": ("t5_text_to_text", "text-to-text"),
    "T5EncoderModel": ("t5_encoder", "feature-extraction"),
}


def transformers(fields: Fields, extras: Mapping[str, Any]) -> dict[str, Any]:
    """`T5Config` and the names of transformers' files; both versions' norms are those of numzoo's RMSNorm."""
    if extras.get("modules.json") is not None:
        fields.differs("modules.json makes it an encoder of sentences, which numzoo has no builder for in this family")
    named = fields.values.get("architectures") or ["T5ForConditionalGeneration"]
    kind = named[0] if isinstance(named, list) and len(named) == 1 and isinstance(named[0], str) else ""
    if kind not in _BUILDERS:
        fields.fail("architectures", f"one of {', '.join(_BUILDERS)}")
    builder, task = _BUILDERS[kind]
    projection = fields.text("feed_forward_proj", "relu")
    if projection.removeprefix("gated-") not in ACTIVATIONS:
        fields.differs(f"feed_forward_proj is {ascii(projection)[:40]}")
    layers = fields.whole("num_layers", 6, most=1000)
    buckets = fields.whole("relative_attention_num_buckets", 32, least=4, most=1 << 16)
    config: dict[str, Any] = {
        "vocab_size": fields.whole("vocab_size", 32128, most=1 << 22),
        "d_model": fields.whole("d_model", 512, most=1 << 17),
        "d_kv": fields.whole("d_kv", 64, most=1 << 14),
        "d_ff": fields.whole("d_ff", 2048, most=1 << 19),
        "num_layers": layers,
        "num_decoder_layers": fields.whole("num_decoder_layers", layers, most=1000),
        "num_heads": fields.whole("num_heads", 8, most=1 << 12),
        "relative_attention_num_buckets": buckets,
        "relative_attention_max_distance": fields.whole("relative_attention_max_distance", 128, least=buckets),
        "layer_norm_epsilon": fields.number("layer_norm_epsilon", 1e-6, most=1.0),
        "feed_forward_proj": projection,
        # Newer files of transformers say under another name whether the output is divided, which is what tying meant.
        "tie_word_embeddings": fields.flag("tie_word_embeddings", True) and fields.flag("scale_decoder_outputs", True),
        "pad_token_id": fields.whole("pad_token_id", 0, least=0, most=1 << 22),
        "decoder_start_token_id": fields.whole("decoder_start_token_id", 0, least=0, most=1 << 22),
    }
    ignore = [
        r"(encoder|decoder)\.embed_tokens\.weight",
        r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight",  # which is never used
    ]
    if config["tie_word_embeddings"]:
        ignore.append(r"lm_head\.weight")
    if builder == "t5_encoder":
        ignore += [r"decoder\..+", r"lm_head\.weight"]
    return {"model": f"text.models.{builder}", "config": config, "keys": {"ignore": ignore}, "task": task}
