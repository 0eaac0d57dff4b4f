"""Data sets of texts: facts about files, and readers that give (text, target).

Every data set has a length, gives (text, target) by index, and takes a `transform` for the text; `targets` holds all
targets, `labels` the numbers of the classes where the targets are classes.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import TextDataset
    from .corpora import EnWik9, PennTreebank, WikiText2, WikiText103
    from .glue import MNLI, MRPC, QNLI, QQP, RTE, SST2, STSB, WNLI, CoLA
    from .opinions import SpamAssassin, Vader
    from .pronunciation import CMUDict
    from .questions import SQuAD1, SQuAD2
    from .summaries import CNNDailyMail
    from .tagging import UDPOS, CoNLL2000
    from .topics import (
        IMDB,
        AGNews,
        AmazonReviewFull,
        AmazonReviewPolarity,
        DBpedia,
        SogouNews,
        YahooAnswers,
        YelpReviewFull,
        YelpReviewPolarity,
    )
    from .translation import IWSLT2016, IWSLT2017, Multi30k

_HOMES = {
    "CMUDict": "pronunciation",
    "CNNDailyMail": "summaries",
    "AGNews": "topics",
    "AmazonReviewFull": "topics",
    "AmazonReviewPolarity": "topics",
    "CoLA": "glue",
    "CoNLL2000": "tagging",
    "DBpedia": "topics",
    "EnWik9": "corpora",
    "IMDB": "topics",
    "IWSLT2016": "translation",
    "IWSLT2017": "translation",
    "MNLI": "glue",
    "MRPC": "glue",
    "Multi30k": "translation",
    "PennTreebank": "corpora",
    "QNLI": "glue",
    "QQP": "glue",
    "RTE": "glue",
    "SQuAD1": "questions",
    "SQuAD2": "questions",
    "SST2": "glue",
    "STSB": "glue",
    "SogouNews": "topics",
    "SpamAssassin": "opinions",
    "TextDataset": "base",
    "UDPOS": "tagging",
    "Vader": "opinions",
    "WNLI": "glue",
    "WikiText103": "corpora",
    "WikiText2": "corpora",
    "YahooAnswers": "topics",
    "YelpReviewFull": "topics",
    "YelpReviewPolarity": "topics",
}

__all__ = [
    "IMDB",
    "IWSLT2016",
    "IWSLT2017",
    "MNLI",
    "MRPC",
    "QNLI",
    "QQP",
    "RTE",
    "SST2",
    "STSB",
    "UDPOS",
    "WNLI",
    "AGNews",
    "AmazonReviewFull",
    "AmazonReviewPolarity",
    "CMUDict",
    "CNNDailyMail",
    "CoLA",
    "CoNLL2000",
    "DBpedia",
    "EnWik9",
    "Multi30k",
    "PennTreebank",
    "SQuAD1",
    "SQuAD2",
    "SogouNews",
    "SpamAssassin",
    "TextDataset",
    "Vader",
    "WikiText2",
    "WikiText103",
    "YahooAnswers",
    "YelpReviewFull",
    "YelpReviewPolarity",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
