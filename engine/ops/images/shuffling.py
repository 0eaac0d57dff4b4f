"""Channels and pixels exchanged: channels laid out as pixels, pixels gathered into channels, and groups of channels mixed."""

from __future__ import annotations

from ...errors import SettingError, ShapeError
from ...tensor import Tensor, tensor_like
from ..shapes.shape import permute, reshape

__all__ = [
    "channel_shuffle",
    "pixel_shuffle",
    "pixel_unshuffle",
]


def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    """(..., channels r^2, height, width) to (..., channels, height r, width r), r being the factor (Shi et al., 2016)."""
    x, r = _checked("pixel_shuffle", x, "upscale_factor", upscale_factor)
    *lead, channels, height, width = x.shape
    if channels % (r * r):
        raise ShapeError(
            f"pixel_shuffle: the {channels} channels of x {tuple(x.shape)} must be a multiple of upscale_factor^2 = {r * r}"
        )
    n = len(lead)
    split = reshape(x, (*lead, channels // (r * r), r, r, height, width))
    mixed = permute(split, (*range(n + 1), n + 3, n + 1, n + 4, n + 2))
    return reshape(mixed, (*lead, channels // (r * r), height * r, width * r))


def pixel_unshuffle(x: Tensor, downscale_factor: int) -> Tensor:
    """(..., channels, height r, width r) to (..., channels r^2, height, width): pixel_shuffle undone."""
    x, r = _checked("pixel_unshuffle", x, "downscale_factor", downscale_factor)
    *lead, channels, height, width = x.shape
    if height % r or width % r:
        raise ShapeError(
            f"pixel_unshuffle: height and width of x {tuple(x.shape)} must be multiples of downscale_factor {r}"
        )
    n = len(lead)
    split = reshape(x, (*lead, channels, height // r, r, width // r, r))
    mixed = permute(split, (*range(n + 1), n + 2, n + 4, n + 1, n + 3))
    return reshape(mixed, (*lead, channels * r * r, height // r, width // r))


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Channels (groups, per group) in the order (per group, groups): x (batch, channels, ...) (Zhang et al., 2018)."""
    x = tensor_like("channel_shuffle", x)
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1:
        raise SettingError(f"channel_shuffle: groups must be a whole number of at least 1, not {groups!r:.60}")
    if x.ndim < 3 or x.shape[1] % groups:
        raise ShapeError(
            f"channel_shuffle: wants (batch, channels, ...) with channels that groups={groups} divides, not {tuple(x.shape)}"
        )
    batch, channels, *sizes = x.shape
    split = reshape(x, (batch, groups, channels // groups, *sizes))
    return reshape(permute(split, (0, 2, 1, *range(3, split.ndim))), x.shape)


def _checked(name: str, x: Tensor, setting: str, factor: int) -> tuple[Tensor, int]:
    x = tensor_like(name, x)
    if isinstance(factor, bool) or not isinstance(factor, int) or factor < 1:
        raise SettingError(f"{name}: {setting} must be a whole number of at least 1, not {factor!r:.60}")
    if x.ndim < 3:
        raise ShapeError(f"{name}: wants (..., channels, height, width), not {tuple(x.shape)}")
    return x, factor
