"""Vectors cut into the heads of attention, and put together again."""

from __future__ import annotations

from numzoo.engine import Tensor

__all__ = ["join_heads", "split_heads"]


def split_heads(x: Tensor, width: int) -> Tensor:
    """(batch, length, heads width) to (batch, heads, length, width)."""
    batch, length, whole = x.shape
    if length == 1:  # one token lies the same way before and after: a step of a decoder saves an operation
        return x.reshape(batch, whole // width, 1, width)
    return x.reshape(batch, length, whole // width, width).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """(batch, heads, length, width) to (batch, length, heads width)."""
    batch, heads, length, width = x.shape
    if length == 1:
        return x.reshape(batch, 1, heads * width)
    return x.transpose(1, 2).reshape(batch, length, heads * width)
