"""CUDA's kernels: NVIDIA's libraries and sources of our own, told to the operations they serve. The bodies serve the rest.

Imported by ``engine.device`` when an array on a GPU first computes. Importing needs neither CuPy nor a driver.
"""

from __future__ import annotations

from types import ModuleType

from ...op import TABLE
from . import convolution, matrix

KERNELS: tuple[tuple[ModuleType, str], ...] = (
    (convolution, "conv2d conv2d_input conv2d_weight conv3d conv3d_input conv3d_weight"),
    (matrix, "matmul linear linear_weight"),
)
"""Modules of kernels, and the operations that each one serves."""

for _module, _names in KERNELS:
    for _name in _names.split():
        TABLE[_name].kernel("cuda")(getattr(_module, _name))
