"""What is used beside layers, under the names that PyTorch's users know."""

import importlib
from typing import Any

from . import parametrizations as parametrizations
from . import parametrize as parametrize
from . import rnn as rnn
from .vectors import parameters_to_vector, vector_to_parameters

__all__ = ["parameters_to_vector", "parametrizations", "parametrize", "rnn", "vector_to_parameters"]

_CLIPPING = ("clip_grad_norm_", "clip_grad_value_")
"""At home in ``engine.optim``, which is built on layers: fetched from there when asked for."""
_ELSEWHERE = {
    "prune": "nn.freeze holds parameters still; weights are set to 0 by hand",
    "spectral_norm": "use nn.utils.parametrizations.spectral_norm",
    "weight_norm": "use nn.utils.parametrizations.weight_norm",
}


def __getattr__(name: str) -> Any:
    if name in _CLIPPING:
        return getattr(importlib.import_module("...optim.clip", __name__), name)
    hint = f"; {_ELSEWHERE[name]}" if name in _ELSEWHERE else ""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")
