"""KMNIST: 70,000 cursive Japanese characters in MNIST's format. Clanuwat and others, arXiv:1812.01718."""

from __future__ import annotations

from typing import ClassVar

from .mnist import MNIST


class KMNIST(MNIST):
    """Hiragana, 28 x 28, grey, 60,000 in "train" and 10,000 in "test", in ten classes; all else is as in MNIST.

    A `folder` may keep them below KMNIST/raw, as torchvision does; the hub calls them "data:kmnist".
    """

    classes: ClassVar[tuple[str, ...]] = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
    resource: ClassVar[str] = "data:kmnist"
    packed: ClassVar[str] = ".gz"
