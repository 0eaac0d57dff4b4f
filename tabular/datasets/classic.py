"""Small tables that statistics grew up with: irises, wines, tumours, diabetes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import DatasetError
from .base import TableDataset

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


class _Classified(TableDataset):
    """A head line (rows, columns, names of the classes), then a row a line, its class at the end."""

    def _read(self, paths: list[Path]) -> tuple[NDArray[numpy.float32], NDArray[Any]]:
        (path,) = paths
        head = self._text(path).partition("\n")[0].strip().split(",")
        wanted = f"ROWS,{len(self.columns)},{','.join(self.classes)}"
        if head[1:] != wanted.split(",")[1:] or not head[0].isdigit():
            raise DatasetError(f"{self.who}: {str(path)!r} begins with {','.join(head)[:80]!r} in place of {wanted!r}")
        table = self._numbers(path, len(self.columns) + 1, skip=1)
        if len(table) != int(head[0]):
            raise DatasetError(
                f"{self.who}: {str(path)!r} has {len(table)} rows of {head[0]}; it is truncated: get it again"
            )
        labels = table[:, -1].astype("int64")
        if not ((labels == table[:, -1]) & (labels >= 0) & (labels < len(self.classes))).all():
            raise DatasetError(f"{self.who}: {str(path)!r} has a class that is none of 0 to {len(self.classes) - 1}")
        return table[:, :-1].astype("float32"), labels


class Iris(_Classified):
    """150 irises of three kinds, four lengths of each flower in cm. Fisher, Annals of Eugenics, 1936"""

    resource: ClassVar[str] = "data:iris"
    files: ClassVar[tuple[str, ...]] = ("iris.csv",)
    columns: ClassVar[tuple[str, ...]] = ("sepal length", "sepal width", "petal length", "petal width")
    classes: ClassVar[tuple[str, ...]] = ("setosa", "versicolor", "virginica")


class Wine(_Classified):
    """178 wines of three growers, thirteen measurements of each. Forina et al., 1991, https://doi.org/10.24432/C5PC7J"""

    resource: ClassVar[str] = "data:wine"
    files: ClassVar[tuple[str, ...]] = ("wine_data.csv",)
    columns: ClassVar[tuple[str, ...]] = (
        "alcohol", "malic acid", "ash", "alcalinity of ash", "magnesium", "total phenols", "flavanoids",
        "nonflavanoid phenols", "proanthocyanins", "colour intensity", "hue", "OD280/OD315", "proline",
    )  # fmt: skip
    classes: ClassVar[tuple[str, ...]] = ("class_0", "class_1", "class_2")


_MEASURES = (
    "radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points", "symmetry",
    "fractal dimension",
)  # fmt: skip


class BreastCancer(_Classified):
    """569 tumours, malignant or benign, thirty measurements of the cells' nuclei. Street et al., doi.org/10.24432/C5DW2B

    Of each of ten measures the mean, the standard error and the worst (the mean of the three largest).
    """

    resource: ClassVar[str] = "data:breast-cancer"
    files: ClassVar[tuple[str, ...]] = ("breast_cancer.csv",)
    columns: ClassVar[tuple[str, ...]] = (
        *(f"mean {measure}" for measure in _MEASURES),
        *(f"{measure} error" for measure in _MEASURES),
        *(f"worst {measure}" for measure in _MEASURES),
    )
    classes: ClassVar[tuple[str, ...]] = ("malignant", "benign")


class Diabetes(TableDataset):
    """442 people with diabetes: ten measurements, and how far the disease went in a year. Efron et al., 2004, math/0406456

    The features are as measured (age in years, sex 1 or 2, body mass index, mean blood pressure, six of the serum); the
    target is a number from 25 to 346.
    """

    resource: ClassVar[str] = "data:diabetes"
    files: ClassVar[tuple[str, ...]] = ("diabetes_data_raw.csv.gz", "diabetes_target.csv.gz")
    columns: ClassVar[tuple[str, ...]] = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")

    def _read(self, paths: list[Path]) -> tuple[NDArray[numpy.float32], NDArray[Any]]:
        features = self._numbers(paths[0], len(self.columns), separator=None)
        targets = self._numbers(paths[1], 1, separator=None)[:, 0]
        if len(features) != len(targets):
            raise DatasetError(
                f"{self.who}: {str(paths[0])!r} has {len(features)} rows but {str(paths[1])!r} {len(targets)}; they do not "
                "belong together: get both again"
            )
        return features.astype("float32"), targets.astype("float32")
