"""Train a network of one's own on Fashion-MNIST from scratch: a data set with random flips, averaged weights, early stopping.

python examples/train_fashion_mnist.py --epochs 10
python examples/train_fashion_mnist.py --folder ~/data        # files that are there already, in torchvision's layout or flat
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from numzoo import engine
from numzoo.engine import Tensor, data, nn, optim, train
from numzoo.vision.datasets import FashionMNIST

MEAN, STD = 0.2860, 0.3530  # of the training images


class Clothes(data.Dataset[tuple[np.ndarray, np.int64]]):
    """Fashion-MNIST as arrays, mirrored half of the time in training."""

    def __init__(self, split: str, folder: Path | None) -> None:
        source = FashionMNIST(folder, split)
        self.images = ((source.images.astype(np.float32) / 255 - MEAN) / STD)[:, None]
        self.labels, self.mirrored = source.labels, split == "train"

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.int64]:
        image = self.images[index]
        if (
            self.mirrored and data.sample_generator().random() < 0.5
        ):  # the same draw in every run, for any number of workers
            image = image[..., ::-1]
        return np.ascontiguousarray(image), self.labels[index]


class Network(nn.Module):
    """Three stages of two convolutions, and one layer for the classes."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for into, out in ((1, width), (width, 2 * width), (2 * width, 4 * width)):
            for channels in (into, out):
                stages += [nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
            stages.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*stages)
        self.head = nn.Linear(4 * width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Train on Fashion-MNIST.")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("fashion-run"))
    options = parser.parse_args()

    engine.manual_seed(0)
    model = Network()
    history = train.fit(
        model, data.DataLoader(Clothes("train", options.folder), 128, shuffle=True), optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05),
        epochs=options.epochs, validation=data.DataLoader(Clothes("test", options.folder), 500), metrics=[train.Accuracy(), train.F1(10)],
        schedule=lambda optimizer, steps: optim.OneCycleLR(optimizer, 2e-3, steps), ema=0.998, monitor="val_accuracy", patience=3,
        checkpoint=options.out, resume=True, log=options.out / "log.csv",
    )  # fmt: skip
    print(history.best("val_accuracy", "max"))


if __name__ == "__main__":
    main()
