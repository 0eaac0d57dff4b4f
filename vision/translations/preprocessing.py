"""How images are prepared for somebody else's weights, in the words of ``vision.transforms.classification``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numzoo.hub.errors import LoadError
from numzoo.hub.foreign.fields import Fields

__all__ = ["timm", "transformers"]

_RESAMPLING = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
"""Pillow's numbers, which transformers writes."""

_PRESET = "vision.transforms.classification"


def transformers(processor: object, who: str) -> dict[str, Any] | None:
    """A preprocessor_config.json of transformers' image processors, or None where there is none or it cannot be said here."""
    if processor is None:
        return None
    fields = Fields(processor, who=who.replace("config.json", "preprocessor_config.json"), family="image processor")
    try:
        return _transformers(fields)
    except LoadError:
        return None  # The weights load all the same; a pipeline will say that nothing is known of preprocessing.


def _transformers(fields: Fields) -> dict[str, Any]:
    for name in ("do_resize", "do_normalize", "do_rescale"):
        fields.must(name, True, True)
    fields.must("rescale_offset", False, False)
    if abs(fields.number("rescale_factor", 1 / 255) - 1 / 255) > 1e-9:
        fields.differs(f"rescale_factor is {fields.values['rescale_factor']}")
    resample = fields.whole("resample", 2, least=0, most=5)
    if resample not in _RESAMPLING:
        fields.differs(f"resample is {resample}")
    mean = fields.numbers("image_mean", [0.5] * 3, count=3)
    std = fields.numbers("image_std", [0.5] * 3, count=3)
    if fields.flag("include_top", False):  # EfficientNet's processor divides by the deviation once more
        std = [each * each for each in std]
    said = {"preset": _PRESET, "interpolation": _RESAMPLING[resample], "mean": mean, "std": std}
    shorter, square = _size(fields, "size")
    kind = fields.values.get("image_processor_type") or fields.values.get("feature_extractor_type") or ""
    if shorter is not None and str(kind).startswith("ConvNext"):  # the size after cropping; before, it is larger
        if shorter >= 384:
            return {**said, "resize": shorter, "crop": shorter, "stretch": True}
        portion = fields.number("crop_pct", 224 / 256, least=0.01, most=1.0)
        return {**said, "resize": int(shorter / portion), "crop": shorter}
    crop = None
    if fields.flag("do_center_crop", False):
        crop_shorter, crop = _size(fields, "crop_size")
        crop = crop or crop_shorter
    if square is not None:
        return {**said, "resize": square, "crop": crop or square, "stretch": True}
    if shorter is None or crop is None:
        fields.differs("it crops nothing, so images of other proportions would not fit into one batch")
    return {**said, "resize": shorter, "crop": crop}


def _size(fields: Fields, name: str) -> tuple[int | None, int | None]:
    """The shorter side, or the sides of a square; older files write one number for a square."""
    given = fields.values.get(name)
    if not isinstance(given, Mapping):
        return None, fields.square(name)
    inner = fields.inner(name)
    if "shortest_edge" in inner:
        return inner.whole("shortest_edge", most=1 << 14), None
    height, width = inner.whole("height", most=1 << 14), inner.whole("width", most=1 << 14)
    if height != width:
        fields.differs(f"{name} is {height} x {width}, not a square")
    return None, height


def timm(fields: Fields) -> dict[str, Any] | None:
    """A pretrained_cfg of timm, as its evaluation transform reads it; None where that cannot be said here."""
    size = fields.wholes("input_size", [3, 224, 224], count=3, most=1 << 14)
    mode, interpolation = fields.text("crop_mode", "center"), fields.text("interpolation", "bicubic")
    if size[0] != 3 or size[1] != size[2] or mode not in ("center", "squash"):
        return None
    if interpolation not in _RESAMPLING.values():
        return None
    portion = fields.number("crop_pct", 0.875, least=0.01, most=1.0)
    return {
        "preset": _PRESET,
        "resize": int(size[1] / portion),
        "crop": size[1],
        "interpolation": interpolation,
        "mean": fields.numbers("mean", [0.485, 0.456, 0.406], count=3),
        "std": fields.numbers("std", [0.229, 0.224, 0.225], count=3),
        **({"stretch": True} if mode == "squash" else {}),
    }
