"""WaveRNN: mel spectrograms to waveforms, sample by sample.

Kalchbrenner et al., "Efficient Neural Audio Synthesis" (arXiv:1802.08435), in the form that torchaudio has it: two recurrent
layers, which hear the spectrogram brought to the rate of the samples, and one class for each of 2^bits values of a sample. Parameter
names and settings are those of torchaudio's WaveRNN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from numzoo.audio.models.wave_steps import Steps
from numzoo.engine import Tensor, inference_mode, nn, ops
from numzoo.engine.nn import functional as F

__all__ = ["WaveRNN", "WaveRNNConfig", "wavernn"]


@dataclass(frozen=True, slots=True)
class WaveRNNConfig:
    """The sizes; as they stand, those of the weights that torchaudio published."""

    upsample_scales: Sequence[int] = (5, 5, 11)
    n_classes: int = 256
    hop_length: int = 275
    n_res_block: int = 10
    n_rnn: int = 512
    n_fc: int = 512
    kernel_size: int = 5
    n_freq: int = 80
    n_hidden: int = 128
    n_output: int = 128

    def __post_init__(self) -> None:
        if math.prod(self.upsample_scales) != self.hop_length:
            raise ValueError(
                f"wavernn: the product of upsample_scales {tuple(self.upsample_scales)} must be hop_length {self.hop_length}"
            )
        if self.n_output % 4 or self.kernel_size % 2 != 1 or self.kernel_size < 3 or self.n_classes < 2:
            raise ValueError(
                "wavernn: n_output is a multiple of 4, kernel_size odd and at least 3, n_classes at least 2, not "
                f"{self.n_output}, {self.kernel_size} and {self.n_classes}"
            )


class ResBlock(nn.Module):
    """Two mixtures of channels with a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.resblock_model = nn.Sequential(
            nn.Conv1d(width, width, 1, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Conv1d(width, width, 1, bias=False),
            nn.BatchNorm1d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = nn.norm_activation(self.resblock_model, x, residual=x)
        return changed


class MelResNet(nn.Module):
    """A spectrogram (batch, n_freq, frames) to features of each frame (batch, n_output, frames - kernel_size + 1)."""

    def __init__(self, config: WaveRNNConfig) -> None:
        super().__init__()
        self.melresnet_model = nn.Sequential(
            nn.Conv1d(config.n_freq, config.n_hidden, config.kernel_size, bias=False),
            nn.BatchNorm1d(config.n_hidden),
            nn.ReLU(),
            *[ResBlock(config.n_hidden) for _ in range(config.n_res_block)],
            nn.Conv1d(config.n_hidden, config.n_output, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.melresnet_model(x)
        return features


class Stretch2d(nn.Module):
    """Every column `time_scale` times."""

    def __init__(self, time_scale: int) -> None:
        super().__init__()
        self.time_scale = time_scale

    def forward(self, x: Tensor) -> Tensor:
        return ops.repeat_interleave(x, self.time_scale, x.ndim - 1)


class UpsampleNetwork(nn.Module):
    """A spectrogram to what each sample hears of it: (batch, n_freq, samples), smooth, and (batch, n_output, samples), in steps.

    There are hop_length samples for each of frames - kernel_size + 1.
    """

    def __init__(self, config: WaveRNNConfig) -> None:
        super().__init__()
        self.indent = (config.kernel_size - 1) // 2 * config.hop_length
        self.resnet = MelResNet(config)
        self.resnet_stretch = Stretch2d(config.hop_length)
        layers: list[nn.Module] = []
        for scale in config.upsample_scales:
            smooth = nn.Conv2d(1, 1, (1, scale * 2 + 1), padding=(0, scale), bias=False)
            nn.init.constant_(smooth.weight, 1 / (scale * 2 + 1))
            layers += [Stretch2d(scale), smooth]
        self.upsample_layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        smooth = self.upsample_layers(x.unsqueeze(1)).squeeze(1)
        return smooth[:, :, self.indent : smooth.shape[2] - self.indent], self.resnet_stretch(self.resnet(x))


class WaveRNN(nn.Module):
    """What each sample is, given those before it and a spectrogram; ``infer`` draws them one by one."""

    def __init__(self, config: WaveRNNConfig) -> None:
        super().__init__()
        self.config = config
        aux, wide = config.n_output // 4, config.n_rnn
        self.upsample = UpsampleNetwork(config)
        self.fc = nn.Linear(config.n_freq + aux + 1, wide)
        self.rnn1 = nn.GRU(wide, wide, batch_first=True)
        self.rnn2 = nn.GRU(wide + aux, wide, batch_first=True)
        self.fc1 = nn.Linear(wide + aux, config.n_fc)
        self.fc2 = nn.Linear(config.n_fc + aux, config.n_fc)
        self.fc3 = nn.Linear(config.n_fc, config.n_classes)

    def forward(self, waveform: Any, specgram: Any) -> Tensor:
        """The logits of each sample's class (batch, 1, samples, n_classes) by the true samples before.

        `waveform` (batch, 1, samples), from -1 to 1 and one sample late; `specgram` (batch, 1, n_freq, frames), with samples =
        (frames - kernel_size + 1) hop_length.
        """
        like = self.fc.weight
        sound, mel = (_tensor(each).to(device=like.device, dtype=like.dtype) for each in (waveform, specgram))
        if mel.ndim != 4 or mel.shape[1] != 1:
            raise ValueError(
                f"wavernn: wants spectrograms (batch, 1, {self.config.n_freq}, frames), not an array {tuple(mel.shape)}"
            )
        self._check(mel[:, 0], self.config.kernel_size)
        samples = (mel.shape[3] - self.config.kernel_size + 1) * self.config.hop_length
        if tuple(sound.shape) != (mel.shape[0], 1, samples):
            raise ValueError(
                f"wavernn: wants a waveform ({mel.shape[0]}, 1, {samples}) for a spectrogram {tuple(mel.shape)}, not an array {tuple(sound.shape)}"
            )
        smooth, aux = self.upsample(mel[:, 0])
        parts = aux.transpose(1, 2).chunk(4, 2)  # (batch, samples, n_output / 4) each
        sound = sound.to(dtype=smooth.dtype)
        x = self.fc(ops.cat([sound[:, 0].unsqueeze(2), smooth.transpose(1, 2), parts[0]], 2))
        x = _run(self.rnn1, x) + x
        x = _run(self.rnn2, ops.cat([x, parts[1].to(dtype=x.dtype)], 2)) + x
        x = F.relu(self.fc1(ops.cat([x, parts[2].to(dtype=x.dtype)], 2)))
        x = F.relu(self.fc2(ops.cat([x, parts[3].to(dtype=x.dtype)], 2)))
        return self.fc3(x).unsqueeze(1)

    def infer(
        self, specgram: Any, lengths: Any = None, *, temperature: float = 1.0, generator: np.random.Generator | None = None
    ) -> tuple[Tensor, np.ndarray[Any, Any] | None]:  # fmt: skip
        """Waveforms (batch, 1, frames x hop_length), from -1 to 1, for spectrograms (batch, n_freq, frames); and how many samples of
        each count, where `lengths` (batch) says how many frames do.

        A sample is drawn from its logits over `temperature`; 0 takes the likeliest. `generator` draws, a new one by default.
        """
        mel = _tensor(specgram)
        self._check(mel, 1)
        if not isinstance(temperature, Real) or not temperature >= 0 or math.isinf(temperature):
            raise ValueError(f"wavernn: temperature is a number from 0, not {temperature!r:.40}")
        pad = (self.config.kernel_size - 1) // 2
        draw = np.random.default_rng() if generator is None else generator
        with inference_mode():
            smooth, aux = self.upsample(
                F.pad(mel.to(device=self.fc.weight.device, dtype=self.fc.weight.dtype), (pad, pad))
            )
            sound = Steps(self).run(smooth, aux, temperature, draw)
        counts = None if lengths is None else np.asarray(lengths) * self.config.hop_length
        return sound.unsqueeze(1), counts

    def _check(self, mel: Tensor, least: int) -> None:
        if mel.ndim != 3 or mel.shape[1] != self.config.n_freq or mel.shape[2] < least or not mel.shape[0]:
            raise ValueError(
                f"wavernn: wants spectrograms (batch, {self.config.n_freq}, frames) of at least {least} frames, not an array {tuple(mel.shape)}"
            )


def wavernn(**settings: Any) -> WaveRNN:
    """The vocoder of torchaudio's recipe, 4.4 million parameters; `settings` as in `WaveRNNConfig`."""
    return WaveRNN(WaveRNNConfig(**settings))


def _run(layer: nn.GRU, x: Tensor) -> Tensor:
    """A recurrent layer's states; products may come narrower than its weights, which it wants to be of one dtype with them."""
    states: Tensor = layer(x.to(dtype=layer.weight_ih_l0.dtype))[0]
    return states


def _tensor(values: Any) -> Tensor:
    return values if isinstance(values, Tensor) else Tensor(np.asarray(values))
