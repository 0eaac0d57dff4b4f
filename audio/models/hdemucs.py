"""Hybrid Demucs: a song to drums, bass, voices and the rest, heard as a waveform and as a spectrogram at once.

Défossez, "Hybrid Spectrogram and Waveform Source Separation" (arXiv:2111.03600), section 3 and figure 1. Two U-shaped networks,
one over the waveform and one over the spectrogram, meet in the middle. Parameter names and settings are those of torchaudio's HDemucs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from numzoo.audio.models.demucs_layers import Branch, DecoderLayer, EncoderLayer, Shape, rescale
from numzoo.audio.transforms.frames import hann
from numzoo.engine import Tensor, bfloat16, float16, nn, ops
from numzoo.engine.nn import functional as F

__all__ = ["HDemucs", "HDemucsConfig", "hdemucs_high", "hdemucs_low", "hdemucs_medium"]


@dataclass(frozen=True, slots=True)
class HDemucsConfig:
    """The sizes; as they stand, those of the paper, for 44.1 kHz."""

    sources: Sequence[str] = ("drums", "bass", "other", "vocals")
    audio_channels: int = 2
    channels: int = 48
    growth: int = 2
    nfft: int = 4096
    depth: int = 6
    freq_emb: float = 0.2
    """How much of the embedding of frequencies is added after the first layer; 0 for none."""
    emb_scale: float = 10
    emb_smooth: bool = True
    kernel_size: int = 8
    time_stride: int = 2
    stride: int = 4
    context: int = 1
    context_enc: int = 0
    norm_starts: int = 4
    norm_groups: int = 4
    dconv_depth: int = 2
    dconv_comp: int = 4
    dconv_attn: int = 4
    dconv_lstm: int = 4
    dconv_init: float = 1e-4

    def __post_init__(self) -> None:
        names = list(self.sources)
        alike = isinstance(self.sources, str) or len(set(map(str, names))) != len(names)
        if not names or alike or not all(isinstance(name, str) and name for name in names):
            raise ValueError(f"hdemucs: sources are different names, at least one, not {self.sources!r}")
        for name in ("audio_channels", "channels", "growth", "depth", "dconv_comp", "norm_groups"):
            if getattr(self, name) < 1:
                raise ValueError(f"hdemucs: {name} must be at least 1, not {getattr(self, name)}")
        if self.kernel_size != 2 * self.stride or self.stride % 2 or self.time_stride % 2 or self.time_stride < 1:
            raise ValueError(
                f"hdemucs: kernel_size is twice stride, and stride and time_stride are even, not {self.kernel_size}, {self.stride} "
                f"and {self.time_stride}"
            )
        freqs, levels = self.nfft // 2, 1
        while freqs > self.kernel_size and freqs % self.stride == 0:
            freqs, levels = freqs // self.stride, levels + 1
        if self.nfft % 8 or freqs > self.kernel_size or freqs % 2:
            raise ValueError(
                f"hdemucs: nfft / 2 must become an even number of at most kernel_size {self.kernel_size} when it is divided by "
                f"stride {self.stride} again and again, which that of {self.nfft} does not"
            )
        if self.depth < levels:
            raise ValueError(
                f"hdemucs: depth must be at least {levels}, so that an nfft of {self.nfft} becomes one frequency, not {self.depth}"
            )


class ScaledEmbedding(nn.Module):
    """A vector for each frequency, kept `scale` times smaller than it is used, so that it learns faster; neighbours alike at first."""

    def __init__(self, count: int, width: int, scale: float, *, smooth: bool) -> None:
        super().__init__()
        self.scale = scale
        self.embedding = nn.Embedding(count, width)

        def fill(generator: np.random.Generator, shape: tuple[int, ...]) -> Any:
            values = generator.standard_normal(shape)
            if smooth:  # a sum of n draws spreads by the root of n
                values = np.cumsum(values, axis=0) / np.sqrt(np.arange(1, count + 1))[:, None]
            return values / scale

        self.embedding.weight.set_fill(fill)

    def forward(self) -> Tensor:
        return self.embedding.weight * self.scale  # (count, width)


class HDemucs(nn.Module):
    """A mixture (batch, audio_channels, samples) to its sources (batch, sources, audio_channels, samples), of any length."""

    def __init__(self, config: HDemucsConfig) -> None:
        super().__init__()
        self.config, self.sources, self.hop = config, list(config.sources), config.nfft // 4
        self.freq_encoder, self.freq_decoder = nn.ModuleList(), nn.ModuleList()
        self.time_encoder, self.time_decoder = nn.ModuleList(), nn.ModuleList()
        self.freq_emb: ScaledEmbedding | None = None
        freqs = config.nfft // 2
        inputs, outputs, width = config.audio_channels, config.audio_channels * len(self.sources), config.channels
        for number in range(config.depth):
            first, last, top = number == 0, 1 < freqs <= config.kernel_size, inputs if number else outputs
            parts = 2 if first else 1  # a spectrum has a real and an imaginary part
            shape, beside = _shapes(config, number, freqs)
            branch = Branch(
                config.dconv_depth, config.dconv_comp, config.dconv_init,
                recurrent=number >= config.dconv_lstm, attention=number >= config.dconv_attn,
            )  # fmt: skip
            self.freq_encoder.append(EncoderLayer(parts * inputs, width, shape, branch))
            up = replace(shape, context=config.context)
            self.freq_decoder.insert(0, DecoderLayer(width, parts * top, up, last=first))
            if beside is not None:
                self.time_encoder.append(EncoderLayer(inputs, width, beside, branch, empty=last))
                up = replace(beside, context=config.context)
                self.time_decoder.insert(0, DecoderLayer(width, top, up, last=first, empty=last))
            freqs = 1 if freqs <= config.kernel_size else freqs // config.stride
            if first and config.freq_emb:
                self.freq_emb = ScaledEmbedding(freqs, width, config.emb_scale, smooth=config.emb_smooth)
            inputs, width = width, config.growth * width
        rescale(self)

    def forward(self, mixture: Any) -> Tensor:
        waveform = mixture if isinstance(mixture, Tensor) else Tensor(np.asarray(mixture))
        if waveform.ndim != 3 or waveform.shape[1] != self.config.audio_channels or not waveform.shape[2]:
            raise ValueError(
                f"hdemucs: wants mixtures (batch, {self.config.audio_channels}, samples), not an array {tuple(waveform.shape)}"
            )
        if waveform.dtype in (float16, bfloat16):
            waveform = waveform.float()
        batch, channels, samples = waveform.shape
        x, mean, spread = _normal(self._spectra(waveform), (1, 2, 3))  # (batch, 2 channels, frequencies, frames)
        y, mean_of_time, spread_of_time = _normal(waveform, (1, 2))
        kind = self.freq_encoder[0].conv.weight.dtype  # spectra are made and read in float32, whatever the weights are
        x, y = (each.to(dtype=mean.dtype) for each in self._apart(x.to(dtype=kind), y.to(dtype=kind), samples))
        x = x.reshape(batch, len(self.sources), 2 * channels, *x.shape[2:]) * spread.unsqueeze(1) + mean.unsqueeze(1)
        y = y.reshape(batch, len(self.sources), channels, samples)
        return y * spread_of_time.unsqueeze(1) + mean_of_time.unsqueeze(1) + self._waveforms(x, samples)

    def _apart(self, x: Tensor, y: Tensor, samples: int) -> tuple[Tensor, Tensor]:
        """Spectrum and waveform through the two networks, down and up again: channels become those of all sources."""
        kept: list[Tensor] = []
        kept_of_time: list[Tensor] = []
        lengths: list[tuple[int, int]] = []  # of both before each step down
        for level, down in enumerate(self.freq_encoder):
            lengths.append((x.shape[-1], y.shape[-1]))
            other = None
            if level < len(self.time_encoder):
                y = self.time_encoder[level](y)
                if self.time_encoder[level].empty:
                    other = y  # here both have the same shape
                else:
                    kept_of_time.append(y)
            x = down(x, other)
            if level == 0 and self.freq_emb is not None:
                x = x + self.config.freq_emb * self.freq_emb().transpose(0, 1)[:, :, None]
            kept.append(x)
        x = y = ops.zeros_like(x)  # upwards, all there is comes over the shortcuts
        for level in reversed(range(len(lengths))):
            x, before = self.freq_decoder[-1 - level](x, kept.pop(), lengths[level][0])
            if level < len(self.time_decoder):
                up = self.time_decoder[-1 - level]
                if up.empty:
                    y, _ = up(before[:, :, 0], None, lengths[level][1])
                else:
                    y, _ = up(y, kept_of_time.pop(), lengths[level][1])
        return x, y

    def _spectra(self, waveform: Tensor) -> Tensor:
        """(batch, channels, samples) to the spectra of frames a quarter of a window apart, one for each `hop` samples that are begun:
        (batch, 2 channels, nfft / 2, frames), real and imaginary parts as channels, without the highest frequency."""
        batch, channels, samples = waveform.shape
        frames, edge = -(-samples // self.hop), self.hop // 2 * 3
        right = edge + frames * self.hop - samples
        x = waveform.reshape(batch * channels, samples)
        if samples <= right:  # too short to be mirrored
            x = F.pad(x, (0, right - samples + 1))
            x = F.pad(x.unsqueeze(1), (edge, right), mode="reflect").squeeze(1)[:, : 2 * edge + frames * self.hop]
        else:
            x = F.pad(x.unsqueeze(1), (edge, right), mode="reflect").squeeze(1)
        z = ops.stft(x, self.config.nfft, self.hop, window=self._window(x), center=False, normalized=True)
        parts = ops.view_as_real(z[:, :-1]).reshape(batch, channels, -1, frames, 2)
        return parts.permute(0, 1, 4, 2, 3).reshape(batch, 2 * channels, -1, frames)

    def _waveforms(self, parts: Tensor, samples: int) -> Tensor:
        """The waveforms (batch, sources, channels, samples) of spectra (batch, sources, 2 channels, frequencies, frames)."""
        batch, sources, _, bands, frames = parts.shape
        z = parts.reshape(-1, 2, bands, frames).permute(0, 2, 3, 1)
        z = ops.view_as_complex(
            F.pad(z, (0, 0, 2, 2, 0, 1))
        )  # the highest frequency, and two silent frames on both sides
        edge = self.hop // 2 * 3
        x = ops.istft(
            z,
            self.config.nfft,
            self.hop,
            window=self._window(parts),
            normalized=True,
            length=2 * edge + frames * self.hop,
        )
        return x[:, edge : edge + samples].reshape(batch, sources, -1, samples)

    def _window(self, like: Tensor) -> Tensor:
        """sin^2, of which copies a quarter apart add up to a constant."""
        return Tensor(hann(self.config.nfft)).to(device=like.device, dtype=like.dtype)


def _shapes(config: HDemucsConfig, level: int, freqs: int) -> tuple[Shape, Shape | None]:
    """The convolutions over the frequencies, and those over the waveform for as long as the two go apart."""
    groups, context = config.norm_groups if level >= config.norm_starts else None, config.context_enc
    if freqs == 1:
        width, step = 2 * config.time_stride, config.time_stride
        return Shape(width, step, frequencies=False, groups=groups, context=context), None
    last = (
        freqs <= config.kernel_size
    )  # one step takes all frequencies that are left, and the samples of a frame that are
    width, step = (freqs, freqs // 2) if last else (config.kernel_size, config.stride)
    along = Shape(width, config.stride, frequencies=True, padded=not last, groups=groups, context=context)
    return along, Shape(2 * step, step, frequencies=False, groups=groups, context=context)


def _normal(x: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """At mean 0 and deviation 1, each of a batch for itself; the mean and the deviation."""
    mean, spread = x.mean(axes, keepdim=True), x.std(axes, keepdim=True)
    return (x - mean) / (1e-5 + spread), mean, spread


def hdemucs_low(*, nfft: int = 1024, depth: int = 5, **settings: Any) -> HDemucs:
    """For sounds of about 8 kHz; `settings` as in `HDemucsConfig`."""
    return HDemucs(HDemucsConfig(nfft=nfft, depth=depth, **settings))


def hdemucs_medium(*, nfft: int = 2048, depth: int = 6, **settings: Any) -> HDemucs:
    """For sounds of 16 to 32 kHz."""
    return HDemucs(HDemucsConfig(nfft=nfft, depth=depth, **settings))


def hdemucs_high(*, nfft: int = 4096, depth: int = 6, **settings: Any) -> HDemucs:
    """For sounds of 44.1 to 48 kHz, 83 million parameters."""
    return HDemucs(HDemucsConfig(nfft=nfft, depth=depth, **settings))
