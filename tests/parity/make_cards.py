"""Make parity cards with torchvision's own code: ``python tests/parity/make_cards.py MODEL CHECKPOINT``.

Prints the "parity" object of a manifest entry. CHECKPOINT is the file that the entry names; it is loaded by torch,
into torchvision's own model, so that the card owes nothing to the code it will judge. Needs the parity extra.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import reference
import torch

STAGES = {
    "alexnet": ["features.2", "features.5", "features.12"],
    "mobilenet_v2": [f"features.{index}" for index in (0, 1, 3, 6, 10, 13, 16, 17, 18)],
    "resnet": ["maxpool", "layer1", "layer2", "layer3", "layer4"],
}


def main(name: str, checkpoint: str) -> None:
    """Print the card of torchvision's model `name` with the weights in `checkpoint`."""
    model = reference.build(name).eval()
    model.load_state_dict(read(checkpoint))
    size = reference.image_size(name, small=False)
    shape = (1, 1 if name == "lenet" else 3, size, size)
    print(json.dumps(card(model, stages_of(name, model), shape)))


def read(checkpoint: str) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint, read by torch's or safetensors' own code."""
    if checkpoint.endswith(".safetensors"):
        from safetensors.torch import load_file

        return load_file(checkpoint)
    return torch.load(checkpoint, map_location="cpu", weights_only=True)


def stages_of(name: str, model: torch.nn.Module) -> list[str]:
    """The modules to sum: a family's list, or the model's direct children."""
    for family, stages in STAGES.items():
        if name.startswith(family):
            return stages
    return [child for child, _ in model.named_children()]


def card(model: torch.nn.Module, stages: list[str], shape: tuple[int, ...]) -> dict[str, Any]:
    """Run the model on the ramp and record the five largest logits and two sums of every stage."""
    sums: dict[str, list[float]] = {}
    modules = dict(model.named_modules())

    def recorder(stage: str) -> Any:
        def record(module: object, inputs: object, output: torch.Tensor) -> None:
            exact = output.double()
            sums[stage] = [round(float(exact.sum()), 6), round(float(exact.abs().sum()), 6)]

        return record

    for stage in stages:
        modules[stage].register_forward_hook(recorder(stage))
    with torch.no_grad():
        logits = model(ramp(shape))[0].double()
    values, classes = logits.topk(5)
    return {
        "input": "ramp-v1",
        "shape": list(shape),
        "top": [[int(index), round(float(value), 6)] for index, value in zip(classes, values, strict=True)],
        "stages": sums,
        "tolerance": {"f32": 1e-4},
        "made_with": f"torchvision {version('torchvision')}, torch {version('torch')}",
    }


def ramp(shape: tuple[int, ...]) -> torch.Tensor:
    """The definition of ramp-v1 once more, written apart from the package's own."""
    batch, channels, height, width = shape
    values = [
        ((37 * i + 101 * j + 211 * c + 53 * b) % 512 - 256) / 128
        for b in range(batch)
        for c in range(channels)
        for i in range(height)
        for j in range(width)
    ]
    return torch.tensor(values, dtype=torch.float32).reshape(shape)


def version(package: str) -> str:
    """The installed version of a package, without its build label."""
    from importlib.metadata import version as installed

    return installed(package).partition("+")[0]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python tests/parity/make_cards.py MODEL CHECKPOINT")
    main(*sys.argv[1:])
