"""Train a small convolutional network on MNIST from scratch with ``engine.train.fit``.

    python examples/train_mnist.py --epochs 3

The data set comes through the hub's verified download. Stopped by Ctrl-C, by kill -9 or by a power cut, the same command
goes on from its last checkpoint, to the same weights. docs/training.md has the figures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from numzoo import engine, hub
from numzoo.engine import optim, train
from numzoo.vision import transforms
from numzoo.vision.datasets import MNIST
from numzoo.vision.models import lenet

MEAN, STD = 0.1307, 0.3081  # of the training images


def arrays(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 1, 28, 28) with mean 0 and variance 1, and their digits."""
    digits = MNIST(split=split)
    return ((digits.images.astype(np.float32) / 255 - MEAN) / STD)[:, None], digits.labels


def main() -> None:
    parser = argparse.ArgumentParser(description="Train LeNet on MNIST.")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--out", type=Path, default=Path("mnist-run"))
    options = parser.parse_args()

    engine.manual_seed(0)
    model = lenet()
    optimizer = optim.SGD(model.parameters(), lr=options.lr, momentum=0.9, weight_decay=5e-4, nesterov=True)
    history = train.fit(
        model,
        arrays("train"),
        optimizer,
        batch_size=options.batch,
        epochs=options.epochs,
        validation=arrays("test"),
        metrics=[train.Accuracy()],
        schedule=lambda optimizer, steps: optim.OneCycleLR(optimizer, options.lr, steps),
        checkpoint=options.out,
        save_every=100,
        resume=True,
        log=options.out / "log.csv",
    )
    print(f"test accuracy {history[-1]['val_accuracy']:.4f}")
    preset = transforms.classification(resize=28, crop=28, mean=[MEAN], std=[STD])
    path = hub.save(
        model,
        options.out / "model.safetensors",
        builder="vision.models.lenet",
        config={"classes": 10},
        categories=MNIST.classes,
        transform=preset,
    )
    print(f"numzoo predict {path} IMAGE")


if __name__ == "__main__":
    main()
