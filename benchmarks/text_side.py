"""One side of the benchmark of texts: SIDE KIND TWEETS TOKENIZER WEIGHTS AMOUNT... The last line is a JSON object.

SmolLM2's weights are random ones on both sides: what they are does not change the time, and no end of a text comes.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

SIZES: dict[str, Any] = {
    "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
    "num_key_value_heads": 3, "tie_word_embeddings": True,
}  # fmt: skip


def read_tweets(path: str, count: int) -> list[str]:
    return [line.split("\t", 2)[2] for line in Path(path).read_text("utf-8").splitlines()[:count]]


def own_sentences(texts: list[str], tokenizer: str, weights: str, batch: int) -> Callable[[], Any]:
    from numzoo import hub

    pipe = hub.pipeline("minilm_l6", offline=True)
    pipe.encoder.size = batch
    return lambda: pipe(texts)


def peer_sentences(texts: list[str], tokenizer: str, weights: str, batch: int) -> Callable[[], Any]:
    """By sentence-transformers: the longest first, padded by the batch, the mean of the tokens, normalised."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, PreTrainedTokenizerFast

    sizes = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
    with tempfile.TemporaryDirectory() as folder:
        BertConfig(**sizes, architectures=["BertModel"]).save_pretrained(folder)
        names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        PreTrainedTokenizerFast(tokenizer_file=tokenizer, **names).save_pretrained(folder)
        (Path(folder) / "model.safetensors").symlink_to(weights)
        encoder = Transformer(folder, max_seq_length=256)
        model = SentenceTransformer(modules=[encoder, Pooling(384, "mean"), Normalize()], device="cpu")
    return lambda: model.encode(texts, batch_size=batch, show_progress_bar=False)


def own_tokens(prompt: Any, count: int) -> Callable[[], Any]:
    from numzoo import engine
    from numzoo.text import generation, models

    engine.manual_seed(0)
    model = models.llama_causal_lm(**SIZES).eval()
    model.requires_grad_(False)
    return lambda: generation.generate(model, prompt, longest=count)


def peer_tokens(prompt: Any, count: int) -> Callable[[], Any]:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    model = LlamaForCausalLM(LlamaConfig(**SIZES, attn_implementation="sdpa")).eval()
    tokens = torch.from_numpy(prompt)
    settings = {"do_sample": False, "use_cache": True, "pad_token_id": 0}
    return lambda: model.generate(
        tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=count, min_new_tokens=count, **settings
    )


def main() -> None:
    side, kind, tweets, tokenizer, weights, *amounts = sys.argv[1:]
    threads = int(os.environ["OMP_NUM_THREADS"])
    if side == "numzoo":
        from numzoo import engine

        engine.set_threads(threads)
    else:
        import torch
        from torchvision_import import torchvision

        with suppress(ImportError):
            torchvision()  # transformers imports it, where it is installed
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
    if kind == "sentences":
        make = own_sentences if side == "numzoo" else peer_sentences
        run = make(read_tweets(tweets, int(amounts[0])), tokenizer, weights, int(amounts[1]))
    else:
        prompt = np.random.default_rng(0).integers(0, SIZES["vocab_size"], (1, 16))
        run = (own_tokens if side == "numzoo" else peer_tokens)(prompt, int(amounts[0]))
    wall, busy = [], []
    for _ in range(3):
        start, work = time.perf_counter(), time.process_time()
        result = run()
        wall.append(time.perf_counter() - start)
        busy.append(time.process_time() - work)
    check = float(np.abs(np.asarray(result, np.float64)).sum()) if kind == "sentences" else 0.0
    print(json.dumps({"wall": min(wall), "cpu": min(busy), "check": check}))


if __name__ == "__main__":
    main()
