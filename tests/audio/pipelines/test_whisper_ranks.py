"""Vocabularies of ranks: the pairs that tokens are joined from, the empty token, and files that are none."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from numzoo.audio.errors import AudioError
from numzoo.audio.pipelines.whisper.vocabulary import load_tokenizer

WORDS = [*(bytes([byte]) for byte in range(256)), b" g", b"go", b"or", b" go", b"for", "ü".encode(), b" forward", b""]


def written(path: Path, words: list[bytes]) -> Path:
    lines = [b"%s %d" % (base64.b64encode(word) or b"=", rank) for rank, word in enumerate(words)]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def test_a_text_is_joined_by_ranks_and_comes_back(tmp_path: Path) -> None:
    words = [word for word in WORDS if word != b" forward"]
    tokenizer = load_tokenizer({"a.tiktoken": written(tmp_path / "a.tiktoken", words)})
    tokens = tokenizer.encode("go gofor ü", add_special_tokens=False).ids
    assert [words[token] for token in tokens] == [b"go", b" go", b"for", b" ", "ü".encode()]
    assert tokenizer.decode(tokens) == "go gofor ü"
    assert tokenizer.get_vocab_size() == len(words)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "lacks some of the 256"),
        (b"IQ== 1\n", "line 1"),
        (b"IQ== 0\nIQ== 1\n", "line 2"),
        (b"!! 0\n", "line 1"),
        (b"IQ==\n", "line 1"),
        (b"IQ== zero\n", "line 1"),
        (b"<!DOCTYPE html>\n", "line 1"),
    ],
)
def test_what_is_no_vocabulary_is_refused(body: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "a.tiktoken").write_bytes(body)
    with pytest.raises(AudioError, match=says):
        load_tokenizer({"a.tiktoken": tmp_path / "a.tiktoken"})


def test_a_token_that_no_pair_makes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="not joined from two"):
        load_tokenizer({"a.tiktoken": written(tmp_path / "a.tiktoken", WORDS)})
