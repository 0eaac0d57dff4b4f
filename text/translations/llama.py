"""Llama and its kin of transformers: model_type "llama", "mistral" (a sliding window), "qwen2" (biases)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numzoo.hub.foreign.fields import Fields
from numzoo.text.models.rope_scaling import KINDS

__all__ = ["transformers"]


def transformers(fields: Fields, extras: Mapping[str, Any]) -> dict[str, Any]:
    """Their configurations and the names of their models that continue texts."""
    family = fields.text("model_type")
    fields.must("hidden_act", "silu", "silu")
    for name in ("pretraining_tp", "num_local_experts"):
        fields.must(name, 1, 1)
    heads = fields.whole("num_attention_heads", 32, most=1 << 12)
    config: dict[str, Any] = {
        "vocab_size": fields.whole("vocab_size", 32000, most=1 << 22),
        "hidden_size": fields.whole("hidden_size", 4096, most=1 << 17),
        "intermediate_size": fields.whole("intermediate_size", 11008, most=1 << 19),
        "num_hidden_layers": fields.whole("num_hidden_layers", 32, most=1000),
        "num_attention_heads": heads,
        "num_key_value_heads": fields.whole("num_key_value_heads", heads, most=1 << 12),
        "rms_norm_eps": fields.number("rms_norm_eps", 1e-6, most=1.0),
        **_rope(fields),
        "max_position_embeddings": fields.whole("max_position_embeddings", 2048, most=1 << 24),
        "tie_word_embeddings": fields.flag("tie_word_embeddings", False),
    }
    if "head_dim" in fields:
        config["head_dim"] = fields.whole("head_dim", most=1 << 12)
    if family == "qwen2":
        config |= {"attention_bias": True, "output_bias": False}
        if fields.flag("use_sliding_window", False):
            fields.differs("use_sliding_window is set, and only some layers have a window")
    else:
        config["attention_bias"] = fields.flag("attention_bias", False)
        config["mlp_bias"] = fields.flag("mlp_bias", False)
    if family == "mistral" and "sliding_window" in fields:
        config["sliding_window"] = fields.whole("sliding_window", most=1 << 24)
    ignore = [r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq"]
    if config["tie_word_embeddings"]:
        ignore.append(r"lm_head\.weight")
    return {
        "model": "text.models.llama_causal_lm",
        "config": config,
        "keys": {"ignore": ignore},
        "task": "text-generation",
    }


_OWN = {"factor": "rope_factor", "low_freq_factor": "rope_low", "high_freq_factor": "rope_high", "original_max_position_embeddings": "rope_places"}  # fmt: skip


def _rope(fields: Fields) -> dict[str, Any]:
    """The base of the rotary positions, and how they are scaled; newer files keep both in one object."""
    rope: dict[str, Any] = {"rope_theta": fields.number("rope_theta", 10000.0, least=1.0, most=1e12)}
    for name in ("rope_parameters", "rope_scaling"):
        if name not in fields:
            continue
        inner = fields.inner(name)
        kind = inner.values.get("rope_type") or inner.values.get("type") or "default"
        if not isinstance(kind, str) or kind not in KINDS:
            fields.differs(f"{name} has the rope_type {ascii(kind)[:40]}: its places are scaled")
        if kind != "default":
            rope["rope_type"] = kind
            rope |= {_OWN[each]: inner.number(each, least=1e-6, most=1e12) for each in KINDS[kind]}
        rope["rope_theta"] = inner.number("rope_theta", rope["rope_theta"], least=1.0, most=1e12)
    return rope
