"""A sound as it comes, piece by piece: brought to the model's rate, to features, and to encodings, as the whole would be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numzoo.audio.pipelines.sounds import RATE, given_to
from numzoo.audio.transforms.presets import mono
from numzoo.audio.transforms.resampling import resample
from numzoo.audio.transforms.transducer_mel import FRAME, HOP, TransducerMel
from numzoo.engine import Tensor, ops

__all__ = ["Hearing", "Resampling"]

Samples = NDArray[np.float32]

_HALF = FRAME // 2
_AT_ONCE = 64  # segments
_REACH = 7  # periods of the lower rate that an output sample may depend on, with some to spare


class Resampling:
    """Samples at `rate` a second to 16 kHz, piece by piece: what `resample` gives of all of them."""

    def __init__(self, rate: int) -> None:
        divisor = math.gcd(rate, RATE)
        self.rate, self.before, self.after = rate, rate // divisor, RATE // divisor
        self.reach = math.ceil(_REACH * max(1.0, rate / RATE)) + 2  # input samples around an output
        self.kept, self.start, self.done = np.zeros(0, np.float32), 0, 0

    def feed(self, sound: Samples) -> Samples:
        """The samples that `sound` decides."""
        self.kept = np.concatenate([self.kept, sound])
        return self._until(max(0, self.start + len(self.kept) - self.reach) * self.after // self.before)

    def finish(self) -> Samples:
        """The samples that were still open."""
        return self._until(-(-(self.start + len(self.kept)) * self.after // self.before))

    def _until(self, end: int) -> Samples:
        if end <= self.done:
            return np.zeros(0, np.float32)
        offset = self.start // self.before * self.after
        found = resample(self.kept, self.rate, RATE)[self.done - offset : end - offset]
        self.done = end
        # The rest begins with a whole period, so that the weights of its outputs are the same.
        start = max(0, end * self.before // self.after - self.reach) // self.before * self.before
        self.kept, self.start = self.kept[start - self.start :], start
        return found


class Hearing:
    """`feed` gives the encodings (time, width) of the segments that are whole, `finish` those of the rest.

    All of them together are what the model makes of the whole sound: a segment waits for its right context and for the samples
    of its last frame, 42.5 ms behind it with the usual sizes.
    """

    def __init__(self, model: Any, mel: TransducerMel, rate: int = RATE) -> None:
        self.model, self.mel = model, mel
        self.resampling = None if rate == RATE else Resampling(rate)
        self.samples = np.zeros(0, np.float32)  # from the beginning of the first frame that is still to be made
        self.mirrored = False
        self.frames = np.zeros((0, mel.n_mels), np.float32)  # of the segments that are still to be encoded
        self.states: Any = None

    def feed(self, sound: ArrayLike) -> Tensor | None:
        """Take (samples,) or (channels, samples); the encodings that they decide, if any. Raises AudioError, and then takes nothing."""
        given = mono(sound, "speech-recognition")
        given = given if self.resampling is None else self.resampling.feed(given)
        self.samples = np.concatenate([self.samples, given])
        if not self.mirrored:
            if len(self.samples) <= _HALF:
                return None
            self.samples = np.concatenate([self.samples[_HALF:0:-1], self.samples])
            self.mirrored = True
        self._made()
        return self._encoded()

    def finish(self) -> Tensor | None:
        """The encodings of what is left, if it is long enough for any. Nothing can be fed any more."""
        if self.resampling is not None:
            rest = self.resampling.finish()
            if len(rest):
                self.resampling = None
                heard = self.feed(rest)
                after = self.finish()
                return after if heard is None else heard if after is None else ops.cat([heard, after], 0)
        if not self.mirrored:
            return None
        self.samples = np.concatenate([self.samples, self.samples[-2 : -2 - _HALF : -1]])
        self._made()
        silence = np.zeros((self.model.config.right_context_length, self.mel.n_mels), np.float32)
        self.frames = np.concatenate([self.frames, silence])
        return self._encoded(last=True)

    def _made(self) -> None:
        """Samples become frames."""
        count = (len(self.samples) - FRAME) // HOP + 1
        if count > 0:
            self.frames = np.concatenate([self.frames, self.mel.frames(self.samples[: (count - 1) * HOP + FRAME])])
            # The end of the sound is mirrored over so many samples.
            self.samples = self.samples[count * HOP :]

    def _encoded(self, *, last: bool = False) -> Tensor | None:
        """Frames become encodings."""
        config = self.model.config
        stride, context = config.time_reduction_stride, config.right_context_length
        found = []
        while True:
            ready = (len(self.frames) - context) // stride * stride
            count = min(ready, _AT_ONCE * config.segment_length)
            count -= 0 if last and count == ready else count % config.segment_length
            if count <= 0:
                break
            given = given_to(self.model, self.frames[None, : count + context])
            heard, _, self.states = self.model.transcribe_streaming(given, [given.shape[1]], self.states)
            found.append(heard[0])
            self.frames = self.frames[count:]
        return ops.cat(found, 0) if found else None
