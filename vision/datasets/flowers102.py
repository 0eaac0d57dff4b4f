"""Flowers: 8,189 photographs of 102 kinds of flowers. Nilsback, Zisserman, ICVGIP 2008."""

from __future__ import annotations

from typing import ClassVar

from ..errors import DatasetError
from .base import FileDataset
from .mat import array_of, read_mat

_SETS = {"train": "trnid", "val": "valid", "test": "tstid"}


class Flowers102(FileDataset):
    """Flowers: ten of each kind in "train" and in "val", 6,149 in "test"."""

    resource: ClassVar[str] = "data:flowers102"
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")
    below: ClassVar[tuple[str, ...]] = ("flowers-102",)
    classes: tuple[str, ...] = (
        "pink primrose", "hard-leaved pocket orchid", "canterbury bells", "sweet pea", "english marigold",
        "tiger lily", "moon orchid", "bird of paradise", "monkshood", "globe thistle", "snapdragon", "colt's foot",
        "king protea", "spear thistle", "yellow iris", "globe-flower", "purple coneflower", "peruvian lily",
        "balloon flower", "giant white arum lily", "fire lily", "pincushion flower", "fritillary", "red ginger",
        "grape hyacinth", "corn poppy", "prince of wales feathers", "stemless gentian", "artichoke", "sweet william",
        "carnation", "garden phlox", "love in the mist", "mexican aster", "alpine sea holly", "ruby-lipped cattleya",
        "cape flower", "great masterwort", "siam tulip", "lenten rose", "barbeton daisy", "daffodil", "sword lily",
        "poinsettia", "bolero deep blue", "wallflower", "marigold", "buttercup", "oxeye daisy", "common dandelion",
        "petunia", "wild pansy", "primula", "sunflower", "pelargonium", "bishop of llandaff", "gaura", "geranium",
        "orange dahlia", "pink-yellow dahlia", "cautleya spicata", "japanese anemone", "black-eyed susan",
        "silverbush", "californian poppy", "osteospermum", "spring crocus", "bearded iris", "windflower",
        "tree poppy", "gazania", "azalea", "water lily", "rose", "thorn apple", "morning glory", "passion flower",
        "lotus", "toad lily", "anthurium", "frangipani", "clematis", "hibiscus", "columbine", "desert-rose",
        "tree mallow", "magnolia", "cyclamen", "watercress", "canna lily", "hippeastrum", "bee balm", "ball moss",
        "foxglove", "bougainvillea", "camellia", "mallow", "mexican petunia", "bromelia", "blanket flower",
        "trumpet creeper", "blackberry lily",
    )  # fmt: skip

    def _read(self) -> None:
        listed, chosen = self._path("imagelabels.mat"), self._path("setid.mat")
        labels = array_of(read_mat(listed), "labels", listed).reshape(-1).astype("int64")
        numbers = array_of(read_mat(chosen), _SETS[self.split], chosen).reshape(-1).astype("int64")
        if len(numbers) and not 1 <= numbers.min() <= numbers.max() <= len(labels):
            raise DatasetError(f"Flowers102: {str(chosen)!r} chooses images that have no label; get both again")
        images = self._path("102flowers.tgz", "jpg")
        self.paths = [images / f"image_{number:05}.jpg" for number in numbers]
        self.labels = self._labelled(labels[numbers - 1] - 1, listed)
