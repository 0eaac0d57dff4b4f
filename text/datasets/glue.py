"""Sentences to judge and pairs of sentences to compare: the tasks of GLUE (Wang et al., arXiv:1804.07461).

The target is the number of a class; of a test split whose labels are not public it is None.
"""

from __future__ import annotations

from typing import Any, ClassVar

from .base import Table


class _Task(Table):
    """A task in GLUE's own layout: a header, fields parted by tabs; the test split has a number in place of labels."""

    splits: ClassVar[tuple[str, ...]] = ("train", "dev", "test")
    header: ClassVar[int] = 1
    quoted: ClassVar[bool] = False

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        if "members" not in cls.__dict__ and "folder_name" in cls.__dict__:
            cls.members = {split: f"{cls.__dict__['folder_name']}/{split}.tsv" for split in cls.splits}

    def _exactly(self, fields: list[str], count: int) -> list[str]:
        if len(fields) != count:
            raise ValueError(f"it has {len(fields)} fields in place of {count}")
        return fields


class SST2(_Task):
    """Sentences and phrases of film reviews, bad or good: 67,349, 872 and 1,821. Socher et al., EMNLP 2013"""

    resource: ClassVar[str] = "data:sst-2"
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("SST-2.zip",)}
    folder_name: ClassVar[str] = "SST-2"
    classes = ("negative", "positive")

    def _read(self, fields: list[str]) -> tuple[str, int | None]:
        first, second = self._exactly(fields, 2)
        return (second, None) if self.split == "test" else (first.strip(), self._number(self.classes[int(second)]))


class CoLA(_Task):
    """Sentences that linguists find well formed or not: 8,551, 527, and 516 of other sources. Warstadt et al., 1805.12471"""

    resource: ClassVar[str] = "data:cola"
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("cola_public_1.1.zip",)}
    members: ClassVar[dict[str, str]] = {
        "train": "raw/in_domain_train.tsv",
        "dev": "raw/in_domain_dev.tsv",
        "test": "raw/out_of_domain_dev.tsv",
    }
    header: ClassVar[int] = 0
    classes = ("unacceptable", "acceptable")

    def _read(self, fields: list[str]) -> tuple[str, int]:
        _, label, _, sentence = self._exactly(fields, 4)
        return sentence, self._number(self.classes[int(label)])


class MRPC(_Task):
    """Pairs of sentences from the news that say the same or not: 4,076 and 1,725. Dolan, Brockett, IWP 2005"""

    resource: ClassVar[str] = "data:mrpc"
    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    files: ClassVar[dict[str, tuple[str, ...]]] = {
        "train": ("msr_paraphrase_train.txt",),
        "test": ("msr_paraphrase_test.txt",),
    }
    members: ClassVar[dict[str, str]] = {split: names[0] for split, names in files.items()}
    classes = ("different", "equivalent")

    def _read(self, fields: list[str]) -> tuple[tuple[str, str], int]:
        label, _, _, first, second = self._exactly(fields, 5)
        return (first, second), self._number(self.classes[int(label)])


class QQP(_Task):
    """404,290 pairs of questions from Quora that ask the same or not."""

    resource: ClassVar[str] = "data:qqp"
    splits: ClassVar[tuple[str, ...]] = ("train",)
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("quora_duplicate_questions.tsv",)}
    members: ClassVar[dict[str, str]] = {"train": "quora_duplicate_questions.tsv"}
    tabs: ClassVar[bool] = True
    quoted: ClassVar[bool] = True
    classes = ("different", "duplicate")

    def _read(self, fields: list[str]) -> tuple[tuple[str, str], int]:
        _, _, _, first, second, label = self._exactly(fields, 6)
        return (first, second), self._number(self.classes[int(label)])


class QNLI(_Task):
    """Questions with sentences that answer them or do not: 104,743, 5,463 and 5,463, from SQuAD."""

    resource: ClassVar[str] = "data:qnli"
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("QNLIv2.zip",)}
    folder_name: ClassVar[str] = "QNLI"
    classes = ("entailment", "not_entailment")

    def _read(self, fields: list[str]) -> tuple[tuple[str, str], int | None]:
        _, first, second, *label = self._exactly(fields, 3 if self.split == "test" else 4)
        return (first, second), self._number(label[0]) if label else None


class RTE(QNLI):
    """Pairs of sentences of which the first entails the second or does not: 2,490, 277 and 3,000."""

    resource: ClassVar[str] = "data:rte"
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("RTE.zip",)}
    folder_name: ClassVar[str] = "RTE"


class WNLI(QNLI):
    """Sentences with a pronoun, and what they say if it means one thing: 635, 71 and 146. Levesque et al., KR 2012"""

    resource: ClassVar[str] = "data:wnli"
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("WNLI.zip",)}
    folder_name: ClassVar[str] = "WNLI"
    classes = ("0", "1")


class MNLI(_Task):
    """Pairs of sentences: the first entails the second, is neutral to it, or contradicts it. Williams et al., 1704.05426

    392,702 to train with; 9,815 of the same kinds of texts ("dev_matched") and 9,832 of others ("dev_mismatched"). Pairs
    on which the judges did not agree are left out.
    """

    resource: ClassVar[str] = "data:mnli"
    splits: ClassVar[tuple[str, ...]] = ("train", "dev_matched", "dev_mismatched")
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("multinli_1.0.zip",)}
    members: ClassVar[dict[str, str]] = {split: f"multinli_1.0_{split}.txt" for split in splits}
    classes = ("entailment", "neutral", "contradiction")

    def __len__(self) -> int:
        return len(self._agreed)

    def _open(self) -> None:
        super()._open()
        self._agreed = [place for place in range(len(self._lines)) if not self._lines[place].startswith("-\t")]

    def _example(self, place: int) -> tuple[Any, Any]:
        return super()._example(self._agreed[place])

    def _read(self, fields: list[str]) -> tuple[tuple[str, str], int]:
        return (fields[5], fields[6]), self._number(fields[0])


class STSB(_Task):
    """Pairs of sentences with a score from 0 to 5, how alike they are: 5,749, 1,500 and 1,379. Cer et al., 1708.00055"""

    resource: ClassVar[str] = "data:sts-b"
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("Stsbenchmark.tar.gz",)}
    members: ClassVar[dict[str, str]] = {split: f"stsbenchmark/sts-{split}.csv" for split in ("train", "dev", "test")}
    header: ClassVar[int] = 0

    def _read(self, fields: list[str]) -> tuple[tuple[str, str], float]:
        return (fields[5], fields[6]), float(fields[4])
