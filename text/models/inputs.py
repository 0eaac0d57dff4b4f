"""What the models of text take: token numbers and masks, checked, and the mean of what comes out."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import CPU, Tensor, ops

__all__ = ["as_tensor", "mean_of_tokens", "padding_mask", "places_behind_padding", "token_numbers"]


def mean_of_tokens(vectors: Tensor, attention_mask: Any) -> Tensor:
    """The mean over the tokens that are no padding: (batch, length, width) to (batch, width)."""
    if attention_mask is None:
        return vectors.mean(axis=1)
    there = as_tensor(attention_mask).to(device=vectors.device, dtype=vectors.dtype).unsqueeze(2)
    return (vectors * there).sum(axis=1) / ops.maximum(there.sum(axis=1), 1e-9)


def as_tensor(values: Any) -> Tensor:
    """Itself, or a tensor of an array or a list."""
    return values if isinstance(values, Tensor) else Tensor(np.asarray(values))


def token_numbers(values: Any, vocabulary: int, who: str) -> Tensor:
    """Token numbers (batch, length) as a tensor, checked; their range only on the CPU, since a GPU would be waited for."""
    tokens = as_tensor(values)
    if tokens.ndim != 2:
        raise ValueError(f"{who}: wants token numbers (batch, length), not an array {tuple(tokens.shape)}")
    if tokens.dtype.kind not in "iu":
        raise TypeError(f"{who}: token numbers are integers, not {tokens.dtype}")
    if tokens.numel() and tokens.device == CPU:
        low, high = int(tokens.array.min()), int(tokens.array.max())
        if low < 0 or high >= vocabulary:
            raise ValueError(
                f"{who}: token numbers run from 0 to {vocabulary - 1}, but {low if low < 0 else high} was given; those of another model's "
                "tokenizer do not fit"
            )
    return tokens


def padding_mask(mask: Any, tokens: Tensor) -> Tensor | None:
    """(batch, length) of 1 and 0 as the boolean mask (batch, 1, 1, length) that attention takes; None stays None."""
    if mask is None:
        return None
    given = as_tensor(mask).to(device=tokens.device)
    if given.shape != tokens.shape:
        raise ValueError(f"attention_mask {tuple(given.shape)} must have the shape of input_ids {tuple(tokens.shape)}")
    return (given != 0).reshape(given.shape[0], 1, 1, given.shape[1])


def places_behind_padding(tokens: Tensor, padding: int, places: int, who: str) -> Tensor:
    """The place of each token (batch, length), counted from `padding` + 1 on over what is no padding, which stands at `padding`."""
    there = tokens.array != padding
    counted = there.cumsum(axis=1) * there + padding
    if counted.size and tokens.device == CPU and (most := int(counted.max())) >= places:
        raise ValueError(
            f"{who}: {most - padding} tokens were given, but there are places for {places - padding - 1}; "
            "cut the text, as a tokenizer does with truncation"
        )
    return Tensor(counted)
