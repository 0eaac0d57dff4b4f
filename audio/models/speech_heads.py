"""What stands on wav2vec 2.0, HuBERT and WavLM: letters for every 20 ms (CTC), and classes for a whole sound.

Baevski et al., arXiv:2006.11477, section 3.2; Graves et al., "Connectionist Temporal Classification" (ICML 2006). Parameter
names are those of transformers' Wav2Vec2ForCTC, Wav2Vec2ForSequenceClassification and their twins of HuBERT and WavLM.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from numzoo.audio.models.wav2vec2 import Wav2Vec2Config, Wav2Vec2Model
from numzoo.audio.models.wavlm import WavLMConfig, WavLMModel
from numzoo.engine import Tensor, nn, ops
from numzoo.engine.nn import functional as F

__all__ = [
    "HubertForCTC",
    "HubertForSequenceClassification",
    "Wav2Vec2ForCTC",
    "Wav2Vec2ForSequenceClassification",
    "WavLMForCTC",
    "WavLMForSequenceClassification",
    "hubert_ctc",
    "hubert_sequence_classification",
    "wav2vec2_ctc",
    "wav2vec2_sequence_classification",
    "wavlm_ctc",
    "wavlm_sequence_classification",
]


class _Headed(nn.Module):
    """An encoder under the name that `encoder_name` gives it."""

    encoder_name: ClassVar[str] = "wav2vec2"
    encoder_class: ClassVar[type[Wav2Vec2Model]] = Wav2Vec2Model

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__()
        setattr(self, self.encoder_name, self.encoder_class(config))

    @property
    def base(self) -> Wav2Vec2Model:
        """The encoder."""
        model: Wav2Vec2Model = getattr(self, self.encoder_name)
        return model


class Wav2Vec2ForCTC(_Headed):
    """Logits of every token at every place: (batch, samples) to (batch, time, vocab_size).

    ``audio.decoding`` makes texts of them, ``nn.functional.ctc_loss`` trains them.
    """

    classifier_modules: ClassVar[tuple[str, ...]] = ("lm_head",)

    def __init__(self, config: Wav2Vec2Config, vocabulary: int) -> None:
        super().__init__(config)
        self.dropout = nn.Dropout(config.final_dropout)
        self.lm_head = nn.Linear(config.hidden_size, vocabulary)

    def forward(self, input_values: Any, attention_mask: Any = None) -> Tensor:
        return self.lm_head(self.dropout(self.base(input_values, attention_mask)))


class HubertForCTC(Wav2Vec2ForCTC):
    """The same on HuBERT."""

    encoder_name: ClassVar[str] = "hubert"


class WavLMForCTC(Wav2Vec2ForCTC):
    """The same on WavLM."""

    encoder_name: ClassVar[str] = "wavlm"
    encoder_class: ClassVar[type[Wav2Vec2Model]] = WavLMModel


class Wav2Vec2ForSequenceClassification(_Headed):
    """Logits for a whole sound: (batch, samples) to (batch, classes), from the mean over its places.

    With ``weighted`` the head hears all layers, each as loud as it has learnt (Yang et al., SUPERB, arXiv:2105.01051).
    """

    classifier_modules: ClassVar[tuple[str, ...]] = ("classifier",)

    def __init__(self, config: Wav2Vec2Config, classes: int, projected: int, *, weighted: bool) -> None:
        super().__init__(config)
        self.layer_weights: Any = None
        if weighted:
            layers = config.num_hidden_layers + 1
            self.layer_weights = nn.init.constant_(nn.Parameter.of(layers), 1 / layers)
        self.projector = nn.Linear(config.hidden_size, projected)
        self.classifier = nn.Linear(projected, classes)

    def forward(self, input_values: Any, attention_mask: Any = None) -> Tensor:
        states = self.base.states(input_values, attention_mask)
        x = states[-1]  # (batch, time, width)
        if self.layer_weights is not None:
            loudness = F.softmax(self.layer_weights, dim=0)
            x = (ops.stack(states, 1) * loudness[None, :, None, None]).sum(axis=1)
        x = self.projector(x)
        if attention_mask is None:
            return self.classifier(x.mean(axis=1))
        samples = input_values if isinstance(input_values, Tensor) else Tensor(np.asarray(input_values))
        there: Any = self.base.frames_there(attention_mask, samples, x.shape[1])
        there = there.to(dtype=x.dtype).unsqueeze(2)
        return self.classifier((x * there).sum(axis=1) / there.sum(axis=1))


class HubertForSequenceClassification(Wav2Vec2ForSequenceClassification):
    """The same on HuBERT."""

    encoder_name: ClassVar[str] = "hubert"


class WavLMForSequenceClassification(Wav2Vec2ForSequenceClassification):
    """The same on WavLM."""

    encoder_name: ClassVar[str] = "wavlm"
    encoder_class: ClassVar[type[Wav2Vec2Model]] = WavLMModel


def wav2vec2_ctc(*, vocab_size: int = 32, **settings: Any) -> Wav2Vec2ForCTC:
    """wav2vec 2.0 that writes down speech; `settings` as in `Wav2Vec2Config`."""
    return Wav2Vec2ForCTC(Wav2Vec2Config(**settings), vocab_size)


def hubert_ctc(*, vocab_size: int = 32, **settings: Any) -> HubertForCTC:
    """HuBERT that writes down speech."""
    return HubertForCTC(Wav2Vec2Config(**settings), vocab_size)


def wavlm_ctc(*, vocab_size: int = 32, **settings: Any) -> WavLMForCTC:
    """WavLM that writes down speech; `settings` as in `WavLMConfig`."""
    return WavLMForCTC(WavLMConfig(**settings), vocab_size)


def wav2vec2_sequence_classification(
    *, classes: int = 2, classifier_proj_size: int = 256, use_weighted_layer_sum: bool = False, **settings: Any
) -> Wav2Vec2ForSequenceClassification:
    """wav2vec 2.0 that classifies sounds: words, speakers, moods."""
    config = Wav2Vec2Config(**settings)
    return Wav2Vec2ForSequenceClassification(config, classes, classifier_proj_size, weighted=use_weighted_layer_sum)


def hubert_sequence_classification(
    *, classes: int = 2, classifier_proj_size: int = 256, use_weighted_layer_sum: bool = False, **settings: Any
) -> HubertForSequenceClassification:
    """HuBERT that classifies sounds."""
    config = Wav2Vec2Config(**settings)
    return HubertForSequenceClassification(config, classes, classifier_proj_size, weighted=use_weighted_layer_sum)


def wavlm_sequence_classification(
    *, classes: int = 2, classifier_proj_size: int = 256, use_weighted_layer_sum: bool = False, **settings: Any
) -> WavLMForSequenceClassification:
    """WavLM that classifies sounds; `settings` as in `WavLMConfig`."""
    config = WavLMConfig(**settings)
    return WavLMForSequenceClassification(config, classes, classifier_proj_size, weighted=use_weighted_layer_sum)
