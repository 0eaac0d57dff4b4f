"""Image models of transformers and of timm, in the words of numzoo's builders: one small file per family.

A family's function gets the fields of a config.json and gives plain data like an entry's: the builder, its settings, and
how tensor names are spelt (`keys`). What a family computes otherwise than numzoo's it refuses with `Fields.must` and
`Fields.differs`. The table below says where each function is; nothing is imported before it is needed.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from numzoo.hub.foreign.fields import Fields

__all__ = ["families", "otherwise", "translate"]

_TRANSFORMERS = {
    "convnext": "convnext",
    "efficientnet": "efficientnet",
    "mobilenet_v2": "mobilenet_v2",
    "regnet": "regnet",
    "resnet": "resnet",
    "swin": "swin",
    "swinv2": "swin",
    "vit": "vit",
}
"""model_type -> the file with its function ``transformers``."""

_OTHERWISE = {
    "convnextv2": "its blocks have a global response normalisation",
    "deit": "it has a distillation token",
    "mobilenet_v1": "numzoo has no MobileNet V1",
}
"""What looks like something that numzoo has, and why it is not."""


def families() -> dict[str, tuple[str, ...]]:
    """Which architectures are translated: library -> names."""
    from .timm import ARCHITECTURES

    return {"transformers": tuple(_TRANSFORMERS), "timm": tuple(ARCHITECTURES)}


def otherwise(library: str, family: str) -> str:
    """Why numzoo has no model for an architecture that looks like one of its own; nothing for a stranger."""
    from . import timm

    return (
        timm.otherwise(family) if library == "timm" else _OTHERWISE.get(family, "") if library == "transformers" else ""
    )


def translate(
    library: str, family: str, config: Mapping[str, Any], extras: Mapping[str, Any], who: str
) -> dict[str, Any]:
    """What an entry would say of these weights: model, config, keys, task, transform, categories."""
    from . import preprocessing

    if library == "timm":
        from . import timm

        return timm.translate(Fields(config, who=who, family=f"timm {family}"))
    module = importlib.import_module(f"{__name__}.{_TRANSFORMERS[family]}")
    fields = Fields(config, who=who, family=f"{family} of transformers")
    fields.must("num_channels", 3, 3)
    said = module.transformers(fields)
    labels = fields.labels()
    classes = len(labels) or fields.whole("num_labels", 2)
    return {
        "model": said["model"],
        "config": {"classes": classes, **said["config"]},
        "keys": said["keys"],
        "task": "image-classification",
        "transform": preprocessing.transformers(extras.get("preprocessor_config.json"), who),
        "categories": labels,
    }
