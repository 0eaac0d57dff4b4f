"""Fine-tune a sentence encoder to tell glad tweets from sad ones: python examples/finetune_sentences.py

The 4,200 tweets of VADER come with the mean of twenty people's scores; glad is above 0. Every fifth tweet is held out. First a ridge
head on the encoder's vectors as they are, then the whole encoder, beginning with that head. docs/text.md has the figures.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from numzoo import engine, hub
from numzoo.engine import data, nn, optim, train
from numzoo.text.datasets import Vader
from numzoo.text.pipelines import SentenceSimilarity
from numzoo.text.transforms import Pad, Tokenize


class Judge(nn.Module):
    """A sentence encoder and a linear head: how sad, how glad."""

    def __init__(self, encoder: nn.Module, width: int) -> None:
        super().__init__()
        self.encoder, self.head = encoder, nn.Linear(width, 2)

    def forward(self, **inputs: Any) -> engine.Tensor:
        return self.head(self.encoder(**inputs))  # (texts, width) to (texts, 2)


def ridge(vectors: np.ndarray, glad: np.ndarray, penalty: float = 1.0) -> tuple[np.ndarray, float]:
    """The weights and the bias that give +1 for glad and -1 for sad with the least squared error and the least weights."""
    x = np.hstack([vectors, np.ones((len(vectors), 1))]).astype(np.float64)
    found = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ (2.0 * glad - 1))
    return found[:-1], float(found[-1])


def compute(model: Judge, batch: Any) -> tuple[engine.Tensor, ...]:
    inputs, targets = batch
    logits = model(**inputs)
    return nn.functional.cross_entropy(logits, targets), logits, targets


def main() -> None:
    parser = argparse.ArgumentParser(description="Fine-tune a sentence encoder on scored tweets.")
    parser.add_argument("--model", default="minilm_l6", help="an entry or a folder for sentence similarity")
    parser.add_argument("--folder", help="where tweets_GroundTruth.txt lies (else it is fetched)")
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    engine.manual_seed(0)
    tweets = Vader(options.folder, split="tweets") if options.folder else hub.load_data("vader", split="tweets")
    texts, glad = zip(*((text, int(score > 0)) for text, score in tweets), strict=True)
    pipe: SentenceSimilarity = hub.pipeline(options.model)
    held, labels = np.arange(len(texts)) % 5 == 4, np.array(glad)

    vectors = pipe(texts)
    weight, bias = ridge(vectors[~held], labels[~held])
    right = ((vectors[held] @ weight + bias > 0) == labels[held]).mean()
    print(f"majority {max(labels[held].mean(), 1 - labels[held].mean()):.3f}, ridge head {right:.3f}", flush=True)

    model = Judge(hub.load(options.model), len(weight))
    with engine.no_grad():
        model.head.weight.copy_(engine.tensor(np.outer([-5, 5], weight).astype(np.float32)))
        model.head.bias.copy_(engine.tensor([-5 * bias, 5 * bias]))
    tokenize = Tokenize(pipe.tokenizer, longest=pipe.encoder.longest)
    examples = [(tokenize(text), label) for text, label in zip(texts, glad, strict=True)]
    parts = [[example for example, out in zip(examples, held, strict=True) if out == which] for which in (False, True)]
    lengths = [[len(item["input_ids"]) for item, _ in part] for part in parts]
    samplers = [data.LengthBatchSampler(each, 32, shuffle=i == 0, seed=0) for i, each in enumerate(lengths)]
    loaders = [data.DataLoader(part, batch_sampler=sampler, collate_fn=Pad(pipe.tokenizer)) for part, sampler in zip(parts, samplers, strict=True)]  # fmt: skip
    groups = [{"params": model.encoder.parameters(), "lr": 1e-4}, {"params": model.head.parameters(), "lr": 1e-3}]
    history = train.fit(
        model, loaders[0], optim.AdamW(groups, weight_decay=0.01), epochs=options.epochs, validation=loaders[1], compute=compute, clip_norm=1.0,
        metrics=[train.Accuracy()], schedule=lambda optimizer, steps: optim.OneCycleLR(optimizer, [1e-4, 1e-3], steps, pct_start=0.1),
    )  # fmt: skip
    print(f"fine-tuned {history[-1]['val_accuracy']:.3f} after {options.epochs} epochs")


if __name__ == "__main__":
    main()
