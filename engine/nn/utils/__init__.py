"""What is used beside layers, under the names that PyTorch's users know."""

from . import rnn as rnn

__all__ = ["rnn"]
