"""Layers: parameters and operations, under the names that PyTorch's users and the public checkpoints know."""

from . import functional, init
from .activation import (
    GELU,
    Hardsigmoid,
    Hardswish,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)  # fmt: skip
from .attention import MultiheadAttention
from .container import Flatten, Identity, ModuleDict, ModuleList, Sequential
from .conv import Conv2d
from .dropout import Dropout, StochasticDepth
from .linear import Linear
from .loss import CrossEntropyLoss
from .module import Module, RemovableHook
from .norm import BatchNorm2d, LayerNorm
from .parameter import Parameter
from .pool import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from .state import StateReport

__all__ = [
    "GELU", "AdaptiveAvgPool2d", "AvgPool2d", "BatchNorm2d", "Conv2d", "CrossEntropyLoss", "Dropout", "Flatten",
    "Hardsigmoid", "Hardswish", "Identity", "LayerNorm", "LeakyReLU", "Linear", "LogSoftmax", "MaxPool2d", "Module",
    "ModuleDict", "ModuleList", "MultiheadAttention", "Parameter", "ReLU", "ReLU6", "RemovableHook", "Sequential", "SiLU",
    "Sigmoid", "Softmax", "StateReport", "StochasticDepth", "Tanh", "functional", "init",
]  # fmt: skip
