"""SQUIM: how good speech sounds, without the recording that it ought to sound like.

Kumar et al., "TorchAudio-Squim: Reference-less Speech Quality and Intelligibility Measures in TorchAudio" (arXiv:2304.01448), sections 2
and 3; Manocha, Kumar, "Speech Quality Assessment through MOS using Non-Matching References" (arXiv:2206.12285). Parameter names
are those of torchaudio's SquimObjective and SquimSubjective, but for the encoder of speech, whose names are transformers'.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from numzoo.audio.models.dprnn import DPRNN, RECURRENT
from numzoo.audio.models.wav2vec2 import Wav2Vec2Config, Wav2Vec2Model
from numzoo.engine import Tensor, nn, ops
from numzoo.engine.nn import functional as F

__all__ = ["SquimObjective", "SquimObjectiveConfig", "SquimSubjective", "squim_objective_base", "squim_subjective_base"]

_LOUDNESS = 20  # times below full scale that the root of the mean square is brought to
_BEST_PESQ = 0.999 + 4 / (1 + math.exp(-1.3669 * 4.5 + 3.8224))  # of 4.5 in P.862 (ITU-T P.862.2)
_BEST = 5.0  # of a mean opinion score


@dataclass(frozen=True, slots=True)
class SquimObjectiveConfig:
    """The sizes; as they stand, those of torchaudio's squim_objective_base."""

    feat_dim: int = 256
    win_len: int = 64
    d_model: int = 256
    nhead: int = 4
    hidden_dim: int = 256
    num_blocks: int = 2
    rnn_type: str = "LSTM"
    chunk_size: int = 71
    chunk_stride: int | None = None
    """Half of `chunk_size` unless it is said."""

    def __post_init__(self) -> None:
        if self.rnn_type not in RECURRENT:
            raise ValueError(f"squim_objective: rnn_type must be one of {', '.join(RECURRENT)}, not {self.rnn_type!r}")
        if self.win_len < 2 or self.d_model % self.nhead:
            raise ValueError(
                f"squim_objective: win_len is at least 2, and d_model a multiple of nhead, not {self.win_len}, {self.d_model} and {self.nhead}"
            )
        if self.chunk_size < 2 or not 1 <= self.stride < self.chunk_size:
            raise ValueError(
                f"squim_objective: chunk_stride is from 1 to below chunk_size, not {self.chunk_stride} and {self.chunk_size}"
            )

    @property
    def stride(self) -> int:
        """How far apart chunks begin."""
        return self.chunk_size // 2 if self.chunk_stride is None else self.chunk_stride


class Encoder(nn.Module):
    """Samples (batch, samples) to features (batch, feat_dim, frames)."""

    def __init__(self, features: int, window: int) -> None:
        super().__init__()
        self.conv1d = nn.Conv1d(1, features, window, window // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv1d(x.unsqueeze(1)))


class AutoPool(nn.Module):
    """(batch, time, width) to (batch, width): a mean with weights that lie between an even one and the maximum (arXiv:1804.10070)."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.init.ones_(nn.Parameter.of(1))

    def forward(self, x: Tensor) -> Tensor:
        return (x * F.softmax(x * self.alpha, 1)).sum(1)


class Between(nn.Module):
    """Numbers brought between two bounds."""

    def __init__(self, lowest: float, highest: float) -> None:
        super().__init__()
        self.lowest, self.highest = lowest, highest

    def forward(self, x: Tensor) -> Tensor:
        return F.sigmoid(x) * (self.highest - self.lowest) + self.lowest


class SquimObjective(nn.Module):
    """Speech (batch, samples) at 16 kHz to three estimates (batch,) each: STOI (0 to 1), PESQ (1 to 4.64, wide band), SI-SDR (decibels)."""

    def __init__(self, config: SquimObjectiveConfig) -> None:
        super().__init__()
        self.config = config
        width = config.d_model
        self.encoder = Encoder(config.feat_dim, config.win_len)
        self.dprnn = DPRNN(
            config.feat_dim, config.hidden_dim, config.num_blocks, config.rnn_type, width, config.chunk_size, config.stride
        )  # fmt: skip
        bounds: list[list[nn.Module]] = [[Between(0.0, 1.0)], [Between(1.0, _BEST_PESQ)], []]
        self.branches = nn.ModuleList(
            [
                nn.Sequential(
                    nn.TransformerEncoderLayer(width, config.nhead, 4 * width, dropout=0.0, batch_first=True),
                    AutoPool(),
                    nn.Sequential(nn.Linear(width, width), nn.PReLU(), nn.Linear(width, 1), *bound),
                )
                for bound in bounds
            ]
        )

    def forward(self, speech: Any) -> tuple[Tensor, Tensor, Tensor]:
        x = _samples(speech, "squim_objective", self.config.win_len)
        x = x / ((x * x).mean(1, keepdim=True).sqrt() * _LOUDNESS)
        x = x.to(dtype=self.encoder.conv1d.weight.dtype)
        x = self.dprnn(self.encoder(x))  # (batch, time, width)
        stoi, pesq, si_sdr = (branch(x).squeeze(1) for branch in self.branches)
        return stoi, pesq, si_sdr


class AttentivePool(nn.Module):
    """(batch, time, width) to (batch, outputs): a mean over the time with weights that each place says itself."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, 1)
        self.linear2 = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        weights = F.softmax(self.linear1(x).transpose(1, 2), 2)  # (batch, 1, time)
        return self.linear2((weights @ x).squeeze(1))


class Predictor(nn.Module):
    """How much worse than the reference speech is: the mean of marks from 0 to 4, by how likely each is. (batch, time, width) to (batch,)."""

    def __init__(self, width: int, marks: int) -> None:
        super().__init__()
        self.marks = marks
        self.att_pool_layer = AttentivePool(width, marks)

    def forward(self, x: Tensor) -> Tensor:
        marks = Tensor(np.linspace(0, 4, self.marks, dtype=np.float32)).to(device=x.device, dtype=x.dtype)
        return (F.softmax(self.att_pool_layer(x), 1) * marks).sum(1)


class SquimSubjective(nn.Module):
    """Speech (batch, samples) at 16 kHz, and a clean recording of whatever words, to the mean opinion score (batch,), 1 to 5.

    The reference is repeated or cut to the length of the speech.
    """

    def __init__(self, config: Wav2Vec2Config, proj_dim: int, att_dim: int) -> None:
        super().__init__()
        if config.do_stable_layer_norm:
            raise ValueError(
                "squim_subjective: hears by layers whose norms stand behind them; leave out do_stable_layer_norm"
            )
        if proj_dim < 1 or att_dim < 1:
            raise ValueError(f"squim_subjective: proj_dim and att_dim are at least 1, not {proj_dim} and {att_dim}")
        self.ssl_model = Wav2Vec2Model(config)
        self.projector = nn.Linear(config.hidden_size, proj_dim)
        self.predictor = Predictor(2 * proj_dim, att_dim)

    def forward(self, speech: Any, reference: Any) -> Tensor:
        kind = self.projector.weight.dtype
        x, clean = (_samples(each, "squim_subjective", 1).to(dtype=kind) for each in (speech, reference))
        if x.shape[0] != clean.shape[0]:
            raise ValueError(
                f"squim_subjective: {x.shape[0]} sounds cannot be compared with {clean.shape[0]} references"
            )
        samples = x.shape[1]
        clean = clean.tile(1, -(-samples // clean.shape[1]))[:, :samples]
        heard, wanted = (self.projector(self.ssl_model(each)) for each in (x, clean))  # (batch, time, proj_dim)
        return _BEST - self.predictor(ops.cat([wanted, heard], 2))


def _samples(values: Any, who: str, least: int) -> Tensor:
    samples = values if isinstance(values, Tensor) else Tensor(np.asarray(values))
    if samples.ndim != 2 or samples.shape[1] < least:
        raise ValueError(
            f"{who}: wants samples (batch, samples), at least {least} of them, not an array {tuple(samples.shape)}"
        )
    if samples.dtype.kind in "iub":
        raise TypeError(f"{who}: samples are floating-point numbers, mostly from -1 to 1, not {samples.dtype}")
    return samples


def squim_objective_base(**settings: Any) -> SquimObjective:
    """Estimates of STOI, PESQ and SI-SDR, 7 million parameters; `settings` as in `SquimObjectiveConfig`."""
    return SquimObjective(SquimObjectiveConfig(**settings))


def squim_subjective_base(
    *,
    proj_dim: int = 32,
    att_dim: int = 5,
    feat_proj_dropout: float = 0.1,
    mask_time_prob: float = 0.0,
    **settings: Any,
) -> SquimSubjective:
    """An estimate of the mean opinion score, 94 million parameters; `settings` as in `Wav2Vec2Config`. Nothing is hidden in training."""
    config = Wav2Vec2Config(feat_proj_dropout=feat_proj_dropout, mask_time_prob=mask_time_prob, **settings)
    return SquimSubjective(config, proj_dim, att_dim)
