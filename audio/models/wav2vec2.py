"""wav2vec 2.0 and HuBERT: speech as it comes from the microphone to a vector every 20 ms.

Baevski, Zhou, Mohamed, Auli, "wav2vec 2.0: A Framework for Self-Supervised Learning of Speech Representations"
(arXiv:2006.11477), section 2 and figure 1; Hsu, Bolte, Tsai, Lakhotia, Salakhutdinov, Mohamed, "HuBERT" (arXiv:2106.07447),
whose network is the same. Parameter names and settings are those of transformers' Wav2Vec2Model and HubertModel; their
heads are in speech_heads.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.models.span_masks import span_mask
from numzoo.engine import Tensor, nn, ops
from numzoo.engine.nn import functional as F
from numzoo.engine.nn.utils import parametrizations
from numzoo.engine.random import default_generator

__all__ = ["ACTIVATIONS", "Wav2Vec2Config", "Wav2Vec2Model", "hubert_encoder", "wav2vec2_encoder"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
    "silu": F.silu,
    "swish": F.silu,
}
"""What a config.json calls the activations."""


@dataclass(frozen=True, slots=True)
class Wav2Vec2Config:
    """The sizes, under the names of config.json; as they stand, those of wav2vec2-base and hubert-base (section 4.2)."""

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout: float = 0.1
    activation_dropout: float = 0.1
    attention_dropout: float = 0.1
    feat_proj_dropout: float = 0.0
    feat_proj_layer_norm: bool = True
    final_dropout: float = 0.1
    layerdrop: float = 0.1
    layer_norm_eps: float = 1e-5
    feat_extract_norm: str = "group"
    """"group": one norm, over time, in the first layer; "layer": one over the channels in each (the large models)."""
    feat_extract_activation: str = "gelu"
    conv_dim: Sequence[int] = (512,) * 7
    conv_stride: Sequence[int] = (5, 2, 2, 2, 2, 2, 2)
    conv_kernel: Sequence[int] = (10, 3, 3, 3, 3, 2, 2)
    conv_bias: bool = False
    num_conv_pos_embeddings: int = 128
    num_conv_pos_embedding_groups: int = 16
    conv_pos_batch_norm: bool = False
    do_stable_layer_norm: bool = False
    """Whether norms stand before attention and perceptron (the large models) or behind them."""
    apply_spec_augment: bool = True
    mask_time_prob: float = 0.05
    mask_time_length: int = 10
    mask_time_min_masks: int = 2
    mask_feature_prob: float = 0.0
    mask_feature_length: int = 10
    mask_feature_min_masks: int = 0

    def __post_init__(self) -> None:
        if self.hidden_size < 1 or self.num_attention_heads < 1 or self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"wav2vec2: hidden_size {self.hidden_size} must be a multiple of num_attention_heads {self.num_attention_heads}"
            )
        if self.feat_extract_norm not in ("group", "layer"):
            raise ValueError(f"wav2vec2: feat_extract_norm must be 'group' or 'layer', not {self.feat_extract_norm!r}")
        for name in ("hidden_act", "feat_extract_activation"):
            if getattr(self, name) not in ACTIVATIONS:
                raise ValueError(
                    f"wav2vec2: {name} must be one of {', '.join(ACTIVATIONS)}, not {getattr(self, name)!r}"
                )
        if not len(self.conv_dim) == len(self.conv_stride) == len(self.conv_kernel) > 0:
            raise ValueError(
                f"wav2vec2: conv_dim, conv_stride and conv_kernel have a number for each layer, not {len(self.conv_dim)}, "
                f"{len(self.conv_stride)} and {len(self.conv_kernel)}"
            )

    def frames(self, samples: Any) -> Any:
        """How many vectors so many samples become: a number, or an array of them."""
        for kernel, stride in zip(self.conv_kernel, self.conv_stride, strict=True):
            samples = (samples - kernel) // stride + 1
        return samples

    @property
    def fewest(self) -> int:
        """The fewest samples that become one vector: 400 with the usual convolutions, 25 ms."""
        least = 1
        for kernel, stride in zip(reversed(self.conv_kernel), reversed(self.conv_stride), strict=True):
            least = (least - 1) * stride + kernel
        return least


class ConvLayer(nn.Module):
    """A convolution, its norm where it has one, its activation."""

    def __init__(self, config: Wav2Vec2Config, number: int) -> None:
        super().__init__()
        narrow, wide = config.conv_dim[number - 1] if number else 1, config.conv_dim[number]
        kernel, stride = config.conv_kernel[number], config.conv_stride[number]
        self.conv = nn.Conv1d(narrow, wide, kernel, stride, bias=config.conv_bias)
        self.over_channels = config.feat_extract_norm == "layer"
        if self.over_channels:
            self.layer_norm: nn.Module = nn.LayerNorm(wide)
        elif number == 0:
            self.layer_norm = nn.GroupNorm(wide, wide)
        self.has_norm = self.over_channels or number == 0
        self.activation = ACTIVATIONS[config.feat_extract_activation]

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)  # (batch, channels, time)
        if self.over_channels:
            x = self.layer_norm(x.transpose(1, 2)).transpose(1, 2)
        elif self.has_norm:
            x = self.layer_norm(x)
        return self.activation(x)


class FeatureEncoder(nn.Module):
    """Samples (batch, samples) to features (batch, time, channels), one every 320 samples."""

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList([ConvLayer(config, number) for number in range(len(config.conv_dim))])

    def forward(self, samples: Tensor) -> Tensor:
        x = samples.unsqueeze(1)
        for layer in self.conv_layers:
            x = layer(x)
        return x.transpose(1, 2)


class FeatureProjection(nn.Module):
    """Features normalised and brought to the width of the encoder."""

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__()
        inputs = config.conv_dim[-1]
        self.layer_norm = nn.LayerNorm(inputs, eps=config.layer_norm_eps) if config.feat_proj_layer_norm else None
        self.projection = nn.Linear(inputs, config.hidden_size)
        self.dropout = nn.Dropout(config.feat_proj_dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.projection(x if self.layer_norm is None else self.layer_norm(x)))


class PositionalConvEmbedding(nn.Module):
    """Where a vector stands, told by a wide convolution over its neighbours, whose weight is a length times a direction."""

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__()
        width, kernel = config.hidden_size, config.num_conv_pos_embeddings
        self.conv = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=config.num_conv_pos_embedding_groups)
        self.batch_norm = nn.BatchNorm1d(width) if config.conv_pos_batch_norm else None
        if self.batch_norm is None:
            parametrizations.weight_norm(self.conv, dim=2)
        self.activation = ACTIVATIONS[config.feat_extract_activation]

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        x = x.transpose(1, 2)
        if self.batch_norm is not None:
            x = self.batch_norm(x)
        return self.activation(self.conv(x)[:, :, :length]).transpose(1, 2)  # an even kernel gives one place too many


class Attention(nn.Module):
    """Every place looks at every other, in heads."""

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__()
        width = config.hidden_size
        self.heads, self.dropout = config.num_attention_heads, config.attention_dropout
        self.k_proj, self.v_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.q_proj, self.out_proj = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None, bias: Tensor | None = None) -> Tensor:
        query, key, value = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        dropout = self.dropout if self.training else 0.0
        mask = self.mask(x, mask, bias)
        return self.out_proj(F.attention_in_heads(query, key, value, self.heads, mask, dropout))

    def mask(self, x: Tensor, mask: Tensor | None, bias: Tensor | None) -> Tensor | None:
        """Which places are seen, or what is added to the scores; here the distance of two places, `bias`, says nothing."""
        return mask

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (batch, heads, time, width / heads)


class FeedForward(nn.Module):
    """A perceptron for each place."""

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation = ACTIVATIONS[config.hidden_act]
        self.intermediate_dropout = nn.Dropout(config.activation_dropout)
        self.output_dense = nn.Linear(config.intermediate_size, config.hidden_size)
        self.output_dropout = nn.Dropout(config.hidden_dropout)

    def forward(self, x: Tensor) -> Tensor:
        part, dropout = self.undropped(x)
        return dropout(part)

    def undropped(self, x: Tensor) -> tuple[Tensor, nn.Module]:
        """What it gives before its dropout, and that."""
        x = self.intermediate_dropout(self.activation(self.intermediate_dense(x)))
        return self.output_dense(x), self.output_dropout


class EncoderLayer(nn.Module):
    """Attention and a perceptron, each with its shortcut; `stable` norms stand before them, the others behind."""

    def __init__(self, config: Wav2Vec2Config, attention: Attention) -> None:
        super().__init__()
        self.stable = config.do_stable_layer_norm
        self.attention = attention
        self.dropout = nn.Dropout(config.hidden_dropout)
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, x: Tensor, mask: Tensor | None, bias: Tensor | None) -> Tensor:
        if self.stable:
            part = self.attention(self.layer_norm(x), mask, bias)
            x, normalised = nn.add_and_normalise(part, x, self.final_layer_norm, self.dropout)
            return x + self.feed_forward(normalised)
        x = nn.normalised_sum(self.attention(x, mask, bias), x, self.layer_norm, self.dropout)
        part, dropout = nn.undropped(self.feed_forward, FeedForward, x)
        return nn.normalised_sum(part, x, self.final_layer_norm, dropout)


class Encoder(nn.Module):
    """Places, then the stack of layers; in training each layer is left out with the chance `layerdrop` (arXiv:1909.11556)."""

    never_left_out: ClassVar[int] = 0
    """How many layers, from the first, training leaves out never."""

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__()
        self.stable, self.layerdrop = config.do_stable_layer_norm, config.layerdrop
        self.pos_conv_embed = PositionalConvEmbedding(config)
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout)
        self.layers = nn.ModuleList(
            [EncoderLayer(config, self.attention(config, number)) for number in range(config.num_hidden_layers)]
        )

    def attention(self, config: Any, number: int) -> Attention:
        """What the layer of this number attends with."""
        return Attention(config)

    def bias(self, time: int) -> Tensor | None:
        """What the distance of two of `time` places says to every layer: (1, heads, time, time), or nothing."""
        return None

    def forward(self, x: Tensor, there: Tensor | None) -> list[Tensor]:
        """The states (batch, time, width) before each layer, and the result as the last; `there` is false at padding."""
        mask = None
        if there is not None:
            x = ops.where(there.unsqueeze(2), x, 0.0)
            mask = there[:, None, None, :]
        x = x + self.pos_conv_embed(x)
        x = self.dropout(x if self.stable else self.layer_norm(x))
        states, bias = [x], self.bias(x.shape[1])
        for number, layer in enumerate(self.layers):
            may_go = self.training and self.layerdrop and number >= self.never_left_out
            if not (may_go and default_generator().numpy.random() < self.layerdrop):
                x = layer(x, mask, bias)
            states.append(x)
        if self.stable:
            states[-1] = self.layer_norm(x)
        return states


class Wav2Vec2Model(nn.Module):
    """Samples (batch, samples) at 16 kHz to vectors (batch, time, hidden_size), 50 a second.

    ``attention_mask`` (batch, samples) is 1 where there is sound and 0 in the padding behind it: the large models want it,
    the base ones were trained without and take zeros as silence. ``mask_time_indices`` (batch, time) is true where a vector is
    hidden; in training that is drawn (section 3.1 and table 1 of arXiv:2006.11477), unless ``apply_spec_augment`` is false.
    """

    encoder_class: ClassVar[type[Encoder]] = Encoder

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__()
        self.config = config
        self.feature_extractor = FeatureEncoder(config)
        self.feature_projection = FeatureProjection(config)
        self.masked_spec_embed: Any = None
        if config.mask_time_prob > 0 or config.mask_feature_prob > 0:
            self.masked_spec_embed = nn.init.uniform_(nn.Parameter.of(config.hidden_size))
        self.encoder = self.encoder_class(config)

    def forward(self, input_values: Any, attention_mask: Any = None, mask_time_indices: Any = None) -> Tensor:
        return self.states(input_values, attention_mask, mask_time_indices)[-1]

    def states(self, input_values: Any, attention_mask: Any = None, mask_time_indices: Any = None) -> list[Tensor]:
        """What stands before each layer of the encoder, and its result as the last, (batch, time, hidden_size) each."""
        samples = self._samples(input_values)
        x = self.feature_projection(self.feature_extractor(samples))  # (batch, time, width)
        there = self.frames_there(attention_mask, samples, x.shape[1])
        return self.encoder(self._hidden(x, there, mask_time_indices), there)

    def frames_there(self, attention_mask: Any, samples: Tensor, time: int) -> Tensor | None:
        """Which vectors have sound: (batch, time) of true and false, of a mask (batch, samples); None stays None."""
        if attention_mask is None:
            return None
        given = attention_mask if isinstance(attention_mask, Tensor) else Tensor(np.asarray(attention_mask))
        if tuple(given.shape) != tuple(samples.shape):
            raise ValueError(
                f"attention_mask {tuple(given.shape)} must have the shape of input_values {tuple(samples.shape)}"
            )
        frames = self.config.frames((given != 0).numpy().sum(axis=1))
        return Tensor(np.arange(time) < frames[:, None]).to(device=samples.device)

    def _samples(self, values: Any) -> Tensor:
        samples = values if isinstance(values, Tensor) else Tensor(np.asarray(values))
        if samples.ndim != 2:
            raise ValueError(f"wav2vec2: wants samples (batch, samples), not an array {tuple(samples.shape)}")
        if samples.dtype.kind in "iub":
            raise TypeError(f"wav2vec2: samples are floating-point numbers, mostly from -1 to 1, not {samples.dtype}")
        if self.config.frames(samples.shape[1]) < 1:
            raise ValueError(
                f"wav2vec2: {samples.shape[1]} samples are too few for one vector; it takes {self.config.fewest}"
            )
        return samples

    def _hidden(self, x: Tensor, there: Tensor | None, given: Any) -> Tensor:
        config, drawing = self.config, self.training and self.config.apply_spec_augment
        hidden: NDArray[np.bool_] | None = None
        if given is not None:
            hidden = np.asarray(given.numpy() if isinstance(given, Tensor) else given, np.bool_)
            if hidden.shape != tuple(x.shape[:2]):
                raise ValueError(f"mask_time_indices {hidden.shape} must be (batch, time), {tuple(x.shape[:2])}")
        elif drawing and config.mask_time_prob:
            lengths = [x.shape[1]] * x.shape[0] if there is None else there.numpy().sum(axis=1)
            hidden = span_mask(
                lengths, x.shape[1], config.mask_time_prob, config.mask_time_length, config.mask_time_min_masks
            )
        if hidden is not None:
            if self.masked_spec_embed is None:
                raise ValueError("wav2vec2: has no masked_spec_embed to hide vectors with; set mask_time_prob above 0")
            x = ops.where(Tensor(hidden[:, :, None]).to(device=x.device), self.masked_spec_embed.to(dtype=x.dtype), x)
        if drawing and config.mask_feature_prob:
            widths = [x.shape[2]] * x.shape[0]
            silent = span_mask(
                widths, x.shape[2], config.mask_feature_prob, config.mask_feature_length, config.mask_feature_min_masks
            )
            x = ops.where(Tensor(silent[:, None, :]).to(device=x.device), 0.0, x)
        return x


def wav2vec2_encoder(**settings: Any) -> Wav2Vec2Model:
    """wav2vec 2.0 without a head; `settings` as in `Wav2Vec2Config`."""
    return Wav2Vec2Model(Wav2Vec2Config(**settings))


def hubert_encoder(**settings: Any) -> Wav2Vec2Model:
    """HuBERT without a head; `settings` as in `Wav2Vec2Config`."""
    return Wav2Vec2Model(Wav2Vec2Config(**settings))
