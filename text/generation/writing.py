"""From a prompt to what follows it: greedy, sampled, or by beams; whole or as it comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.engine.random import default_generator
from numzoo.text.generation.beams import beam_search
from numzoo.text.generation.choice import Choice
from numzoo.text.generation.steps import Decoder, Step

__all__ = ["generate", "stream"]

Tokens = NDArray[np.int64]


def generate(
    model: Any,
    prompt: Any,
    *,
    longest: int = 20,
    mask: Any = None,
    ends: int | Iterable[int] = (),
    filler: int | None = None,
    beams: int = 1,
    length_penalty: float = 1.0,
    early: bool = False,
    seed: int | None = None,
    **choice: Any,
) -> Tokens:
    """The tokens that follow each prompt: (texts, length) to (texts, at most `longest`), int64.

    `model` is a decoder (with ``new_cache``) or a `Step`. `mask` is 0 at the padding of the prompts, on their left. A text is
    finished by a token of `ends`, which is given too, and filled up with `filler` (None: the first of `ends`, else 0). With
    `beams` above 1, the best of so many continuations is given (see `beam_search`). `choice` are the settings of `Choice`:
    sample, temperature, top_k, top_p, min_p, repetition_penalty, no_repeat, shortest; draws come from `seed`, or from engine.manual_seed's stream.
    """
    tokens, stops, fill = _checked(prompt, longest, ends, filler)
    chosen = Choice.of(choice)
    if beams > 1:
        if chosen.sample:
            raise ValueError("beams and sample=True do not go together here: beams=1 samples, sample=False searches")
        step = _step(model, mask)
        return beam_search(
            step, tokens, unpadded(tokens, mask), beams=beams, longest=longest, ends=stops, filler=fill,
            length_penalty=length_penalty, early=early, choice=chosen,
        )  # fmt: skip
    if beams != 1:
        raise ValueError(f"beams must be a whole number from 1, not {beams!r}")
    steps = list(stream(model, tokens, longest=longest, mask=mask, ends=stops, filler=fill, seed=seed, **choice))
    return np.stack(steps, axis=1) if steps else np.zeros((len(tokens), 0), np.int64)


def stream(
    model: Any,
    prompt: Any,
    *,
    longest: int = 20,
    mask: Any = None,
    ends: int | Iterable[int] = (),
    filler: int | None = None,
    seed: int | None = None,
    **choice: Any,
) -> Iterator[Tokens]:
    """The tokens that follow, a step at a time: arrays (texts,), as soon as each is known. Settings as in `generate`."""
    tokens, stops, fill = _checked(prompt, longest, ends, filler)
    chosen = Choice.of(choice)
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0):
        raise ValueError(f"seed must be a whole number from 0, not {seed!r}")
    random = default_generator().numpy if seed is None else np.random.default_rng(seed)
    step = _step(model, mask)
    seen, newest, done = unpadded(tokens, mask), tokens, np.zeros(len(tokens), bool)
    for made in range(longest):
        chosen_tokens = np.where(done, fill, chosen.next(step(newest), seen, random, made, stops))
        yield chosen_tokens
        done |= np.isin(chosen_tokens, list(stops))
        if done.all():
            return
        newest = chosen_tokens[:, None]
        seen = np.concatenate([seen, newest], axis=1)


def unpadded(tokens: Tokens, mask: Any) -> Tokens:
    """The tokens with padding replaced by the text's last one, so that no penalty counts padding as text."""
    if mask is None:
        return tokens
    return np.where(np.asarray(mask) != 0, tokens, tokens[:, -1:])


def _step(model: Any, mask: Any) -> Step:
    if hasattr(model, "new_cache"):
        return Decoder(model, None if mask is None else np.asarray(mask, np.int64))
    if mask is not None:
        raise ValueError("mask is for a model; a step of one's own knows its padding")
    step: Step = model
    return step


def _checked(
    prompt: Any, longest: int, ends: int | Iterable[int], filler: int | None
) -> tuple[Tokens, frozenset[int], int]:
    tokens = np.asarray(prompt)
    if tokens.ndim != 2 or not tokens.shape[1] or tokens.dtype.kind not in "iu":
        raise ValueError(
            f"a prompt is token numbers (texts, length), at least one each, not {tokens.dtype} {tokens.shape}"
        )
    if isinstance(longest, bool) or not isinstance(longest, (int, np.integer)) or longest < 1:
        raise ValueError(f"longest must be a number of tokens from 1, not {longest!r}")
    stops = [ends] if isinstance(ends, (int, np.integer)) else [int(end) for end in ends]
    fill = filler if filler is not None else (int(stops[0]) if stops else 0)
    return tokens.astype(np.int64), frozenset(int(stop) for stop in stops), int(fill)
