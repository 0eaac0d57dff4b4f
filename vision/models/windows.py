"""Images cut into windows for attention, and the places of a window's pixels relative to one another.

Shared by Swin (Liu et al., arXiv:2103.14030, section 3.2) and MaxViT (Tu et al., arXiv:2204.01697, section 3.2).
Images have their channels last here: (batch, height, width, channels).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from numzoo import engine
from numzoo.engine import Tensor
from numzoo.engine.nn import functional as F

Size = tuple[int, int]
"""Height and width."""

Attend = Callable[[Tensor, "Tensor | None"], Tensor]
"""Maps (batch, windows, tokens, channels), with a mask (windows, 1, tokens, tokens) to add to the scores or None."""


def partition(x: Tensor, window: Size) -> Tensor:
    """Cuts images into windows, row by row: (batch, windows, tokens, channels).

    Raises ValueError if the windows do not cover the image exactly.
    """
    batch, height, width, channels = x.shape
    rows, columns = window
    if height % rows or width % columns:
        raise ValueError(
            f"partition: got images of {height} x {width} for windows of {rows} x {columns}, but wanted a height and "
            "width that the window's divide; pad the images or choose another window."
        )
    down, across = height // rows, width // columns
    x = x.reshape(batch, down, rows, across, columns, channels)
    x = x.permute(0, 1, 3, 2, 4, 5)  # (batch, down, across, rows, columns, channels)
    return x.reshape(batch, down * across, rows * columns, channels)


def merge(x: Tensor, window: Size, image: Size) -> Tensor:
    """Puts windows together again: the inverse of `partition` for images of that size."""
    batch, _, _, channels = x.shape
    (rows, columns), (height, width) = window, image
    x = x.reshape(batch, height // rows, width // columns, rows, columns, channels)
    x = x.permute(0, 1, 3, 2, 4, 5)  # (batch, windows down, rows, windows across, columns, channels)
    return x.reshape(batch, height, width, channels)


def attend_in_windows(x: Tensor, window: Size, shift: Size, attend: Attend) -> Tensor:
    """Applies attention in the windows of images that were first moved up and left by `shift`, and moves them back.

    Images are padded with zeros, below and on the right, to whole windows, and cropped again. Along an axis that one
    window covers, nothing is moved. What the shift brings from the opposite border into a window is masked from the
    rest of it (figure 4 of the Swin paper). Shapes: (batch, height, width, channels) -> the same.
    """
    _, height, width, _ = x.shape
    below, right = -height % window[0], -width % window[1]
    if below or right:
        x = F.pad(x, (0, 0, 0, right, 0, below))
    padded = height + below, width + right
    down, across = (0 if window[axis] >= padded[axis] else shift[axis] for axis in (0, 1))

    mask = None
    if down or across:
        x = engine.roll(x, (-down, -across), (1, 2))
        mask = engine.tensor(_shift_mask(padded, window, (down, across)), dtype=x.dtype, device=x.device)
    x = merge(attend(partition(x, window), mask), window, padded)
    if down or across:
        x = engine.roll(x, (down, across), (1, 2))
    return x[:, :height, :width] if below or right else x


def relative_position_index(window: Size) -> NDArray[np.int64]:
    """For each pair of a window's pixels the row of a bias table that stands for the step between them.

    Steps of -(rows - 1) ... rows - 1 down and -(columns - 1) ... columns - 1 across are numbered row by row.
    Returns (tokens, tokens): from the second axis' pixel to the first's.
    """
    rows, columns = window
    down, across = np.divmod(np.arange(rows * columns), columns)
    steps_down = down[:, None] - down[None, :] + rows - 1
    steps_across = across[:, None] - across[None, :] + columns - 1
    index: NDArray[np.int64] = (steps_down * (2 * columns - 1) + steps_across).astype(np.int64)
    return index


@lru_cache(maxsize=64)
def _shift_mask(image: Size, window: Size, shift: Size) -> NDArray[np.float32]:
    """What to add to the scores of shifted windows: 0 within a region, -100 across; (windows, 1, tokens, tokens).

    After the move, the last `shift` rows and columns are those that came round from the opposite border. Cut into
    windows, a pixel's region is told by those two facts alone, for only the last windows hold both kinds.
    """
    (height, width), (rows, columns) = image, window
    came_from_top = np.arange(height) >= height - shift[0]
    came_from_left = np.arange(width) >= width - shift[1]
    region = 2 * came_from_top[:, None] + came_from_left[None, :]  # (height, width)
    region = region.reshape(height // rows, rows, width // columns, columns)
    region = region.transpose(0, 2, 1, 3).reshape(-1, 1, rows * columns)  # (windows, 1, tokens)
    differs = region[:, :, :, None] != region[:, :, None, :]
    mask: NDArray[np.float32] = np.where(differs, np.float32(-100), np.float32(0))
    return mask
