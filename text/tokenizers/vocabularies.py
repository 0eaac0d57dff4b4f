"""Tokenizers from vocabularies alone: WordPiece, byte-level BPE, SentencePiece's two kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numzoo.text.errors import TokenizerError
from numzoo.text.tokenizers.library import library

__all__ = ["byte_level", "frame_as_roberta", "sentence_bpe", "unigram", "wordpiece"]

_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_LLAMA3 = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_REST}"
_QWEN2 = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_REST}"

CUTS = {
    "gpt-2": None,
    "smollm": "digits",
    "llama-bpe": _LLAMA3,
    "qwen2": _QWEN2,
}
"""How texts are cut before byte-level BPE, under the names that GGUF files use."""

SPACE = "▁"


def wordpiece(vocabulary: Sequence[str], *, lower: bool = True) -> Any:
    """BERT's: words, then the longest pieces from the left, those inside a word marked ``##`` (arXiv:1810.04805)."""
    tokenizers = library()
    numbers = _numbered(vocabulary)
    missing = [token for token in ("[UNK]", "[CLS]", "[SEP]") if token not in numbers]
    if missing:
        raise TokenizerError(
            f"The vocabulary of {len(numbers)} words has no {missing[0]}, so it is none of WordPiece's."
        )
    backend = tokenizers.Tokenizer(
        tokenizers.models.WordPiece(numbers, unk_token="[UNK]", max_input_chars_per_word=100)
    )
    backend.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=lower)
    backend.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    backend.decoder = tokenizers.decoders.WordPiece()
    backend.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(token, numbers[token]) for token in ("[CLS]", "[SEP]")],
    )
    present = [token for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") if token in numbers]
    backend.add_special_tokens(present)
    return backend


def byte_level(
    vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]], *, cut: str = "gpt-2", special: Sequence[str] = ()
) -> Any:
    """GPT-2's: bytes, merged pair by pair in the order of `merges`; `cut` is one of CUTS."""
    tokenizers = library()
    if cut not in CUTS:
        raise TokenizerError(f"Texts are cut as {cut!r} says, which is not known here; known are {', '.join(CUTS)}.")
    try:
        backend = tokenizers.Tokenizer(tokenizers.models.BPE(dict(vocabulary), list(merges)))
    except Exception as error:  # the library's own errors have no class but Exception
        raise TokenizerError(f"Vocabulary and merges do not fit each other: {error}") from error
    pattern = CUTS[cut]
    before = tokenizers.pre_tokenizers
    level = before.ByteLevel(add_prefix_space=False, use_regex=pattern in (None, "digits"))
    if pattern is None:
        backend.pre_tokenizer = level
    elif pattern == "digits":
        backend.pre_tokenizer = before.Sequence([before.Digits(individual_digits=True), level])
    else:
        backend.pre_tokenizer = before.Sequence([before.Split(tokenizers.Regex(pattern), "isolated"), level])
    backend.decoder = tokenizers.decoders.ByteLevel()
    backend.add_special_tokens(list(special))
    return backend


def frame_as_roberta(backend: Any) -> None:
    """Put <s> and </s> around texts, twice </s> between a pair, and let <mask> take the space before it (arXiv:1907.11692)."""
    tokenizers = library()
    backend.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[(token, backend.token_to_id(token)) for token in ("<s>", "</s>")],
    )
    backend.add_special_tokens([tokenizers.AddedToken("<mask>", lstrip=True, special=True)])


def unigram(
    pieces: Sequence[tuple[str, float]],
    *,
    unknown: int,
    charsmap: bytes = b"",
    prefix: bool = True,
    squeeze: bool = True,
    fallback: bool = False,
    special: Sequence[str] = (),
) -> Any:
    """SentencePiece's unigram model: the likeliest pieces (Kudo, arXiv:1804.10959). `charsmap` normalises characters."""
    tokenizers = library()
    try:
        backend = tokenizers.Tokenizer(tokenizers.models.Unigram(list(pieces), unknown, fallback))
        backend.normalizer = _normalizer(charsmap, squeeze)
    except Exception as error:  # the library's own errors have no class but Exception
        raise TokenizerError(f"The pieces are no unigram model: {error}") from error
    scheme = "always" if prefix else "never"
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme=scheme)
    backend.decoder = tokenizers.decoders.Metaspace(replacement=SPACE, prepend_scheme=scheme)
    backend.add_special_tokens(list(special))
    return backend


def sentence_bpe(
    pieces: Sequence[tuple[str, float]], *, unknown: str | None, prefix: bool = True, special: Sequence[str] = ()
) -> Any:
    """SentencePiece's BPE, as Llama has it: pieces merged by their scores, bytes for what is in no piece."""
    tokenizers = library()
    numbers = _numbered([piece for piece, _ in pieces])
    known = set(numbers)
    ranked: list[tuple[float, int, int, str, str]] = []
    for piece, score in pieces:
        for place in range(1, len(piece)):
            left, right = piece[:place], piece[place:]
            if left in known and right in known:
                ranked.append((-score, numbers[left], numbers[right], left, right))
    merges = [(left, right) for *_, left, right in sorted(ranked)]
    bytes_there = all(f"<0x{byte:02X}>" in known for byte in range(256))
    backend = tokenizers.Tokenizer(
        tokenizers.models.BPE(numbers, merges, unk_token=unknown, fuse_unk=True, byte_fallback=bytes_there)
    )
    steps = [tokenizers.normalizers.Replace(" ", SPACE)]
    if prefix:
        steps.insert(0, tokenizers.normalizers.Prepend(SPACE))
    backend.normalizer = tokenizers.normalizers.Sequence(steps)
    parts = [tokenizers.decoders.Replace(SPACE, " "), tokenizers.decoders.ByteFallback(), tokenizers.decoders.Fuse()]
    if prefix:
        parts.append(tokenizers.decoders.Strip(" ", 1, 0))
    backend.decoder = tokenizers.decoders.Sequence(parts)
    backend.add_special_tokens(list(special))
    return backend


def _normalizer(charsmap: bytes, squeeze: bool) -> Any:
    tokenizers = library()
    steps = [tokenizers.normalizers.Precompiled(charsmap)] if charsmap else []
    if squeeze:
        steps += [
            tokenizers.normalizers.Strip(left=True, right=True),
            tokenizers.normalizers.Replace(tokenizers.Regex(" {2,}"), " "),
        ]
    return tokenizers.normalizers.Sequence(steps)


def _numbered(words: Sequence[str]) -> dict[str, int]:
    numbers = {word: number for number, word in enumerate(words)}
    if len(numbers) != len(words):
        twice = next(word for number, word in enumerate(words) if numbers[word] != number)
        raise TokenizerError(f"The vocabulary holds {twice!r} twice.")
    return numbers
