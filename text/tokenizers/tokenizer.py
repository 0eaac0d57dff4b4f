"""The tokenizer: numbers for texts, texts for numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from numzoo.text.errors import TokenizerError
from numzoo.text.tokenizers.batch import Batch
from numzoo.text.tokenizers.chat import Message, chat_format

__all__ = ["Tokenizer"]

Side = Literal["left", "right"]

_ROLES = ("pad", "bos", "eos", "unk", "cls", "sep", "mask")


class Tokenizer:
    """A vocabulary and how texts are cut into it; `Tokenizer(...)` wraps what the `tokenizers` library has made.

    `special` gives the tokens with a role: "pad", "bos", "eos", "unk", "cls", "sep", "mask". `longest` is how many tokens the
    model takes at most, where that is known; `side` is where padding goes. `template` is the chat template that came with
    the files: it is a program of somebody else's, so it is not run, only recognised.
    """

    def __init__(
        self,
        backend: Any,
        *,
        special: Mapping[str, str] | None = None,
        longest: int | None = None,
        side: Side = "right",
        template: str | None = None,
    ) -> None:
        unknown = set(special or ()) - set(_ROLES)
        if unknown:
            raise TokenizerError(f"A special token is one of {', '.join(_ROLES)}, not {unknown.pop()!r}.")
        self.backend, self.longest, self.side, self.template = backend, longest, _side(side), template
        self.special = dict(special or {})
        for role, token in self.special.items():
            if backend.token_to_id(token) is None:
                raise TokenizerError(f"The {role} token {token!r} is not in the vocabulary of {len(self)} tokens.")

    def __len__(self) -> int:
        return int(self.backend.get_vocab_size(with_added_tokens=True))

    def __repr__(self) -> str:
        kind = type(self.backend.model).__name__
        return f"Tokenizer({kind}, {len(self)} tokens, special={self.special})"

    def __call__(
        self,
        texts: str | Sequence[str],
        pairs: str | Sequence[str] | None = None,
        *,
        special: bool = True,
        padding: bool | int = True,
        truncation: bool | int = False,
        side: Side | None = None,
    ) -> Batch:
        """Tokenise texts, or texts with a second one each, such as a question and where its answer stands.

        ``special`` adds what the model wants around a text. ``padding`` fills up to the longest of the batch, or to a length;
        ``truncation`` cuts to a length, or (True) to what the model takes, the longer of a pair first. ``side`` is where
        padding goes ("left" for generation).
        """
        first = self._texts(texts, "texts")
        second = None if pairs is None else self._texts(pairs, "pairs")
        if second is not None and len(second) != len(first):
            raise TokenizerError(f"{len(first)} texts were given with {len(second)} second ones.")
        limit = self._limit(truncation)
        if limit is None:
            self.backend.no_truncation()
        else:
            self.backend.enable_truncation(max_length=limit)
        self.backend.no_padding()
        given: Any = first if second is None else list(zip(first, second, strict=True))
        try:
            found = self.backend.encode_batch(given, add_special_tokens=special)
        except Exception as error:  # the library's own errors have no class but Exception
            _check_characters([first, second or []])
            raise TokenizerError(f"The texts could not be tokenised: {error}") from error
        return self._batch(found, padding, side)

    def encode(self, text: str, *, special: bool = True) -> list[int]:
        """The token numbers of one text."""
        return [int(number) for number in self(text, special=special, padding=False).input_ids[0]]

    def decode(self, numbers: Iterable[int], *, skip_special: bool = True) -> str:
        """The text of token numbers; ``skip_special`` leaves out tokens that stand for no text."""
        ids = [int(number) for number in np.asarray(list(numbers)).ravel()]
        wrong = next((number for number in ids if not 0 <= number < len(self)), None)
        if wrong is not None:
            raise TokenizerError(f"Token numbers run from 0 to {len(self) - 1}, but {wrong} was given.")
        return str(self.backend.decode(ids, skip_special_tokens=skip_special))

    def number(self, token: str) -> int:
        """The number of a token, or of one that has a role ("eos")."""
        found = self.backend.token_to_id(self.special.get(token, token))
        if found is None:
            roles = f"; it has {', '.join(self.special)}" if token in _ROLES else ""
            raise TokenizerError(f"The vocabulary of {len(self)} tokens has no {token!r}{roles}.")
        return int(found)

    def token(self, number: int) -> str:
        """The token of a number."""
        found = self.backend.id_to_token(int(number))
        if found is None:
            raise TokenizerError(f"Token numbers run from 0 to {len(self) - 1}, but {number} was given.")
        return str(found)

    def chat(self, messages: Sequence[Message], *, answer: bool = True) -> str:
        """A conversation as the text that the model was trained on; ``answer`` ends it where the model is to go on.

        Each message is ``{"role": "system" | "user" | "assistant", "content": text}``. Raises TokenizerError where the template
        that came with the model is none of those known here: write the text yourself then.
        """
        return chat_format(self.template, self.special)(messages, answer)

    def _texts(self, given: str | Sequence[str], what: str) -> list[str]:
        texts = [given] if isinstance(given, str) else list(given)
        wrong = next((text for text in texts if not isinstance(text, str)), None)
        if wrong is not None:
            raise TokenizerError(f"{what} are strings, but {wrong!r:.60} was given.")
        return texts

    def _limit(self, truncation: bool | int) -> int | None:
        if truncation is False:
            return None
        if truncation is True:
            if self.longest is None:
                raise TokenizerError(
                    "truncation=True cuts to what the model takes, which these files do not say; give a length, as in truncation=512."
                )
            return self.longest
        if not isinstance(truncation, int) or truncation < 1:
            raise TokenizerError(f"truncation is True, False or a number of tokens, not {truncation!r}.")
        return truncation

    def _batch(self, found: Sequence[Any], padding: bool | int, side: Side | None) -> Batch:
        lengths = [len(each.ids) for each in found]
        length = max(lengths, default=0)
        if padding is False:
            if len(set(lengths)) > 1:
                raise TokenizerError(
                    f"The texts have {min(lengths)} to {length} tokens, which are no array without padding; tokenise them one by one."
                )
        elif padding is not True:
            if not isinstance(padding, int) or padding < length:
                raise TokenizerError(
                    f"padding is True, False or at least the {length} tokens of the longest text, not {padding!r}."
                )
            length = padding
        filler = self.number("pad") if "pad" in self.special else 0
        if "pad" not in self.special and any(size < length for size in lengths):
            raise TokenizerError(
                "The texts differ in length and the vocabulary has no token for padding; set tokenizer.special['pad']."
            )
        left = _side(side or self.side) == "left"
        shape = (len(found), length)
        ids, mask = np.full(shape, filler, np.int64), np.zeros(shape, np.int64)
        types, special, offsets = np.zeros(shape, np.int64), np.ones(shape, np.int64), np.zeros((*shape, 2), np.int64)
        words = np.full(shape, -1, np.int64)
        for row, each in enumerate(found):
            size = lengths[row]
            place = slice(length - size, length) if left else slice(0, size)
            ids[row, place], mask[row, place] = each.ids, 1
            types[row, place], special[row, place] = each.type_ids, each.special_tokens_mask
            if size:
                offsets[row, place] = each.offsets
                words[row, place] = [-1 if word is None else word for word in each.word_ids]
        return Batch(ids, mask, types, offsets, special, words)


def _check_characters(given: Sequence[Sequence[str]]) -> None:
    """Raise TokenizerError for a text with half of a pair of surrogates, which is no character."""
    for text in (text for texts in given for text in texts):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise TokenizerError(
                f"The text {text!r:.40} has half a character, {text[error.start]!r}, at place {error.start}. Where its bytes are read, "
                "errors='replace' gives a text; two halves become one by text.encode('utf-16', 'surrogatepass').decode('utf-16')."
            ) from None


def _side(side: Any) -> Side:
    if side not in ("left", "right"):
        raise TokenizerError(f"side is 'left' or 'right', not {side!r}.")
    chosen: Side = side
    return chosen
