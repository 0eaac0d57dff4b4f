"""Conv-TasNet: several voices that speak at once to a waveform for each.

Luo, Mesgarani, "Conv-TasNet: Surpassing Ideal Time-Frequency Magnitude Masking for Speech Separation" (arXiv:1809.07454),
figure 1, the non-causal form. Parameter names and settings are those of torchaudio's ConvTasNet; the paper's letters stand
beside the settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from numzoo.engine import Tensor, nn
from numzoo.engine.nn import functional as F

__all__ = ["ConvTasNet", "ConvTasNetConfig", "conv_tasnet_base"]


@dataclass(frozen=True, slots=True)
class ConvTasNetConfig:
    """The sizes; as they stand, the best of table 2."""

    num_sources: int = 2  # C
    enc_kernel_size: int = 16  # L
    enc_num_feats: int = 512  # N
    msk_kernel_size: int = 3  # P
    msk_num_feats: int = 128  # B and Sc
    msk_num_hidden_feats: int = 512  # H
    msk_num_layers: int = 8  # X
    msk_num_stacks: int = 3  # R
    msk_activate: str = "sigmoid"

    def __post_init__(self) -> None:
        if self.msk_activate not in ("sigmoid", "relu"):
            raise ValueError(f"conv_tasnet: msk_activate must be 'sigmoid' or 'relu', not {self.msk_activate!r}")
        if self.msk_kernel_size != 3:
            raise ValueError(
                f"conv_tasnet: msk_kernel_size must be 3, which keeps the length, not {self.msk_kernel_size}"
            )


class ConvBlock(nn.Module):
    """A dilated convolution of each channel between two mixtures of them (figure 1C): what goes on, and what is kept."""

    def __init__(self, config: ConvTasNetConfig, dilation: int, *, last: bool) -> None:
        super().__init__()
        outside, inside = config.msk_num_feats, config.msk_num_hidden_feats
        self.conv_layers = nn.Sequential(
            nn.Conv1d(outside, inside, 1),
            nn.PReLU(),
            nn.GroupNorm(1, inside, eps=1e-8),
            nn.Conv1d(inside, inside, config.msk_kernel_size, padding=dilation, dilation=dilation, groups=inside),
            nn.PReLU(),
            nn.GroupNorm(1, inside, eps=1e-8),
        )
        self.res_out = None if last else nn.Conv1d(inside, outside, 1)
        self.skip_out = nn.Conv1d(inside, outside, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        inner = self.conv_layers(x)
        return x if self.res_out is None else x + self.res_out(inner), self.skip_out(inner)


class MaskGenerator(nn.Module):
    """Features (batch, N, frames) to how much of each belongs to each source: (batch, C, N, frames)."""

    def __init__(self, config: ConvTasNetConfig) -> None:
        super().__init__()
        features, width = config.enc_num_feats, config.msk_num_feats
        self.sources = config.num_sources
        self.input_norm = nn.GroupNorm(1, features, eps=1e-8)
        self.input_conv = nn.Conv1d(features, width, 1)
        dilations = [2**layer for _ in range(config.msk_num_stacks) for layer in range(config.msk_num_layers)]
        self.conv_layers = nn.ModuleList(
            [ConvBlock(config, dilation, last=place == len(dilations) - 1) for place, dilation in enumerate(dilations)]
        )
        self.output_prelu = nn.PReLU()
        self.output_conv = nn.Conv1d(width, features * self.sources, 1)
        self.activation = F.relu if config.msk_activate == "relu" else F.sigmoid

    def forward(self, features: Tensor) -> Tensor:
        x = self.input_conv(self.input_norm(features))
        kept: Any = 0.0
        for layer in self.conv_layers:
            x, skip = layer(x)
            kept = kept + skip
        mask = self.activation(self.output_conv(self.output_prelu(kept)))
        return mask.reshape(x.shape[0], self.sources, features.shape[1], features.shape[2])


class ConvTasNet(nn.Module):
    """A mixture (batch, 1, samples), or (batch, samples), to its sources (batch, num_sources, samples)."""

    def __init__(self, config: ConvTasNetConfig) -> None:
        super().__init__()
        self.config = config
        kernel, self.stride = config.enc_kernel_size, config.enc_kernel_size // 2
        self.encoder = nn.Conv1d(1, config.enc_num_feats, kernel, self.stride, self.stride, bias=False)
        self.mask_generator = MaskGenerator(config)
        self.decoder = nn.ConvTranspose1d(config.enc_num_feats, 1, kernel, self.stride, self.stride, bias=False)

    def forward(self, mixture: Any) -> Tensor:
        x = mixture if isinstance(mixture, Tensor) else Tensor(np.asarray(mixture))
        x = x.unsqueeze(1) if x.ndim == 2 else x
        if x.ndim != 3 or x.shape[1] != 1 or not x.shape[2]:
            raise ValueError(
                f"conv_tasnet: wants mixtures (batch, 1, samples) of one channel, not an array {tuple(x.shape)}"
            )
        batch, _, samples = x.shape
        x = x.to(dtype=self.encoder.weight.dtype)
        x = F.pad(x, (0, -(samples - self.config.enc_kernel_size % 2) % self.stride))  # so that no sample is left over
        features = self.encoder(x)  # (batch, N, frames)
        sources = self.mask_generator(features) * features.unsqueeze(1)  # (batch, C, N, frames)
        waveforms = self.decoder(sources.reshape(batch * self.config.num_sources, *features.shape[1:]))
        return waveforms.reshape(batch, self.config.num_sources, -1)[:, :, :samples]


def conv_tasnet_base(*, msk_activate: str = "relu", **settings: Any) -> ConvTasNet:
    """The best of the paper's sizes, 5 million parameters, with torchaudio's activation; `settings` as in `ConvTasNetConfig`."""
    return ConvTasNet(ConvTasNetConfig(msk_activate=msk_activate, **settings))
