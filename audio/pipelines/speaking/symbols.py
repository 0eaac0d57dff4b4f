"""The symbols that Tacotron 2 was trained with, and how a text is brought to what they can spell.

Their order is torchaudio's. A text in plain ASCII gives the numbers that its text processors give.
"""

from __future__ import annotations

import unicodedata

__all__ = ["CHARACTERS", "PHONEMES", "PHONES", "SILENT", "plain", "spelt"]

_MARKS = tuple("_-!'(),.:;? ")
_VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
_CONSONANTS = (
    "B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T", "TH", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip

PHONES = tuple(sorted((*_VOWELS, *_CONSONANTS)))
"""The 39 phonemes of ARPAbet, without stress."""

CHARACTERS = (*_MARKS, *"abcdefghijklmnopqrstuvwxyz")
"""The 38 symbols of models that read characters."""

PHONEMES = (*_MARKS, *sorted((*PHONES, *(f"{vowel}{stress}" for vowel in _VOWELS for stress in "012"))))
"""The 96 symbols of models that read phonemes; those with stress were never heard in training."""

SILENT = frozenset('"\u201c\u201d\u201e\u00ab\u00bb*~')
"""Marks that are left out without a word, since nobody says them."""

_TYPOGRAPHIC = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u02bc": "'", "\u2032": "'", "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-",
        "\u2014": "-", "\u2212": "-", "\u00ad": None, "\u200b": None, "\ufeff": None, "\u00e6": "ae", "\u00c6": "AE", "\u0153": "oe",
        "\u0152": "OE", "\u00f8": "o", "\u00d8": "O", "\u00df": "ss",
    }
)  # fmt: skip


def plain(text: str) -> str:
    """The text with typewriter's quotes and dashes, letters without accents, and single spaces."""
    composed = unicodedata.normalize("NFKC", text.translate(_TYPOGRAPHIC)).translate(_TYPOGRAPHIC)
    letters = [letter for letter in unicodedata.normalize("NFD", composed) if not unicodedata.combining(letter)]
    return " ".join(unicodedata.normalize("NFC", "".join(letters)).split())


def spelt(text: str) -> tuple[list[str], set[str]]:
    """The characters of a plain text that the models have symbols for, and those that were left out."""
    letters = text.lower()
    return [each for each in letters if each in CHARACTERS], set(letters).difference(CHARACTERS, SILENT)
