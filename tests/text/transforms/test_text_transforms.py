"""Tokens for training: padding, masked words by the published rule, blocks, and batches of like length through a loader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import data, nn, optim, train
from numzoo.text import models, tokenizers
from numzoo.text.errors import TokenizerError
from numzoo.text.transforms import Blocks, MaskWords, Pad, Tokenize

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "##s", "##er", "sat", "down", "."]
TEXT = "the cats sat down . the cater sat ."


@pytest.fixture
def tokenizer(tmp_path: Path) -> tokenizers.Tokenizer:
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    return tokenizers.load(tmp_path / "vocab.txt")


def test_a_batch_is_padded_and_says_where(tokenizer: tokenizers.Tokenizer) -> None:
    tokenize = Tokenize(tokenizer, longest=6)
    items = [(tokenize("the cat"), 1), (tokenize(("the cats sat", "down")), 0)]
    inputs, targets = Pad(tokenizer)(items)
    assert inputs["input_ids"].tolist() == [[2, 5, 6, 3, 0, 0], [2, 5, 6, 3, 10, 3]]
    assert inputs["attention_mask"].tolist() == [[1, 1, 1, 1, 0, 0], [1] * 6]
    assert inputs["token_type_ids"].tolist()[1] == [0, 0, 0, 0, 1, 1]
    assert targets.tolist() == [1, 0]
    left = Pad(tokenizer, side="left", multiple=4)([tokenize("the"), tokenize("the cat sat")])
    assert left["input_ids"].tolist() == [[0] * 5 + [2, 5, 3], [0, 0, 0, 2, 5, 6, 9, 3]]


def test_masked_words_follow_the_rule_of_eight_one_and_one(tokenizer: tokenizers.Tokenizer) -> None:
    mask = MaskWords(tokenizer)
    words = np.repeat(np.arange(50_000), 2)  # words of two tokens
    tokens = np.full(100_000, WORDS.index("cat"))
    made = mask.hide(tokens, words, np.random.default_rng(0))
    asked = made["labels"] != -100
    assert asked.mean() == pytest.approx(0.15, abs=0.005)
    assert (asked[::2] == asked[1::2]).all()  # a word is chosen as a whole
    assert (made["labels"][asked] == tokens[asked]).all()
    assert (made["input_ids"][~asked] == tokens[~asked]).all()
    found = made["input_ids"][asked]
    assert (found == 4).mean() == pytest.approx(0.8, abs=0.015)
    others = 1 - 1 / len(mask.ordinary)  # a random token may be the one that stood there
    assert ((found != 4) & (found != 6)).mean() == pytest.approx(0.1 * others, abs=0.01)
    assert set(found.tolist()) <= {4, *mask.ordinary.tolist()}


def test_words_are_masked_whole_and_special_tokens_never(tokenizer: tokenizers.Tokenizer) -> None:
    tokens = tokenizer(TEXT + " dog [SEP]").input_ids[0]
    pieces = [place for place, token in enumerate(tokens) if WORDS[token].startswith("##")]
    assert len(pieces) == 2
    split = False
    for seed in range(200):
        made = MaskWords(tokenizer, chance=0.3)(TEXT + " dog [SEP]", generator=np.random.default_rng(seed))
        asked = made["labels"] != -100
        assert asked.any()
        assert all(asked[place] == asked[place - 1] for place in pieces)
        assert not asked[np.isin(tokens, [1, 2, 3])].any()
        loose = MaskWords(tokenizer, chance=0.3, whole_words=False)(TEXT, generator=np.random.default_rng(seed))
        split = split or any(loose["labels"][place - 1] * loose["labels"][place] < 0 for place in pieces)
    assert split
    nothing = MaskWords(tokenizer)("", generator=np.random.default_rng(0))
    assert (nothing["input_ids"].tolist(), nothing["labels"].tolist()) == ([2, 3], [-100, -100])


class Masked(data.Dataset[Any]):
    """Texts, masked anew whenever they are read."""

    def __init__(self, tokenizer: tokenizers.Tokenizer, texts: list[str]) -> None:
        self.mask, self.texts = MaskWords(tokenizer), texts

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> Any:
        return self.mask(self.texts[index])


def test_a_loader_masks_anew_in_every_epoch_and_by_its_seed(tokenizer: tokenizers.Tokenizer) -> None:
    texts = [" ".join([TEXT] * (1 + place % 5)) for place in range(20)]
    lengths = [len(tokenizer.encode(text)) for text in texts]

    def loader(seed: int) -> data.DataLoader:
        sampler = data.LengthBatchSampler(lengths, 4, seed=seed)
        return data.DataLoader(Masked(tokenizer, texts), batch_sampler=sampler, collate_fn=Pad(tokenizer), seed=seed)

    def read(source: data.DataLoader) -> list[Any]:
        return [(batch["input_ids"].tolist(), batch["labels"].tolist()) for batch in source]

    once, again = loader(0), loader(0)
    first = read(once)
    assert first == read(again)
    assert len(first) == 5
    assert read(once) != first
    assert read(loader(1)) != first
    assert all(batch["attention_mask"].numpy().all() for batch in loader(0))  # all of one length, so nothing is padded


def test_a_masked_model_learns_what_stands_behind_the_masks(tokenizer: tokenizers.Tokenizer) -> None:
    texts = [TEXT] * 64
    engine.manual_seed(0)
    model = models.bert_masked_lm(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=16,
    )  # fmt: skip

    def compute(model: Any, batch: Any) -> Any:
        labels = batch.pop("labels")
        return nn.functional.cross_entropy(model(**batch).flatten(0, 1), labels.reshape(-1))

    loader = data.DataLoader(Masked(tokenizer, texts), 16, collate_fn=Pad(tokenizer), seed=0)
    optimizer = optim.AdamW(model.parameters(), lr=2e-2)
    history = train.fit(model, loader, optimizer, epochs=15, compute=compute, progress=False)
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]


def test_blocks_foretell_every_token_once() -> None:
    blocks = Blocks(list(range(11)), 3)
    assert len(blocks) == 3
    assert [(x.tolist(), y.tolist()) for x, y in (blocks[0], blocks[-1])] == [
        ([0, 1, 2], [1, 2, 3]),
        ([6, 7, 8], [7, 8, 9]),
    ]
    assert len(Blocks(np.arange(11, dtype=np.uint16), 3, step=1)) == 8
    assert len(Blocks(range(4), 3)) == 1
    with pytest.raises(IndexError, match="no block 3 among 3"):
        blocks[3]


REFUSED = {
    "no mask token": (lambda t: MaskWords(_without_mask(t)), TokenizerError, "no mask token"),
    "a chance of 1": (lambda t: MaskWords(t, chance=1.0), TokenizerError, "between 0 and 1"),
    "three texts": (lambda t: Tokenize(t)(("a", "b", "c")), TypeError, "a pair of strings"),
    "no arrays": (lambda t: Pad(t)([5]), data.DataError, "as Tokenize and MaskWords"),
    "a strange array": (lambda t: Pad(t)([{"input_ids": [1], "x": [1]}]), data.DataError, "these hold input_ids, x"),
    "unlike items": (lambda t: Pad(t)([{"input_ids": [1]}, {"input_ids": [1], "labels": [1]}]), data.DataError, "the same"),
    "no items": (lambda t: Pad(t)([]), data.DataError, "at least one"),
    "arrays of two lengths": (lambda t: Pad(t)([{"input_ids": [1, 2], "labels": [1]}]), data.DataError, r"labels of item 0"),
    "a third side": (lambda t: Pad(t, side="top"), data.DataError, "'left' or 'right'"),
    "a short text": (lambda t: Blocks([1, 2], 2), data.DataError, "no block of 2"),
    "no numbers": (lambda t: Blocks([0.5, 1], 1), data.DataError, "whole numbers"),
    "blocks of nothing": (lambda t: Blocks([1, 2], 0), data.DataError, "from 1"),
}  # fmt: skip


def _without_mask(tokenizer: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer(tokenizer.backend, special={"pad": "[PAD]"})


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_trained_on_is_refused(kind: str, tokenizer: tokenizers.Tokenizer) -> None:
    make, error, words = REFUSED[kind]
    with pytest.raises(error, match=words):
        make(tokenizer)
