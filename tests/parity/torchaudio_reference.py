"""torchaudio's own models for those cases of tests/tables/sequences.py that only torchaudio has."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from sequences import Case
from torchaudio import models

from numzoo.audio.models.wav2vec2 import Wav2Vec2Config


def build(case: Case) -> Any:
    """Their model in evaluation mode."""
    settings = dict(case.settings)
    if case.theirs == "HDemucs":
        sources = list(settings.pop("sources", ("drums", "bass", "other", "vocals")))
        sizes = {"hdemucs_medium": {"nfft": 2048, "depth": 6}, "hdemucs_high": {"nfft": 4096, "depth": 6}}
        return models.HDemucs(sources, **{**sizes[case.builder], **settings}).eval()
    if case.theirs == "SquimObjective":
        return models.squim_objective_model(**settings).eval()
    proj_dim, att_dim = settings.pop("proj_dim"), settings.pop("att_dim")
    return subjective(asdict(Wav2Vec2Config(**settings)), proj_dim, att_dim)


def subjective(said: dict[str, Any], proj_dim: int, att_dim: int) -> Any:
    """Their SquimSubjective around a wav2vec 2.0 of any size; their own function knows two sizes only."""
    from torch import nn
    from torchaudio.models.squim.subjective import Predictor

    layers = list(zip(said["conv_dim"], said["conv_kernel"], said["conv_stride"], strict=True))
    heard = models.wav2vec2_model(
        extractor_mode="group_norm", extractor_conv_layer_config=layers, extractor_conv_bias=said["conv_bias"],
        encoder_embed_dim=said["hidden_size"], encoder_projection_dropout=0.1, encoder_pos_conv_kernel=said["num_conv_pos_embeddings"],
        encoder_pos_conv_groups=said["num_conv_pos_embedding_groups"], encoder_num_layers=said["num_hidden_layers"],
        encoder_num_heads=said["num_attention_heads"], encoder_attention_dropout=0.1, encoder_ff_interm_features=said["intermediate_size"],
        encoder_ff_interm_dropout=0.1, encoder_dropout=0.1, encoder_layer_norm_first=False, encoder_layer_drop=0.1, aux_num_out=None,
    )  # fmt: skip
    projector = nn.Linear(said["hidden_size"], proj_dim)
    return models.SquimSubjective(heard, projector, Predictor(2 * proj_dim, att_dim)).eval()


def our_name(name: str) -> str:
    """What numzoo calls a tensor of theirs."""
    name = re.sub(r"^ssl_model\.encoder\.transformer\.", "ssl_model.encoder.", name)
    return re.sub(r"^ssl_model\.encoder\.feature_projection\.", "ssl_model.feature_projection.", name)
