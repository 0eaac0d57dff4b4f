"""HiFi-GAN's generator: mel spectrograms to waveforms, all samples at once.

Kong, Kim, Bae, "HiFi-GAN: Generative Adversarial Networks for Efficient and High Fidelity Speech Synthesis" (arXiv:2010.05646),
figure 1 and appendix A. Parameter names and settings are those of torchaudio's prototype HiFiGANVocoder: the authors' files
without their weight normalisation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from numzoo.engine import Tensor, nn, ops
from numzoo.engine.nn import functional as F

__all__ = [
    "HiFiGAN",
    "HiFiGANConfig",
    "hifigan_vocoder",
    "hifigan_vocoder_v1",
    "hifigan_vocoder_v2",
    "hifigan_vocoder_v3",
]

_LAST_SLOPE = 0.01  # of the activation before the last convolution, whatever the others' is


@dataclass(frozen=True, slots=True)
class HiFiGANConfig:
    """The sizes; as they stand, V1's (table 5)."""

    in_channels: int = 80
    upsample_rates: Sequence[int] = (8, 8, 2, 2)
    upsample_initial_channel: int = 512
    upsample_kernel_sizes: Sequence[int] = (16, 16, 4, 4)
    resblock_kernel_sizes: Sequence[int] = (3, 7, 11)
    resblock_dilation_sizes: Sequence[Sequence[int]] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    resblock_type: int = 1
    lrelu_slope: float = 0.1

    def __post_init__(self) -> None:
        if self.resblock_type not in (1, 2):
            raise ValueError(f"hifigan_vocoder: resblock_type must be 1 or 2, not {self.resblock_type!r}")
        for one, other in (
            ("upsample_rates", "upsample_kernel_sizes"),
            ("resblock_kernel_sizes", "resblock_dilation_sizes"),
        ):
            if len(getattr(self, one)) != len(getattr(self, other)) or not getattr(self, one):
                raise ValueError(
                    f"hifigan_vocoder: {one} and {other} have a number for each layer, not {len(getattr(self, one))} and {len(getattr(self, other))}"
                )
        if self.upsample_initial_channel % (1 << len(self.upsample_rates)):
            raise ValueError(
                f"hifigan_vocoder: upsample_initial_channel {self.upsample_initial_channel} is halved {len(self.upsample_rates)} times"
            )
        if not all(kernel % 2 for kernel in self.resblock_kernel_sizes) or any(
            kernel < rate or (kernel - rate) % 2
            for rate, kernel in zip(self.upsample_rates, self.upsample_kernel_sizes, strict=True)
        ):
            raise ValueError(
                "hifigan_vocoder: resblock_kernel_sizes are odd, and upsample_kernel_sizes exceed their rates by an even number, so that "
                "lengths fit"
            )


def same(channels: int, kernel: int, dilation: int) -> nn.Conv1d:
    """A convolution that keeps channels and length."""
    return nn.Conv1d(channels, channels, kernel, padding=(kernel - 1) * dilation // 2, dilation=dilation)


class ResBlock1(nn.Module):
    """Pairs of convolutions, the first of each with gaps, each pair with a shortcut."""

    def __init__(self, channels: int, kernel: int, dilations: Sequence[int], slope: float) -> None:
        super().__init__()
        self.slope = slope
        self.convs1 = nn.ModuleList([same(channels, kernel, dilation) for dilation in dilations])
        self.convs2 = nn.ModuleList([same(channels, kernel, 1) for _ in dilations])

    def forward(self, x: Tensor) -> Tensor:
        for first, second in zip(self.convs1, self.convs2, strict=True):
            x = x + second(F.leaky_relu(first(F.leaky_relu(x, self.slope)), self.slope))
        return x


class ResBlock2(nn.Module):
    """Convolutions with gaps, each with a shortcut."""

    def __init__(self, channels: int, kernel: int, dilations: Sequence[int], slope: float) -> None:
        super().__init__()
        self.slope = slope
        self.convs = nn.ModuleList([same(channels, kernel, dilation) for dilation in dilations])

    def forward(self, x: Tensor) -> Tensor:
        for convolution in self.convs:
            x = x + convolution(F.leaky_relu(x, self.slope))
        return x


class HiFiGAN(nn.Module):
    """The logarithm of mel spectrograms (batch, in_channels, frames) to waveforms (batch, 1, frames x ``hop_length``), from -1 to 1.

    ``audio.transforms.hifigan_mel`` makes the spectrograms that the published weights were trained with.
    """

    def __init__(self, config: HiFiGANConfig) -> None:
        super().__init__()
        self.config = config
        self.hop_length = math.prod(config.upsample_rates)
        width, block = config.upsample_initial_channel, ResBlock1 if config.resblock_type == 1 else ResBlock2
        self.conv_pre = nn.Conv1d(config.in_channels, width, 7, padding=3)
        self.ups, self.resblocks = nn.ModuleList(), nn.ModuleList()
        for rate, kernel in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
            self.ups.append(nn.ConvTranspose1d(width, width // 2, kernel, rate, (kernel - rate) // 2))
            width //= 2
            for size, dilations in zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True):
                self.resblocks.append(block(width, size, dilations, config.lrelu_slope))
        self.conv_post = nn.Conv1d(width, 1, 7, padding=3)

    def forward(self, mel: Any) -> Tensor:
        x = mel if isinstance(mel, Tensor) else Tensor(np.asarray(mel))
        if x.ndim != 3 or x.shape[1] != self.config.in_channels or not x.shape[2]:
            raise ValueError(
                f"hifigan_vocoder: wants mel spectrograms (batch, {self.config.in_channels}, frames), not an array {tuple(x.shape)}"
            )
        x = self.conv_pre(x.to(device=self.conv_pre.weight.device, dtype=self.conv_pre.weight.dtype))
        many = len(self.config.resblock_kernel_sizes)
        for place, up in enumerate(self.ups):
            x = up(F.leaky_relu(x, self.config.lrelu_slope))
            parts = [block(x) for block in self.resblocks[place * many : (place + 1) * many]]
            x = sum(parts[1:], parts[0]) / many
        return ops.tanh(self.conv_post(F.leaky_relu(x, _LAST_SLOPE)))


def hifigan_vocoder(**settings: Any) -> HiFiGAN:
    """A generator of any size; `settings` as in `HiFiGANConfig`."""
    return HiFiGAN(HiFiGANConfig(**settings))


def hifigan_vocoder_v1(**settings: Any) -> HiFiGAN:
    """The best of the paper's three, 13.9 million parameters."""
    return hifigan_vocoder(**settings)


def hifigan_vocoder_v2(*, upsample_initial_channel: int = 128, **settings: Any) -> HiFiGAN:
    """V1 with a quarter of its channels, 0.9 million parameters."""
    return hifigan_vocoder(upsample_initial_channel=upsample_initial_channel, **settings)


def hifigan_vocoder_v3(**settings: Any) -> HiFiGAN:
    """The fastest, with fewer layers, 1.5 million parameters."""
    sizes: dict[str, Any] = {
        "upsample_rates": (8, 8, 4), "upsample_kernel_sizes": (16, 16, 8), "upsample_initial_channel": 256, "resblock_type": 2,
        "resblock_kernel_sizes": (3, 5, 7), "resblock_dilation_sizes": ((1, 2), (2, 6), (3, 12)),
    }  # fmt: skip
    return hifigan_vocoder(**{**sizes, **settings})
