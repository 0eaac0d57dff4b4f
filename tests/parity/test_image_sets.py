"""Data sets of images in torchvision's own folders: the same images get the same labels, there and here."""

from __future__ import annotations

import importlib.util
import io
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_sets import STANDINS

from numzoo.vision import datasets

# here -> torchvision's class, the folder below the root that it looks in, its settings for a split, ours
CASES: dict[str, tuple[str, str, str, Any]] = {
    "food101": ("Food101", "Food101", "", lambda split: {"split": split}),
    "dtd": ("DTD", "DTD", "dtd", lambda split: {"split": split}),
    "eurosat": ("EuroSAT", "EuroSAT", "eurosat", lambda split: {}),
    "oxford-iiit-pet": ("OxfordIIITPet", "OxfordIIITPet", "oxford-iiit-pet", lambda split: {"split": split}),
    "gtsrb": ("GTSRB", "GTSRB", "gtsrb", lambda split: {"split": split}),
    "fgvc-aircraft": ("FGVCAircraft", "FGVCAircraft", "", lambda split: {"split": split}),
    "sun397": ("SUN397", "SUN397", "", lambda split: {}),
    "caltech256": ("Caltech256", "Caltech256", "caltech256", lambda split: {}),
    "country211": ("Country211", "Country211", "", lambda split: {"split": {"val": "valid"}.get(split, split)}),
    "rendered-sst2": ("RenderedSST2", "RenderedSST2", "", lambda split: {"split": split}),
    "imagenette": ("Imagenette", "Imagenette", "", lambda split: {"split": split}),
}


def unpack(body: bytes, folder: Path) -> None:
    """With Python's own readers, so that the folder is what torchvision's would be."""
    if body[:2] == b"PK":
        zipfile.ZipFile(io.BytesIO(body)).extractall(folder)
    else:
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            archive.extractall(folder, filter="data")


@pytest.fixture(scope="module")
def theirs() -> Any:
    """torchvision's data sets; skips where it is not installed."""
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("parity is measured where torchvision is installed (the parity extra)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, at import
        return importlib.import_module("torchvision.datasets")


@pytest.mark.parametrize("name", CASES)
def test_the_same_images_have_the_same_labels(name: str, theirs: Any, tmp_path: Path) -> None:
    files, expected = STANDINS[name]()
    ours, their_class, below, settings = CASES[name]
    for body in files.values():
        unpack(body, tmp_path / below)
    for split, own_settings, *_ in expected:
        if own_settings:
            continue  # other labels than the usual ones, which torchvision calls by other words
        here = getattr(datasets, ours)(tmp_path, split)
        there = getattr(theirs, their_class)(str(tmp_path), **settings(split))
        assert len(here) == len(there)
        # Their order may be another; an image is told by its grey and its label.
        mine = sorted((int(np.asarray(image)[0, 0, 0]), label) for image, label in (here[i] for i in range(len(here))))
        other = sorted(
            (int(np.asarray(image)[0, 0, 0]), label) for image, label in (there[i] for i in range(len(there)))
        )
        assert mine == other
