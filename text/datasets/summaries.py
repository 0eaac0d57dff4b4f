"""News with their highlights, to summarise: CNN and Daily Mail. Hermann et al., arXiv:1506.03340"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, ClassVar

from ..errors import DatasetError, MissingDatasetError
from .base import TextDataset
from .lines import Lines

_MARK = "@highlight"
_PAPERS = ("cnn", "dailymail")
_LISTS = {"train": "training", "valid": "validation", "test": "test"}


class CNNDailyMail(TextDataset):
    """Articles with what their editors put above them: 287,227, 13,368 and 11,490. See, Liu, Manning, arXiv:1704.04368

    The text is the article, the target its highlights, a sentence a line. The lists of a split hold addresses; an article
    lies under the sha1 of its own. `address(index)` is where it stood.
    """

    resource: ClassVar[str] = "data:cnn-dailymail"
    splits: ClassVar[tuple[str, ...]] = ("train", "valid", "test")
    files: ClassVar[dict[str, tuple[str, ...]]] = {
        split: (
            *(f"{paper}_stories.tgz" for paper in _PAPERS),
            *(f"{paper}_wayback_{name}_urls.txt" for paper in _PAPERS),
        )
        for split, name in _LISTS.items()
    }

    def __len__(self) -> int:
        return sum(len(addresses) for _, addresses in self._papers)

    def address(self, index: int) -> str:
        """Where the article stood on the web."""
        return self._story(self._place(index))[1]

    def _open(self) -> None:
        self._papers: list[tuple[Path, Lines]] = []
        for place, paper in enumerate(_PAPERS):
            listing = self.files[self.split][place + 2]
            root = self.roots[place] if self.fetched else self.roots[0]
            folder = next((at for at in (root / paper / "stories", root / "stories") if at.is_dir()), None)
            if folder is None:
                raise MissingDatasetError(
                    f"{self.who}: there is no {paper}/stories in {str(root)!r}; is it another data set?"
                )
            path = self.roots[place + 2] if self.fetched else self._find(listing)
            self._papers.append((folder, Lines(path, self.who)))

    def _example(self, place: int) -> tuple[Any, Any]:
        folder, address = self._story(place)
        path = folder / f"{hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()}.story"
        try:
            story = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise DatasetError(f"{self.who}: {str(path)!r} is not text in UTF-8 ({error}); get it again") from error
        except OSError as error:
            raise MissingDatasetError(f"{self.who}: the article of {address!r} cannot be read: {error}") from error
        article, *highlights = story.split(_MARK)
        return article.strip(), "\n".join(highlight.strip() for highlight in highlights)

    def _story(self, place: int) -> tuple[Path, str]:
        folder, addresses = self._papers[0]
        if place >= len(addresses):
            place -= len(addresses)
            folder, addresses = self._papers[1]
        return folder, addresses[place].strip()
