"""Train a character LSTM on snippets of film reviews, and let it write: python examples/character_lstm.py

The text comes through the hub's verified download. Each of 32 streams reads its own stretch of it, 100 characters at a time, and
carries the LSTM's states along; the last twentieth of every stretch is held out. docs/character_lstm.md has a run's figures."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np

from numzoo import engine, hub
from numzoo.engine import nn, optim

STREAMS, STEPS, EPOCHS = 32, 100, 10


class CharacterLSTM(nn.Module):
    """Characters to the logits of those that follow, and the states to go on from."""

    def __init__(self, characters: int, width: int = 256) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, 64)
        self.lstm = nn.LSTM(64, width, num_layers=2, dropout=0.1)
        self.head = nn.Linear(width, characters)

    def forward(self, x: engine.Tensor, states: tuple[engine.Tensor, ...] | None = None) -> tuple[engine.Tensor, ...]:
        out, states = self.lstm(self.embedding(x), states)  # (steps, streams, width)
        return self.head(out), *(state.detach() for state in states)


def read() -> tuple[str, np.ndarray]:
    """The alphabet, and the snippets as places in it, a line each, without characters that hardly occur."""
    lines = hub.pull("data:vader/movieReviewSnippets_GroundTruth.txt").read_text("utf-8").splitlines()
    text = "\n".join(line.split("\t", 2)[2] for line in lines if line.count("\t") > 1)
    alphabet = "".join(sorted(character for character, count in Counter(text).items() if count >= 20))
    return alphabet, np.array([alphabet.index(character) for character in text if character in alphabet])


def write(model: CharacterLSTM, alphabet: str, length: int, temperature: float) -> None:
    """Print text drawn character by character, beginning on a new line."""
    generator, at, states = np.random.default_rng(0), alphabet.index("\n"), None
    with engine.no_grad():
        for _ in range(length):
            logits, *states = model(engine.tensor([[at]]), states)
            at = int(generator.choice(len(alphabet), p=(logits[0, 0].double() / temperature).softmax().numpy()))
            print(alphabet[at], end="")


def main() -> None:
    engine.manual_seed(0)
    alphabet, codes = read()
    rows = (len(codes) - 1) // STREAMS // STEPS
    kept, used = rows - rows // 20, rows * STREAMS * STEPS
    inputs, targets = (codes[i : i + used].reshape(STREAMS, rows, STEPS).transpose(1, 2, 0) for i in (0, 1))
    model = CharacterLSTM(len(alphabet))
    optimizer = optim.Adam(model.parameters())
    schedule = optim.OneCycleLR(optimizer, max_lr=4e-3, total_steps=EPOCHS * kept, pct_start=0.1)
    for epoch in range(EPOCHS):
        start, losses, states = time.process_time(), [], None
        for row in range(rows):
            model.train(row < kept)
            logits, *states = model(engine.tensor(inputs[row]), states)
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets[row].reshape(-1))
            losses.append(loss.item())
            if row < kept:
                optimizer.zero_grad()
                loss.backward()
                optim.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
        train, held, seconds = np.mean(losses[:kept]), np.mean(losses[kept:]), time.process_time() - start
        print(f"epoch {epoch + 1}: loss {train:.3f}, held out {held:.3f}, {seconds:.0f} s", flush=True)
    write(model.eval(), alphabet, 1000, 0.6)


if __name__ == "__main__":
    main()
