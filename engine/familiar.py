"""What PyTorch's users look for at the top of the engine: the same thing by its name there, or a word on where it is here.

Dtypes by their C names hide Python's own types, so none of these is among the names that ``import *`` gives.
"""

from __future__ import annotations

import importlib
import math
from typing import Any

import ml_dtypes
import numpy as np

from . import dtype as dtypes

NAMES: dict[str, Any] = {
    "bool": dtypes.bool_,
    "cdouble": dtypes.complex128,
    "cfloat": dtypes.complex64,
    "double": dtypes.float64,
    "float": dtypes.float32,
    "half": dtypes.float16,
    "int": dtypes.int32,
    "long": dtypes.int64,
    "short": dtypes.int16,
    "e": math.e,
    "inf": math.inf,
    "nan": math.nan,
    "newaxis": None,
    "pi": math.pi,
    "Size": tuple,
    "finfo": ml_dtypes.finfo,
    "iinfo": np.iinfo,
    "get_default_dtype": lambda: dtypes.float32,
    "promote_types": dtypes.promote,
}
"""Values that the engine holds under another name, or that are nobody's in particular."""

FILES = {
    "asarray": "ops:as_tensor",
    "autograd": "autograd",
    "get_num_threads": "device:threads",
    "set_num_threads": "device:set_threads",
    **dict.fromkeys(
        (
            "adaptive_avg_pool1d", "adaptive_max_pool1d", "alpha_dropout", "avg_pool1d", "bilinear", "conv1d",
            "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "cosine_embedding_loss", "ctc_loss", "dropout", "embedding",
            "embedding_bag", "feature_alpha_dropout", "hinge_embedding_loss", "instance_norm", "kl_div", "margin_ranking_loss",
            "max_pool1d", "max_pool3d", "poisson_nll_loss", "rrelu", "triplet_margin_loss", "binary_cross_entropy_with_logits",
        ),
        "nn.functional",
    ),
}  # fmt: skip
"""Names that stand in another file, which is read when one is asked for: a module, or ``module:name``."""

ELSEWHERE = {
    "autocast": 'with engine.precision("bf16"): computes in 16 bits',
    "backends": "engine.set_threads and engine.precision say how things are computed",
    **dict.fromkeys(
        ("channels_last", "contiguous_format", "preserve_format"),
        "images lie with their channels last in memory where that is faster, and nothing has to be said",
    ),
    "compile": "nothing has to be compiled; on a GPU engine.capture(step) makes a whole step one launch",
    "distributed": "training runs in one process",
    "hub": "from numzoo import hub",
    "jit": "models are plain Python; hub.save writes their weights",
    "load": "hub.load(path, model=...) makes a model of a file, hub.read_checkpoint(path) reads its arrays",
    "save": "hub.save(model, path) writes a model, engine.train.Checkpoint a run",
    "set_default_device": "give device= where tensors are made, and model.to(device)",
    "set_default_dtype": "give dtype= where tensors are made, and model.to(dtype=...)",
    "sparse": "tensors are dense",
    "utils": "data sets and loaders are in engine.data",
    "vmap": "operations take batches; engine.func.per_example_gradients is for gradients",
    **dict.fromkeys(
        ("BoolTensor", "ByteTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor", "LongTensor"),
        "engine.tensor(values, dtype=...) makes a tensor, engine.empty(shape, dtype=...) memory for one",
    ),
}
"""Names that mean nothing here, and what serves in their place."""


def find(name: str, module: Any) -> Any:
    """What ``name`` stands for; an AttributeError says where else to look."""
    if name in NAMES:
        return NAMES[name]
    if name in FILES:
        file, _, inside = FILES[name].partition(":")
        found = importlib.import_module(f"{__package__}.{file}")
        return found if file == name else getattr(found, inside or name)
    hint = f"; {ELSEWHERE[name]}" if name in ELSEWHERE else ""
    raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}{hint}", name=name, obj=module)
