"""wav2vec 2.0, HuBERT and WavLM of transformers, with the head that `architectures` names."""

from __future__ import annotations

from typing import Any

from numzoo.audio.models.wav2vec2 import ACTIVATIONS
from numzoo.hub.foreign.fields import Fields

__all__ = ["transformers"]

_HEADS = {
    "Model": ("encoder", "feature-extraction"),
    "ForPreTraining": ("encoder", "feature-extraction"),
    "ForCTC": ("ctc", "speech-recognition"),
    "ForSequenceClassification": ("sequence_classification", "audio-classification"),
}
_CLASSES = {"wav2vec2": "Wav2Vec2", "hubert": "Hubert", "wavlm": "WavLM"}
_ENCODERS = "|".join(rf"{family}\." for family in _CLASSES)
_CHANCES = (
    "hidden_dropout", "activation_dropout", "attention_dropout", "feat_proj_dropout", "final_dropout", "layerdrop",
    "mask_time_prob", "mask_feature_prob",
)  # fmt: skip
_SEVEN = {"conv_dim": [512] * 7, "conv_stride": [5, 2, 2, 2, 2, 2, 2], "conv_kernel": [10, 3, 3, 3, 3, 2, 2]}


def transformers(fields: Fields) -> dict[str, Any]:
    """`Wav2Vec2Config`, `HubertConfig`, `WavLMConfig` and the names of their files, of the positional convolution's weight
    in both spellings."""
    family = fields.text("model_type")
    heads = {f"{_CLASSES[family]}{head}": said for head, said in _HEADS.items()}
    named = fields.values.get("architectures") or [f"{_CLASSES[family]}Model"]
    kind = named[0] if isinstance(named, list) and len(named) == 1 else None
    if not isinstance(kind, str) or kind not in heads:
        fields.fail("architectures", f"one of {', '.join(heads)}")
    head, task = heads[kind]
    config, labels = _config(fields), fields.labels()
    if family == "wavlm":
        config |= _distances(fields)
    ignore = [rf"({_ENCODERS})?masked_spec_embed"] if not _masks(config) else []
    if head == "ctc":
        config["vocab_size"] = fields.whole("vocab_size", 32, most=1 << 20)
    elif head == "sequence_classification":
        config["classes"] = len(labels) or fields.whole("num_labels", 2)
        config["classifier_proj_size"] = fields.whole("classifier_proj_size", 256, most=1 << 16)
        config["use_weighted_layer_sum"] = fields.flag("use_weighted_layer_sum", False)
    else:
        ignore += [r"(quantizer|project_q|project_hid|lm_head)\..*"]
    before = "" if head == "encoder" else f"{family}."
    inside = rf"(?:{family}\.)?"
    return {
        "model": f"audio.models.{family}_{head}",
        "config": config,
        "keys": {
            "rename": [
                {
                    "match": rf"{inside}(encoder\.pos_conv_embed\.conv)\.weight_g",
                    "to": rf"{before}\1.parametrizations.weight.original0",
                },
                {
                    "match": rf"{inside}(encoder\.pos_conv_embed\.conv)\.weight_v",
                    "to": rf"{before}\1.parametrizations.weight.original1",
                },
                {
                    "match": rf"{inside}((?:feature_extractor|feature_projection|encoder)\..+|masked_spec_embed)",
                    "to": rf"{before}\1",
                },
            ],
            "ignore": ignore,
            "absent": [rf"({_ENCODERS})?masked_spec_embed"],
        },
        "task": task,
        "categories": labels if head == "sequence_classification" else [],
    }


def _config(fields: Fields) -> dict[str, Any]:
    for name, wanted in (("add_adapter", False), ("adapter_attn_dim", None)):
        fields.must(name, wanted, wanted, because="it has adapters")
    fields.must("feat_extract_norm", ("group", "layer"), "group")
    for name in ("hidden_act", "feat_extract_activation"):
        fields.must(name, tuple(ACTIVATIONS), "gelu")
    width, heads = fields.whole("hidden_size", 768, most=1 << 16), fields.whole("num_attention_heads", 12, most=1 << 12)
    if width % heads:
        fields.fail("num_attention_heads", f"a divisor of hidden_size, {width}")
    groups = fields.whole("num_conv_pos_embedding_groups", 16, most=1 << 16)
    if width % groups:
        fields.fail("num_conv_pos_embedding_groups", f"a divisor of hidden_size, {width}")
    layers = len(fields.wholes("conv_dim", _SEVEN["conv_dim"], most=1 << 16))
    return {
        "hidden_size": width,
        "num_hidden_layers": fields.whole("num_hidden_layers", 12, most=1000),
        "num_attention_heads": heads,
        "intermediate_size": fields.whole("intermediate_size", 3072, most=1 << 18),
        "hidden_act": fields.text("hidden_act", "gelu"),
        "layer_norm_eps": fields.number("layer_norm_eps", 1e-5, most=1.0),
        "feat_extract_norm": fields.text("feat_extract_norm", "group"),
        "feat_extract_activation": fields.text("feat_extract_activation", "gelu"),
        **{name: fields.wholes(name, usual, count=layers, most=1 << 16) for name, usual in _SEVEN.items()},
        "conv_bias": fields.flag("conv_bias", False),
        "num_conv_pos_embeddings": fields.whole("num_conv_pos_embeddings", 128, most=1 << 12),
        "num_conv_pos_embedding_groups": groups,
        "do_stable_layer_norm": fields.flag("do_stable_layer_norm", False),
        "conv_pos_batch_norm": fields.flag("conv_pos_batch_norm", False),
        "feat_proj_layer_norm": fields.flag("feat_proj_layer_norm", True),
        "apply_spec_augment": fields.flag("apply_spec_augment", True),
        **{name: fields.number(name, _usual(name), most=1.0) for name in _CHANCES},
        "mask_time_length": fields.whole("mask_time_length", 10),
        "mask_time_min_masks": fields.whole("mask_time_min_masks", 2, least=0),
        "mask_feature_length": fields.whole("mask_feature_length", 10),
        "mask_feature_min_masks": fields.whole("mask_feature_min_masks", 0, least=0),
    }


def _distances(fields: Fields) -> dict[str, Any]:
    """What WavLM's attention knows of distances, to which the other two are deaf."""
    for name, wanted in (("conv_pos_batch_norm", False), ("feat_proj_layer_norm", True)):
        fields.must(name, wanted, wanted, because="WavLM has no such choice")
    buckets = fields.whole("num_buckets", 320, least=4, most=1 << 16)
    farthest = fields.whole("max_bucket_distance", 800, least=buckets // 4 + 1)
    return {"num_buckets": buckets, "max_bucket_distance": farthest}


def _usual(name: str) -> float:
    return {"feat_proj_dropout": 0.0, "mask_time_prob": 0.05, "mask_feature_prob": 0.0}.get(name, 0.1)


def _masks(config: dict[str, Any]) -> bool:
    """Whether the model has a vector that stands for hidden ones, which only training reads."""
    return bool(config["mask_time_prob"] > 0 or config["mask_feature_prob"] > 0)
