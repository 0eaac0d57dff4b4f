"""Train a small GPT on snippets of film reviews, and let it write: python examples/train_small_gpt.py

The text comes through the hub's verified download; its vocabulary of 2,000 pieces is learnt from it. Every twentieth snippet is held
out. docs/text.md has a run's loss curve.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, trainers

from numzoo import engine, hub
from numzoo.engine import data, nn, optim, train
from numzoo.text import generation
from numzoo.text.datasets import Vader
from numzoo.text.models import gpt2_causal_lm
from numzoo.text.tokenizers import Tokenizer
from numzoo.text.transforms import Blocks

END = "<|endoftext|>"


def learn_vocabulary(texts: list[str], size: int) -> Tokenizer:
    """Pairs of bytes that come often become pieces, and pairs of these (Sennrich et al., arXiv:1508.07909)."""
    backend = Backend(models.BPE())
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=size, special_tokens=[END], initial_alphabet=alphabet, show_progress=False))  # fmt: skip
    return Tokenizer(backend, special={"eos": END, "pad": END})


def compute(model: nn.Module, batch: Any) -> engine.Tensor:
    inputs, targets = batch
    return nn.functional.cross_entropy(model(inputs).flatten(0, 1), targets.reshape(-1))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", help="where movieReviewSnippets_GroundTruth.txt lies (else it is fetched)")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--length", type=int, default=128, help="tokens that the model sees at once")
    parser.add_argument("--vocabulary", type=int, default=2000)
    options = parser.parse_args()
    engine.manual_seed(0)
    source = Vader(options.folder, split="movies") if options.folder else hub.load_data("vader", split="movies")
    snippets = [text for text, _ in source]
    parts = [[text for place, text in enumerate(snippets) if (place % 20 == 19) == held] for held in (False, True)]
    tokenizer = learn_vocabulary(parts[0], options.vocabulary)
    training, held_out = (Blocks(tokenizer.encode(END.join(part) + END), options.length) for part in parts)
    letters = sum(len(text) + 1 for text in parts[1]) / len(held_out.tokens)
    print(f"{len(training.tokens):,} tokens, {len(held_out.tokens):,} held out, {letters:.2f} characters each")

    model = gpt2_causal_lm(
        vocab_size=len(tokenizer), n_positions=options.length, n_embd=options.width, n_layer=4, n_head=6
    )
    decayed = [p for p in model.parameters() if p.ndim > 1]
    groups = [
        {"params": decayed, "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    history = train.fit(
        model, data.DataLoader(training, 16, shuffle=True, seed=0), optim.AdamW(groups, lr=2e-3, betas=(0.9, 0.95)), epochs=options.epochs, compute=compute,
        validation=data.DataLoader(held_out, 16), clip_norm=1.0, schedule=lambda optimizer, steps: optim.OneCycleLR(optimizer, 2e-3, steps, pct_start=0.1),
    )  # fmt: skip
    final = history[-1]["val_loss"]
    print(f"held out: {final:.3f} nats a token, {final / letters:.3f} a character; perplexity {np.exp(final):.1f}")
    found = generation.generate(model.eval(), [tokenizer.encode(END)] * 5, longest=min(60, options.length - 1), ends=tokenizer.number("eos"),
                                sample=True, temperature=0.8, top_p=0.9, seed=0)  # fmt: skip
    for row in found:
        print("-", tokenizer.decode(row))


if __name__ == "__main__":
    main()
