"""Whisper of transformers, whose names differ from its authors' and whose mathematics does not."""

from __future__ import annotations

from typing import Any

from numzoo.hub.foreign.fields import Fields

__all__ = ["transformers"]

_LAYER = r"(?:model\.)?(encoder|decoder)\.layers\.(\d+)\."
_RENAME = [
    (r"(?:model\.)?encoder\.(conv[12])\.(weight|bias)", r"encoder.\1.\2"),
    (r"(?:model\.)?(encoder|decoder)\.embed_positions\.weight", r"\1.positional_embedding"),
    (r"(?:model\.)?decoder\.embed_tokens\.weight", r"decoder.token_embedding.weight"),
    (r"(?:model\.)?encoder\.layer_norm\.(weight|bias)", r"encoder.ln_post.\1"),
    (r"(?:model\.)?decoder\.layer_norm\.(weight|bias)", r"decoder.ln.\1"),
    *(
        (rf"{_LAYER}{theirs}\.{one}\.(weight|bias)", rf"\1.blocks.\2.{ours}.{other}.\3")
        for theirs, ours in (("self_attn", "attn"), ("encoder_attn", "cross_attn"))
        for one, other in (("q_proj", "query"), ("k_proj", "key"), ("v_proj", "value"), ("out_proj", "out"))
    ),
    *(
        (rf"{_LAYER}{theirs}\.(weight|bias)", rf"\1.blocks.\2.{ours}.\3")
        for theirs, ours in (
            ("self_attn_layer_norm", "attn_ln"),
            ("encoder_attn_layer_norm", "cross_attn_ln"),
            ("fc1", "mlp.0"),
            ("fc2", "mlp.2"),
            ("final_layer_norm", "mlp_ln"),
        )
    ),
]


def transformers(fields: Fields) -> dict[str, Any]:
    """The configuration of WhisperForConditionalGeneration, under the names of the authors' ``dims``."""
    width = fields.whole("d_model", 384, most=1 << 14)
    fields.must("activation_function", "gelu", "gelu")
    fields.must("scale_embedding", False, False)
    fields.must("tie_word_embeddings", True, True)
    for side in ("encoder", "decoder"):
        fields.must(f"{side}_ffn_dim", 4 * width, 1536, because="its perceptrons are four times as wide as its layers")
    bands = fields.whole("num_mel_bins", 80, most=1 << 10)
    return {
        "model": "audio.models.whisper",
        "config": {
            "n_mels": bands,
            "n_audio_ctx": fields.whole("max_source_positions", 1500, most=1 << 16),
            "n_audio_state": width,
            "n_audio_head": fields.whole("encoder_attention_heads", 6, most=1 << 10),
            "n_audio_layer": fields.whole("encoder_layers", 4, most=1000),
            "n_vocab": fields.whole("vocab_size", 51865, most=1 << 20),
            "n_text_ctx": fields.whole("max_target_positions", 448, most=1 << 16),
            "n_text_state": width,
            "n_text_head": fields.whole("decoder_attention_heads", 6, most=1 << 10),
            "n_text_layer": fields.whole("decoder_layers", 4, most=1000),
        },
        "keys": {
            "rename": [{"match": match, "to": to} for match, to in _RENAME],
            "ignore": [r"proj_out\.weight"],  # the embedding again
        },
        "task": "speech-recognition",
        "transform": {"preset": "audio.transforms.whisper_mel", "n_mels": bands, "seconds": 30},
    }
