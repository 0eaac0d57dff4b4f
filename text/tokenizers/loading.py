"""Which file a tokenizer comes from, by what is there and what is in it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numzoo.text.errors import MissingTokenizerError, TokenizerError
from numzoo.text.tokenizers.library import library
from numzoo.text.tokenizers.sentencepiece import (
    BYTE,
    CONTROL,
    UNKNOWN,
    USER_DEFINED,
    SentencePieces,
    read_sentencepiece,
)
from numzoo.text.tokenizers.tokenizer import Tokenizer
from numzoo.text.tokenizers.vocabularies import byte_level, frame_as_roberta, sentence_bpe, unigram, wordpiece

__all__ = ["load"]

_LARGEST = 256 << 20
_NAMES = ("tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "vocab.json", "vocab.txt")
_ENDLESS = 10**9  # transformers writes 1e30 where nobody knows


def load(
    path: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]], *, lower: bool | None = None
) -> Tokenizer:
    """The tokenizer in a file, in a folder as a repository has it, or in files that lie anywhere (name -> path).

    Read are tokenizer.json, vocab.txt (WordPiece), vocab.json with merges.txt beside it (byte-level BPE), SentencePiece models
    (unigram and BPE; one called sentencepiece.bpe.model is numbered as XLM-RoBERTa does) and GGUF files. tokenizer_config.json
    beside the file gives special tokens, the longest input and the chat template. ``lower`` says whether a vocab.txt is of
    lower-case words (None: as the configuration says, else yes).

    Raises MissingTokenizerError where there is no such file, TokenizerError for another kind of file or a malformed one.
    """
    beside = _Beside(path)
    file = beside.chosen()
    settings = beside.settings()
    with file.open("rb") as stream:
        start = stream.read(64)
    if start.startswith(b"GGUF"):
        return _from_gguf(file)
    if file.suffix == ".txt" or beside.name == "vocab.txt":
        return _from_words(file, settings, lower)
    if start.lstrip()[:1] == b"{":
        document = _json(file)
        if "model" in document:
            return _from_json(file, settings)
        return _from_pairs(file, document, beside.find("merges.txt"), settings)
    if start[:1] == b"\n":  # field 1 of ModelProto, the first piece
        return _from_sentencepiece(file, settings, xlm=beside.name == "sentencepiece.bpe.model")
    raise TokenizerError(
        f"{file} is no file of a tokenizer: it begins with {start[:8].hex(' ')}. Read are tokenizer.json, vocab.txt, vocab.json with "
        "merges.txt, models of SentencePiece, and GGUF."
    )


class _Beside:
    """The files that may belong together: those of a folder, those beside a file, or those of a mapping from names."""

    def __init__(self, given: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]]) -> None:
        self.named = {name: Path(path) for name, path in given.items()} if isinstance(given, Mapping) else {}
        self.place = None if isinstance(given, Mapping) else Path(given)
        self.name = ""

    def chosen(self) -> Path:
        """The file to begin with."""
        if self.place is not None and not self.place.is_dir():
            if not self.place.is_file():
                raise MissingTokenizerError(f"There is no file {self.place}.")
            self.name = self.place.name
            return self.place
        for name in (*_NAMES, *(each for each in self.named if each.endswith(".gguf"))):
            if (found := self.find(name)) is not None:
                self.name = name
                return found
        where = (
            f"The folder {self.place}" if self.place is not None else f"Of {', '.join(self.named) or 'no files'} none"
        )
        raise MissingTokenizerError(f"{where} has no tokenizer; looked for {', '.join(_NAMES)}.")

    def find(self, name: str) -> Path | None:
        """The file of this name, if it is there."""
        if self.place is None:
            return self.named.get(name)
        folder = self.place if self.place.is_dir() else self.place.parent
        return folder / name if (folder / name).is_file() else None

    def settings(self) -> Mapping[str, Any]:
        """What tokenizer_config.json says, and chat_template.jinja, where newer files have the template, if they are there."""
        file, template = self.find("tokenizer_config.json"), self.find("chat_template.jinja")
        said = {} if file is None else dict(_json(file))
        if isinstance(said.get("chat_template"), list):  # several, by name
            named = [each for each in said["chat_template"] if isinstance(each, Mapping)]
            said["chat_template"] = next(
                (each.get("template") for each in named if each.get("name") == "default"), None
            )
        return said if template is None else {**said, "chat_template": _text(template)}


def _from_json(file: Path, settings: Mapping[str, Any]) -> Tokenizer:
    try:
        backend = library().Tokenizer.from_str(_text(file))
    except TokenizerError:
        raise
    except Exception as error:  # the library's own errors have no class but Exception
        raise TokenizerError(f"{file} is no tokenizer.json that can be read: {error}") from error
    return _wrapped(backend, settings, _guessed(backend))


def _from_words(file: Path, settings: Mapping[str, Any], lower: bool | None) -> Tokenizer:
    words = _text(file).splitlines()
    chosen = settings.get("do_lower_case", True) if lower is None else lower
    backend = wordpiece(words, lower=bool(chosen))
    return _wrapped(backend, settings, _guessed(backend))


def _from_pairs(
    file: Path, vocabulary: Mapping[str, Any], merges: Path | None, settings: Mapping[str, Any]
) -> Tokenizer:
    wrong = next(
        (word for word, number in vocabulary.items() if not isinstance(number, int) or isinstance(number, bool)), None
    )
    if wrong is not None:
        raise TokenizerError(f"{file} is no vocabulary: {wrong!r:.40} has no number.")
    if merges is None:
        raise MissingTokenizerError(f"{file} is a vocabulary of byte-level BPE, but there is no merges.txt beside it.")
    pairs = _merges([line for line in _text(merges).splitlines() if line and not line.startswith("#version")], merges)
    special = [token for token in ("<|endoftext|>", "<s>", "<pad>", "</s>", "<unk>", "<mask>") if token in vocabulary]
    backend = byte_level(vocabulary, pairs, special=special)
    if {"<s>", "</s>", "<mask>"} <= set(vocabulary):
        frame_as_roberta(backend)
    return _wrapped(backend, settings, _guessed(backend))


def _from_sentencepiece(file: Path, settings: Mapping[str, Any], *, xlm: bool) -> Tokenizer:
    found = read_sentencepiece(_bytes(file), str(file))
    if xlm and found.kind != "bpe" and [piece for piece, _ in found.pieces[:3]] == ["<unk>", "<s>", "</s>"]:
        return _of_xlm_roberta(found, settings)
    added = [
        piece
        for (piece, _), kind in zip(found.pieces, found.types, strict=True)
        if kind in (CONTROL, UNKNOWN, USER_DEFINED)
    ]
    if found.kind == "bpe":
        backend = sentence_bpe(found.pieces, unknown=found.special.get("unk"), prefix=found.prefix, special=added)
    else:
        backend = unigram(
            found.pieces,
            unknown=found.numbers["unk"],
            charsmap=found.charsmap,
            prefix=found.prefix,
            squeeze=found.squeeze,
            fallback=BYTE in found.types,
            special=added,
        )
    return _wrapped(backend, settings, found.special)


def _of_xlm_roberta(found: SentencePieces, settings: Mapping[str, Any]) -> Tokenizer:
    """XLM-RoBERTa numbers the special tokens in its own way, and each piece one higher than its file (arXiv:1911.02116)."""
    special = {"bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>", "mask": "<mask>"}
    first = [special[role] for role in ("bos", "pad", "eos", "unk")]
    pieces = [*((piece, 0.0) for piece in first), *found.pieces[3:], ("<mask>", 0.0)]
    backend = unigram(
        pieces,
        unknown=3,
        charsmap=found.charsmap,
        prefix=found.prefix,
        squeeze=found.squeeze,
        special=list(special.values()),
    )
    backend.post_processor = library().processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return _wrapped(backend, settings, {**special, "cls": "<s>", "sep": "</s>"})


def _from_gguf(file: Path) -> Tokenizer:
    from numzoo.hub.checkpoint import read_metadata

    values: Mapping[str, Any] = read_metadata(file).values
    words = values.get("tokenizer.ggml.tokens")
    if not words:
        raise TokenizerError(f"{file} holds no tokenizer.")
    kinds: Sequence[int] = values.get("tokenizer.ggml.token_type") or [1] * len(words)
    if len(kinds) != len(words):
        raise TokenizerError(f"{file} has {len(words)} tokens but {len(kinds)} types of tokens.")
    added = [word for word, kind in zip(words, kinds, strict=True) if kind in (2, 3, 4)]
    model = values.get("tokenizer.ggml.model")
    if model == "gpt2":
        pairs = _merges(values.get("tokenizer.ggml.merges") or [], file)
        cut = values.get("tokenizer.ggml.pre", "gpt-2")
        vocabulary = {word: number for number, word in enumerate(words)}
        backend = byte_level(vocabulary, pairs, cut="gpt-2" if cut == "default" else cut, special=added)
    elif model == "llama":
        scores = values.get("tokenizer.ggml.scores") or [0.0] * len(words)
        pieces = list(zip(words, scores, strict=False))
        unknown = values.get("tokenizer.ggml.unknown_token_id", 0)
        prefix = bool(values.get("tokenizer.ggml.add_space_prefix", True))
        backend = sentence_bpe(
            pieces, unknown=words[unknown] if unknown < len(words) else None, prefix=prefix, special=added
        )
    else:
        raise TokenizerError(f"{file} has a tokenizer of the kind {model!r}; read are gpt2 and llama.")
    roles = {"bos": "bos", "eos": "eos", "unknown": "unk", "padding": "pad", "mask": "mask"}
    numbers = {role: values.get(f"tokenizer.ggml.{name}_token_id") for name, role in roles.items()}
    special = {
        role: words[number] for role, number in numbers.items() if isinstance(number, int) and number < len(words)
    }
    longest = values.get(f"{values.get('general.architecture')}.context_length")
    return Tokenizer(
        backend,
        special=special,
        longest=longest if isinstance(longest, int) else None,
        side="left",
        template=values.get("tokenizer.chat_template"),
    )


def _wrapped(backend: Any, settings: Mapping[str, Any], special: Mapping[str, str]) -> Tokenizer:
    chosen = dict(special)
    for role in ("pad", "bos", "eos", "unk", "cls", "sep", "mask"):
        token = settings.get(f"{role}_token")
        token = token.get("content") if isinstance(token, Mapping) else token
        if isinstance(token, str) and backend.token_to_id(token) is not None:
            chosen[role] = token
    longest = settings.get("model_max_length")
    template = settings.get("chat_template")
    return Tokenizer(
        backend,
        special=chosen,
        longest=int(longest) if isinstance(longest, (int, float)) and 0 < longest < _ENDLESS else None,
        side="left" if settings.get("padding_side") == "left" else "right",
        template=template if isinstance(template, str) else None,
    )


def _guessed(backend: Any) -> dict[str, str]:
    """The tokens with a role by the names that the families use."""
    usual = {
        "pad": ("[PAD]", "<pad>"), "unk": ("[UNK]", "<unk>"), "cls": ("[CLS]",), "sep": ("[SEP]",), "mask": ("[MASK]", "<mask>"),
        "bos": ("<s>", "<|begin_of_text|>"), "eos": ("</s>", "<|endoftext|>", "<|end_of_text|>"),
    }  # fmt: skip
    found = {
        role: [token for token in tokens if backend.token_to_id(token) is not None] for role, tokens in usual.items()
    }
    return {role: tokens[0] for role, tokens in found.items() if tokens}


def _merges(lines: Sequence[Any], file: Path) -> list[tuple[str, str]]:
    pairs = []
    for number, line in enumerate(lines):
        left, space, right = line.partition(" ") if isinstance(line, str) else ("", "", "")
        if not left or not space or not right or " " in right:
            raise TokenizerError(
                f"{file}: merge {number} is {line!r:.40}; wanted two pieces with a space between them."
            )
        pairs.append((left, right))
    return pairs


def _json(file: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(_text(file))
    except (ValueError, RecursionError) as error:
        raise TokenizerError(f"{file} is no JSON: {error}.") from error
    if not isinstance(document, dict):
        raise TokenizerError(f"{file} holds {type(document).__name__}, where an object was wanted.")
    return document


def _text(file: Path) -> str:
    try:
        return _bytes(file).decode("utf-8")
    except UnicodeDecodeError as error:
        raise TokenizerError(f"{file} is no UTF-8 text: {error.reason} at byte {error.start}.") from None


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except OSError as error:
        raise MissingTokenizerError(f"{file} cannot be read: {error.strerror or error}.") from error
    if len(data) > _LARGEST:
        raise TokenizerError(f"{file} is larger than {_LARGEST >> 20} MiB, the most that is read of a tokenizer.")
    return data
