"""Trigonometric and hyperbolic functions beside PyTorch's."""

from __future__ import annotations

from numzoo import engine

from .case import elementwise

CASES = [
    elementwise("tan", engine.tan, low=-1.2, high=1.2),
    elementwise("asin", engine.asin, low=-0.95, high=0.95),
    elementwise("acos", engine.acos, low=-0.95, high=0.95),
    elementwise("atan", engine.atan),
    elementwise("atan2", engine.atan2, 2),
    elementwise("sinh", engine.sinh),
    elementwise("cosh", engine.cosh),
    elementwise("asinh", engine.asinh),
    elementwise("acosh", engine.acosh, low=1.1, high=4.0),
    elementwise("atanh", engine.atanh, low=-0.9, high=0.9),
    elementwise("hypot", engine.hypot, 2),
    elementwise("sinc", engine.sinc, tolerance=1e-8),
    elementwise("deg2rad", engine.deg2rad),
    elementwise("rad2deg", engine.rad2deg, narrow_tolerance=4),
]
