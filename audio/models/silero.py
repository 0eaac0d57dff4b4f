"""Silero VAD: whether somebody speaks, 32 ms at a time.

Silero Team, "Silero VAD: pre-trained enterprise-grade Voice Activity Detector" (https://github.com/snakers4/silero-vad).
Parameter names are those of its safetensors file.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numzoo.engine import Tensor, nn, no_grad, ops
from numzoo.engine.nn import functional as F

__all__ = ["SileroVAD", "silero_vad"]

RATE = 16_000
CHUNK = 512
"""Samples in a step, 32 ms."""

CONTEXT = 64
"""Samples of the step before that each step sees again."""

State = tuple[Tensor, Tensor]

_AT_ONCE = 64  # steps whose convolutions are computed together


class SileroVAD(nn.Module):
    """A step: (batch, 576) samples, the last 64 of the step before and 512 new ones, to the chance of speech (batch, 1).

    The second result is the state that the next step wants.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 258, 256, stride=128, bias=False)  # cosines and sines of 129 frequencies
        self.conv1 = nn.Conv1d(129, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, 128, 3, padding=1)
        self.lstm_cell = nn.LSTMCell(128, 128)
        self.final_conv = nn.Conv1d(128, 1, 1)

    def forward(self, samples: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        return self.step(self.features(samples if isinstance(samples, Tensor) else Tensor(samples)), state)

    def features(self, x: Tensor) -> Tensor:
        """What is heard in a step, whatever came before it: (batch, 576) to (batch, 128)."""
        x = F.pad(x.unsqueeze(1), (0, CONTEXT), mode="reflect")  # (batch, 1, 640)
        x = self.stft_conv(x)  # (batch, 258, 4)
        x = ops.sqrt(x[:, :129] ** 2 + x[:, 129:] ** 2)
        for convolution in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = F.relu(convolution(x))
        return x[:, :, -1]

    def step(self, features: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Features (batch, 128) and what came before to the chance of speech (batch, 1) and the state."""
        hidden, cell = self.lstm_cell(features, state)  # (batch, 128)
        chance = F.sigmoid(self.final_conv(F.relu(hidden).unsqueeze(2)))
        return chance[:, 0], (hidden, cell)

    def chances(self, waveform: ArrayLike) -> NDArray[np.float32]:
        """The chance of speech in each 32 ms of `waveform` (samples,) at 16 kHz, -1 to 1; the end is filled with silence."""
        sound = np.asarray(waveform, np.float32)
        if sound.ndim != 1:
            raise ValueError(f"silero_vad: wants one waveform (samples,), not an array {sound.shape}")
        sound = np.pad(sound, (CONTEXT, -len(sound) % CHUNK))
        if len(sound) == CONTEXT:
            return np.zeros(0, np.float32)
        steps = np.lib.stride_tricks.sliding_window_view(sound, CONTEXT + CHUNK)[::CHUNK]
        weight = self.final_conv.weight
        found: list[float] = []
        state = None
        with no_grad():
            for start in range(0, len(steps), _AT_ONCE):
                some = Tensor(np.ascontiguousarray(steps[start : start + _AT_ONCE]))
                features = self.features(some.to(device=weight.device, dtype=weight.dtype))
                for place in range(features.shape[0]):
                    chance, state = self.step(features[place : place + 1], state)
                    found.append(float(chance))
        return np.array(found, np.float32)


def silero_vad() -> SileroVAD:
    """The network for 16 kHz, 0.3 million parameters."""
    return SileroVAD()
