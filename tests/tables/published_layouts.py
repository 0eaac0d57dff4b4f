"""Names and shapes of the tensors in files that torchtext and torchaudio published, for a size that an entry's config says.

tests/parity holds these to the libraries' own classes, where they are installed; the shipped entries are held to these everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Shapes = dict[str, tuple[int, ...]]

OURS = (
    "audio.models.conv_tasnet", "audio.models.emformer", "audio.models.hdemucs", "audio.models.hifigan", "audio.models.squim_objective",
    "audio.models.tacotron2", "audio.models.vggish", "audio.models.wavernn",
)  # fmt: skip
"""Beginnings of builders whose names are those of the published file, so that nothing is laid out here."""

_OLDER = {
    "self_attn.in_proj_": "attention.input_projection.",
    "self_attn.out_proj.": "attention.output_projection.",
    "linear1.": "residual_mlp.mlp.0.",
    "linear2.": "residual_mlp.mlp.3.",
    "norm1.": "attention_layer_norm.",
    "norm2.": "final_layer_norm.",
}
"""What parts of a layer were called when torchtext published RoBERTa."""


_BASE = {
    "hidden_size": 768, "num_hidden_layers": 12, "intermediate_size": 3072, "feat_extract_norm": "group", "conv_bias": False,
}  # fmt: skip


def torchtext_roberta(config: Mapping[str, Any], *, older: bool = False) -> Shapes:
    """``RobertaModel`` of torchtext 0.18, or as it was up to 0.14."""
    width, inner, top = config["hidden_size"], config["intermediate_size"], "encoder.transformer."
    shapes = {
        f"{top}token_embedding.weight": (config["vocab_size"], width),
        f"{top}positional_embedding.embedding.weight": (config["max_position_embeddings"], width),
        **_pair(f"{top}embedding_layer_norm.", width),
    }
    for number in range(config["num_hidden_layers"]):
        layer = {
            **_pair("self_attn.in_proj_", 3 * width, width),
            **_pair("self_attn.out_proj.", width, width),
            **_pair("linear1.", inner, width),
            **_pair("linear2.", width, inner),
            **_pair("norm1.", width),
            **_pair("norm2.", width),
        }
        for name, shape in layer.items():
            beginning = next(each for each in _OLDER if name.startswith(each))
            spelt = name.replace(beginning, _OLDER[beginning]) if older else name
            shapes[f"{top}layers.{'' if older else 'layers.'}{number}.{spelt}"] = shape
    return shapes


def torchtext_t5(config: Mapping[str, Any], *, decoder: bool, head: bool) -> Shapes:
    """``T5Model`` of torchtext 0.18."""
    width, words = config["d_model"], config["vocab_size"]
    shapes: Shapes = {"token_embeddings.weight": (words, width), "encoder.token_embeddings.weight": (words, width)}
    shapes |= _t5_stack("encoder.", config, config["num_layers"], cross=False)
    if decoder:
        shapes |= _t5_stack("decoder.", config, config["num_decoder_layers"], cross=True)
    return shapes | ({"lm_head.weight": (words, width)} if head else {})


def torchaudio_wav2vec2(
    config: Mapping[str, Any], *, outputs: int | None, older: bool = False, gated: bool = False
) -> Shapes:
    """``wav2vec2_model`` of torchaudio with `outputs` letters, or without a head, or ``wavlm_model`` where `gated`; `older` as
    before PyTorch 2.1."""
    config = {**_BASE, **config}
    width, inner, top = config["hidden_size"], config["intermediate_size"], "encoder.transformer."
    shapes: Shapes = {}
    narrow = 1
    for number, kernel in enumerate((10, 3, 3, 3, 3, 2, 2)):
        layer = f"feature_extractor.conv_layers.{number}."
        if number == 0 or config["feat_extract_norm"] == "layer":
            shapes |= _pair(f"{layer}layer_norm.", 512)
        shapes[f"{layer}conv.weight"] = (512, narrow, kernel)
        if config["conv_bias"]:
            shapes[f"{layer}conv.bias"] = (512,)
        narrow = 512
    shapes |= _pair("encoder.feature_projection.layer_norm.", 512)
    shapes |= _pair("encoder.feature_projection.projection.", width, 512)
    conv = f"{top}pos_conv_embed.conv."
    length, direction = ("weight_g", "weight_v") if older else _parametrized()
    shapes |= {f"{conv}bias": (width,), f"{conv}{length}": (1, 1, 128), f"{conv}{direction}": (width, width // 16, 128)}
    shapes |= _pair(f"{top}layer_norm.", width)
    for number in range(config["num_hidden_layers"]):
        layer = f"{top}layers.{number}."
        if gated:
            shapes |= _gated(f"{layer}attention.", width, config["num_attention_heads"], table=number == 0)
        else:
            for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
                shapes |= _pair(f"{layer}attention.{name}.", width, width)
        shapes |= _pair(f"{layer}feed_forward.intermediate_dense.", inner, width)
        shapes |= _pair(f"{layer}feed_forward.output_dense.", width, inner)
        shapes |= _pair(f"{layer}layer_norm.", width) | _pair(f"{layer}final_layer_norm.", width)
    return shapes | (_pair("aux.", outputs, width) if outputs else {})


def torchaudio_squim_subjective(config: Mapping[str, Any], *, older: bool = False) -> Shapes:
    """``squim_subjective_base`` of torchaudio."""
    heard = torchaudio_wav2vec2(config, outputs=None, older=older)
    shapes = {f"ssl_model.{name}": shape for name, shape in heard.items()} | _pair(
        "projector.", 32, config["hidden_size"]
    )
    pool = "predictor.att_pool_layer."
    return shapes | _pair(f"{pool}linear1.", 1, 64) | _pair(f"{pool}linear2.", 5, 64)


def published(config: Mapping[str, Any], builder: str) -> Iterator[Shapes]:
    """The layouts that a file of an entry with this builder may have: as it was published, and as it is written today."""
    if builder.startswith("text.models.roberta"):
        yield torchtext_roberta(config, older=True)
        yield torchtext_roberta(config)
    elif builder.startswith("text.models.t5"):
        yield torchtext_t5(
            config, decoder=builder != "text.models.t5_encoder", head=builder == "text.models.t5_text_to_text"
        )
    elif builder.startswith("audio.models.squim_subjective"):
        yield torchaudio_squim_subjective(config, older=True)
        yield torchaudio_squim_subjective(config)
    else:
        outputs, gated = config.get("vocab_size"), builder.startswith("audio.models.wavlm")
        yield torchaudio_wav2vec2(config, outputs=outputs, older=True, gated=gated)
        yield torchaudio_wav2vec2(config, outputs=outputs, gated=gated)


def _t5_stack(side: str, config: Mapping[str, Any], layers: int, *, cross: bool) -> Shapes:
    width, inner = config["d_model"], config["num_heads"] * config["d_kv"]
    gated = str(config["feed_forward_proj"]).startswith("gated-")
    shapes: Shapes = {f"{side}norm.weight": (width,)}
    for number in range(layers):
        layer = f"{side}layers.{number}."
        for attention in ("self_attn", "cross_attn") if cross else ("self_attn",):
            shapes |= {f"{layer}{attention}.{name}_proj_weight": (inner, width) for name in "qkv"}
            shapes[f"{layer}{attention}.out_proj.weight"] = (width, inner)
        if number == 0:
            buckets = config["relative_attention_num_buckets"]
            shapes[f"{layer}self_attn.relative_attention_bias.weight"] = (buckets, config["num_heads"])
        for name in ("linear1_0", "linear1_1") if gated else ("linear1",):
            shapes[f"{layer}{name}.weight"] = (config["d_ff"], width)
        shapes[f"{layer}linear2.weight"] = (width, config["d_ff"])
        shapes |= {f"{layer}norm{place}.weight": (width,) for place in range(1, 4 if cross else 3)}
    return shapes


def _gated(attention: str, width: int, heads: int, *, table: bool) -> Shapes:
    """``WavLMSelfAttention`` of torchaudio: queries, keys and values in one tensor; distances of 320 kinds."""
    return {
        f"{attention}attention.in_proj_weight": (3 * width, width),
        f"{attention}attention.in_proj_bias": (3 * width,),
        **_pair(f"{attention}attention.out_proj.", width, width),
        f"{attention}gru_rel_pos_const": (1, heads, 1, 1),
        **_pair(f"{attention}gru_rel_pos_linear.", 8, width // heads),
        **({f"{attention}rel_attn_embed.weight": (320, heads)} if table else {}),
    }


def _parametrized() -> tuple[str, str]:
    return "parametrizations.weight.original0", "parametrizations.weight.original1"


def _pair(beginning: str, outputs: int, *inputs: int) -> Shapes:
    return {f"{beginning}weight": (outputs, *inputs), f"{beginning}bias": (outputs,)}
