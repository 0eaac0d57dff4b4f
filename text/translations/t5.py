"""T5 of transformers (model_type "t5"), both versions, Flan-T5, and mT5 ("mt5"), whose defaults are others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from numzoo.hub.foreign.fields import Fields
from numzoo.text.models.encoder import ACTIVATIONS

__all__ = ["transformers"]

_BUILDERS = {
    "T5ForConditionalGeneration": ("t5_text_to_text", "text-to-text"),
    "T5WithLMHeadModel": ("t5_text_to_text", "text-to-text"),
    "T5Model": ("t5_encoder_decoder", "feature-extraction"),
    "T5EncoderModel": ("t5_encoder", "feature-extraction"),
}
_NAME = re.compile("[a-z][a-z0-9_]*")
_DEFAULTS: dict[str, dict[str, Any]] = {
    "t5": {"vocab_size": 32128, "d_ff": 2048, "num_layers": 6, "num_heads": 8, "feed_forward_proj": "relu", "tied": True},
    "mt5": {"vocab_size": 250112, "d_ff": 1024, "num_layers": 8, "num_heads": 6, "feed_forward_proj": "gated-gelu", "tied": False},
}  # fmt: skip
_TOLD: dict[str, tuple[str, float | None]] = {
    "num_beams": ("beams", 0), "early_stopping": ("early", None), "length_penalty": ("length_penalty", 0.0), "max_length": ("longest", -1),
    "min_length": ("shortest", -1), "no_repeat_ngram_size": ("no_repeat", 0),
}  # fmt: skip
"""Setting of a task in config.json -> what generation here calls it, and what is added: lengths there count the token that begins an answer."""


def transformers(fields: Fields, extras: Mapping[str, Any]) -> dict[str, Any]:
    """`T5Config` and the names of transformers' files; both versions' norms are those of numzoo's RMSNorm."""
    if extras.get("modules.json") is not None:
        fields.differs("modules.json makes it an encoder of sentences, which numzoo has no builder for in this family")
    usual, multilingual = _DEFAULTS[fields.text("model_type", "t5")], fields.text("model_type", "t5") == "mt5"
    named = fields.values.get("architectures") or ["T5ForConditionalGeneration"]
    kind = named[0] if isinstance(named, list) and len(named) == 1 and isinstance(named[0], str) else ""
    kind = kind.removeprefix("M") if multilingual else kind
    if kind not in _BUILDERS:
        fields.fail("architectures", f"one of {', '.join('M' * multilingual + name for name in _BUILDERS)}")
    builder, task = _BUILDERS[kind]
    projection = fields.text("feed_forward_proj", usual["feed_forward_proj"])
    if projection.removeprefix("gated-") not in ACTIVATIONS:
        fields.differs(f"feed_forward_proj is {ascii(projection)[:40]}")
    layers = fields.whole("num_layers", usual["num_layers"], most=1000)
    buckets = fields.whole("relative_attention_num_buckets", 32, least=4, most=1 << 16)
    config: dict[str, Any] = {
        "vocab_size": fields.whole("vocab_size", usual["vocab_size"], most=1 << 22),
        "d_model": fields.whole("d_model", 512, most=1 << 17),
        "d_kv": fields.whole("d_kv", 64, most=1 << 14),
        "d_ff": fields.whole("d_ff", usual["d_ff"], most=1 << 19),
        "num_layers": layers,
        "num_decoder_layers": fields.whole("num_decoder_layers", layers, most=1000),
        "num_heads": fields.whole("num_heads", usual["num_heads"], most=1 << 12),
        "relative_attention_num_buckets": buckets,
        "relative_attention_max_distance": fields.whole("relative_attention_max_distance", 128, least=buckets),
        "layer_norm_epsilon": fields.number("layer_norm_epsilon", 1e-6, most=1.0),
        "feed_forward_proj": projection,
        "tie_word_embeddings": _tied(fields, usual["tied"], multilingual),
        "pad_token_id": fields.whole("pad_token_id", 0, least=0, most=1 << 22),
        "decoder_start_token_id": fields.whole("decoder_start_token_id", 0, least=0, most=1 << 22),
    }
    ignore = [
        r"(encoder|decoder)\.embed_tokens\.weight",
        r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight",  # which is never used
    ]
    if config["tie_word_embeddings"] or builder != "t5_text_to_text":
        ignore.append(r"lm_head\.weight")
    if builder == "t5_encoder":
        ignore.append(r"decoder\..+")
    tasks = _tasks(fields) if task == "text-to-text" else {}
    return {
        "model": f"text.models.{builder}",
        "config": config,
        "keys": {"ignore": ignore},
        "task": task,
        "pipeline": {"tasks": tasks} if tasks else {},
    }


def _tied(fields: Fields, usual: bool, multilingual: bool) -> bool:
    """Whether the output's weight is that of the embeddings and its input is divided.

    Newer files of transformers always say that it is tied: those of T5 say under another name whether the output is divided, and mT5's never is.
    """
    newer = str(fields.values.get("transformers_version", "4")).partition(".")[0] not in ("2", "3", "4")
    tied = fields.flag("tie_word_embeddings", usual) and fields.flag("scale_decoder_outputs", True)
    return tied and not (multilingual and newer)


def _tasks(fields: Fields) -> dict[str, dict[str, Any]]:
    """What the model was trained for, by name: the prefix of its texts and how answers are searched for."""
    if "task_specific_params" not in fields:
        return {}
    given = fields.inner("task_specific_params")
    found: dict[str, dict[str, Any]] = {}
    for name in given.values:
        if not _NAME.fullmatch(name):
            continue
        task = given.inner(name)
        said: dict[str, Any] = {"prefix": task.text("prefix")} if "prefix" in task else {}
        for setting, (ours, more) in _TOLD.items():
            if setting not in task:
                continue
            if more is None:
                said[ours] = task.flag(setting)
            elif isinstance(more, float):
                said[ours] = task.number(setting, least=-100.0, most=100.0)
            else:
                least = 0 if ours in ("shortest", "no_repeat") else 1
                said[ours] = max(least, task.whole(setting, least=0, most=1 << 16) + more)
        found[name] = said
    return found
