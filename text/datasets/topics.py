"""Topics and opinions to tell apart: the eight data sets of Zhang, Zhao, LeCun (arXiv:1509.01626), and IMDB.

Of the eight, the text is title and body with a space between; the target is the number of the class, from 0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ..errors import DatasetError, MissingDatasetError
from .base import Table, TextDataset


class _Articles(Table):
    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    members: ClassVar[dict[str, str]] = {"train": "train.csv", "test": "test.csv"}
    fields: ClassVar[int] = 3

    def _read(self, fields: list[str]) -> tuple[str, int]:
        if len(fields) != self.fields:
            raise ValueError(f"it has {len(fields)} fields in place of {self.fields}")
        label = int(fields[0]) - 1
        if not 0 <= label < len(self.classes):
            raise ValueError(f"its class is {fields[0]} of {len(self.classes)}")
        return " ".join(field for field in fields[1:] if field), label


class AGNews(_Articles):
    """News in four topics: 120,000 to train with and 7,600 to test. http://groups.di.unipi.it/~gulli/AG_corpus_of_news_articles.html"""

    resource: ClassVar[str] = "data:ag-news"
    files: ClassVar[dict[str, tuple[str, ...]]] = {"train": ("train.csv",), "test": ("test.csv",)}
    classes = ("World", "Sports", "Business", "Sci/Tech")


class SogouNews(_Articles):
    """Chinese news in five topics, in Pinyin: 450,000 to train with and 60,000 to test."""

    resource: ClassVar[str] = "data:sogou-news"
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("sogou_news_csv.tar.gz",)}
    classes = ("Sports", "Finance", "Entertainment", "Automobile", "Technology")


class DBpedia(_Articles):
    """Beginnings of Wikipedia's articles on 14 kinds of things: 560,000 to train with and 70,000 to test."""

    resource: ClassVar[str] = "data:dbpedia"
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("dbpedia_csv.tar.gz",)}
    classes = (
        "Company", "EducationalInstitution", "Artist", "Athlete", "OfficeHolder", "MeanOfTransportation", "Building",
        "NaturalPlace", "Village", "Animal", "Plant", "Album", "Film", "WrittenWork",
    )  # fmt: skip


class YelpReviewPolarity(_Articles):
    """Reviews of businesses, bad or good: 560,000 to train with and 38,000 to test."""

    resource: ClassVar[str] = "data:yelp-review-polarity"
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("yelp_review_polarity_csv.tar.gz",)}
    fields: ClassVar[int] = 2
    classes = ("negative", "positive")


class YelpReviewFull(_Articles):
    """Reviews of businesses with one to five stars: 650,000 to train with and 50,000 to test."""

    resource: ClassVar[str] = "data:yelp-review-full"
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("yelp_review_full_csv.tar.gz",)}
    fields: ClassVar[int] = 2
    classes = ("1 star", "2 stars", "3 stars", "4 stars", "5 stars")


class AmazonReviewPolarity(_Articles):
    """Reviews of products, bad or good: 3,600,000 to train with and 400,000 to test."""

    resource: ClassVar[str] = "data:amazon-review-polarity"
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("amazon_review_polarity_csv.tar.gz",)}
    classes = ("negative", "positive")


class AmazonReviewFull(_Articles):
    """Reviews of products with one to five stars: 3,000,000 to train with and 650,000 to test."""

    resource: ClassVar[str] = "data:amazon-review-full"
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("amazon_review_full_csv.tar.gz",)}
    classes = ("1 star", "2 stars", "3 stars", "4 stars", "5 stars")


class YahooAnswers(_Articles):
    """Questions with their best answers in ten topics: 1,400,000 to train with and 60,000 to test."""

    resource: ClassVar[str] = "data:yahoo-answers"
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("yahoo_answers_csv.tar.gz",)}
    fields: ClassVar[int] = 4
    classes = (
        "Society & Culture", "Science & Mathematics", "Health", "Education & Reference", "Computers & Internet", "Sports",
        "Business & Finance", "Entertainment & Music", "Family & Relationships", "Politics & Government",
    )  # fmt: skip


class IMDB(TextDataset):
    """Film reviews, bad or good: 25,000 to train with, 25,000 to test, 50,000 of neither. Maas et al., ACL 2011

    The target is the number of the class, None in "unsupervised"; `ratings` are the stars, of 10 (0 where there are none).
    """

    resource: ClassVar[str] = "data:imdb"
    splits: ClassVar[tuple[str, ...]] = ("train", "test", "unsupervised")
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("aclImdb_v1.tar.gz",)}
    classes = ("negative", "positive")

    def __len__(self) -> int:
        return len(self._reviews)

    @property
    def ratings(self) -> list[int]:
        """The stars of every review, 1 to 10; 0 where there are none."""
        return [int(path.stem.partition("_")[2]) for path, _ in self._reviews]

    def _open(self) -> None:
        top = self._find("aclImdb") if self.roots[0].name != "aclImdb" else self.roots[0]
        kinds = {"neg": 0, "pos": 1} if self.split != "unsupervised" else {"unsup": None}
        folder = top / ("train" if self.split == "unsupervised" else self.split)
        self._reviews: list[tuple[Path, int | None]] = []
        for kind, label in kinds.items():
            paths = list((folder / kind).glob("*.txt"))
            if strange := [path.name for path in paths if not path.stem.replace("_", "", 1).isdigit()]:
                raise DatasetError(
                    f"{self.who}: {strange[0]!r} in {str(folder / kind)!r} is not named NUMBER_STARS.txt"
                )
            self._reviews += [
                (path, label) for path in sorted(paths, key=lambda path: int(path.stem.partition("_")[0]))
            ]

    def _example(self, place: int) -> tuple[Any, Any]:
        path, label = self._reviews[place]
        try:
            return path.read_text(encoding="utf-8"), label
        except UnicodeDecodeError as error:
            raise DatasetError(f"{self.who}: {str(path)!r} is not text in UTF-8 ({error}); get it again") from error
        except OSError as error:
            raise MissingDatasetError(f"{self.who}: {str(path)!r} cannot be read: {error.strerror}") from error
