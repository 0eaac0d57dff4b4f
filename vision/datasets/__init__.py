"""Datasets: facts about files, and readers that give (image, label).

Every dataset has a length, gives (image, label) by index, and takes a `transform` for the image; `labels` holds all
labels, `classes` their names. Without a folder the hub fetches, verifies and unpacks the files.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cifar import CIFAR10, CIFAR100
    from .class_folders import (
        Caltech101,
        Caltech256,
        Country211,
        EuroSAT,
        Imagenette,
        Imagenette160,
        Imagenette320,
        RenderedSST2,
    )
    from .coco import COCO
    from .digits import Digits
    from .emnist import EMNIST
    from .faces import FER2013, CelebA
    from .fashion_mnist import FashionMNIST
    from .flowers102 import Flowers102
    from .folder import ImageFolder
    from .gtsrb import GTSRB
    from .idx import read_idx
    from .imagenet import ImageNet
    from .kmnist import KMNIST
    from .listed import DTD, SUN397, FGVCAircraft, Food101, Omniglot
    from .mat import read_mat
    from .mnist import MNIST
    from .moving_mnist import MovingMNIST
    from .pets import OxfordIIITPet
    from .places365 import Places365
    from .qmnist import QMNIST
    from .semeion import Semeion
    from .stl10 import STL10
    from .svhn import SVHN
    from .usps import USPS
    from .voc import VOC

_HOMES = {
    "CIFAR10": "cifar",
    "CIFAR100": "cifar",
    "COCO": "coco",
    "Caltech101": "class_folders",
    "Caltech256": "class_folders",
    "CelebA": "faces",
    "Country211": "class_folders",
    "DTD": "listed",
    "Digits": "digits",
    "EMNIST": "emnist",
    "EuroSAT": "class_folders",
    "FER2013": "faces",
    "FGVCAircraft": "listed",
    "FashionMNIST": "fashion_mnist",
    "Flowers102": "flowers102",
    "Food101": "listed",
    "GTSRB": "gtsrb",
    "ImageFolder": "folder",
    "ImageNet": "imagenet",
    "Imagenette": "class_folders",
    "Imagenette160": "class_folders",
    "Imagenette320": "class_folders",
    "KMNIST": "kmnist",
    "MNIST": "mnist",
    "MovingMNIST": "moving_mnist",
    "Omniglot": "listed",
    "OxfordIIITPet": "pets",
    "Places365": "places365",
    "QMNIST": "qmnist",
    "RenderedSST2": "class_folders",
    "STL10": "stl10",
    "SUN397": "listed",
    "SVHN": "svhn",
    "Semeion": "semeion",
    "USPS": "usps",
    "VOC": "voc",
    "read_idx": "idx",
    "read_mat": "mat",
}

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "COCO",
    "DTD",
    "EMNIST",
    "FER2013",
    "GTSRB",
    "KMNIST",
    "MNIST",
    "QMNIST",
    "STL10",
    "SUN397",
    "SVHN",
    "USPS",
    "VOC",
    "Caltech101",
    "Caltech256",
    "CelebA",
    "Country211",
    "Digits",
    "EuroSAT",
    "FGVCAircraft",
    "FashionMNIST",
    "Flowers102",
    "Food101",
    "ImageFolder",
    "ImageNet",
    "Imagenette",
    "Imagenette160",
    "Imagenette320",
    "MovingMNIST",
    "Omniglot",
    "OxfordIIITPet",
    "Places365",
    "RenderedSST2",
    "Semeion",
    "read_idx",
    "read_mat",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
