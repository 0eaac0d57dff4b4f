"""A manifest of small random models of text, one for each task, that load and answer like large ones."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

from numzoo import engine
from numzoo.hub.checkpoint import write_safetensors
from numzoo.text import models

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] the a cat kitten dog sat on mat who where anna lives in paris . ?"
BERT = {
    "vocab_size": len(VOCABULARY.split()), "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 16, "max_position_embeddings": 24,
}  # fmt: skip
LLAMA = {
    "vocab_size": 257, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
    "max_position_embeddings": 512,
}  # fmt: skip
T5 = {
    "vocab_size": 211, "d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2, "relative_attention_max_distance": 32,
    "tie_word_embeddings": False,
}  # fmt: skip
TASKS = {"summarization": {"prefix": "summarize: ", "beams": 2, "longest": 4}}
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "minilm_l6": ("bert_sentence_encoder", "sentence-similarity", BERT),
    "judge": ("bert_sequence_classification", "text-classification", {**BERT, "classes": 2}),
    "namer": ("bert_token_classification", "token-classification", {**BERT, "classes": 2}),
    "filler": ("bert_masked_lm", "fill-mask", BERT),
    "answerer": ("bert_question_answering", "question-answering", BERT),
    "writer": ("llama_causal_lm", "text-generation", LLAMA),
    "smollm2_135m": ("llama_causal_lm", "text-generation", LLAMA),
    "rewriter": ("t5_text_to_text", "text-to-text", T5),
}
"""Model -> builder, task, settings."""


def write_manifest(folder: Path) -> Path:
    """Write the models, their vocabularies and a manifest that names them; only smollm2_135m knows conversations."""
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY.split()), encoding="utf-8")
    (folder / "vocab.json").write_text(json.dumps(_bytes()), encoding="utf-8")
    (folder / "spiece.model").write_bytes(sentencepiece_model())
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    template = "{% for message in messages %}<|im_start|>{% endfor %}"
    chat = {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "chat_template": template}
    (folder / "tokenizer_config.json").write_text(json.dumps(chat), encoding="utf-8")
    entries = {}
    for name, (builder, task, config) in MODELS.items():
        engine.manual_seed(1)
        state = getattr(models, builder)(**config).state_dict()
        write_safetensors(folder / f"{name}.safetensors", {key: value.numpy() for key, value in state.items()})
        beside = ["vocab.json", "merges.txt"] if config is LLAMA else ["spiece.model" if config is T5 else "vocab.txt"]
        beside += ["tokenizer_config.json"] if name == "smollm2_135m" else []
        entries[f"{name}.test"] = {
            "model": f"text.models.{builder}", "config": config, "task": task, "license": "MIT", "source": "https://example.org",
            "files": [_file(folder / f"{name}.safetensors", "safetensors"), *(_file(folder / each, "vocabulary") for each in beside)],
            **({"categories": ["O", "B-PER"]} if config.get("classes") else {}), **({"pipeline": {"tasks": TASKS}} if config is T5 else {}),
        }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps({"schema": 1, "models": entries}), encoding="utf-8")
    return folder / "manifest.json"


def sentencepiece_model() -> bytes:
    """A small unigram model that SentencePiece learnt."""
    goldens = Path(__file__).parents[1] / "text" / "pipelines" / "rewriting_goldens.json"
    return zlib.decompress(base64.b64decode(json.loads(goldens.read_text())["spiece"]))


def _bytes() -> dict[str, int]:
    """A vocabulary of the 256 bytes under their printable names, and the end of a text."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    table = {byte: chr(byte) for byte in plain} | {byte: chr(256 + place) for place, byte in enumerate(others)}
    return {table[byte]: byte for byte in range(256)} | {"<|endoftext|>": 256}


def _file(path: Path, format: str) -> dict[str, Any]:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"name": path.name, "sha256": digest, "format": format, "sources": [f"file:{path.name}"]}
