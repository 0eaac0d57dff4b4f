"""SpecAugment: stretches of frequencies and of time that are hidden (Park et al., arXiv:1904.08779)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numzoo.audio.transforms.base import Transform
from numzoo.audio.transforms.checks import whole

__all__ = ["FrequencyMasking", "TimeMasking"]

Spans = list[tuple[int, int]]


class _Masking(Transform[Spans]):
    """Hide a stretch of one axis of a spectrogram (..., frequencies, frames).

    Its length is drawn evenly from 0 to `mask_param` (at most the part `p` of the axis), then its place. `value` stands
    there. With `iid_masks` each of the first axis' spectrograms gets its own.
    """

    axis = -1

    def __init__(self, mask_param: int, *, iid_masks: bool = False, p: float = 1.0, value: float = 0.0) -> None:
        self.mask_param = whole(mask_param, "mask_param", least=0)
        if not 0 <= p <= 1:
            raise ValueError(f"p is {p!r} but must lie between 0 and 1")
        self.iid_masks, self.p, self.value = iid_masks, p, value

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Spans:
        """The first and the behind-the-last place of each mask."""
        if len(shape) < 2 or (self.iid_masks and len(shape) < 3):
            raise ValueError(
                f"{self!r}: wants spectrograms ({'batch, ' * self.iid_masks}..., frequencies, frames), not {shape}"
            )
        length = shape[self.axis]
        most = min(self.mask_param, int(length * self.p))
        count = shape[0] if self.iid_masks else 1
        widths = generator.random(count) * most
        starts = generator.random(count) * (length - widths)
        return [(int(start), int(start) + int(width)) for start, width in zip(starts, widths, strict=True)]

    def apply(self, values: ArrayLike, parameters: Spans) -> NDArray[np.float32]:
        masked = np.array(values, np.float32)
        for place, (start, stop) in enumerate(parameters):
            part = masked[place] if self.iid_masks else masked
            np.moveaxis(part, self.axis, -1)[..., start:stop] = self.value
        return masked

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.mask_param}, iid_masks={self.iid_masks}, p={self.p}, value={self.value})"


class FrequencyMasking(_Masking):
    __doc__ = (_Masking.__doc__ or "").replace("one axis", "the frequencies")
    axis = -2


class TimeMasking(_Masking):
    __doc__ = (_Masking.__doc__ or "").replace("one axis", "the frames")
    axis = -1
