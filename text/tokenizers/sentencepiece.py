"""SentencePiece's model files as tokenizers want them: what is wrong with one is a TokenizerError."""

from __future__ import annotations

from numzoo.hub import sentencepiece
from numzoo.hub.errors import FormatError
from numzoo.hub.sentencepiece import BYTE, CONTROL, UNKNOWN, USER_DEFINED, SentencePieces
from numzoo.text.errors import TokenizerError

__all__ = ["BYTE", "CONTROL", "UNKNOWN", "USER_DEFINED", "SentencePieces", "read_sentencepiece"]


def read_sentencepiece(data: bytes, who: str) -> SentencePieces:
    """Read a model file's bytes. Raises TokenizerError for anything else."""
    try:
        return sentencepiece.read_sentencepiece(data, who)
    except FormatError as error:
        raise TokenizerError(str(error)) from error
