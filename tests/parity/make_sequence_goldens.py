"""Writes tests/tables/sequence_goldens.json: what transformers computes for weights and inputs made from integers.

Run where PyTorch, transformers and torchaudio are: ``PYTHONPATH=tests/tables python tests/parity/make_sequence_goldens.py``. The tests
beside the models repeat it with numzoo alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import sequence_reference
from integers import layout_digest
from sequences import CASES, Case, summary

GOLDENS = Path(__file__).parents[1] / "tables" / "sequence_goldens.json"


def golden(case: Case) -> dict[str, Any]:
    """Layout, and of each result its shape, its scale, and numbers from all over it; a summary of the gradients."""
    model, shapes, _ = sequence_reference.build(case)
    results = sequence_reference.run(case, model)
    return {
        "layout_sha256": layout_digest(shapes),
        "results": [
            {
                "shape": list(result.shape),
                "scale": float(f"{np.abs(result).max():.8g}"),
                "values": [float(f"{value:.8g}") for value in result.ravel()[:: max(1, result.size // 24)]],
            }
            for result in results
        ],
        "gradients": [
            [float(f"{number:.6g}") for number in row] for row in summary(sequence_reference.gradients(case, model))
        ],
    }


if __name__ == "__main__":
    lines = ",\n".join(f"  {json.dumps(case.name)}: {json.dumps(golden(case))}" for case in CASES)
    GOLDENS.write_text("{\n" + lines + "\n}\n")
