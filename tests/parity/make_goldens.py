"""Writes tests/vision/models/goldens.json: what torchvision computes for weights and images made from integers.

Run where PyTorch and torchvision are: ``python tests/parity/make_goldens.py``. The test beside the file repeats it
with numzoo alone.
"""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import torch

GOLDENS = Path(__file__).parent.parent / "vision" / "models" / "goldens.json"

formula = runpy.run_path(str(GOLDENS.parent / "conftest.py"))

library = torch.library.Library("torchvision", "DEF")
for operator in ("nms", "qnms"):  # torchvision declares these only with its compiled part, which no model needs
    library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import torchvision  # noqa: E402  (it looks for the operators above when imported)

# A small image keeps the test quick; these take no smaller one.
SIZES = {"lenet": 28, "inception_v3": 80, "maxvit_t": 224, "vit": 224}

# More parameters than this: names and counts only, since filling them takes longer than the test may.
LARGEST = 60_000_000
ALSO = ("alexnet", "vgg11_bn", "vit_b_32", "wide_resnet50_2")  # one each of the kinds that are all larger

GAINS = tuple(tenths / 10 for tenths in range(20, 7, -1))


def reference(name: str) -> torch.nn.Module:
    """torchvision's own model; for LeNet, which it lacks, the layers of `numzoo.vision.models.classic` in PyTorch."""
    if name == "lenet":
        return lenet()
    extra = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return torchvision.models.get_model(name, weights=None, **extra)


def lenet() -> torch.nn.Module:
    nn = torch.nn
    features = nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 48, 5, bias=False), nn.BatchNorm2d(48), nn.ReLU(), nn.MaxPool2d(2),
    )  # fmt: skip
    classifier = nn.Sequential(
        nn.Linear(1200, 120), nn.ReLU(), nn.Dropout(0.25), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)
    )

    class LeNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = features
            self.classifier = classifier

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.classifier(self.features(x).flatten(1))

    return LeNet()


class OnMeta(torch.overrides.TorchFunctionMode):
    """Parameters without memory, for models whose size alone is of interest."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if function is torch.empty:
            kwargs["device"] = "meta"
        return function(*args, **kwargs)


def golden(name: str) -> dict[str, Any]:
    with OnMeta():
        model = reference(name)
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    count = sum(parameter.numel() for parameter in model.parameters())
    result: dict[str, Any] = {
        "parameters": count,
        "entries": len(shapes),
        "layout_sha256": formula["layout_digest"](shapes),
    }
    if count > LARGEST and name not in ALSO:
        return result
    size = SIZES.get(name, SIZES.get(name.split("_")[0], 64))
    return result | {"size": size, **computed(name, shapes, size)}


def computed(name: str, shapes: dict[str, tuple[int, ...]], size: int) -> dict[str, Any]:
    """Logits under the first gain that makes a fair test: rounding does not matter, the image does.

    Deep networks of random weights may be chaotic (a rounding error grows until it decides) or dead (every image
    gives the same); both would make a golden worthless, so the same is computed in float64 and the images compared.
    """
    model = reference(name).eval()
    image = torch.from_numpy(formula["integer_image"](2, 1 if name == "lenet" else 3, size))
    for gain in GAINS:
        state = model.float().state_dict()
        state.update({key: torch.from_numpy(value) for key, value in formula["integer_weights"](shapes, gain).items()})
        model.load_state_dict(state)
        with torch.no_grad():
            single = model(image).double()
            logits = model.double()(image.double())
        scale = float(logits.abs().max())
        rounding = float((single - logits).abs().max()) / scale
        apart = float((logits[0] - logits[1]).abs().max()) / scale
        if rounding < 1e-5 and apart > 0.015 and 0.1 < scale < 1e5:
            print(
                f"{name:20} gain {gain:.2f}, scale {scale:.3g}, apart {apart:.3f}, rounding {rounding:.1e}", flush=True
            )
            rows = [[float(f"{value:.8g}") for value in row[:6]] for row in logits.tolist()]
            return {"gain": gain, "scale": float(f"{scale:.8g}"), "logits": rows}
    raise SystemExit(f"{name}: no gain gives a fair test")


def main() -> None:
    names = ["lenet", *torchvision.models.list_models(module=torchvision.models)]
    goldens = {name: golden(name) for name in sorted(names)}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in goldens.items())
    GOLDENS.write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
