"""The GE2E speaker encoder: who speaks, as 256 numbers.

Wan, Wang, Papir, Moreno, "Generalized End-to-End Loss for Speaker Verification" (arXiv:1710.10467). Parameter names are
those of the Resemblyzer checkpoint.
"""

from __future__ import annotations

from numzoo.engine import Tensor, nn
from numzoo.engine.nn import functional as F

__all__ = ["SpeakerEncoder", "speaker_encoder"]


class SpeakerEncoder(nn.Module):
    """Mel spectrograms (batch, frames, 40) to embeddings (batch, 256) of length 1, no number below 0.

    The spectrograms are power, not its logarithm: 40 mel bands of 16 kHz sound, windows of 25 ms every 10 ms; the
    encoder was trained on 160 frames. The cosine of two embeddings is high for one speaker.
    """

    def __init__(self, *, bands: int = 40, width: int = 256, layers: int = 3) -> None:
        super().__init__()
        self.lstm = nn.LSTM(bands, width, layers, batch_first=True)
        self.linear = nn.Linear(width, width)
        # The scale and shift of cosines in the training loss (the paper's w and b); not used to embed.
        self.similarity_weight = nn.Parameter.of(1)
        self.similarity_bias = nn.Parameter.of(1)

    def forward(self, mels: Tensor) -> Tensor:
        _, (hidden, _) = self.lstm(mels)
        return F.normalize(F.relu(self.linear(hidden[-1])), dim=1)  # (batch, width)


def speaker_encoder(*, bands: int = 40, width: int = 256, layers: int = 3) -> SpeakerEncoder:
    """Three layers of LSTM and one linear, 1.4 million parameters (arXiv:1710.10467)."""
    return SpeakerEncoder(bands=bands, width=width, layers=layers)
