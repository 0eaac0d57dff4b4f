"""Files that hold only what fine-tuning changed: the rest is the registry entry that they name, by its sha256.

Low-rank adapters (``LAYER.lora_A``, ``LAYER.lora_B``, ``LAYER.lora_scale``) are added into their layers' weights when such a file is loaded:
weight + scale B A (Hu et al., 2021, arXiv:2106.09685), so that a plain model takes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from numzoo.hub.errors import IntegrityError, LoadError
from numzoo.hub.loading.contract import under_model_names
from numzoo.hub.registry.keys import Keys

__all__ = ["BASE_KEY", "BASE_SHA256_KEY", "changed", "check_base", "merge_adapters", "overlay"]

BASE_KEY, BASE_SHA256_KEY = "numzoo.base", "numzoo.base.sha256"

Array = np.ndarray[Any, np.dtype[Any]]

_A, _B, _SCALE = ".lora_A", ".lora_B", ".lora_scale"


def changed(state: Mapping[str, Array], base: Mapping[str, Array], keys: Keys) -> dict[str, Array]:
    """The arrays of `state` that the base's file has not, or has with other numbers."""
    own = under_model_names(base, keys)
    return {name: array for name, array in state.items() if name not in own or not _same(own[name], array)}


def overlay(arrays: Mapping[str, Array], base: Mapping[str, Array], keys: Keys) -> dict[str, Array]:
    """The base's arrays under the model's names, those of the file in their place."""
    return {**under_model_names(base, keys), **arrays}


def check_base(source: str, name: str, wanted: str, found: str) -> None:
    """Refuse to put what was learned on one set of weights onto another."""
    if found != wanted:
        raise IntegrityError(
            f"{source} holds changes to {name} with sha256 {wanted or '(not said)'}, but this registry's {name} has sha256 {found}. They were "
            "learned on other weights: use the registry that they were made with, or fine-tune again."
        )


def merge_adapters(arrays: Mapping[str, Array], *, source: str) -> tuple[dict[str, Array], tuple[str, ...]]:
    """The arrays with every adapter added into its weight, and the names of the layers that had one."""
    merged = dict(arrays)
    layers = [name.removesuffix(_A) for name in arrays if name.endswith(_A)]
    for layer in layers:
        try:
            narrow, wide, scale = (merged.pop(layer + part) for part in (_A, _B, _SCALE))
            weight = merged[f"{layer}.weight"]
        except KeyError as error:
            raise LoadError(f"{source}: the adapter of {layer} lacks {error.args[0]}.") from None
        rank = narrow.shape[0] if narrow.ndim else 0
        fits = (
            rank > 0
            and narrow.shape[1:] == weight.shape[1:]
            and wide.shape[:2] == (weight.shape[0], rank)
            and wide.size == weight.shape[0] * rank
        )
        if not fits or scale.shape != ():
            raise LoadError(
                f"{source}: the adapter of {layer} does not fit: lora_A {narrow.shape} and lora_B {wide.shape}, the weight {weight.shape}."
            )
        a, b = (part.astype(np.float32, copy=False) for part in (narrow.reshape(rank, -1), wide.reshape(-1, rank)))
        difference = (b @ a) * np.float32(scale)
        merged[f"{layer}.weight"] = (weight.astype(np.float32) + difference.reshape(weight.shape)).astype(weight.dtype)
    return merged, tuple(layers)


def _same(base: Array, array: Array) -> bool:
    if base.shape != array.shape:
        return False
    try:
        base = base.astype(array.dtype, copy=False)
    except (TypeError, ValueError):
        return False
    return base.tobytes() == array.tobytes()
