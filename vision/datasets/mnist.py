"""MNIST: 70,000 handwritten digits, 28 x 28, grey. LeCun, Cortes, Burges, http://yann.lecun.com/exdb/mnist/."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from numzoo.hub.published import Fetch, PublishedDataset

from ..errors import DatasetError, MissingDatasetError
from .idx import read_idx

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from PIL.Image import Image

FILES = {  # split: the names of its images and of its labels
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


class MNIST(PublishedDataset):
    """The digits of one split: 60,000 in "train", 10,000 in "test".

    `folder` holds the IDX files (packed by gzip or not, also below MNIST/raw as torchvision keeps them). Without it
    `fetch` gets each file: called with its name in the hub, such as "data:mnist/train-images-idx3-ubyte", it returns
    the path of a verified file; left out, that is numzoo.hub.pull_data.

    `images` is uint8 (n, 28, 28), 0 the paper and 255 the ink; `labels` is int64 (n,), the digits. By index: (image,
    label), the image a grey Pillow image, or what `transform` makes of it. Raises MissingDatasetError, DatasetError.

    >>> from numzoo.vision import datasets, transforms
    >>> digits = datasets.MNIST(split="test", transform=transforms.ToArray())           # doctest: +SKIP
    >>> image, label = digits[0]                                                        # doctest: +SKIP
    """

    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")
    resource: ClassVar[str] = "data:mnist"
    splits: ClassVar[tuple[str, ...]] = tuple(FILES)
    item = "image"
    packed: ClassVar[str] = ""
    """What follows the files' names in the hub, where they are packed there."""

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        split: str = "train",
        *,
        transform: Callable[[Any], Any] | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        super().__init__(folder, split, transform=transform, fetch=fetch)
        paths = [
            self._found(self._folder, name) if self._folder is not None else self._fetched(f"{name}{self.packed}")
            for name in FILES[split]
        ]
        self.images: NDArray[numpy.uint8] = _checked(self.who, paths[0], (28, 28))
        self.labels: NDArray[numpy.int64] = _checked(self.who, paths[1], ()).astype("int64")
        if len(self.images) != len(self.labels):
            raise DatasetError(
                f"{self.who}: {str(paths[0])!r} holds {len(self.images)} images but {str(paths[1])!r} {len(self.labels)} "
                "labels; they do not belong together: get both again"
            )
        if len(self.labels) and self.labels.max() > 9:
            raise DatasetError(
                f"{self.who}: {str(paths[1])!r} holds a label {self.labels.max()}, where classes are 0 to 9"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        from PIL.Image import fromarray

        place = self._place(index)
        image: Image = fromarray(self.images[place])
        label = int(self.labels[place])
        return (image if self.transform is None else self.transform(image)), label

    def __repr__(self) -> str:
        return f"{self.who}(split={self.split!r}, {len(self)} images, transform={self.transform!r})"

    def _found(self, folder: Path, name: str) -> Path:
        spellings = (name, f"{name}.gz", name.replace("-idx", ".idx"))
        for place in (folder, folder / "raw", folder / self.who / "raw"):
            for spelling in spellings:
                if (place / spelling).is_file():
                    return place / spelling
        state = f"it does not hold {name} (nor {name}.gz)" if folder.is_dir() else "there is no such folder"
        raise MissingDatasetError(
            f"{self.who} was looked for in {str(folder)!r}, but {state}. Leave folder out, and the hub fetches the files."
        )


def _checked(who: str, path: Path, item: tuple[int, ...]) -> NDArray[numpy.uint8]:
    array = read_idx(path)
    if array.dtype != "uint8" or array.ndim != 1 + len(item) or array.shape[1:] != item:
        wanted = f"(n{''.join(f', {side}' for side in item)}{'' if item else ','})"
        raise DatasetError(
            f"{who}: {str(path)!r} holds {array.dtype} {array.shape} but must hold uint8 {wanted}; "
            "it is another file than its name says"
        )
    return array
