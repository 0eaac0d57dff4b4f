"""How timm spells the tensors of the families that numzoo has, as data like an entry's `keys`."""

from __future__ import annotations

from typing import Any

__all__ = ["KEYS"]

Pairs = list[tuple[str, str]]


def _keys(pairs: Pairs, **others: list[str]) -> dict[str, Any]:
    return {"rename": [{"match": match, "to": to} for match, to in pairs], **others}


def _vit() -> dict[str, Any]:
    before, after = r"blocks\.(\d+)", r"encoder.layers.encoder_layer_\1"
    return _keys(
        [
            ("cls_token", "class_token"),
            ("pos_embed", "encoder.pos_embedding"),
            (r"patch_embed\.proj\.(.+)", r"conv_proj.\1"),
            (rf"{before}\.norm1\.(.+)", rf"{after}.ln_1.\2"),
            (rf"{before}\.norm2\.(.+)", rf"{after}.ln_2.\2"),
            (rf"{before}\.attn\.qkv\.(.+)", rf"{after}.self_attention.in_proj_\2"),
            (rf"{before}\.attn\.proj\.(.+)", rf"{after}.self_attention.out_proj.\2"),
            (rf"{before}\.mlp\.fc1\.(.+)", rf"{after}.mlp.0.\2"),
            (rf"{before}\.mlp\.fc2\.(.+)", rf"{after}.mlp.3.\2"),
            (r"norm\.(.+)", r"encoder.ln.\1"),
            (r"head\.(.+)", r"heads.head.\1"),
        ]
    )


def _convnext() -> dict[str, Any]:
    pairs = [
        (r"stem\.([01])\.(.+)", r"features.0.\1.\2"),
        (r"head\.norm\.(.+)", r"classifier.0.\1"),
        (r"head\.fc\.(.+)", r"classifier.2.\1"),
    ]
    for stage in range(4):
        before, after = rf"stages\.{stage}\.blocks\.(\d+)", rf"features.{2 * stage + 1}.\1"
        pairs += [
            (rf"stages\.{stage}\.downsample\.(.+)", rf"features.{2 * stage}.\1"),
            (rf"{before}\.gamma", rf"{after}.layer_scale"),
            (rf"{before}\.conv_dw\.(.+)", rf"{after}.block.0.\2"),
            (rf"{before}\.norm\.(.+)", rf"{after}.block.2.\2"),
            (rf"{before}\.mlp\.fc1\.(.+)", rf"{after}.block.3.\2"),
            (rf"{before}\.mlp\.fc2\.(.+)", rf"{after}.block.5.\2"),
        ]
    return _keys(pairs, reshape=[r"features\..+\.layer_scale", r"features\..+\.block\.[35]\.weight"])


def _swin() -> dict[str, Any]:
    pairs = [
        (r"patch_embed\.proj\.(.+)", r"features.0.0.\1"),
        (r"patch_embed\.norm\.(.+)", r"features.0.2.\1"),
        (r"head\.(?:fc\.)?(.+)", r"head.\1"),
    ]
    for stage in range(4):
        before, after = rf"layers\.{stage}\.blocks\.(\d+)", rf"features.{2 * stage + 1}.\1"
        pairs += [
            (rf"layers\.{stage}\.downsample\.(.+)", rf"features.{2 * stage}.\1"),
            (rf"{before}\.mlp\.fc1\.(.+)", rf"{after}.mlp.0.\2"),
            (rf"{before}\.mlp\.fc2\.(.+)", rf"{after}.mlp.3.\2"),
            # The first file's q_bias and v_bias; the key has none.
            (rf"{before}\.attn\.q_bias", rf"{after}.attn.qkv.bias[0/3]"),
            (rf"{before}\.attn\.v_bias", rf"{after}.attn.qkv.bias[2/3]"),
            (rf"{before}\.(.+)", rf"{after}.\2"),
        ]
    return _keys(
        pairs,
        ignore=[r"layers\..+\.attn_mask", r"layers\..+\.attn\.k_bias"],
        absent=[r"features\..+\.relative_(position_index|coords_table)"],
        reshape=[r"features\..+\.relative_position_index"],
        zero=[r"features\..+\.attn\.qkv\.bias\[1/3\]"],
    )


def _regnet() -> dict[str, Any]:
    pairs = [
        (r"stem\.conv\.(.+)", r"stem.0.\1"),
        (r"stem\.bn\.(.+)", r"stem.1.\1"),
        (r"head\.fc\.(.+)", r"fc.\1"),
    ]
    for stage in range(1, 5):
        for block in range(40):
            before, after = rf"s{stage}\.b{block + 1}", rf"trunk_output.block{stage}.block{stage}-{block}"
            for theirs, ours in (("conv1", "f.a"), ("conv2", "f.b"), ("conv3", "f.c"), ("downsample", "proj")):
                pairs += [
                    (rf"{before}\.{theirs}\.conv\.(.+)", rf"{after}.{ours}.0.\1"),
                    (rf"{before}\.{theirs}\.bn\.(.+)", rf"{after}.{ours}.1.\1"),
                ]
            pairs.append((rf"{before}\.se\.(.+)", rf"{after}.f.se.\1"))
    return _keys(pairs)


def _inverted(stem: Pairs, stages: list[tuple[int, int]], rows: dict[str, str], first: dict[str, str]) -> Pairs:
    """Inverted residuals: `stages` are (timm's stage, its depth), `rows` and `first` the names inside later and first blocks."""
    pairs = list(stem)
    place = 0
    for stage, depth in stages:
        for block in range(depth):
            place += 1
            for theirs, ours in (first if place == 1 else rows).items():
                pairs.append((rf"blocks\.{stage}\.{block}\.{theirs}\.(.+)", ours.format(place=place) + r".\1"))
    return pairs


def _mobilenet_v2() -> dict[str, Any]:
    stem = [
        (r"conv_stem\.(.+)", r"features.0.0.\1"),
        (r"bn1\.(.+)", r"features.0.1.\1"),
        (r"conv_head\.(.+)", r"features.18.0.\1"),
        (r"bn2\.(.+)", r"features.18.1.\1"),
        (r"classifier\.(weight|bias)", r"classifier.1.\1"),
    ]
    rows = {"conv_pw": "0.0", "bn1": "0.1", "conv_dw": "1.0", "bn2": "1.1", "conv_pwl": "2", "bn3": "3"}
    first = {"conv_dw": "0.0", "bn1": "0.1", "conv_pw": "1", "bn2": "2"}
    stages = list(enumerate((1, 2, 3, 4, 3, 3, 1)))
    return _keys(_inverted(stem, stages, _inside("conv", rows), _inside("conv", first)))


def _inside(child: str, rows: dict[str, str]) -> dict[str, str]:
    return {theirs: f"features.{{place}}.{child}.{ours}" for theirs, ours in rows.items()}


def _mobilenet_v3(squeezed: tuple[bool, ...], depths: tuple[int, ...], first_squeezes: bool) -> dict[str, Any]:
    """`squeezed` says which blocks weigh their channels, `depths` how long timm's stages are before the last."""
    last = len(squeezed) + 1
    pairs = [
        (r"conv_stem\.(.+)", r"features.0.0.\1"),
        (r"bn1\.(.+)", r"features.0.1.\1"),
        (rf"blocks\.{len(depths)}\.0\.conv\.(.+)", rf"features.{last}.0.\1"),
        (rf"blocks\.{len(depths)}\.0\.bn1\.(.+)", rf"features.{last}.1.\1"),
        (r"conv_head\.(.+)", r"classifier.0.\1"),
        (r"classifier\.(weight|bias)", r"classifier.3.\1"),
    ]
    place = 0
    for stage, depth in enumerate(depths):
        for block in range(depth):
            squeezes = squeezed[place]
            place += 1
            names = (
                ["conv_dw bn1", "se", "conv_pw bn2"]
                if place == 1
                else ["conv_pw bn1", "conv_dw bn2", "se", "conv_pwl bn3"]
            )
            layers = [name for name in names if name != "se" or squeezes]
            for position, name in enumerate(layers):
                before, after = rf"blocks\.{stage}\.{block}", f"features.{place}.block.{position}"
                if name == "se":
                    pairs += [
                        (rf"{before}\.se\.conv_reduce\.(.+)", rf"{after}.fc1.\1"),
                        (rf"{before}\.se\.conv_expand\.(.+)", rf"{after}.fc2.\1"),
                    ]
                else:
                    convolution, norm = name.split()
                    pairs += [
                        (rf"{before}\.{convolution}\.(.+)", rf"{after}.0.\1"),
                        (rf"{before}\.{norm}\.(.+)", rf"{after}.1.\1"),
                    ]
    return _keys(pairs, reshape=[r"classifier\.0\.weight"])


def _efficientnet() -> dict[str, Any]:
    pairs = [
        (r"conv_stem\.(.+)", r"features.0.0.\1"),
        (r"bn1\.(.+)", r"features.0.1.\1"),
        (r"conv_head\.(.+)", r"features.8.0.\1"),
        (r"bn2\.(.+)", r"features.8.1.\1"),
        (r"classifier\.(weight|bias)", r"classifier.1.\1"),
    ]
    for stage in range(7):
        before, after = rf"blocks\.{stage}\.(\d+)", rf"features.{stage + 1}.\1.block"
        layers = (
            ["conv_dw bn1", "se", "conv_pw bn2"] if stage == 0 else ["conv_pw bn1", "conv_dw bn2", "se", "conv_pwl bn3"]
        )
        for position, name in enumerate(layers):
            if name == "se":
                pairs += [
                    (rf"{before}\.se\.conv_reduce\.(.+)", rf"{after}.{position}.fc1.\2"),
                    (rf"{before}\.se\.conv_expand\.(.+)", rf"{after}.{position}.fc2.\2"),
                ]
                continue
            convolution, norm = name.split()
            pairs += [
                (rf"{before}\.{convolution}\.(.+)", rf"{after}.{position}.0.\2"),
                (rf"{before}\.{norm}\.(.+)", rf"{after}.{position}.1.\2"),
            ]
    return _keys(pairs)


_VGG = [
    (r"pre_logits\.fc1\.(.+)", r"classifier.0.\1"),
    (r"pre_logits\.fc2\.(.+)", r"classifier.3.\1"),
    (r"head\.fc\.(.+)", r"classifier.6.\1"),
]

_LARGE = (False, False, False, True, True, True, False, False, False, False, True, True, True, True, True)
_SMALL = (True, False, False, True, True, True, True, True, True, True, True)

KEYS: dict[str, dict[str, Any]] = {
    "resnet": {},
    "densenet": {},
    "inception": _keys([], ignore=[r"AuxLogits\..+"]),
    "vgg": _keys(_VGG, reshape=[r"classifier\.[03]\.weight"]),
    "vit": _vit(),
    "convnext": _convnext(),
    "swin": _swin(),
    "regnet": _regnet(),
    "efficientnet": _efficientnet(),
    "mobilenet_v2": _mobilenet_v2(),
    "mobilenet_v3_large": _mobilenet_v3(_LARGE, (1, 2, 3, 4, 2, 3), False),
    "mobilenet_v3_small": _mobilenet_v3(_SMALL, (1, 2, 3, 2, 3), True),
}
