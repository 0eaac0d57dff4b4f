"""The rows of ``ops/elementwise/trigonometric.py``."""

from __future__ import annotations

import numpy as np

from .row import Row, flat

ROWS = [
    flat("tan", np.tan, low=-1.2, high=1.2),
    Row("asin", ((3, 4),), np.arcsin, low=-0.9, high=0.9),
    Row("acos", ((3, 4),), np.arccos, low=-0.9, high=0.9),
    flat("atan", np.arctan),
    flat("atan2", np.arctan2, count=2),
    flat("sinh", np.sinh),
    flat("cosh", np.cosh),
    flat("asinh", np.arcsinh),
    flat("acosh", np.arccosh, low=1.2, high=4.0),
    Row("atanh", ((3, 4),), np.arctanh, low=-0.8, high=0.8),
    flat("hypot", np.hypot, count=2),
    flat("sinc", np.sinc),
    flat("deg2rad", np.deg2rad),
    flat("rad2deg", np.rad2deg),
]  # fmt: skip
