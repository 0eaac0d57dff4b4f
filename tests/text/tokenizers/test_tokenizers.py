"""Tokenizers from every kind of file: the same numbers whichever file they come from, and errors that say what is wrong."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numzoo.text import tokenizers
from numzoo.text.errors import MissingTokenizerError, TokenizerError
from numzoo.text.tokenizers.sentencepiece import read_sentencepiece
from numzoo.text.tokenizers.vocabularies import byte_level, sentence_bpe, unigram, wordpiece

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "##s", "sat", ",", "."]


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return path


def test_wordpiece_cuts_words_into_the_longest_pieces(words: Path) -> None:
    tokenizer = tokenizers.load(words)
    assert [tokenizer.token(number) for number in tokenizer.encode("The cats, sat!")] == [
        "[CLS]", "the", "cat", "##s", ",", "sat", "[UNK]", "[SEP]",
    ]  # fmt: skip
    assert tokenizer.decode(tokenizer.encode("The cats sat.")) == "the cats sat."
    assert tokenizers.load(words, lower=False).encode("The")[1] == 1


def test_a_batch_is_padded_and_says_where_its_tokens_stand(words: Path) -> None:
    batch = tokenizers.load(words)(["cats", "the cats sat."])
    assert batch.input_ids.tolist() == [[2, 6, 7, 3, 0, 0, 0], [2, 5, 6, 7, 8, 10, 3]]
    assert batch.attention_mask.tolist() == [[1, 1, 1, 1, 0, 0, 0], [1] * 7]
    assert batch.offsets[0].tolist() == [[0, 0], [0, 3], [3, 4], [0, 0], [0, 0], [0, 0], [0, 0]]
    assert batch.special[1].tolist() == [1, 0, 0, 0, 0, 0, 1]
    assert set(batch.inputs()) == {"input_ids", "attention_mask", "token_type_ids"}
    left = tokenizers.load(words)(["cats", "the cats sat."], side="left", padding=8)
    assert left.input_ids[0].tolist() == [0, 0, 0, 0, 2, 6, 7, 3]
    assert left.attention_mask[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize("side", ["left", "right"])
def test_rows_of_a_batch_come_without_the_padding_of_others(side: Any, words: Path) -> None:
    tokenizer = tokenizers.load(words)
    texts = ["cats", "the cats sat.", "the cat"]
    some = tokenizer(texts, side=side).of(np.array([2, 0]))
    alone = tokenizer(["the cat", "cats"], side=side)
    for name in ("input_ids", "attention_mask", "token_type_ids", "offsets", "special", "words"):
        assert np.array_equal(getattr(some, name), getattr(alone, name)), name
    assert tokenizer(["", ""], special=False).of(np.array([1])).input_ids.shape == (1, 0)


def test_pairs_and_truncation(words: Path) -> None:
    tokenizer = tokenizers.load(words)
    batch = tokenizer("the cat", "sat.")
    assert batch.token_type_ids.tolist() == [[0, 0, 0, 0, 1, 1, 1]]
    cut = tokenizer("the cats sat", "cat", truncation=6)
    assert cut.input_ids.tolist() == [[2, 5, 6, 3, 6, 3]]
    assert tokenizer("the cats sat", special=False).input_ids.tolist() == [[5, 6, 7, 8]]
    assert tokenizer("the cats", truncation=5).input_ids.shape == (1, 5)
    assert tokenizer("the cats sat").input_ids.shape == (1, 6)  # an earlier truncation leaves nothing behind


def test_the_configuration_beside_a_file_is_heard(words: Path) -> None:
    words.with_name("tokenizer_config.json").write_text(
        json.dumps(
            {"do_lower_case": False, "model_max_length": 4, "padding_side": "left", "eos_token": {"content": "."}}
        )
    )
    tokenizer = tokenizers.load(words.parent)
    assert (tokenizer.longest, tokenizer.side, tokenizer.special["eos"]) == (4, "left", ".")
    assert tokenizer(["the cats sat", "cat"], truncation=True).input_ids.tolist() == [[2, 5, 6, 3], [0, 2, 6, 3]]
    assert tokenizer.encode("The")[1] == 1


def bytes_alphabet() -> list[str]:
    """The characters that stand for the 256 bytes in byte-level vocabularies."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    table = {byte: chr(byte) for byte in plain} | {byte: chr(256 + place) for place, byte in enumerate(others)}
    return [table[byte] for byte in range(256)]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    vocabulary = {
        token: number for number, token in enumerate([*bytes_alphabet(), "he", "hel", "Ġhe", "<|endoftext|>"])
    }
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (tmp_path / "merges.txt").write_text("#version: 0.2\nh e\nhe l\nĠ he\n", encoding="utf-8")
    return tmp_path / "vocab.json"


def test_byte_level_bpe_merges_in_order_and_loses_nothing(pairs: Path) -> None:
    tokenizer = tokenizers.load(pairs)
    assert [tokenizer.token(number) for number in tokenizer.encode("hel he")] == ["hel", "Ġhe"]
    assert tokenizer.encode("a<|endoftext|>")[-1] == tokenizer.number("eos")
    for text in ("", " ", "naïve 你好 🙂\n\ttab", "he" * 40):
        assert tokenizer.decode(tokenizer.encode(text)) == text


@given(st.text(max_size=60))
def test_any_text_survives_byte_level_bpe(text: str) -> None:
    vocabulary = {token: number for number, token in enumerate(bytes_alphabet())}
    tokenizer = tokenizers.Tokenizer(byte_level(vocabulary, [], cut="qwen2"))
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_digits_are_cut_as_the_family_cuts_them() -> None:
    merged = {token: number for number, token in enumerate([*bytes_alphabet(), "12", "123"])}
    merges = [("1", "2"), ("12", "3")]
    counts = {
        cut: len(tokenizers.Tokenizer(byte_level(merged, merges, cut=cut)).encode("1234"))
        for cut in ("gpt-2", "smollm", "llama-bpe", "qwen2")
    }
    assert counts == {"gpt-2": 2, "smollm": 4, "llama-bpe": 2, "qwen2": 4}


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def part(number: int, value: bytes | int | float) -> bytes:
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3) + varint(value)


def sentence_model(pieces: list[tuple[str, float, int]], kind: int = 1, **numbers: int) -> bytes:
    body = b"".join(part(1, part(1, text.encode()) + part(2, score) + part(3, type)) for text, score, type in pieces)
    trainer = part(3, kind) + b"".join(part({"unk": 40, "bos": 41, "eos": 42}[role], n) for role, n in numbers.items())
    return body + part(2, trainer) + part(3, part(3, 1) + part(4, 1))


PIECES = [
    ("<unk>", 0.0, 2),
    ("<s>", 0.0, 3),
    ("</s>", 0.0, 3),
    ("▁a", -1.0, 1),
    ("b", -2.0, 1),
    ("▁ab", -2.5, 1),
    ("▁", -4.0, 1),
    ("a", -4.5, 1),
]


@pytest.mark.parametrize(("kind", "wanted"), [(1, ["▁ab", "▁a", "▁", "b"]), (2, ["▁ab", "▁a", "▁", "b"])])
def test_sentencepiece_models_are_read(kind: int, wanted: list[str], tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.model"
    path.write_bytes(sentence_model(PIECES, kind, unk=0, bos=1, eos=2))
    tokenizer = tokenizers.load(tmp_path)
    assert tokenizer.special["eos"] == "</s>"
    assert [tokenizer.token(number) for number in tokenizer.encode("ab a b", special=False)] == wanted
    assert tokenizer.decode(tokenizer.encode("ab a b")) == "ab a b"


def test_a_model_of_xlm_roberta_is_numbered_as_there(tmp_path: Path) -> None:
    """The pieces follow <s> <pad> </s> <unk>, and <mask> follows the pieces, which their file does not say."""
    pieces = [*PIECES[:3], (",", -3.0, 1), ("▁ab", -1.0, 1), ("▁a", -2.0, 1), ("b", -2.5, 1)]
    path = tmp_path / "sentencepiece.bpe.model"
    path.write_bytes(sentence_model(pieces, 1, unk=0, bos=1, eos=2))
    tokenizer = tokenizers.load({path.name: path})
    assert tokenizer.encode("ab, a") == [0, 5, 4, 6, 2]
    assert tokenizer(["ab"], pairs=["a"]).input_ids.tolist() == [[0, 5, 2, 2, 6, 2]]
    assert tokenizer.encode("ab ?", special=False)[-1] == 3
    assert [tokenizer.number(role) for role in ("bos", "pad", "eos", "unk", "mask")] == [0, 1, 2, 3, 8]
    other = tmp_path / "tokenizer.model"
    other.write_bytes(path.read_bytes())
    assert tokenizers.load(other).encode("ab", special=False) == [4]


@given(st.binary(max_size=80))
def test_bytes_are_a_model_of_sentencepiece_or_refused_as_none(data: bytes) -> None:
    for body in (data, sentence_model(PIECES)[: len(data)] + data[:3]):
        with contextlib.suppress(TokenizerError):
            assert read_sentencepiece(body, "file").pieces


def test_unigram_takes_the_likeliest_cut_and_bytes_for_the_rest() -> None:
    bytes_pieces = [(f"<0x{byte:02X}>", -20.0) for byte in range(256)]
    pieces = [("<unk>", 0.0), ("▁ab", -1.0), ("▁a", -0.4), ("b", -0.4), *bytes_pieces]
    tokenizer = tokenizers.Tokenizer(unigram(pieces, unknown=0, fallback=True))
    assert [tokenizer.token(number) for number in tokenizer.encode("ab")] == ["▁a", "b"]
    assert tokenizer.token(tokenizer.encode("é")[-1]) == "<0xA9>"


CHATML = "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou help.<|im_end|>\n' }}{% endif %}<|im_start|>..."
NOBODY = (
    "{% if tools %}{{ '<|im_start|>system\\n' }}{{ messages[0].content }}{{ '<|im_end|>' }}{% endif %}<|im_start|>..."
)
TOOLS = NOBODY + """{{ "<|im_start|>system\\nYou're here.<|im_end|>\\n" }}"""
DATES = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
DATED = "<|start_header_id|>{{ 'Cutting Knowledge Date: ' }}"
TALK: Any = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Yes?"},
    {"role": "user", "content": "Bye"},
]
TOLD: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("template", "messages", "wanted"),
    [
        (CHATML, TALK, "<|im_start|>system\nYou help.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYes?<|im_end|>\n"
                       "<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n"),
        (CHATML, TOLD, "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"),
        ("<|start_header_id|>", TOLD, "<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
                                      "Hi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"),
        (DATED, TALK[:1], f"<s><|start_header_id|>system<|end_header_id|>\n\n{DATES}<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
                          "<|start_header_id|>assistant<|end_header_id|>\n\n"),
        (DATED, TOLD, f"<s><|start_header_id|>system<|end_header_id|>\n\n{DATES}Be brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi"
                      "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"),
        (TOOLS, TALK[:1], "<|im_start|>system\nYou're here.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"),
        (NOBODY, TALK[:1], "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"),
        ("<start_of_turn>", TOLD, "<s><start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\n"),
        ("<|user|>", TALK, "<|user|>\nHi</s>\n<|assistant|>\nYes?</s>\n<|user|>\nBye</s>\n<|assistant|>\n"),
        ("[INST] <<SYS>>", TOLD, "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST]"),
        ("[INST] <<SYS>>", TALK, "<s>[INST] Hi [/INST] Yes? </s><s>[INST] Bye [/INST]"),
        ("{{ '[INST] ' + content + ' [/INST]' }}{{ content + eos_token + ' ' }}", TALK, "<s>[INST] Hi [/INST]Yes?</s> [INST] Bye [/INST]"),
        ("{{ ' [INST] ' + content + ' [/INST]' }}{{ ' ' + content + eos_token }}", TOLD + TALK[1:], "<s> [INST] Be brief.\n\nHi [/INST] Yes?</s>"
                                                                                                    " [INST] Bye [/INST]"),
        ('{% if loop.last and system_message %}{{ "[INST] " + content + "[/INST]" }}{{ " " + content + eos_token }}', TOLD + TALK[1:],
         "<s>[INST] Hi[/INST] Yes?</s>[INST] Be brief.\n\nBye[/INST]"),
    ],
)  # fmt: skip
def test_conversations_are_written_as_the_family_writes_them(template: str, messages: Any, wanted: str) -> None:
    backend = sentence_bpe([("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0)], unknown="<unk>")
    tokenizer = tokenizers.Tokenizer(backend, special={"bos": "<s>", "eos": "</s>"}, template=template)
    assert tokenizer.chat(messages) == wanted


def small() -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer(wordpiece(WORDS), special={"pad": "[PAD]"}, template="{{ something of its own }}")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t(["a", 3]), "texts are strings, but 3"),
        (lambda t: t(["a"], ["b", "c"]), "1 texts were given with 2 second ones"),
        (lambda t: t("a", truncation=True), "give a length, as in truncation=512"),
        (lambda t: t("a", truncation=0), "truncation"),
        (lambda t: t(["the cat", "cat"], padding=False), "no array without padding"),
        (lambda t: t("the cat sat", padding=2), "padding is True, False or at least the 5"),
        (lambda t: t("a", side="up"), "'left' or 'right'"),
        (lambda t: t.decode([11]), "run from 0 to 10, but 11"),
        (lambda t: t.decode([-1]), "but -1"),
        (lambda t: t.token(99), "99 was given"),
        (lambda t: t.number("dog"), "has no 'dog'"),
        (lambda t: t.number("eos"), "no 'eos'; it has pad"),
        (lambda t: t.chat([{"role": "user", "content": "a"}]), "templates are not run"),
        (lambda t: tokenizers.Tokenizer(t.backend, special={"pad": "<x>"}), "'<x>' is not in the vocabulary"),
        (lambda t: tokenizers.Tokenizer(t.backend, special={"end": "."}), "A special token is one of"),
        (lambda t: tokenizers.Tokenizer(t.backend, template=CHATML).chat([]), "needs a message"),
        (lambda t: tokenizers.Tokenizer(t.backend, template=CHATML).chat([{"role": "cat", "content": "a"}]), "Message 0 must be"),
        (lambda t: tokenizers.Tokenizer(t.backend, template=CHATML).chat([TALK[0], TOLD[0]]), "A system message comes first"),
        (lambda t: tokenizers.Tokenizer(t.backend).chat(TALK), "no chat template"),
        (lambda t: wordpiece(["the", "cat"]), r"no \[UNK\]"),
        (lambda t: wordpiece([*WORDS, "cat"]), "'cat' twice"),
        (lambda t: byte_level({"a": 0}, [("a", "b")]), "do not fit each other"),
        (lambda t: byte_level({"a": 0}, [], cut="runes"), "known are gpt-2"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call: Callable[[tokenizers.Tokenizer], Any], message: str) -> None:
    with pytest.raises(TokenizerError, match=message):
        call(small())


@pytest.mark.parametrize(
    ("name", "body", "kind", "message"),
    [
        ("tokenizer.json", b'{"model": {"type": "Odd"}}', TokenizerError, "no tokenizer.json that can be read"),
        ("tokenizer.json", b'{"model": ', TokenizerError, "is no JSON"),
        ("tokenizer.json", b"{" * 100_000, TokenizerError, "is no JSON"),
        ("vocab.json", b'{"a": 0}', MissingTokenizerError, "no merges.txt beside it"),
        ("vocab.json", b'{"a": "b"}', TokenizerError, "'a' has no number"),
        ("vocab.txt", b"\xff\xfe", TokenizerError, "is no UTF-8 text"),
        ("weights.bin", b"\x80\x02}q\x00.", TokenizerError, "no file of a tokenizer: it begins with 80 02"),
        ("tokenizer.model", b"\n\xff\xff\xff", TokenizerError, "no model of SentencePiece"),
        ("model.gguf", b"GGUF\x03\x00\x00\x00", ValueError, "GGUF"),
    ],
)
def test_files_of_another_kind_are_refused(
    name: str, body: bytes, kind: type[Exception], message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(body)
    with pytest.raises(kind, match=message):
        tokenizers.load(path)


def test_a_folder_without_a_tokenizer_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(MissingTokenizerError, match=r"looked for tokenizer\.json"):
        tokenizers.load(tmp_path)
    with pytest.raises(MissingTokenizerError, match="There is no file"):
        tokenizers.load(tmp_path / "nothing.json")


def test_malformed_merges_are_named(pairs: Path) -> None:
    pairs.with_name("merges.txt").write_text("h e\nhel\n")
    with pytest.raises(TokenizerError, match="merge 1 is 'hel'"):
        tokenizers.load(pairs)


def test_arrays_decode_as_lists_do(words: Path) -> None:
    tokenizer = tokenizers.load(words)
    assert tokenizer.decode(np.array([5, 6])) == tokenizer.decode([5, 6]) == "the cat"
