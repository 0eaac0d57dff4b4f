"""Fine-tune a sentence encoder to tell glad tweets from sad ones: python examples/finetune_sentences.py

VADER's tweets come with the mean of twenty people's scores; glad is above 0. Of tweets of the same words the first counts; then every
fifth is held out. First a ridge head on the encoder's vectors, then the whole encoder, beginning there. docs/text.md has the figures.
"""

from __future__ import annotations

import argparse
import re
from typing import Any

import numpy as np

from numzoo import engine, hub
from numzoo.engine import data, nn, optim, train
from numzoo.text.datasets import Vader
from numzoo.text.transforms import Pad, Tokenize


def ridge(vectors: np.ndarray, glad: np.ndarray, penalty: float = 1.0) -> tuple[np.ndarray, float]:
    """The weights and the bias that give +1 for glad and -1 for sad with the least squared error and the least weights."""
    x = np.hstack([vectors, np.ones((len(vectors), 1))]).astype(np.float64)
    found = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ (2.0 * glad - 1))
    return found[:-1], float(found[-1])


def compute(model: nn.ModuleDict, batch: Any) -> tuple[engine.Tensor, ...]:
    inputs, targets = batch
    logits = model["head"](model["encoder"](**inputs))  # (texts, width) to (texts, 2): how sad, how glad
    return nn.functional.cross_entropy(logits, targets), logits, targets


def loader(examples: list[Any], pad: Pad, shuffle: bool) -> data.DataLoader:
    sampler = data.LengthBatchSampler([len(inputs["input_ids"]) for inputs, _ in examples], 32, shuffle, seed=0)
    return data.DataLoader(examples, batch_sampler=sampler, collate_fn=pad)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="minilm_l6", help="an entry or a folder for sentence similarity")
    parser.add_argument("--folder", help="where tweets_GroundTruth.txt lies (else it is fetched)")
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    engine.manual_seed(0)
    tweets = Vader(options.folder, split="tweets") if options.folder else hub.load_data("vader", split="tweets")
    once = {re.sub(r"\W+", " ", text.lower()).strip(): (text, int(score > 0)) for text, score in reversed(list(tweets))}
    texts, glad = zip(*reversed(once.values()), strict=True)
    held, labels = np.arange(len(texts)) % 5 == 4, np.array(glad)
    pipe = hub.pipeline(options.model)
    vectors = pipe(texts)
    weight, bias = ridge(vectors[~held], labels[~held])
    right = ((vectors[held] @ weight + bias > 0) == labels[held]).mean()
    print(f"majority {max(labels[held].mean(), 1 - labels[held].mean()):.3f}, ridge head {right:.3f}", flush=True)

    encoder, head = hub.load(options.model), nn.Linear(len(weight), 2)
    with engine.no_grad():
        head.weight.copy_(engine.tensor(np.outer([-5, 5], weight).astype(np.float32)))
        head.bias.copy_(engine.tensor([-5 * bias, 5 * bias]))
    tokenize = Tokenize(pipe.tokenizer, longest=pipe.encoder.longest)
    examples = [(tokenize(text), label) for text, label in zip(texts, glad, strict=True)]
    parts = [[example for example, out in zip(examples, held, strict=True) if out == which] for which in (False, True)]
    model = nn.ModuleDict({"encoder": encoder, "head": head})
    groups = [{"params": encoder.parameters(), "lr": 1e-4}, {"params": head.parameters(), "lr": 1e-3}]
    history = train.fit(
        model, loader(parts[0], Pad(pipe.tokenizer), True), optim.AdamW(groups, weight_decay=0.01), epochs=options.epochs, compute=compute,
        validation=loader(parts[1], Pad(pipe.tokenizer), False), metrics=[train.Accuracy()], clip_norm=1.0,
        schedule=lambda optimizer, steps: optim.OneCycleLR(optimizer, [1e-4, 1e-3], steps, pct_start=0.1),
    )  # fmt: skip
    print(f"fine-tuned {history[-1]['val_accuracy']:.3f} after {options.epochs} epochs")


if __name__ == "__main__":
    main()
