"""Moving MNIST: sequences of two digits that cross and bounce. Srivastava, Mansimov, Salakhutdinov, arXiv:1502.04681."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import DatasetError
from .base import ImageDataset

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


class MovingMNIST(ImageDataset):
    """10,000 sequences of 20 frames, 64 x 64, grey; one split, "all".

    By index: uint8 (20, 64, 64), or what `transform` makes of it; there are no labels. `sequences` is (20, n, 64, 64),
    mapped from the disk.
    """

    resource: ClassVar[str] = "data:moving-mnist"
    splits: ClassVar[tuple[str, ...]] = ("all",)
    below: ClassVar[tuple[str, ...]] = ("MovingMNIST",)
    classes: tuple[str, ...] = ()
    sequences: NDArray[numpy.uint8]

    def __len__(self) -> int:
        return int(self.sequences.shape[1])

    def __getitem__(self, index: int) -> Any:
        sequence = self._image(self._place(index))
        return sequence if self.transform is None else self.transform(sequence)

    def _image(self, place: int) -> NDArray[numpy.uint8]:
        return self.sequences[:, place].copy()

    def _read(self) -> None:
        import numpy

        path = self._path("mnist_test_seq.npy")
        try:
            held = numpy.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise DatasetError(f"MovingMNIST: {str(path)!r} is not a NumPy array ({error}); get it again") from None
        if getattr(held, "dtype", None) != "uint8" or held.shape[:1] + held.shape[2:] != (20, 64, 64):
            raise DatasetError(f"MovingMNIST: {str(path)!r} must hold uint8 (20, n, 64, 64); it is another file")
        self.sequences = held
        self.labels = numpy.empty(0, numpy.int64)
