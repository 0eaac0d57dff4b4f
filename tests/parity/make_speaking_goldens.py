"""Writes tests/tables/speaking_goldens.json: what torchaudio computes for the models that speak, of weights and inputs made from integers.

Run where PyTorch and torchaudio (2.8, which has HiFi-GAN) are: ``PYTHONPATH=tests/tables python tests/parity/make_speaking_goldens.py``.
The tests beside the models repeat it with numzoo alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import speaking_reference
from integers import layout_digest
from sequences import summary
from speaking import CASES, Case

GOLDENS = Path(__file__).parents[1] / "tables" / "speaking_goldens.json"


def numbers(result: np.ndarray[Any, Any]) -> dict[str, Any]:
    """The shape of a result, its scale, and numbers from all over it."""
    values = [float(f"{value:.8g}") for value in result.ravel()[:: max(1, result.size // 24)]]
    return {"shape": list(result.shape), "scale": float(f"{np.abs(result).max():.8g}"), "values": values}


def golden(case: Case) -> dict[str, Any]:
    """The layout, the results of training and a summary of their gradients, and what the model says by itself."""
    model, shapes = speaking_reference.build(case)
    return {
        "layout_sha256": layout_digest(shapes),
        "results": [numbers(each.detach().numpy()) for each in speaking_reference.run(case, model)],
        "gradients": [
            [float(f"{number:.6g}") for number in row] for row in summary(speaking_reference.gradients(case, model))
        ],
        "alone": [numbers(each) for each in speaking_reference.infer(case, model)],
    }


if __name__ == "__main__":
    lines = ",\n".join(f"  {json.dumps(case.name)}: {json.dumps(golden(case))}" for case in CASES)
    GOLDENS.write_text("{\n" + lines + "\n}\n")
