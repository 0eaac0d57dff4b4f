"""Whisper's encoder below a head that names what is heard: words, speakers, noises.

The head is that of transformers' WhisperForAudioClassification, the encoder's names are the authors'.
"""

from __future__ import annotations

from typing import Any, ClassVar

from numzoo.audio.models.openai_whisper import AudioEncoder, WhisperConfig, as_tensor, config_of
from numzoo.engine import Tensor, nn

__all__ = ["WhisperForAudioClassification", "whisper_classification"]


class WhisperForAudioClassification(nn.Module):
    """Log-mel spectrograms (batch, n_mels, frames) to logits (batch, classes), from the mean over the places.

    It was trained on sounds of `seconds`; a hundred frames are a second.
    """

    classifier_modules: ClassVar[tuple[str, ...]] = ("classifier",)

    def __init__(self, config: WhisperConfig, classes: int, projected: int, seconds: float) -> None:
        super().__init__()
        if not 0.1 <= seconds <= config.n_audio_ctx / 50:
            raise ValueError(f"whisper: hears 0.1 to {config.n_audio_ctx / 50:g} seconds at a time, not {seconds!r}")
        self.config, self.seconds = config, float(seconds)
        self.encoder = AudioEncoder(config)
        self.projector = nn.Linear(config.n_audio_state, projected)
        self.classifier = nn.Linear(projected, classes)

    def forward(self, mel: Any) -> Tensor:
        return self.classifier(self.projector(self.encoder(as_tensor(mel))).mean(axis=1))


def whisper_classification(
    *, classes: int = 2, projected: int = 256, seconds: float = 30.0, size: str | None = None, **dims: int
) -> WhisperForAudioClassification:
    """Whisper's encoder that classifies sounds of `seconds`; `size` and ``dims`` as in `whisper`."""
    return WhisperForAudioClassification(config_of(size, **dims), classes, projected, seconds)
