"""VGGish: what is heard in a second, as 128 numbers.

Hershey, Chaudhuri, Ellis, Gemmeke, Jansen, Moore, Plakal, Platt, Saurous, Seybold, Slaney, Weiss, Wilson, "CNN Architectures for
Large-Scale Audio Classification" (arXiv:1609.09430): configuration A of VGG on log-mel spectrograms of 96 frames by 64 bands.
Parameter names are those of torchaudio's VGGish.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import Tensor, nn

__all__ = ["VGGish", "vggish"]

FRAMES, BANDS = 96, 64
WIDE = 4096
"""The width of the layers before the last."""


class VGGish(nn.Module):
    """Log-mel examples (batch, 1, 96, 64) to embeddings (batch, 128), none of them below 0."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        narrow = 1
        for wide, convolutions in ((64, 1), (128, 1), (256, 2), (512, 2)):
            for _ in range(convolutions):
                layers += [nn.Conv2d(narrow, wide, 3, padding=1), nn.ReLU()]
                narrow = wide
            layers.append(nn.MaxPool2d(2, 2))
        self.features_network = nn.Sequential(*layers)
        self.embedding_network = nn.Sequential(
            nn.Linear(512 * (FRAMES // 16) * (BANDS // 16), WIDE), nn.ReLU(), nn.Linear(WIDE, WIDE), nn.ReLU(),
            nn.Linear(WIDE, 128), nn.ReLU(),
        )  # fmt: skip

    def forward(self, examples: Any) -> Tensor:
        x = examples if isinstance(examples, Tensor) else Tensor(np.asarray(examples))
        if x.ndim != 4 or tuple(x.shape[1:]) != (1, FRAMES, BANDS):
            raise ValueError(f"vggish: wants examples (batch, 1, {FRAMES}, {BANDS}), not an array {tuple(x.shape)}")
        x = self.features_network(x)  # (batch, 512, 6, 4)
        return self.embedding_network(x.permute(0, 2, 3, 1).flatten(1))


def vggish() -> VGGish:
    """The published size, 72 million parameters."""
    return VGGish()
