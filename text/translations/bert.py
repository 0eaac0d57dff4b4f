"""BERT of transformers (model_type "bert"), with the head that `architectures` names."""

from __future__ import annotations

from typing import Any

from numzoo.hub.foreign.fields import Fields
from numzoo.text.models.encoder import ACTIVATIONS

__all__ = ["transformers"]

_BUILDERS = {
    "BertModel": ("bert_encoder", "feature-extraction"),
    "BertForMaskedLM": ("bert_masked_lm", "fill-mask"),
    "BertForPreTraining": ("bert_masked_lm", "fill-mask"),
    "BertForSequenceClassification": ("bert_sequence_classification", "text-classification"),
    "BertForTokenClassification": ("bert_token_classification", "token-classification"),
    "BertForQuestionAnswering": ("bert_question_answering", "question-answering"),
}


def transformers(fields: Fields) -> dict[str, Any]:
    """`BertConfig` and the names of transformers' files, old spellings of the norms' parameters too."""
    fields.must("position_embedding_type", "absolute", "absolute")
    for name in ("is_decoder", "add_cross_attention"):
        fields.must(name, False, False)
    fields.must("hidden_act", tuple(ACTIVATIONS), "gelu")
    named = fields.values.get("architectures") or ["BertModel"]
    kind = named[0] if isinstance(named, list) and len(named) == 1 else None
    if kind not in _BUILDERS:
        fields.fail("architectures", f"one of {', '.join(_BUILDERS)}")
    builder, task = _BUILDERS[kind]
    width, heads = fields.whole("hidden_size", 768, most=1 << 16), fields.whole("num_attention_heads", 12, most=1 << 12)
    if width % heads:
        fields.fail("num_attention_heads", f"a divisor of hidden_size, {width}")
    config: dict[str, Any] = {
        "vocab_size": fields.whole("vocab_size", 30522, most=1 << 22),
        "hidden_size": width,
        "num_hidden_layers": fields.whole("num_hidden_layers", 12, most=1000),
        "num_attention_heads": heads,
        "intermediate_size": fields.whole("intermediate_size", 3072, most=1 << 18),
        "hidden_act": fields.text("hidden_act", "gelu"),
        "max_position_embeddings": fields.whole("max_position_embeddings", 512, most=1 << 20),
        "type_vocab_size": fields.whole("type_vocab_size", 2, most=1 << 16),
        "layer_norm_eps": fields.number("layer_norm_eps", 1e-12, most=1.0),
    }
    labels = fields.labels()
    ignore = [r"(bert\.)?embeddings\.position_ids"]
    if builder in ("bert_sequence_classification", "bert_token_classification"):
        config["classes"] = len(labels) or fields.whole("num_labels", 2)
        fields.must("problem_type", ("single_label_classification", "multi_label_classification", None), None)
    if builder in ("bert_masked_lm", "bert_token_classification", "bert_question_answering"):
        ignore += [r"bert\.pooler\.dense\.(weight|bias)", r"cls\.seq_relationship\.(weight|bias)"]
    before = "" if builder == "bert_encoder" else "bert."
    return {
        "model": f"text.models.{builder}",
        "config": config,
        "keys": {
            "rename": [
                {"match": r"(?:bert\.)?((?:embeddings|encoder)\..+LayerNorm)\.gamma", "to": rf"{before}\1.weight"},
                {"match": r"(?:bert\.)?((?:embeddings|encoder)\..+LayerNorm)\.beta", "to": rf"{before}\1.bias"},
                {"match": r"(?:bert\.)?(embeddings\.LayerNorm)\.gamma", "to": rf"{before}\1.weight"},
                {"match": r"(?:bert\.)?(embeddings\.LayerNorm)\.beta", "to": rf"{before}\1.bias"},
                {"match": r"(cls\.predictions\.transform\.LayerNorm)\.gamma", "to": r"\1.weight"},
                {"match": r"(cls\.predictions\.transform\.LayerNorm)\.beta", "to": r"\1.bias"},
                {"match": r"(?:bert\.)?((?:embeddings|encoder|pooler)\..+)", "to": rf"{before}\1"},
            ],
            "ignore": ignore,
        },
        "task": task,
        "categories": labels,
    }
