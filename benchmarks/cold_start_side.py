"""One side of the cold-start benchmark: SIDE WEIGHTS PHOTOGRAPH."""

from __future__ import annotations

import sys


def numzoo(photograph: str) -> str:
    from numzoo import hub

    return str(hub.pipeline("mobilenet_v2")(photograph)[0])


def pytorch(weights: str, photograph: str) -> str:
    import torch
    from PIL import Image
    from torchvision_import import torchvision

    models = torchvision().models
    model = models.mobilenet_v2(weights=None).eval()
    model.load_state_dict(torch.load(weights, weights_only=True))
    choice = models.MobileNet_V2_Weights.IMAGENET1K_V1
    with torch.no_grad():
        probabilities = model(choice.transforms()(Image.open(photograph).convert("RGB"))[None]).softmax(1)[0]
    best = int(probabilities.argmax())
    return str((choice.meta["categories"][best], float(probabilities[best])))


if __name__ == "__main__":
    side, weights, photograph = sys.argv[1:]
    print(numzoo(photograph) if side == "numzoo" else pytorch(weights, photograph))
