"""Train LeNet on MNIST from scratch, and save it as a file that hub.load reads.

    python examples/train_lenet.py --epochs 12 --out lenet.safetensors

The data set comes through the hub's verified download. Seeds are fixed: the same machine gives the same weights. The file
inside the package, which ``hub.load("lenet")`` reads, was made by this script; docs/lenet.md has its figures.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np

from numzoo import engine, hub
from numzoo.vision.datasets import MNIST
from numzoo.vision.models import lenet

MEAN, STD = 0.1307, 0.3081  # of the training images


def shifted(images: np.ndarray, generator: np.random.Generator, reach: int = 2) -> np.ndarray:
    """Each image moved by up to ``reach`` pixels each way, zeros coming in."""
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach)))
    down, right = generator.integers(0, 2 * reach + 1, (2, len(images)))
    rows = down[:, None] + np.arange(28)
    columns = right[:, None] + np.arange(28)
    return padded[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]


def prepared(images: np.ndarray) -> engine.Tensor:
    """Pixels as (batch, 1, 28, 28) float32, with mean 0 and variance 1."""
    return engine.Tensor(((images.astype(np.float32) / 255 - MEAN) / STD)[:, None])


def accuracy(model: engine.nn.Module, data: MNIST) -> float:
    """The share of images whose likeliest digit is the right one."""
    model.eval()
    with engine.no_grad():
        hits = sum(
            int((model(prepared(data.images[i : i + 500])).argmax(1).numpy() == data.labels[i : i + 500]).sum())
            for i in range(0, len(data), 500)
        )
    return hits / len(data)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train LeNet on MNIST.")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.1, help="the peak learning rate; it rises, then falls to 0")
    parser.add_argument("--out", default="lenet.safetensors")
    options = parser.parse_args()

    engine.manual_seed(0)
    generator = np.random.default_rng(0)
    train, test = MNIST(split="train"), MNIST(split="test")
    model = lenet()
    optimizer = engine.optim.SGD(model.parameters(), lr=options.lr, momentum=0.9, weight_decay=5e-4, nesterov=True)
    batches = len(train) // options.batch
    for epoch in range(options.epochs):
        model.train()
        start, total, order = time.perf_counter(), 0.0, generator.permutation(len(train))
        for batch in range(batches):
            done = (epoch * batches + batch) / (options.epochs * batches)
            rate = options.lr * (done / 0.2 if done < 0.2 else 0.5 * (1 + math.cos(math.pi * (done - 0.2) / 0.8)))
            optimizer.param_groups[0]["lr"] = rate
            chosen = order[batch * options.batch : (batch + 1) * options.batch]
            logits = model(prepared(shifted(train.images[chosen], generator)))
            loss = engine.cross_entropy(logits, train.labels[chosen].astype(np.int64), label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        seconds = time.perf_counter() - start
        print(
            f"epoch {epoch + 1:2}: loss {total / batches:.4f}, test {accuracy(model, test):.4f}, {seconds:.0f} s",
            flush=True,
        )
    hub.save(model, options.out, builder="vision.models.lenet", config={"classes": 10})


if __name__ == "__main__":
    main()
