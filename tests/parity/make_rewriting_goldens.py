"""Writes tests/text/pipelines/rewriting_goldens.json: a small model of SentencePiece, and what transformers' T5 answers with it.

Run where PyTorch, transformers and sentencepiece are:
``PYTHONPATH=tests/tables:tests/parity python tests/parity/make_rewriting_goldens.py``.
"""

from __future__ import annotations

import base64
import io
import json
import tempfile
import zlib
from pathlib import Path
from typing import Any

import sentencepiece
import sequence_reference
import torch
from sequences import CASES
from transformers import T5Tokenizer

GOLDENS = Path(__file__).parents[1] / "text" / "pipelines" / "rewriting_goldens.json"
LEARNT = """The house is small. The cat sat on the mat and looked at the garden. A dog ran across the street.
She reads a book every evening. He writes letters to his friends in the city. We went to the market to buy bread.
It rains today, so the children play inside the house. The train leaves at seven o'clock in the morning.
translate English to German: The house is small. summarize: the long story of a small cat.
What is the capital of France? Paris is the capital of France. Berlin is the capital of Germany."""
TEXTS = [
    "translate English to German: The house is small.",
    "summarize: The cat sat on the mat, and the dog ran across the street to the market; it rains in Berlin today.",
    "Paris  is <extra_id_0> of   France!",
    "A",
]
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "greedy": ({"longest": 14}, {"max_new_tokens": 14}),
    "beams": ({"longest": 14, "beams": 4}, {"max_new_tokens": 14, "num_beams": 4}),
    "a translation": ({"longest": 9, "beams": 4, "early": True}, {"max_length": 10, "num_beams": 4, "early_stopping": True}),
    "a summary": (
        {"longest": 19, "shortest": 7, "beams": 4, "early": True, "length_penalty": 2.0, "no_repeat": 3},
        {"max_length": 20, "min_length": 8, "num_beams": 4, "early_stopping": True, "length_penalty": 2.0, "no_repeat_ngram_size": 3},
    ),
    "no word twice": ({"longest": 14, "no_repeat": 1}, {"max_new_tokens": 14, "no_repeat_ngram_size": 1}),
    "no pair twice": ({"longest": 14, "no_repeat": 2}, {"max_new_tokens": 14, "no_repeat_ngram_size": 2}),
}  # fmt: skip


def main() -> None:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LEARNT.splitlines() * 20), model_writer=model, vocab_size=100, model_type="unigram", pad_id=0, eos_id=1, unk_id=2,
        bos_id=-1, hard_vocab_limit=False, normalization_rule_name="identity", minloglevel=2,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "spiece.model").write_bytes(model.getvalue())
        tokenizer = T5Tokenizer.from_pretrained(folder)
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    answers = []
    for name in ("t5", "t5_gated"):
        (case,) = [case for case in CASES if case.name == name]
        reference, _, _ = sequence_reference.build(case)
        for kind, (ours, theirs) in SETTINGS.items():
            with torch.no_grad():
                found = reference.generate(
                    **batch, **theirs, do_sample=False, decoder_start_token_id=0, pad_token_id=0, eos_token_id=1
                )
            rows = [[token for token in row if token >= 0] for row in found[:, 1:].tolist()]
            tokens = [row[: row.index(1)] if 1 in row else row for row in rows]
            texts = [tokenizer.decode(row, skip_special_tokens=True) for row in tokens]
            answers.append({"model": name, "kind": kind, "settings": ours, "tokens": tokens, "answers": texts})
    document = {
        "spiece": base64.b64encode(zlib.compress(model.getvalue(), 9)).decode(),
        "texts": TEXTS,
        "sources": [[int(token) for token in tokenizer(text).input_ids] for text in TEXTS],
        "answers": answers,
    }
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in document.items() if name != "answers"]
    rows = ",\n".join(f"    {json.dumps(answer)}" for answer in answers)
    GOLDENS.write_text("{\n" + ",\n".join(lines) + ',\n  "answers": [\n' + rows + "\n  ]\n}\n")


if __name__ == "__main__":
    main()
