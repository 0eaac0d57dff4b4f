"""numzoo's side of the training benchmark: MODEL BATCH PRECISION SECONDS."""

from __future__ import annotations

import sys

import numpy as np
from steps import measure

from numzoo import engine
from numzoo.engine import optim
from numzoo.vision import models


def main() -> None:
    name, batch, precision, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
    model = getattr(models, name)().train()
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    side = 299 if name == "inception_v3" else 224
    images = engine.randn(batch, 3, side, side)
    labels = np.random.default_rng(0).integers(0, 1000, batch)

    def step() -> None:
        optimizer.zero_grad()
        with engine.precision(precision):
            loss = engine.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()

    measure(step, seconds)


if __name__ == "__main__":
    main()
