"""Optimisers, clipping, weight-decay masks, averaged weights, learning-rate schedules and gradient scaling."""

from . import lr_scheduler as lr_scheduler
from .adadelta import Adadelta
from .adafactor import Adafactor
from .adagrad import Adagrad
from .adam import Adam, AdamW
from .adam_kin import Adamax, NAdam, RAdam
from .average import EMA
from .clip import clip_grad_norm_, clip_grad_value_
from .decay import ConstantLR, CosineAnnealingWarmRestarts, ExponentialLR, PolynomialLR
from .lamb import LAMB
from .layerwise import layer_groups
from .lion import Lion
from .masks import decay_groups
from .one_cycle import OneCycleLR
from .optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .rmsprop import RMSprop
from .scaler import GradScaler
from .schedule import CosineAnnealingLR, LambdaLR, LinearLR, LRScheduler, MultiStepLR, SequentialLR, StepLR
from .sgd import SGD

__all__ = [
    "EMA",
    "LAMB",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "GradScaler",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "Lion",
    "MultiStepLR",
    "NAdam",
    "OneCycleLR",
    "Optimizer",
    "PolynomialLR",
    "RAdam",
    "RMSprop",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
    "clip_grad_norm_",
    "clip_grad_value_",
    "decay_groups",
    "layer_groups",
    "lr_scheduler",
]
