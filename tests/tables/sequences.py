"""The models of text and sound that are compared with transformers': builders, settings, inputs made from integers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from integers import integer_array

BERT = {
    "vocab_size": 211, "hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 96, "max_position_embeddings": 40,
}  # fmt: skip
LLAMA = {
    "vocab_size": 211, "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 6, "num_key_value_heads": 2,
    "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
}  # fmt: skip
WHISPER = {
    "n_mels": 20, "n_audio_ctx": 50, "n_audio_state": 32, "n_audio_head": 4, "n_audio_layer": 2,
    "n_vocab": 211, "n_text_ctx": 30, "n_text_state": 32, "n_text_head": 4, "n_text_layer": 3,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One model: `domain` and `builder` with their `settings`; transformers' class `theirs` with `config` on top of them."""

    name: str
    domain: str
    builder: str
    theirs: str
    settings: dict[str, Any]
    config: dict[str, Any] = field(default_factory=dict)
    kind: str = "tokens"


CASES = [
    Case("bert", "text", "bert_encoder", "BertModel", BERT),
    Case("bert_relu", "text", "bert_encoder", "BertModel", {**BERT, "hidden_act": "relu"}),
    Case("bert_masked_lm", "text", "bert_masked_lm", "BertForMaskedLM", BERT),
    Case(
        "bert_sequence", "text", "bert_sequence_classification", "BertForSequenceClassification", {**BERT, "classes": 3}
    ),
    Case("bert_token", "text", "bert_token_classification", "BertForTokenClassification", {**BERT, "classes": 5}),
    Case("bert_question", "text", "bert_question_answering", "BertForQuestionAnswering", BERT),
    Case("llama", "text", "llama_causal_lm", "LlamaForCausalLM", {**LLAMA, "rope_theta": 1e5}, kind="causal"),
    Case(
        "llama_tied",
        "text",
        "llama_causal_lm",
        "LlamaForCausalLM",
        {**LLAMA, "tie_word_embeddings": True},
        kind="causal",
    ),
    Case(
        "qwen2",
        "text",
        "llama_causal_lm",
        "Qwen2ForCausalLM",
        {**LLAMA, "attention_bias": True, "output_bias": False},
        kind="causal",
    ),
    Case("mistral", "text", "llama_causal_lm", "MistralForCausalLM", {**LLAMA, "sliding_window": 8}, kind="causal"),
    Case("whisper", "audio", "whisper", "WhisperForConditionalGeneration", WHISPER, kind="sound"),
]


def inputs(kind: str) -> dict[str, np.ndarray[Any, Any]]:
    """What a kind of model is given: token numbers (3, 17), the second text padded; or a spectrogram and tokens."""
    tokens = (np.arange(3 * 17).reshape(3, 17) * 37 + 11) % 200 + 3
    mask = np.ones((3, 17), np.int64)
    if kind == "causal":
        mask[1, :6] = 0
        return {"input_ids": tokens, "attention_mask": mask}
    if kind == "sound":
        return {"mel": integer_array(5, (2, 20, 100)), "tokens": tokens[:2, :11]}
    mask[1, 10:] = 0
    return {"input_ids": tokens, "attention_mask": mask, "token_type_ids": tokens % 2}


def shown(name: str, given: dict[str, np.ndarray[Any, Any]], output: Any) -> np.ndarray[Any, Any]:
    """The part of a result that has a meaning: of a padded place there is none."""
    array = np.asarray(output)
    mask = given.get("attention_mask")
    if mask is not None and array.shape[:2] == mask.shape:
        return np.asarray(array[mask != 0])
    return array
