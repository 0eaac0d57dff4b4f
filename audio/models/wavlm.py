"""WavLM: the network of wav2vec 2.0, in which the distance of two places speaks to attention, through gates.

Chen, Wang, Chen, Wu, Liu et al., "WavLM: Large-Scale Self-Supervised Pre-Training for Full Stack Speech Processing"
(arXiv:2110.13900), section III-A: equations 3 to 6. Parameter names and settings are those of transformers' WavLMModel; its
heads are in speech_heads.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.models.wav2vec2 import Attention, Encoder, Wav2Vec2Config, Wav2Vec2Model
from numzoo.engine import Tensor, nn, ops

__all__ = ["WavLMConfig", "WavLMModel", "bucket_of", "wavlm_encoder"]


@dataclass(frozen=True, slots=True)
class WavLMConfig(Wav2Vec2Config):
    """The sizes, under the names of config.json; as they stand, those of wavlm-base and wavlm-base-plus."""

    num_buckets: int = 320
    """Into how many kinds the distances fall, half of them for each direction."""
    max_bucket_distance: int = 800
    """From how many places on all distances are of one kind: 800 are 16 s."""

    def __post_init__(self) -> None:
        Wav2Vec2Config.__post_init__(self)  # super() of a class with slots is that of the class without
        exact = self.num_buckets // 4
        if exact < 1 or self.max_bucket_distance <= exact:
            raise ValueError(
                f"wavlm: num_buckets is at least 4 and max_bucket_distance above a quarter of it, not {self.num_buckets} "
                f"and {self.max_bucket_distance}"
            )


def bucket_of(distance: NDArray[np.int64], buckets: int, farthest: int) -> NDArray[np.int64]:
    """The bucket of each distance (place of the key minus that of the query): equation 5.

    Half of the buckets are for keys behind the query; in each half, half are for one step each, the others grow by the
    logarithm up to `farthest`. In float32, as the authors' code computes it.
    """
    each = buckets // 2
    exact = each // 2
    steps = np.abs(distance)
    far = np.log(np.maximum(steps, 1).astype(np.float32) / np.float32(exact)) / np.float32(math.log(farthest / exact))
    grown = exact + (far * np.float32(each - exact)).astype(np.int64)
    return np.where(distance > 0, each, 0) + np.where(steps < exact, steps, np.minimum(grown, each - 1))


class GatedAttention(Attention):
    """Attention whose scores get the bias of a distance times a gate, which each head computes from what the query hears.

    The first layer has the table of biases, `rel_attn_embed` (buckets, heads), for all of them.
    """

    def __init__(self, config: WavLMConfig, *, table: bool) -> None:
        super().__init__(config)
        self.gru_rel_pos_const = nn.init.ones_(nn.Parameter.of(1, self.heads, 1, 1))
        self.gru_rel_pos_linear = nn.Linear(config.hidden_size // self.heads, 8)
        if table:
            self.rel_attn_embed = nn.Embedding(config.num_buckets, self.heads)

    def mask(self, x: Tensor, mask: Tensor | None, bias: Tensor | None) -> Tensor | None:
        """What is added to the scores, (batch, heads, time, time), of inputs (batch, time, width): equations 3 and 4."""
        if bias is None:
            return mask
        both: Any = self.gru_rel_pos_linear(self._split(x))
        both = ops.sigmoid(both.reshape(*both.shape[:3], 2, 4).sum(axis=4))  # (batch, heads, time, 2)
        update, reset = both[:, :, :, :1], both[:, :, :, 1:]
        gated: Tensor = (update * (reset * self.gru_rel_pos_const - 1.0) + 2.0) * bias
        return gated if mask is None else ops.where(mask, gated, -math.inf)


class WavLMEncoder(Encoder):
    """The stack of layers, all of which hear of distances from the table of the first, which training never leaves out."""

    never_left_out: ClassVar[int] = 1

    def __init__(self, config: WavLMConfig) -> None:
        super().__init__(config)
        self.farthest = config.max_bucket_distance

    def attention(self, config: WavLMConfig, number: int) -> Attention:
        return GatedAttention(config, table=number == 0)

    def bias(self, time: int) -> Tensor | None:
        if not len(self.layers):
            return None
        table = self.layers[0].attention.rel_attn_embed
        distance = np.arange(1 - time, time)
        buckets = Tensor(bucket_of(distance, table.num_embeddings, self.farthest)).to(device=table.weight.device)
        places = np.arange(time)[None, :] - np.arange(time)[:, None] + (time - 1)
        of_distance: Tensor = table(buckets)  # (2 time - 1, heads)
        numbers = Tensor(places).to(device=table.weight.device)
        return of_distance[numbers].permute(2, 0, 1).unsqueeze(0)


class WavLMModel(Wav2Vec2Model):
    """Samples (batch, samples) at 16 kHz to vectors (batch, time, hidden_size), 50 a second; as `Wav2Vec2Model`."""

    encoder_class: ClassVar[type[Encoder]] = WavLMEncoder


def wavlm_encoder(**settings: Any) -> WavLMModel:
    """WavLM without a head; `settings` as in `WavLMConfig`."""
    return WavLMModel(WavLMConfig(**settings))
