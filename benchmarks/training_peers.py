"""PyTorch's side of the training benchmark: SIDE MODEL BATCH PRECISION SECONDS."""

from __future__ import annotations

import os
import sys

import torch
from steps import measure
from torchvision_import import torchvision


def main() -> None:
    side, name, batch, precision, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], float(sys.argv[5])
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    model = torchvision().models.get_model(name, weights=None).train()
    size = 299 if name == "inception_v3" else 224
    images, labels = torch.randn(batch, 3, size, size), torch.randint(0, 1000, (batch,))
    if side == "channels_last":
        model, images = model.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()

    measure(step, seconds)


if __name__ == "__main__":
    main()
