"""Architectures of timm that compute as numzoo's builders do, by their names; and those that look alike and do not.

A config.json of timm names an architecture, whose sizes timm keeps in its code; so the sizes are numzoo's builders' here, and
the load contract holds every tensor to them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from numzoo.hub.foreign.fields import Fields

from . import preprocessing
from .timm_keys import KEYS

__all__ = ["ARCHITECTURES", "translate"]


class Architecture(NamedTuple):
    """A builder, how the family spells its tensors (a table of timm_keys), the builder's own settings."""

    builder: str
    spelling: str
    settings: Mapping[str, Any] = {}


def _vit(size: str, patch: int, image: int) -> Architecture:
    depth, width, heads = {
        "tiny": (12, 192, 3),
        "small": (12, 384, 6),
        "base": (12, 768, 12),
        "large": (24, 1024, 16),
    }[size]
    sizes = {"depth": depth, "width": width, "heads": heads, "mlp_width": 4 * width}
    return Architecture("any_vit", "vit", {"image_size": image, "patch_size": patch, **sizes})


_REGNETS: dict[str, tuple[tuple[int, ...], tuple[int, ...], int]] = {
    "regnetx_002": ((1, 1, 4, 7), (24, 56, 152, 368), 8),
    "regnetx_004": ((1, 2, 7, 12), (32, 64, 160, 384), 16),
    "regnetx_006": ((1, 3, 5, 7), (48, 96, 240, 528), 24),
    "regnetx_008": ((1, 3, 7, 5), (64, 128, 288, 672), 16),
    "regnetx_016": ((2, 4, 10, 2), (72, 168, 408, 912), 24),
    "regnetx_032": ((2, 6, 15, 2), (96, 192, 432, 1008), 48),
    "regnetx_040": ((2, 5, 14, 2), (80, 240, 560, 1360), 40),
    "regnetx_064": ((2, 4, 10, 1), (168, 392, 784, 1624), 56),
    "regnetx_080": ((2, 5, 15, 1), (80, 240, 720, 1920), 120),
    "regnetx_120": ((2, 5, 11, 1), (224, 448, 896, 2240), 112),
    "regnetx_160": ((2, 6, 13, 1), (256, 512, 896, 2048), 128),
    "regnetx_320": ((2, 7, 13, 1), (336, 672, 1344, 2520), 168),
    "regnety_002": ((1, 1, 4, 7), (24, 56, 152, 368), 8),
    "regnety_004": ((1, 3, 6, 6), (48, 104, 208, 440), 8),
    "regnety_006": ((1, 3, 7, 4), (48, 112, 256, 608), 16),
    "regnety_008": ((1, 3, 8, 2), (64, 128, 320, 768), 16),
    "regnety_016": ((2, 6, 17, 2), (48, 120, 336, 888), 24),
    "regnety_032": ((2, 5, 13, 1), (72, 216, 576, 1512), 24),
    "regnety_040": ((2, 6, 12, 2), (128, 192, 512, 1088), 64),
    "regnety_064": ((2, 7, 14, 2), (144, 288, 576, 1296), 72),
    "regnety_080": ((2, 4, 10, 1), (168, 448, 896, 2016), 56),
    "regnety_120": ((2, 5, 11, 1), (224, 448, 896, 2240), 112),
    "regnety_160": ((2, 4, 11, 1), (224, 448, 1232, 3024), 112),
    "regnety_320": ((2, 5, 12, 1), (232, 696, 1392, 3712), 232),
}
"""Depths, widths and group width; timm rounds some widths otherwise than the paper's tables."""


def _regnet(name: str) -> Architecture:
    depths, widths, group_width = _REGNETS[name]
    squeeze = {"squeeze_ratio": 0.25} if name.startswith("regnety") else {}
    sizes = {"depths": list(depths), "widths": list(widths), "group_width": group_width}
    return Architecture("any_regnet", "regnet", {**sizes, **squeeze})


ARCHITECTURES: dict[str, Architecture] = {
    **{
        name: Architecture(name, "resnet")
        for name in (
            "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
            "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2",
        )
    },
    **{name: Architecture(name, "densenet") for name in ("densenet121", "densenet161", "densenet169", "densenet201")},
    **{
        name: Architecture(name, "vgg")
        for name in ("vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn")
    },
    **{
        f"vit_{size}_patch{patch}_{image}": _vit(size, patch, image)
        for size, patch, image in (
            ("tiny", 16, 224), ("tiny", 16, 384), ("small", 16, 224), ("small", 16, 384), ("small", 32, 224),
            ("small", 32, 384), ("base", 8, 224), ("base", 16, 224), ("base", 16, 384), ("base", 32, 224),
            ("base", 32, 384), ("large", 16, 224), ("large", 16, 384), ("large", 32, 224), ("large", 32, 384),
        )
    },
    **{f"convnext_{size}": Architecture(f"convnext_{size}", "convnext") for size in ("tiny", "small", "base", "large")},
    **{
        f"swin_{size}_patch4_window7_224": Architecture(f"swin_{size[0]}", "swin") for size in ("tiny", "small", "base")
    },
    **{f"swinv2_{size}_window8_256": Architecture(f"swin_v2_{size[0]}", "swin") for size in ("tiny", "small", "base")},
    **{name: _regnet(name) for name in _REGNETS},
    **{f"efficientnet_b{scale}": Architecture(f"efficientnet_b{scale}", "efficientnet") for scale in range(5)},
    **{
        f"tf_efficientnet_b{scale}": Architecture(
            "any_efficientnet",
            "efficientnet",
            {"width": width, "depth": depth, "norm_eps": 1e-3, "same_padding": True},
        )
        for scale, (width, depth) in enumerate(
            ((1.0, 1.0), (1.0, 1.1), (1.1, 1.2), (1.2, 1.4), (1.4, 1.8), (1.6, 2.2), (1.8, 2.6), (2.0, 3.1))
        )
    },
    "inception_v3": Architecture("inception_v3", "inception", {"aux_logits": False}),
    "mobilenetv2_100": Architecture("mobilenet_v2", "mobilenet_v2"),
    "mobilenetv3_large_100": Architecture("mobilenet_v3_large", "mobilenet_v3_large", {"norm_eps": 1e-5}),
    "mobilenetv3_small_100": Architecture("mobilenet_v3_small", "mobilenet_v3_small", {"norm_eps": 1e-5}),
}  # fmt: skip
"""What computes as numzoo does; tests/parity/test_foreign.py holds each to timm's own code."""

_OTHERWISE = (
    (r"tf_.+", "it pads its convolutions as TensorFlow does, more below and right than above and left"),
    (r"efficientnet_b[5-9]", "its batch norms add 1e-5 to the variance, and numzoo's 1e-3"),
    (r"(resne|seresne|ecaresne|resnetaa).+[dst]\b.*", "its stem and its shortcuts are those of ResNet-D"),
    (r"(legacy_)?se_?resne.+|ecaresne.+|skresne.+", "its blocks weigh their channels"),
    (r"vit_.+(clip|siglip|dinov2|reg4|rope|_gap).*|deit3?_.+|eva.+", "its tokens, norms or head are others than ViT's"),
    (r"convnextv2_.+", "its blocks have a global response normalisation"),
    (r"swinv2_.+window(12|16|24).*|swinv2_cr_.+", "its windows change with the stage or the image"),
    (r"mobilenetv4_.+|mobilenetv3_rw|mobilenetv3_.+_(050|075)", "its blocks are others than MobileNet's here"),
)
"""What looks like something that numzoo has, and why it is not."""


def translate(fields: Fields) -> dict[str, Any]:
    """What an entry would say of the weights that a timm config.json describes."""
    name = fields.text("architecture")
    for settings in ("model_args", "global_pool"):
        _check_defaults(fields, settings)
    found = ARCHITECTURES[name]
    trained = fields.inner("pretrained_cfg") if "pretrained_cfg" in fields else Fields({}, who=fields.who)
    classes = fields.whole("num_classes", trained.whole("num_classes", 1000, least=0), least=0)
    if classes == 0:
        fields.differs("it has no classifier (num_classes 0): give classes= for a fresh one with the weights as a file")
    labels = _labels(fields, classes)
    said: dict[str, Any] = {
        "model": f"vision.models.{found.builder}",
        "config": {"classes": classes, **found.settings},
        "keys": KEYS[found.spelling],
        "task": "image-classification",
        "transform": preprocessing.timm(trained),
        "categories": labels,
    }
    size = trained.wholes("input_size", [3, 224, 224], count=3, most=1 << 14)
    if "image_size" in said["config"] and size[1] == size[2]:
        said["config"]["image_size"] = size[1]
    if not labels and classes == 1000 and "in1k" in str(trained.values.get("tag") or ""):
        said["categories_of"] = "imagenet1k"
    return said


def otherwise(name: str) -> str:
    """Why an architecture that looks like one of numzoo's is none, or nothing."""
    return next((why for pattern, why in _OTHERWISE if re.fullmatch(pattern, name)), "")


def _check_defaults(fields: Fields, name: str) -> None:
    given = fields.values.get(name)
    if name == "model_args" and given:
        fields.differs(f"model_args are given ({', '.join(map(str, given))[:80]}), which change the architecture")
    if name == "global_pool" and given not in (None, "avg", "token"):
        fields.differs(f"global_pool is {ascii(given)[:40]}")


def _labels(fields: Fields, classes: int) -> list[str]:
    names, words = fields.values.get("label_names"), fields.values.get("label_descriptions")
    if not isinstance(names, list) or len(names) != classes:
        return []
    described = words if isinstance(words, Mapping) else {}
    return [str(described.get(name, name)) for name in names]
