"""GPT-2 of transformers (model_type "gpt2"): the model that continues texts, also from files of the model without its head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numzoo.hub.foreign.fields import Fields
from numzoo.text.models.encoder import ACTIVATIONS

__all__ = ["transformers"]

_KINDS = ("GPT2LMHeadModel", "GPT2Model")


def transformers(fields: Fields, extras: Mapping[str, Any]) -> dict[str, Any]:
    """`GPT2Config` and the names of transformers' files; the output's weight is that of the embeddings."""
    fields.must("activation_function", tuple(ACTIVATIONS), "gelu_new")
    fields.must("tie_word_embeddings", True, True)
    fields.must("add_cross_attention", False, False)
    named = fields.values.get("architectures") or [_KINDS[0]]
    if not isinstance(named, list) or len(named) != 1 or named[0] not in _KINDS:
        fields.fail("architectures", f"one of {', '.join(_KINDS)}")
    width, heads = fields.whole("n_embd", 768, most=1 << 17), fields.whole("n_head", 12, most=1 << 12)
    if width % heads:
        fields.fail("n_head", f"a divisor of n_embd, {width}")
    config = {
        "vocab_size": fields.whole("vocab_size", 50257, most=1 << 22),
        "n_positions": fields.whole("n_positions", 1024, most=1 << 20),
        "n_embd": width,
        "n_layer": fields.whole("n_layer", 12, most=1000),
        "n_head": heads,
        "activation_function": fields.text("activation_function", "gelu_new"),
        "layer_norm_epsilon": fields.number("layer_norm_epsilon", 1e-5, most=1.0),
        "scale_attn_weights": fields.flag("scale_attn_weights", True),
        "scale_attn_by_inverse_layer_idx": fields.flag("scale_attn_by_inverse_layer_idx", False),
    }
    if "n_inner" in fields:
        config["n_inner"] = fields.whole("n_inner", most=1 << 19)
    return {
        "model": "text.models.gpt2_causal_lm",
        "config": config,
        "keys": {
            "rename": [{"match": r"((?:wte|wpe|h|ln_f)\..+)", "to": r"transformer.\1"}],
            # Triangles of ones, which older files hold, and the output's weight, which is that of the embeddings.
            "ignore": [r"(transformer\.)?h\.\d+\.attn\.(masked_)?bias", r"lm_head\.weight"],
        },
        "task": "text-generation",
    }
