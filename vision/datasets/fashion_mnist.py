"""Fashion-MNIST: 70,000 photographs of clothes in MNIST's format. Xiao, Rasul, Vollgraf, arXiv:1708.07747."""

from __future__ import annotations

from typing import ClassVar

from .mnist import MNIST


class FashionMNIST(MNIST):
    """Clothes, 28 x 28, grey, 60,000 in "train" and 10,000 in "test", in ten classes; all else is as in MNIST.

    A `folder` may keep them below FashionMNIST/raw, as torchvision does; the hub calls them "data:fashion-mnist".
    """

    classes: ClassVar[tuple[str, ...]] = (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    )  # fmt: skip
    resource: ClassVar[str] = "data:fashion-mnist"
    packed: ClassVar[str] = ".gz"
