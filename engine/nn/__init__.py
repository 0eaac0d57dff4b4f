"""Layers: parameters and operations, under the names that PyTorch's users and the public checkpoints know.

Each file lists in ``__all__`` what it offers.
"""

from . import (
    activation,
    adaptive,
    attention,
    cell,
    container,
    conv,
    dropout,
    embedding,
    freezing,
    functional,
    fusion,
    hooks,
    init,
    linear,
    lora,
    loss,
    margin,
    module,
    norm,
    padding,
    parameter,
    plain,
    pool,
    recurrent,
    resampling,
    residual,
    state,
    transformer,
    utils,
)
from .activation import *
from .adaptive import *
from .attention import *
from .cell import *
from .container import *
from .conv import *
from .dropout import *
from .embedding import *
from .freezing import *
from .fusion import *
from .hooks import *
from .linear import *
from .lora import *
from .loss import *
from .margin import *
from .module import *
from .norm import *
from .padding import *
from .parameter import *
from .plain import *
from .pool import *
from .recurrent import *
from .resampling import *
from .residual import *
from .state import *
from .transformer import *

__all__ = ["functional", "init", "utils"]
__all__ += activation.__all__
__all__ += adaptive.__all__
__all__ += attention.__all__
__all__ += cell.__all__
__all__ += container.__all__
__all__ += conv.__all__
__all__ += dropout.__all__
__all__ += embedding.__all__
__all__ += freezing.__all__
__all__ += fusion.__all__
__all__ += hooks.__all__
__all__ += linear.__all__
__all__ += lora.__all__
__all__ += loss.__all__
__all__ += margin.__all__
__all__ += module.__all__
__all__ += norm.__all__
__all__ += padding.__all__
__all__ += parameter.__all__
__all__ += plain.__all__
__all__ += pool.__all__
__all__ += recurrent.__all__
__all__ += resampling.__all__
__all__ += residual.__all__
__all__ += state.__all__
__all__ += transformer.__all__
