"""transformers' own models for the cases of tests/tables/sequences.py, with names as numzoo has them."""

from __future__ import annotations

import importlib
import re
from typing import Any

import numpy as np
import reference  # declares what torchvision's import asks for, before transformers imports it
import sound_reference
import torch
import transformers
from integers import integer_weights
from sequences import Case, inputs, loss_weights, shown

assert reference is not None

BY_TORCHAUDIO = frozenset({"HDemucs", "SquimObjective", "SquimSubjective"})
"""Classes of torchaudio's, which is imported for them alone."""

_WHISPER_CONFIG = {
    "n_mels": "num_mel_bins", "n_audio_ctx": "max_source_positions", "n_audio_state": "d_model", "n_audio_head": "encoder_attention_heads",
    "n_audio_layer": "encoder_layers", "n_vocab": "vocab_size", "n_text_ctx": "max_target_positions", "n_text_head": "decoder_attention_heads",
    "n_text_layer": "decoder_layers",
}  # fmt: skip
_WHISPER_NAMES = [
    (r"model\.(encoder|decoder)\.embed_positions\.weight", r"\1.positional_embedding"),
    (r"model\.decoder\.embed_tokens\.weight", "decoder.token_embedding.weight"),
    (r"model\.encoder\.layer_norm\.(.*)", r"encoder.ln_post.\1"),
    (r"model\.decoder\.layer_norm\.(.*)", r"decoder.ln.\1"),
    (r"model\.encoder\.(conv\d\..*)", r"encoder.\1"),
]
_WHISPER_PARTS = {
    "self_attn.q_proj": "attn.query", "self_attn.k_proj": "attn.key", "self_attn.v_proj": "attn.value", "self_attn.out_proj": "attn.out",
    "self_attn_layer_norm": "attn_ln", "encoder_attn.q_proj": "cross_attn.query", "encoder_attn.k_proj": "cross_attn.key",
    "encoder_attn.v_proj": "cross_attn.value", "encoder_attn.out_proj": "cross_attn.out", "encoder_attn_layer_norm": "cross_attn_ln",
    "fc1": "mlp.0", "fc2": "mlp.2", "final_layer_norm": "mlp_ln",
}  # fmt: skip


def tied(case: Case) -> bool:
    """Whether the output's weight is that of the embeddings."""
    return bool(case.settings.get("tie_word_embeddings", case.theirs.startswith(("GPT2", "T5"))))


def our_name(case: Case, name: str) -> str | None:
    """What numzoo calls a tensor of theirs; None for one that is another's twin."""
    twins = ("cls.predictions.decoder.", "predictions.decoder.", "lm_head.decoder.", "proj_out.")
    if name.startswith(twins) or name in ("vocab_projector.weight", "generator_lm_head.weight"):
        return None
    if name.endswith(".embed_tokens.weight") and case.theirs.startswith("T5"):
        return None
    if name == "lm_head.weight" and tied(case):
        return None
    if case.theirs in BY_TORCHAUDIO:
        return importlib.import_module("torchaudio_reference").our_name(name)
    if case.builder != "whisper":
        return name
    for pattern, replacement in _WHISPER_NAMES:
        found = re.fullmatch(pattern, name)
        if found:
            return found.expand(replacement)
    found = re.fullmatch(r"model\.(encoder|decoder)\.layers\.(\d+)\.(.*)\.(weight|bias)", name)
    assert found is not None, name
    return f"{found[1]}.blocks.{found[2]}.{_WHISPER_PARTS[found[3]]}.{found[4]}"


def build(case: Case) -> Any:
    """Their model with weights made from integers, in evaluation mode; and those weights under our names."""
    settings = {
        key: value for key, value in case.settings.items() if key not in ("classes", "attention_bias", "output_bias")
    }
    if case.builder == "whisper":
        wide = 4 * settings["n_audio_state"]
        settings = {_WHISPER_CONFIG[key]: value for key, value in settings.items() if key in _WHISPER_CONFIG}
        settings |= {
            "encoder_ffn_dim": wide,
            "decoder_ffn_dim": wide,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "decoder_start_token_id": 1,
        }
    if "classes" in case.settings:
        settings["num_labels"] = case.settings["classes"]
    if case.theirs in BY_TORCHAUDIO:
        model = importlib.import_module("torchaudio_reference").build(case)
    elif case.theirs == "M5":
        model = sound_reference.M5(**case.settings).eval()
    elif case.theirs == "ConvTasNet":
        model = sound_reference.ConvTasNet(case.settings).eval()
    else:
        kind = getattr(transformers, case.theirs)
        model = kind(kind.config_class(**settings, **case.config)).eval()
    untied = case.theirs.startswith("T5") and not tied(case)
    if untied:  # as the files of version 1.1 are: both weights are there, and they differ
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    named = {our_name(case, name): name for name in model.state_dict()}
    named.pop(None, None)
    shapes = {name: tuple(model.state_dict()[theirs].shape) for name, theirs in sorted(named.items())}
    weights = integer_weights(shapes, 1.0)
    model.load_state_dict(
        {named[name]: torch.from_numpy(value.copy()) for name, value in weights.items()}, strict=False
    )
    if not untied and hasattr(model, "tie_weights"):
        model.tie_weights()
    return model, shapes, weights


def run(case: Case, model: Any) -> list[np.ndarray[Any, Any]]:
    """What theirs computes: the results in the order of ours."""
    with torch.no_grad():
        parts = _results(case, model)
    return [shown(case.name, inputs(case.kind), part.numpy()) for part in parts]


def gradients(case: Case, model: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The gradient of every parameter under our names, of the results weighted and summed; zeros where there is none."""
    parts = _results(case, model)
    weights = loss_weights(inputs(case.kind), [tuple(part.shape) for part in parts])
    model.zero_grad()
    sum((part * torch.from_numpy(weight)).sum() for part, weight in zip(parts, weights, strict=True)).backward()
    return {
        str(our_name(case, name)): np.zeros(tuple(parameter.shape), np.float32)
        if parameter.grad is None
        else parameter.grad.numpy()
        for name, parameter in model.named_parameters()
        if our_name(case, name) is not None and parameter.requires_grad
    }


def _results(case: Case, model: Any) -> list[Any]:
    named = {key: torch.from_numpy(value) for key, value in inputs(case.kind).items()}
    if case.kind == "sound":
        named = {"input_features": named["mel"], "decoder_input_ids": named["tokens"]}
    if case.kind == "causal":
        named["position_ids"] = (named["attention_mask"].cumsum(1) - 1).clamp(min=0)
    if case.kind in ("waveforms", "mixture", "song", "speech", "speech and reference"):
        output = model(*named.values())
        return list(output) if isinstance(output, (list, tuple)) else [output]
    output = model(**named)
    if case.builder.endswith(("_encoder", "_encoder_decoder")):
        parts = [output.last_hidden_state, getattr(output, "pooler_output", None)]
    elif case.builder.endswith("_question_answering"):
        parts = [output.start_logits, output.end_logits]
    else:
        parts = [output.logits]
    return [part for part in parts if part is not None]
