"""The elementary functions beside PyTorch's."""

from __future__ import annotations

from numzoo import engine

from .case import elementwise

CASES = [
    elementwise("exp", engine.exp),
    elementwise("log", engine.log, low=0.1),
    elementwise("log1p", engine.log1p, low=-0.9),
    elementwise("expm1", engine.expm1),
    elementwise("sqrt", engine.sqrt, low=0.1),
    elementwise("rsqrt", engine.rsqrt, low=0.1),
    elementwise("sin", engine.sin),
    elementwise("cos", engine.cos),
    elementwise("tanh", engine.tanh),
    elementwise("sigmoid", engine.sigmoid, low=-6, high=6),
    elementwise("erf", engine.erf),
    elementwise("add", engine.add, 2),
    elementwise("sub", engine.sub, 2),
    elementwise("mul", engine.mul, 2),
    elementwise("div", engine.div, 2, low=0.3),
    elementwise("pow", engine.pow, 2, low=0.3),
]
