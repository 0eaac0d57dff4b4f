"""M5: which word it was, from the waveform itself.

Dai, Dai, Qu, Li, Das, "Very Deep Convolutional Neural Networks for Raw Waveforms" (arXiv:1610.00087), table 1. The paper's
convolutions are padded and those of PyTorch's speech command tutorial, whose parameter names these are, are not: as here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from numzoo.engine import Tensor, nn
from numzoo.engine.nn import functional as F

__all__ = ["M5", "m5_classifier"]


class M5(nn.Module):
    """Waveforms (batch, samples), or (batch, 1, samples), to logits (batch, classes).

    Four convolutions, each with its norm and a maximum over four places; then the mean over time.
    """

    classifier_modules: ClassVar[tuple[str, ...]] = ("fc1",)

    def __init__(self, classes: int, channels: Sequence[int], stride: int) -> None:
        super().__init__()
        if len(channels) != 4:
            raise ValueError(f"m5: has four convolutions, so channels are four numbers, not {channels!r}")
        self.stride = stride
        for number, (narrow, wide) in enumerate(zip((1, *channels[:3]), channels, strict=True), 1):
            kernel, step = (80, stride) if number == 1 else (3, 1)
            setattr(self, f"conv{number}", nn.Conv1d(narrow, wide, kernel, step))
            setattr(self, f"bn{number}", nn.BatchNorm1d(wide))
        self.fc1 = nn.Linear(channels[-1], classes)

    def forward(self, waveforms: Tensor) -> Tensor:
        x = waveforms if isinstance(waveforms, Tensor) else Tensor(waveforms)
        x = x.unsqueeze(1) if x.ndim == 2 else x
        if x.ndim != 3 or x.shape[1] != 1:
            raise ValueError(f"m5: wants waveforms (batch, samples) of one channel, not an array {tuple(x.shape)}")
        if x.shape[2] < self.least:
            raise ValueError(f"m5: {x.shape[2]} samples are too few; it takes {self.least}")
        for number in range(1, 5):
            x = nn.norm_activation(getattr(self, f"bn{number}"), getattr(self, f"conv{number}")(x), F.relu)
            x = F.max_pool1d(x, 4)  # (batch, channels, time / 4)
        return self.fc1(x.mean(axis=2))

    @property
    def least(self) -> int:
        """The fewest samples that it can hear."""
        places = 4  # of the last convolution, for one maximum
        for _ in range(3):
            places = (places + 2) * 4
        return (places - 1) * self.stride + 80


def m5_classifier(*, classes: int = 35, channels: Sequence[int] = (128, 128, 256, 512), stride: int = 4) -> M5:
    """The paper's M5, 0.5 million parameters, made for 8 kHz; (32, 32, 64, 64) and stride 16 are those of the tutorial."""
    return M5(classes, channels, stride)
