"""Writes tests/vision/models/goldens.json: what torchvision computes for weights and images made from integers.

Run where PyTorch and torchvision are: ``python tests/parity/make_goldens.py``. The test beside the file repeats it
with numzoo alone.
"""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import reference
import torch

GOLDENS = Path(__file__).parent.parent / "vision" / "models" / "goldens.json"

formula = runpy.run_path(str(GOLDENS.parents[2] / "tables" / "integers.py"))

# More parameters than this: names and counts only, since filling them takes longer than the test may.
LARGEST = 60_000_000
ALSO = ("alexnet", "vgg11_bn", "vit_b_32", "wide_resnet50_2")  # one each of the kinds that are all larger

GAINS = tuple(tenths / 10 for tenths in range(20, 7, -1))


def main() -> None:
    goldens = {name: golden(name) for name in reference.names()}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in goldens.items())
    GOLDENS.write_text("{\n" + lines + "\n}\n")


def golden(name: str) -> dict[str, Any]:
    """Count, layout and, unless the model is too large, the first logits."""
    model = reference.build(name, empty=True)
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    count = sum(parameter.numel() for parameter in model.parameters())
    result = {"parameters": count, "entries": len(shapes), "layout_sha256": formula["layout_digest"](shapes)}
    if count > LARGEST and name not in ALSO:
        return result
    return result | computed(name, shapes)


def computed(name: str, shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """Logits under the first gain that makes a fair test: rounding does not matter, the image does.

    Deep networks of random weights may be chaotic (a rounding error grows until it decides) or dead (every image
    gives the same); both would make a golden worthless, so the same is computed in float64 and the images compared.
    """
    model = reference.build(name).eval()
    size = reference.image_size(name, small=True)
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
            print(f"{name:20} gain {gain}, scale {scale:.3g}, apart {apart:.3f}, rounding {rounding:.1e}", flush=True)
            rows = [[float(f"{value:.8g}") for value in row[:6]] for row in logits.tolist()]
            return {"size": size, "gain": gain, "scale": float(f"{scale:.8g}"), "logits": rows}
    raise SystemExit(f"{name}: no gain gives a fair test")


if __name__ == "__main__":
    main()
