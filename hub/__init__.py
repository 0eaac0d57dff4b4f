"""The hub: names to verified files to loaded models.

>>> from numzoo import hub
>>> hub.list("resnet50*")
['resnet50.imagenet1k-v1', 'resnet50.imagenet1k-v2']
>>> model = hub.load("resnet50", classes=10)                    # doctest: +SKIP
>>> print(model.load_report)                                    # doctest: +SKIP

Everything is imported when it is first used. No module of this package shares its name with a public function: an
import of the one would hide the other.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numzoo.hub.checkpoint import read_checkpoint
    from numzoo.hub.download.data import pull_data
    from numzoo.hub.download.fetch import pull, pull_files
    from numzoo.hub.licensing.acceptance import accept_license
    from numzoo.hub.loading.data import load_data
    from numzoo.hub.loading.describing import describe
    from numzoo.hub.loading.load import load
    from numzoo.hub.loading.parity import verify_parity
    from numzoo.hub.loading.pipelines import pipeline, transform
    from numzoo.hub.loading.report import LoadReport
    from numzoo.hub.loading.saving import save
    from numzoo.hub.registry.names import Registry, list_data
    from numzoo.hub.registry.names import list_names as list

_HOMES = {
    "LoadReport": ("loading.report", "LoadReport"),
    "Registry": ("registry.names", "Registry"),
    "accept_license": ("licensing.acceptance", "accept_license"),
    "describe": ("loading.describing", "describe"),
    "list": ("registry.names", "list_names"),
    "list_data": ("registry.names", "list_data"),
    "load": ("loading.load", "load"),
    "load_data": ("loading.data", "load_data"),
    "pipeline": ("loading.pipelines", "pipeline"),
    "pull": ("download.fetch", "pull"),
    "pull_data": ("download.data", "pull_data"),
    "pull_files": ("download.fetch", "pull_files"),
    "read_checkpoint": ("checkpoint", "read_checkpoint"),
    "save": ("loading.saving", "save"),
    "transform": ("loading.pipelines", "transform"),
    "verify_parity": ("loading.parity", "verify_parity"),
}

__all__ = [
    "LoadReport",
    "Registry",
    "accept_license",
    "describe",
    "list",
    "list_data",
    "load",
    "load_data",
    "pipeline",
    "pull",
    "pull_data",
    "pull_files",
    "read_checkpoint",
    "save",
    "transform",
    "verify_parity",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        home, attribute = _HOMES[name]
        value = getattr(importlib.import_module(f"{__name__}.{home}"), attribute)
        globals()[name] = value
        return value
    try:
        return importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}") from None


def __dir__() -> Any:
    return sorted(__all__)
