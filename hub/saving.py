"""`save`: a model's tensors as a safetensors file that says which builder and settings they belong to."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numzoo.hub.errors import UsageError
from numzoo.hub.loading import CONFIG_KEY, MODEL_KEY
from numzoo.hub.manifest import check_settings
from numzoo.hub.resolve import find_model

__all__ = ["save"]


def save(
    model: Any, path: str | os.PathLike[str], *, builder: str | None = None, config: Mapping[str, Any] | None = None
) -> Path:
    """Write the state of `model` to `path` (safetensors), whole or not at all; the path that was written.

    The file carries the builder and its settings, so that ``hub.load(path)`` needs no more: of a model that `load` made
    they are known; of another, give them (``builder="vision.models.resnet50", config={"classes": 10}``) or pass
    ``model=`` when loading. Raises FormatError for settings that a file cannot carry, and StorageError.
    """
    from numzoo.hub.checkpoint import write_safetensors

    if not callable(getattr(model, "state_dict", None)):
        raise UsageError(f"hub.save needs a model with state_dict, but {model!r:.60} was given.")
    if config is not None and builder is None:
        raise UsageError("hub.save: config was given without the builder that takes it.")
    report = getattr(model, "load_report", None)
    if builder is None and report is not None and report.model:
        builder, config = report.model, report.config
    metadata = {"format": "pt"}
    if builder is not None:
        settings = dict(config or {})
        check_settings(settings, who="hub.save, config")
        metadata[MODEL_KEY] = find_model(builder)
        metadata[CONFIG_KEY] = json.dumps(settings, separators=(",", ":"))
    arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    write_safetensors(path, arrays, metadata)
    return Path(path)
