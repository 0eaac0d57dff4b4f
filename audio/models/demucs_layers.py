"""The layers of Hybrid Demucs: what each branch goes down and up by, and the residual branch inside.

Défossez, "Hybrid Spectrogram and Waveform Source Separation" (arXiv:2111.03600), section 3 and figures 1 to 3. Parameter names
are those of torchaudio's HDemucs. Sounds are (batch, channels, time), spectra (batch, channels, frequencies, time).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from numzoo.engine import Tensor, nn, ops
from numzoo.engine.nn import functional as F

__all__ = ["Branch", "DecoderLayer", "EncoderLayer", "Shape", "rescale"]

_STEPS = 200  # that the recurrent layers see at once
_ITSELF = -100.0  # the score of a place with itself, which is out of reach of the others
_SPREAD = 0.1  # that the weights of convolutions are brought near to at first


@dataclass(frozen=True, slots=True)
class Branch:
    """The residual branch of a layer: its depth, how much narrower it is, how strong at first, and what stands in it."""

    depth: int = 2
    narrower: int = 4
    strength: float = 1e-4
    recurrent: bool = False
    attention: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """The convolutions of a layer: over which axis they go, how far they see and step, whether `groups` of channels are normalised."""

    kernel: int
    stride: int
    frequencies: bool
    padded: bool = True
    groups: int | None = None
    context: int = 0

    def norm(self, width: int) -> nn.Module:
        """The normalisation of so many channels."""
        return nn.Identity() if self.groups is None else nn.GroupNorm(self.groups, width)


class LayerScale(nn.Module):
    """A strength for each channel, small at first (Touvron et al., arXiv:2103.17239)."""

    def __init__(self, width: int, strength: float) -> None:
        super().__init__()
        self.scale = nn.init.constant_(nn.Parameter.of(width), strength)

    def forward(self, x: Tensor) -> Tensor:
        return self.scale[:, None] * x


class Recurrence(nn.Module):
    """A bidirectional LSTM over time, beside a shortcut.

    What is longer than 200 steps is cut into pieces of 200 that overlap by half; of each, the middle counts.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width, num_layers=2, bidirectional=True)
        self.linear = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, width, time = x.shape
        x = x.to(dtype=self.linear.weight.dtype)  # what narrows products gives narrow results, which no LSTM takes
        if time <= _STEPS:
            return x + self.linear(self.lstm(x.permute(2, 0, 1))[0]).permute(1, 2, 0)
        hop, edge = _STEPS // 2, _STEPS // 4
        pieces = math.ceil(time / hop)
        padded = F.pad(x, (0, (pieces + 1) * hop - time)).unfold(2, _STEPS, hop)  # (batch, width, pieces, 200)
        y = self.linear(self.lstm(padded.permute(3, 0, 2, 1).reshape(_STEPS, batch * pieces, width))[0])
        y = y.reshape(_STEPS, batch, pieces, width).permute(1, 3, 2, 0)  # (batch, width, pieces, 200)
        middle = y[:, :, :, edge:-edge].reshape(batch, width, -1)
        return x + ops.cat([y[:, :, 0, :edge], middle, y[:, :, -1, -edge:]], 2)[:, :, :time]


class LocalAttention(nn.Module):
    """Every place looks at the others, the less the farther off they are; each says itself how much less, by a sum of decays."""

    def __init__(self, width: int, heads: int = 4, decays: int = 4) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(
                f"hdemucs: {width} channels inside a branch with attention must be a multiple of {heads} heads; "
                "raise channels, or dconv_attn"
            )
        self.heads, self.decays = heads, decays
        self.content = nn.Conv1d(width, width, 1)
        self.query = nn.Conv1d(width, width, 1)
        self.key = nn.Conv1d(width, width, 1)
        self.query_decay = nn.Conv1d(width, heads * decays, 1)
        self.proj = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        batch, width, time = x.shape
        query, key, content = (
            layer(x).reshape(batch, self.heads, -1, time) for layer in (self.query, self.key, self.content)
        )  # (batch, heads, width / heads, time) each
        scores = key.transpose(2, 3) @ query / math.sqrt(key.shape[2])  # (batch, heads, keys, queries)
        decay = F.sigmoid(self.query_decay(x).reshape(batch, self.heads, self.decays, time)) / 2
        steepness = Tensor(np.arange(1, self.decays + 1, dtype=np.float32) / math.sqrt(self.decays))
        slope = (decay * steepness.to(device=x.device, dtype=x.dtype)[:, None]).sum(2, keepdim=True)
        places = np.arange(time)
        distance = np.abs(places[:, None] - places).astype(np.float32)
        scores = scores - Tensor(distance).to(device=x.device, dtype=x.dtype) * slope
        scores = ops.where(Tensor(distance == 0).to(device=x.device), _ITSELF, scores)
        found = content @ F.softmax(scores, 2)  # (batch, heads, width / heads, queries)
        return x + self.proj(found.reshape(batch, width, time))


class ResidualBranch(nn.Module):
    """Dilated convolutions on few channels, in deep layers with an LSTM and attention; each small beside its shortcut."""

    def __init__(self, width: int, branch: Branch) -> None:
        super().__init__()
        narrow = width // branch.narrower
        if narrow < 1:
            raise ValueError(f"hdemucs: {width} channels leave none for a branch {branch.narrower} times as narrow")
        self.layers = nn.ModuleList()
        for number in range(branch.depth):
            dilation = 2**number
            parts: list[nn.Module] = [
                nn.Conv1d(width, narrow, 3, padding=dilation, dilation=dilation),
                nn.GroupNorm(1, narrow),
                nn.GELU(),
            ]
            parts += [Recurrence(narrow)] if branch.recurrent else []
            parts += [LocalAttention(narrow)] if branch.attention else []
            parts += [nn.Conv1d(narrow, 2 * width, 1), nn.GroupNorm(1, 2 * width), nn.GLU(1)]
            self.layers.append(nn.Sequential(*parts, LayerScale(width, branch.strength)))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + layer(x)
        return x


class EncoderLayer(nn.Module):
    """A step down, by `stride` in time or in frequency; an `empty` one is only the first convolution."""

    def __init__(self, inputs: int, outputs: int, shape: Shape, branch: Branch, *, empty: bool = False) -> None:
        super().__init__()
        self.shape, self.empty = shape, empty
        padding = shape.kernel // 4 if shape.padded else 0
        context = shape.context
        if shape.frequencies:
            self.conv: nn.Module = nn.Conv2d(inputs, outputs, (shape.kernel, 1), (shape.stride, 1), (padding, 0))
        else:
            self.conv = nn.Conv1d(inputs, outputs, shape.kernel, shape.stride, padding)
        self.norm1 = shape.norm(outputs)  # an empty layer has one too, and does not use it
        if empty:
            return
        kind = nn.Conv2d if shape.frequencies else nn.Conv1d
        self.rewrite = kind(outputs, 2 * outputs, 1 + 2 * context, padding=context)
        self.norm2 = shape.norm(2 * outputs)
        self.dconv = ResidualBranch(outputs, branch)

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """`other` is what the branch of the waveform brings where the two become one: (batch, channels, time)."""
        if not self.shape.frequencies:
            x = x.reshape(x.shape[0], -1, x.shape[-1])
            x = F.pad(x, (0, -x.shape[-1] % self.shape.stride))
        y = self.conv(x)
        if self.empty:
            return y
        if other is not None:
            y = y + (other.unsqueeze(2) if y.ndim == 4 else other)
        y = F.gelu(self.norm1(y))
        if self.shape.frequencies:  # each frequency is a sound of its own
            batch, width, bands, time = y.shape
            y = self.dconv(y.permute(0, 2, 1, 3).reshape(batch * bands, width, time))
            y = y.reshape(batch, bands, width, time).permute(0, 2, 1, 3)
        else:
            y = self.dconv(y)
        return F.glu(self.norm2(self.rewrite(y)), 1)


class DecoderLayer(nn.Module):
    """The step up again: the result, and what stands before the last convolution. An `empty` one is only that."""

    def __init__(self, inputs: int, outputs: int, shape: Shape, *, last: bool, empty: bool = False) -> None:
        super().__init__()
        self.shape, self.inputs, self.last, self.empty = shape, inputs, last, empty
        self.cut = (shape.kernel - shape.stride) // 2 if shape.padded else 0
        if shape.frequencies:
            self.conv_tr: nn.Module = nn.ConvTranspose2d(inputs, outputs, (shape.kernel, 1), (shape.stride, 1))
        else:
            self.conv_tr = nn.ConvTranspose1d(inputs, outputs, shape.kernel, shape.stride)
        self.norm2 = shape.norm(outputs)
        if empty:
            return
        kind = nn.Conv2d if shape.frequencies else nn.Conv1d
        self.rewrite = kind(inputs, 2 * inputs, 1 + 2 * shape.context, padding=shape.context)
        self.norm1 = shape.norm(2 * inputs)

    def forward(self, x: Tensor, skip: Tensor | None, length: int) -> tuple[Tensor, Tensor]:
        """`skip` is what the step down at this height gave, `length` the time there was before it."""
        if self.shape.frequencies and x.ndim == 3:
            x = x.reshape(x.shape[0], self.inputs, -1, x.shape[-1])
        y = x
        if not self.empty and skip is not None:
            y = F.glu(self.norm1(self.rewrite(x + skip)), 1)
        z = self.norm2(self.conv_tr(y))
        end = z.shape[2] - self.cut if self.shape.frequencies else self.cut + length
        z = z[:, :, self.cut : end]
        return (z if self.last else F.gelu(z)), y


def rescale(model: nn.Module) -> None:
    """Draw convolutions with a deviation half the way, in logarithms, from the usual one to 0.1 (arXiv:1911.13254, section 4).

    Those that say how far attention reaches are small, so that at first everything is near.
    """
    convolutions = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)
    for part in model.modules():
        if isinstance(part, convolutions):
            _draw(part, 1.0)
    for part in model.modules():
        if isinstance(part, LocalAttention):
            nn.init.constant_(part.query_decay.bias, -2 / _draw(part.query_decay, 0.01))


def _draw(convolution: Any, strength: float) -> float:
    """Draw a convolution; by how much its usual bound, times `strength`, was divided."""
    usual = 1 / math.sqrt(nn.init.fans(convolution.weight)[0])
    by = math.sqrt(strength * usual / math.sqrt(3) / _SPREAD)
    nn.init.uniform_(convolution.weight, -strength * usual / by, strength * usual / by)
    nn.init.uniform_(convolution.bias, -usual / by, usual / by)
    return by
