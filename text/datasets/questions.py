"""Questions about a paragraph, answered by a piece of it: SQuAD. Rajpurkar et al., arXiv:1606.05250, 1806.03822"""

from __future__ import annotations

import json
from typing import Any, ClassVar, NamedTuple

from ..errors import DatasetError, MissingDatasetError
from .base import TextDataset


class Answer(NamedTuple):
    """A piece of the paragraph, and the character that it begins at."""

    text: str
    start: int


class SQuAD1(TextDataset):
    """SQuAD 1.1: 87,599 questions to train with, 10,570 to develop with, each with an answer.

    The text is (question, paragraph); the target a tuple of Answers (text, start), of which the judges gave several in
    "dev". `details(index)` has the question's id and the article's title.
    """

    resource: ClassVar[str] = "data:squad-v1"
    splits: ClassVar[tuple[str, ...]] = ("train", "dev")
    version: ClassVar[str] = "1.1"
    files: ClassVar[dict[str, tuple[str, ...]]] = {split: (f"{split}-v1.1.json",) for split in splits}

    def __len__(self) -> int:
        return len(self._questions)

    def details(self, index: int) -> dict[str, Any]:
        """The id of the question, which the official score goes by, and the title of its article."""
        name, title, *_ = self._questions[self._place(index)]
        return {"id": name, "title": title}

    def _open(self) -> None:
        path = self._find(self.files[self.split][0])
        try:
            document = json.loads(path.read_bytes())
            self._questions = [
                (question["id"], article["title"], question["question"], paragraph["context"], _answers(question))
                for article in document["data"]
                for paragraph in article["paragraphs"]
                for question in paragraph["qas"]
            ]
        except OSError as error:
            raise MissingDatasetError(f"{self.who}: {str(path)!r} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DatasetError(
                f"{self.who}: {path.name} is not laid out as SQuAD {self.version}: {type(error).__name__} {error}; get it again"
            ) from error

    def _example(self, place: int) -> tuple[Any, Any]:
        _, _, question, context, answers = self._questions[place]
        return (question, context), answers


class SQuAD2(SQuAD1):
    """SQuAD 2.0: 130,319 questions to train with, 11,873 to develop with; those that cannot be answered have no Answer."""

    resource: ClassVar[str] = "data:squad-v2"
    version: ClassVar[str] = "2.0"
    files: ClassVar[dict[str, tuple[str, ...]]] = {split: (f"{split}-v2.0.json",) for split in ("train", "dev")}


def _answers(question: dict[str, Any]) -> tuple[Answer, ...]:
    return tuple(Answer(str(answer["text"]), int(answer["answer_start"])) for answer in question["answers"])
