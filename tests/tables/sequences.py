"""The models of text and sound that are compared with transformers' or the papers': builders, settings, inputs made from integers."""

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

ROBERTA = {**BERT, "pad_token_id": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
DISTILBERT = {
    "vocab_size": 211, "dim": 48, "n_layers": 3, "n_heads": 4, "hidden_dim": 96, "max_position_embeddings": 40,
}  # fmt: skip
ALBERT = {**BERT, "embedding_size": 24, "num_hidden_layers": 4, "num_hidden_groups": 2, "inner_group_num": 2}
ELECTRA = {**BERT, "embedding_size": 24}
GPT2 = {"vocab_size": 211, "n_embd": 48, "n_layer": 3, "n_head": 4, "n_positions": 40}
T5 = {
    "vocab_size": 211,
    "d_model": 48,
    "d_kv": 8,
    "d_ff": 96,
    "num_layers": 2,
    "num_heads": 4,
    "relative_attention_max_distance": 32,
}
FLAN = {**T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
WHISPER = {
    "n_mels": 20, "n_audio_ctx": 50, "n_audio_state": 32, "n_audio_head": 4, "n_audio_layer": 2,
    "n_vocab": 211, "n_text_ctx": 30, "n_text_state": 32, "n_text_head": 4, "n_text_layer": 3,
}  # fmt: skip

WAV2VEC2 = {
    "hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 96,
    "conv_dim": (16, 16, 24), "conv_stride": (5, 2, 2), "conv_kernel": (10, 3, 3),
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4,
}  # fmt: skip
WAV2VEC2_LARGE = {
    **WAV2VEC2, "feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True, "num_conv_pos_embeddings": 15,
}  # fmt: skip
WAVLM = {"num_buckets": 16, "max_bucket_distance": 50}
HEARS_ALL = {"classes": 5, "classifier_proj_size": 24, "use_weighted_layer_sum": True}
M5 = {"classes": 7, "channels": (8, 8, 12, 16), "stride": 4}
CONV_TASNET = {
    "num_sources": 3, "enc_kernel_size": 16, "enc_num_feats": 24, "msk_num_feats": 12, "msk_num_hidden_feats": 20,
    "msk_num_layers": 3, "msk_num_stacks": 2, "msk_activate": "sigmoid",
}  # fmt: skip
HDEMUCS = {"nfft": 256, "depth": 4, "channels": 4, "norm_starts": 2, "dconv_attn": 2, "dconv_lstm": 2}
SQUIM = {
    "feat_dim": 16, "win_len": 16, "d_model": 24, "nhead": 4, "hidden_dim": 12, "num_blocks": 2, "chunk_size": 7, "rnn_type": "LSTM",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One model: `domain` and `builder` with their `settings`; transformers' class `theirs` (or torchaudio's, or that of
    tests/parity/sound_reference.py) with `config` on top of them."""

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
    *(
        Case(f"{family}{head and '_' + head}", "text", f"{family}_{builder}", theirs, {**settings, **more}, kind=kind)
        for family, settings, kind, classes in (
            ("roberta", ROBERTA, "padded", "Roberta"),
            ("distilbert", DISTILBERT, "padded", "DistilBert"),
            ("albert", ALBERT, "tokens", "Albert"),
            ("electra", ELECTRA, "tokens", "Electra"),
            ("mpnet", BERT, "padded", "MPNet"),
        )
        for head, builder, theirs, more in (
            ("", "encoder", f"{classes}Model", {}),
            ("masked_lm", "masked_lm", f"{classes}ForMaskedLM", {}),
            ("sequence", "sequence_classification", f"{classes}ForSequenceClassification", {"classes": 3}),
            ("token", "token_classification", f"{classes}ForTokenClassification", {"classes": 5}),
            ("question", "question_answering", f"{classes}ForQuestionAnswering", {}),
        )
    ),
    Case("electra_discriminator", "text", "electra_discriminator", "ElectraForPreTraining", ELECTRA),
    Case("electra_wide", "text", "electra_encoder", "ElectraModel", {**ELECTRA, "embedding_size": 48}),
    Case("albert_gelu", "text", "albert_encoder", "AlbertModel", {**ALBERT, "hidden_act": "gelu_new"}),
    Case("gpt2", "text", "gpt2_causal_lm", "GPT2LMHeadModel", GPT2, kind="causal"),
    Case(
        "gpt2_scaled",
        "text",
        "gpt2_causal_lm",
        "GPT2LMHeadModel",
        {**GPT2, "n_inner": 64, "scale_attn_by_inverse_layer_idx": True},
        kind="causal",
    ),
    Case("t5", "text", "t5_text_to_text", "T5ForConditionalGeneration", T5, kind="text to text"),
    Case("t5_gated", "text", "t5_text_to_text", "T5ForConditionalGeneration", FLAN, kind="text to text"),
    Case(
        "t5_deeper",
        "text",
        "t5_text_to_text",
        "T5ForConditionalGeneration",
        {**T5, "num_decoder_layers": 3},
        kind="text to text",
    ),
    Case("t5_vectors", "text", "t5_encoder_decoder", "T5Model", T5, kind="text to text"),
    Case("t5_encoder", "text", "t5_encoder", "T5EncoderModel", T5, kind="plain"),
    Case("whisper", "audio", "whisper", "WhisperForConditionalGeneration", WHISPER, kind="sound"),
    Case("wav2vec2", "audio", "wav2vec2_encoder", "Wav2Vec2Model", WAV2VEC2, kind="waveform"),
    Case("wav2vec2_large", "audio", "wav2vec2_encoder", "Wav2Vec2Model", WAV2VEC2_LARGE, kind="padded waveform"),
    Case("wav2vec2_ctc", "audio", "wav2vec2_ctc", "Wav2Vec2ForCTC", {**WAV2VEC2, "vocab_size": 31}, kind="waveform"),
    Case(
        "wav2vec2_classes", "audio", "wav2vec2_sequence_classification", "Wav2Vec2ForSequenceClassification",
        {**WAV2VEC2, "classes": 5}, kind="padded waveform",
    ),
    # transformers 5 leaves the last layer without its norm out of habit; what was published was trained with it.
    Case(
        "wav2vec2_large_layers", "audio", "wav2vec2_sequence_classification", "Wav2Vec2ForSequenceClassification",
        {**WAV2VEC2_LARGE, **HEARS_ALL}, {"tie_last_hidden_states": True}, kind="padded waveform",
    ),
    Case(
        "hubert", "audio", "hubert_encoder", "HubertModel",
        {**WAV2VEC2, "conv_pos_batch_norm": True, "feat_proj_layer_norm": False}, kind="waveform",
    ),
    Case("hubert_large_ctc", "audio", "hubert_ctc", "HubertForCTC", {**WAV2VEC2_LARGE, "vocab_size": 31}, kind="padded waveform"),
    Case(
        "hubert_layers", "audio", "hubert_sequence_classification", "HubertForSequenceClassification",
        {**WAV2VEC2, **HEARS_ALL, "hidden_act": "relu", "feat_extract_activation": "relu"}, kind="waveform",
    ),
    Case("wavlm", "audio", "wavlm_encoder", "WavLMModel", {**WAV2VEC2, **WAVLM}, kind="waveform"),
    Case("wavlm_padded", "audio", "wavlm_encoder", "WavLMModel", WAV2VEC2, kind="padded waveform"),
    Case(
        "wavlm_large_ctc", "audio", "wavlm_ctc", "WavLMForCTC", {**WAV2VEC2_LARGE, **WAVLM, "vocab_size": 31},
        kind="padded waveform",
    ),
    Case(
        "wavlm_large_layers", "audio", "wavlm_sequence_classification", "WavLMForSequenceClassification",
        {**WAV2VEC2_LARGE, **WAVLM, **HEARS_ALL}, {"tie_last_hidden_states": True}, kind="padded waveform",
    ),
    Case(
        "wavlm_classes", "audio", "wavlm_sequence_classification", "WavLMForSequenceClassification",
        {**WAV2VEC2, "classes": 5}, kind="waveform",
    ),
    Case("m5", "audio", "m5_classifier", "M5", M5, kind="waveforms"),
    Case("conv_tasnet", "audio", "conv_tasnet_base", "ConvTasNet", CONV_TASNET, kind="mixture"),
    Case(
        "conv_tasnet_relu", "audio", "conv_tasnet_base", "ConvTasNet",
        {**CONV_TASNET, "num_sources": 2, "msk_activate": "relu"}, kind="mixture",
    ),
    Case("hdemucs", "audio", "hdemucs_high", "HDemucs", HDEMUCS, kind="song"),
    Case(
        "hdemucs_medium", "audio", "hdemucs_medium", "HDemucs",
        {"sources": ("voice", "rest"), "channels": 4, "norm_starts": 3, "dconv_attn": 3, "dconv_lstm": 4, "freq_emb": 0.0, "context_enc": 1},
        kind="song",
    ),
    Case("squim_objective", "audio", "squim_objective_base", "SquimObjective", SQUIM, kind="speech"),
    Case(
        "squim_objective_gru", "audio", "squim_objective_base", "SquimObjective",
        {**SQUIM, "rnn_type": "GRU", "chunk_size": 10, "chunk_stride": 3}, kind="speech",
    ),
    Case(
        "squim_subjective", "audio", "squim_subjective_base", "SquimSubjective", {**WAV2VEC2, "proj_dim": 8, "att_dim": 4},
        kind="speech and reference",
    ),
]  # fmt: skip


def inputs(kind: str) -> dict[str, np.ndarray[Any, Any]]:
    """What a kind of model is given: token numbers (3, 17), the second text padded; a spectrogram and tokens; or samples."""
    tokens = (np.arange(3 * 17).reshape(3, 17) * 37 + 11) % 200 + 3
    mask = np.ones((3, 17), np.int64)
    if kind == "causal":
        mask[1, :6] = 0
        return {"input_ids": tokens, "attention_mask": mask}
    if kind in ("waveform", "padded waveform"):
        there = np.ones((2, 800), np.int64)
        there[1, 500:] = 0
        sound = {"input_values": integer_array(5, (2, 800)) * there.astype(np.float32)}
        return sound if kind == "waveform" else {**sound, "attention_mask": there}
    if kind == "waveforms":
        return {"waveforms": integer_array(5, (2, 2000))}
    if kind == "mixture":
        return {"mixture": integer_array(5, (2, 1, 397))}
    if kind == "song":  # more frames than the recurrent layers see at once
        return {"mixture": integer_array(5, (1, 2, 13_001))}
    if kind in ("speech", "speech and reference"):
        speech = {"speech": integer_array(5, (2, 797))}
        return speech if kind == "speech" else {**speech, "reference": integer_array(11, (2, 301))}
    if kind == "sound":
        return {"mel": integer_array(5, (2, 20, 100)), "tokens": tokens[:2, :11]}
    mask[1, 10:] = 0
    if kind == "padded":  # places are counted by what is no padding: token 1, which is nowhere else
        return {"input_ids": np.where(mask != 0, tokens, 1), "attention_mask": mask}
    if kind == "plain":
        return {"input_ids": tokens, "attention_mask": mask}
    if kind == "text to text":
        return {"input_ids": tokens, "attention_mask": mask, "decoder_input_ids": tokens[:, :11]}
    return {"input_ids": tokens, "attention_mask": mask, "token_type_ids": tokens % 2}


def shown(name: str, given: dict[str, np.ndarray[Any, Any]], output: Any) -> np.ndarray[Any, Any]:
    """The part of a result that has a meaning: of a padded place there is none."""
    array = np.asarray(output)
    mask = given.get("attention_mask")
    if mask is not None and array.shape[:2] == mask.shape:
        return np.asarray(array[mask != 0])
    return array


def loss_weights(given: dict[str, np.ndarray[Any, Any]], shapes: list[tuple[int, ...]]) -> list[np.ndarray[Any, Any]]:
    """A number for each number of each result; their products, summed, are the loss whose gradients are compared."""
    mask = given.get("attention_mask")
    weights = [integer_array(101 * place + 13, shape) for place, shape in enumerate(shapes)]
    return [
        each * mask.reshape(*mask.shape, *[1] * (each.ndim - 2)).astype(np.float32)
        if mask is not None and each.shape[:2] == mask.shape
        else each
        for each in weights
    ]


def summary(gradients: dict[str, np.ndarray[Any, Any]]) -> list[list[float]]:
    """Of each gradient, in the order of the names, its product with a fixed array of its shape, and its length."""
    return [
        [
            float((array.astype(np.float64) * integer_array(307 * place, array.shape)).sum()),
            float(np.linalg.norm(array)),
        ]
        for place, (_, array) in enumerate(sorted(gradients.items()))
    ]
