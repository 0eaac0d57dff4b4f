"""What is used beside layers, under the names that PyTorch's users know."""

from . import parametrizations as parametrizations
from . import parametrize as parametrize
from . import rnn as rnn

__all__ = ["parametrizations", "parametrize", "rnn"]
