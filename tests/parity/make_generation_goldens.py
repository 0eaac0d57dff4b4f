"""Writes tests/text/generation_goldens.json: the tokens that transformers generates with small models made from integers.

Run where PyTorch and transformers are: ``PYTHONPATH=tests/tables:tests/parity python tests/parity/make_generation_goldens.py``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import sequence_reference
import torch
from sequences import CASES

GOLDENS = Path(__file__).parents[1] / "text" / "generation_goldens.json"
LONGEST = 12

SETTINGS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("greedy", {}, {}),
    ("penalty", {"repetition_penalty": 1.3}, {"repetition_penalty": 1.3}),
    ("beams", {"beams": 4}, {"num_beams": 4}),
    ("short_beams", {"beams": 3, "length_penalty": 0.5}, {"num_beams": 3, "length_penalty": 0.5}),
    ("early_beams", {"beams": 4, "early": True}, {"num_beams": 4, "early_stopping": True}),
    ("penalised_beams", {"beams": 3, "repetition_penalty": 1.2}, {"num_beams": 3, "repetition_penalty": 1.2}),
]


def main() -> None:
    goldens = [golden for name in ("llama", "gpt2", "t5", "t5_gated") for golden in goldens_of(name)]
    GOLDENS.write_text("[\n" + ",\n".join(f"  {json.dumps(golden)}" for golden in goldens) + "\n]\n")


def goldens_of(model_name: str) -> list[dict[str, Any]]:
    """Texts in which tokens that come up end some, so that they end at different places."""
    (case,) = [case for case in CASES if case.name == model_name]
    model, _, _ = sequence_reference.build(case)
    answers = case.kind == "text to text"
    random = np.random.default_rng(0)
    goldens = []
    for trial in range(4 if model_name == "llama" else 2):
        prompt = random.integers(3, 200, (3, 7))
        mask = np.ones((3, 7), np.int64)
        mask[1, slice(4, None) if answers else slice(3)] = 0
        given = {
            "attention_mask": torch.from_numpy(mask),
            "max_new_tokens": LONGEST,
            "pad_token_id": 1,
            "do_sample": False,
            **({"decoder_start_token_id": 0} if answers else {}),
        }
        given_first = 1 if answers else 7
        with torch.no_grad():
            plain = model.generate(torch.from_numpy(prompt), **given, eos_token_id=210)[:, given_first:]
            ends = sorted({int(plain[0, 3 + trial]), int(plain[2, 8])}) if trial else [210]
            for name, ours, theirs in SETTINGS:
                tokens = model.generate(torch.from_numpy(prompt), **given, eos_token_id=ends, **theirs)[:, given_first:]
                goldens.append(
                    {"name": f"{model_name}_{name}_{trial}", "model": model_name, "prompt": prompt.tolist(), "mask": mask.tolist(),
                     "longest": LONGEST, "ends": ends, "settings": ours, "tokens": tokens.tolist()}
                )  # fmt: skip
    return goldens


if __name__ == "__main__":
    main()
