"""Small stand-ins of public data sets of images, in the files and formats of the real ones.

`STANDINS` maps a name of the manifest to a function that gives the files by name and the expectations: for a split and
settings of the loader, the labels, and the grey value of each image.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import scipy.io
from made_archives import tar_of, zip_of


class Expected(NamedTuple):
    """What a loader should give: labels, and the grey value of every image."""

    split: str
    settings: dict[str, Any]
    labels: list[int]
    greys: list[int]
    size: tuple[int, int]


Made = tuple[dict[str, bytes], list[Expected]]


def picture(grey: int, form: str = "JPEG", size: tuple[int, int] = (12, 9)) -> bytes:
    """An image file of one grey."""
    held = io.BytesIO()
    PIL.Image.new("RGB", size, (grey, grey, grey)).save(held, form)
    return held.getvalue()


def idx(array: Any) -> bytes:
    """The IDX file of uint8 or int32."""
    array = np.asarray(array)
    code = {"uint8": 8, "int32": 0x0C}[array.dtype.name]
    return (
        struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
        + array.astype(array.dtype.newbyteorder(">")).tobytes()
    )


def squares(greys: list[int], *shape: int) -> Any:
    """Images of one grey each."""
    return np.stack([np.full(shape, grey, np.uint8) for grey in greys])


def mat(**variables: Any) -> bytes:
    held = io.BytesIO()
    scipy.io.savemat(held, variables, do_compression=True)
    return held.getvalue()


def mnist_like(labels: list[int] = [3, 1, 9]) -> Made:  # noqa: B006
    greys, files = [10, 200, 90], {}
    for part in ("train", "t10k"):
        files[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(idx(squares(greys, 28, 28)))
        files[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(idx(np.uint8(labels)))
    return files, [Expected(split, {}, labels, greys, (28, 28)) for split in ("train", "test")]


def emnist() -> Made:
    members: dict[str, bytes | None] = {"gzip": None}
    corner = squares([0, 0], 28, 28)
    corner[:, 0, 5] = 255  # stored as row 0, column 5; written as row 5, column 0
    for subset, labels in (("balanced", [0, 46]), ("letters", [1, 26]), ("byclass", [61, 10])):
        for split in ("train", "test"):
            stem = f"gzip/emnist-{subset}-{split}"
            members[f"{stem}-images-idx3-ubyte.gz"] = gzip.compress(idx(corner))
            members[f"{stem}-labels-idx1-ubyte.gz"] = gzip.compress(idx(np.uint8(labels)))
    sets = [({}, [0, 46]), ({"subset": "letters"}, [0, 25]), ({"subset": "byclass"}, [61, 10])]
    return {"gzip.zip": zip_of(members)}, [
        Expected(split, settings, labels, [0, 0], (28, 28)) for split in ("train", "test") for settings, labels in sets
    ]


def qmnist() -> Made:
    def details(labels: list[int]) -> bytes:
        rows = np.zeros((len(labels), 8), np.int32)
        rows[:, 0], rows[:, 2] = labels, 70_000
        return idx(rows)

    many = [number % 10 for number in range(10_002)]
    files = {
        "qmnist-train-images-idx3-ubyte.gz": gzip.compress(idx(squares([5, 6], 28, 28))),
        "qmnist-train-labels-idx2-int.gz": gzip.compress(details([4, 2])),
        "qmnist-test-images-idx3-ubyte.gz": gzip.compress(idx(np.zeros((10_002, 28, 28), np.uint8)), 1),
        "qmnist-test-labels-idx2-int.gz": gzip.compress(details(many)),
        "xnist-images-idx3-ubyte.xz": lzma.compress(idx(squares([8], 28, 28))),
        "xnist-labels-idx2-int.xz": lzma.compress(details([7])),
    }
    size = (28, 28)
    return files, [
        Expected("train", {}, [4, 2], [5, 6], size),
        Expected("test", {}, many, [0] * 10_002, size),
        Expected("test10k", {}, many[:10_000], [0] * 10_000, size),
        Expected("test50k", {}, [0, 1], [0, 0], size),
        Expected("nist", {}, [7], [8], size),
    ]


def cifar10() -> Made:
    def batch(labels: list[int], greys: list[int]) -> bytes:
        return b"".join(bytes([label]) + bytes([grey]) * 3072 for label, grey in zip(labels, greys, strict=True))

    members: dict[str, bytes | None] = {
        f"cifar-10-batches-bin/data_batch_{number}.bin": batch([number, 9], [number, 250]) for number in range(1, 6)
    }
    members["cifar-10-batches-bin/test_batch.bin"] = batch([0, 5], [7, 8])
    train = [each for number in range(1, 6) for each in (number, 9)]
    greys = [each for number in range(1, 6) for each in (number, 250)]
    return {"cifar-10-binary.tar.gz": tar_of(members, "w:gz")}, [
        Expected("train", {}, train, greys, (32, 32)),
        Expected("test", {}, [0, 5], [7, 8], (32, 32)),
    ]


def cifar100() -> Made:
    record = bytes([19, 99]) + bytes([77]) * 3072
    members: dict[str, bytes | None] = {f"cifar-100-binary/{split}.bin": record * 2 for split in ("train", "test")}
    members["cifar-100-binary/fine_label_names.txt"] = "\n".join(f"fine{n}" for n in range(100)).encode() + b"\n\n"
    members["cifar-100-binary/coarse_label_names.txt"] = "\n".join(f"coarse{n}" for n in range(20)).encode()
    return {"cifar-100-binary.tar.gz": tar_of(members, "w:gz")}, [
        Expected(split, {}, [99, 99], [77, 77], (32, 32)) for split in ("train", "test")
    ]


def svhn() -> Made:
    pixels = squares([30, 60], 32, 32, 3).transpose(1, 2, 3, 0)
    body = mat(X=pixels, y=np.uint8([[10], [3]]))
    return {f"{split}_32x32.mat": body for split in ("train", "test", "extra")}, [
        Expected(split, {}, [0, 3], [30, 60], (32, 32)) for split in ("train", "test", "extra")
    ]


def stl10() -> Made:
    inside = "stl10_binary"
    pixels = squares([11, 22, 33], 3, 96, 96).tobytes()
    members: dict[str, bytes | None] = {f"{inside}/{part}_X.bin": pixels for part in ("train", "test", "unlabeled")}
    members |= {f"{inside}/{part}_y.bin": bytes([1, 10, 4]) for part in ("train", "test")}
    members[f"{inside}/fold_indices.txt"] = b"0 2 \n" + b"1 \n" * 9
    size = (96, 96)
    return {"stl10_binary.tar.gz": tar_of(members, "w:gz")}, [
        Expected("train", {}, [0, 9, 3], [11, 22, 33], size),
        Expected("train", {"fold": 0}, [0, 3], [11, 33], size),
        Expected("test", {}, [0, 9, 3], [11, 22, 33], size),
        Expected("unlabeled", {}, [-1, -1, -1], [11, 22, 33], size),
    ]


def usps() -> Made:
    line = " ".join(f"{place}:{value}" for place, value in zip(range(1, 257), [-1.0] * 256, strict=True))
    bright = line.replace(":-1.0", ":1")
    body = bz2.compress(f"1 {line}\n10 {bright}\n".encode())
    return {"usps.bz2": body, "usps.t.bz2": body}, [
        Expected(split, {}, [0, 9], [0, 255], (16, 16)) for split in ("train", "test")
    ]


def semeion() -> Made:
    rows = [("0.0000 " * 256, 0), ("1.0000 " * 256, 7)]
    lines = [pixels + " ".join("1" if place == digit else "0" for place in range(10)) for pixels, digit in rows]
    return {"semeion.data": " \n".join(lines).encode()}, [Expected("all", {}, [0, 7], [0, 255], (16, 16))]


def omniglot() -> Made:
    def cut(name: str) -> bytes:
        names = [
            f"{name}/Latin/character01/1_01.png",
            f"{name}/Latin/character02/2_01.png",
            f"{name}/Runic/character01/3_01.png",
        ]
        return zip_of({each: picture(10 * place, "PNG") for place, each in enumerate(names)})

    return {f"images_{part}.zip": cut(f"images_{part}") for part in ("background", "evaluation")}, [
        Expected(part, {}, [0, 1, 2], [0, 10, 20], (12, 9)) for part in ("background", "evaluation")
    ]


def folders(
    archive: str,
    roots: dict[str, str],
    count: int,
    form: str = "JPEG",
    make: Callable[..., bytes] = tar_of,
    names: Sequence[str] = (),
) -> Made:
    """A folder for each class below each split's root, one image in each."""
    names = names or [f"{number:03}.kind{number}" for number in range(count)]
    suffix = {"JPEG": "jpg", "PNG": "png"}[form]
    members: dict[str, bytes | None] = {}
    for root in roots.values():
        members |= {
            f"{root}/{name}/{number}.{suffix}": picture(number % 250, form) for number, name in enumerate(names)
        }
    greys = [number % 250 for number in range(count)]
    return {archive: make(members)}, [Expected(split, {}, list(range(count)), greys, (12, 9)) for split in roots]


def imagenette(folder: str) -> Made:
    wnids = ["n01440764", "n02102040", "n02979186", "n03000684", "n03028079", "n03394916", "n03417042", "n03425413", "n03445777", "n03888257"]  # fmt: skip
    members: dict[str, bytes | None] = {
        f"{folder}/{split}/{wnid}/{wnid}_1.JPEG": picture(20 * place)
        for place, wnid in enumerate(wnids)
        for split in ("train", "val")
    }
    return {f"{folder}.tgz": tar_of(members, "w:gz")}, [
        Expected(split, {}, list(range(10)), [20 * place for place in range(10)], (12, 9)) for split in ("train", "val")
    ]


def food101() -> Made:
    listed = {"sushi": ["sushi/7"], "apple_pie": ["apple_pie/1", "apple_pie/2"]}
    members: dict[str, bytes | None] = {
        f"food-101/meta/{split}.json": json.dumps(listed).encode() for split in ("train", "test")
    }
    for grey, name in ((1, "apple_pie/1"), (2, "apple_pie/2"), (3, "sushi/7")):
        members[f"food-101/images/{name}.jpg"] = picture(grey)
    return {"food-101.tar.gz": tar_of(members, "w:gz")}, [
        Expected(split, {}, [0, 0, 1], [1, 2, 3], (12, 9)) for split in ("train", "test")
    ]


def caltech101() -> Made:
    inner: dict[str, bytes | None] = {"101_ObjectCategories/BACKGROUND_Google/image_0001.jpg": picture(0)}
    inner |= {f"101_ObjectCategories/kind{number:03}/image_0001.jpg": picture(number) for number in range(101)}
    members: dict[str, bytes | None] = {
        "caltech-101/101_ObjectCategories.tar.gz": tar_of(inner, "w:gz"),
        "caltech-101/Annotations.tar": tar_of({"Annotations/kind000/annotation_0001.mat": b"x"}),
        "__MACOSX/caltech-101/._101_ObjectCategories.tar.gz": b"no archive",
    }
    return {"caltech-101.zip": zip_of(members)}, [Expected("all", {}, list(range(101)), list(range(101)), (12, 9))]


def caltech256() -> Made:
    members: dict[str, bytes | None] = {
        f"256_ObjectCategories/{number:03}.kind{number}/{number:03}_0001.jpg": picture(number % 250)
        for number in range(1, 258)
    }
    greys = [number % 250 for number in range(1, 258)]
    return {"256_ObjectCategories.tar": tar_of(members)}, [Expected("all", {}, list(range(257)), greys, (12, 9))]


def flowers102() -> Made:
    labels = np.array([[5, 102, 1, 1, 77]], np.uint8)
    sets = {
        "trnid": np.array([[2, 1]], np.uint16),
        "valid": np.array([[3]], np.uint16),
        "tstid": np.array([[5, 4]], np.uint16),
    }
    images: dict[str, bytes | None] = {f"jpg/image_{number:05}.jpg": picture(number) for number in range(1, 6)}
    files = {"102flowers.tgz": tar_of(images, "w:gz"), "imagelabels.mat": mat(labels=labels), "setid.mat": mat(**sets)}
    return files, [
        Expected("train", {}, [101, 4], [2, 1], (12, 9)),
        Expected("val", {}, [0], [3], (12, 9)),
        Expected("test", {}, [76, 0], [5, 4], (12, 9)),
    ]


def pets() -> Made:
    lines = "Abyssinian_100 1 1 1\namerican_bulldog_2 2 2 1\n"
    notes: dict[str, bytes | None] = {f"annotations/{part}.txt": lines.encode() for part in ("trainval", "test")}
    held = io.BytesIO()
    PIL.Image.fromarray(np.array([[1, 2], [3, 3]], np.uint8)).save(held, "PNG")
    names = ("Abyssinian_100", "american_bulldog_2")
    notes |= {f"annotations/trimaps/{name}.png": held.getvalue() for name in names}
    images: dict[str, bytes | None] = {f"images/{name}.jpg": picture(40 * place) for place, name in enumerate(names)}
    files = {"images.tar.gz": tar_of(images, "w:gz"), "annotations.tar.gz": tar_of(notes, "w:gz")}
    return files, [
        Expected("trainval", {}, [0, 1], [0, 40], (12, 9)),
        Expected("test", {"target": "species"}, [0, 1], [0, 40], (12, 9)),
    ]


def dtd() -> Made:
    names = ["banded/banded_0002.jpg", "zigzagged/zigzagged_0001.jpg", "banded/banded_0003.jpg"]
    members: dict[str, bytes | None] = {f"dtd/images/{name}": picture(60 * place) for place, name in enumerate(names)}
    for split in ("train", "val", "test"):
        members |= {
            f"dtd/labels/{split}{number}.txt": "\n".join(names[: 4 - number]).encode() + b"\n" for number in (1, 2)
        }
    return {"dtd-r1.0.1.tar.gz": tar_of(members, "w:gz")}, [
        Expected(split, settings, [0, 1, 0][:count], [0, 60, 120][:count], (12, 9))
        for split in ("train", "val", "test")
        for settings, count in (({}, 3), ({"partition": 2}, 2))
    ]


def aircraft() -> Made:
    root = "fgvc-aircraft-2013b/data"
    members: dict[str, bytes | None] = {
        f"{root}/images/0034309.jpg": picture(1),
        f"{root}/images/0034958.jpg": picture(2),
    }
    for level, listed in (("variant", "variants"), ("family", "families"), ("manufacturer", "manufacturers")):
        members[f"{root}/{listed}.txt"] = b"A318\nBoeing 707\n"
        for split in ("train", "val", "trainval", "test"):
            members[f"{root}/images_{level}_{split}.txt"] = b"0034309 Boeing 707\n0034958 A318\n"
    return {"fgvc-aircraft-2013b.tar.gz": tar_of(members, "w:gz")}, [
        Expected("train", {}, [1, 0], [1, 2], (12, 9)),
        Expected("test", {"level": "family"}, [1, 0], [1, 2], (12, 9)),
    ]


def gtsrb() -> Made:
    train: dict[str, bytes | None] = {
        "GTSRB/Training/00000/00000_00000.ppm": picture(9, "PPM"),
        "GTSRB/Training/00001/00000_00000.ppm": picture(7, "PPM"),
        "GTSRB/Readme.txt": b"",
    }
    truth = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\r\n00000.ppm;12;9;1;1;5;5;42\r\n"
    return {
        "GTSRB-Training_fixed.zip": zip_of(train),
        "GTSRB_Final_Test_Images.zip": zip_of({"GTSRB/Final_Test/Images/00000.ppm": picture(4, "PPM")}),
        "GTSRB_Final_Test_GT.zip": zip_of({"GT-final_test.csv": truth.encode()}),
    }, [Expected("train", {}, [0, 1], [9, 7], (12, 9)), Expected("test", {}, [42], [4], (12, 9))]


def sun397() -> Made:
    members: dict[str, bytes | None] = {
        "SUN397/ClassName.txt": b"/a/abbey\n/a/access_road\n/c/church/indoor\n",
        "SUN397/a/abbey/sun_a.jpg": picture(1),
        "SUN397/a/access_road/sun_b.jpg": picture(2),
        "SUN397/c/church/indoor/sun_c.jpg": picture(3),
    }
    return {"SUN397.tar.gz": tar_of(members, "w:gz")}, [Expected("all", {}, [0, 1, 2], [1, 2, 3], (12, 9))]


def places365() -> Made:
    lists: dict[str, bytes | None] = {
        "categories_places365.txt": b"/a/airfield 0\n/a/airplane_cabin 1\n",
        "places365_train_standard.txt": b"/a/airfield/00000001.jpg 0\n/a/airplane_cabin/00000001.jpg 1\n",
        "places365_val.txt": b"Places365_val_00000001.jpg 1\n",
    }
    train: dict[str, bytes | None] = {
        "data_256/a/airfield/00000001.jpg": picture(1),
        "data_256/a/airplane_cabin/00000001.jpg": picture(2),
    }
    return {
        "filelist_places365-standard.tar": tar_of(lists),
        "train_256_places365standard.tar": tar_of(train),
        "val_256.tar": tar_of({"val_256/Places365_val_00000001.jpg": picture(3)}),
    }, [Expected("train", {}, [0, 1], [1, 2], (12, 9)), Expected("val", {}, [1], [3], (12, 9))]


def fer2013() -> Made:
    lines = ["emotion,pixels,Usage"]
    for label, grey, usage in ((0, 3, "Training"), (6, 250, "PublicTest"), (2, 9, "PrivateTest"), (5, 4, "Training")):
        lines.append(f"{label},{' '.join([str(grey)] * 2304)},{usage}")
    return {"fer2013.csv": "\n".join(lines).encode()}, [
        Expected("train", {}, [0, 5], [3, 4], (48, 48)),
        Expected("val", {}, [6], [250], (48, 48)),
        Expected("test", {}, [2], [9], (48, 48)),
    ]


def celeba() -> Made:
    names = ["000001.jpg", "000002.jpg", "000003.jpg"]
    files = {
        "img_align_celeba.zip": zip_of(
            {f"img_align_celeba/{name}": picture(place) for place, name in enumerate(names)}
        ),
        "list_eval_partition.txt": b"000001.jpg 0\n000002.jpg 0\n000003.jpg 2\n",
        "list_attr_celeba.txt": b"3\nBald Smiling \n" + b"".join(b"%s -1  1\n" % name.encode() for name in names),
        "identity_CelebA.txt": b"000001.jpg 2\n000002.jpg 1\n000003.jpg 1\n",
        "list_bbox_celeba.txt": b"",
        "list_landmarks_align_celeba.txt": b"",
    }
    return files, [Expected("train", {}, [1, 0], [0, 1], (12, 9)), Expected("test", {}, [0], [2], (12, 9))]


def imagenet() -> Made:
    wnids = [f"n{number:08}" for number in (10, 20, 30)]
    kinds = [("ILSVRC2012_ID", "i4"), ("WNID", object), ("words", object), ("num_children", "f8"), ("children", object)]
    synsets = np.array(
        [
            (1, wnids[2], "third", 0, np.zeros(0)),
            (2, wnids[0], "first", 0, np.zeros(0)),
            (3, wnids[1], "second", 0, np.zeros(0)),
            (4, "n99999999", "all of them", 3, np.array([1, 2, 3])),
        ],
        [(name, object) for name, _ in kinds],
    ).reshape(-1, 1)
    kit: dict[str, bytes | None] = {
        "ILSVRC2012_devkit_t12/data/meta.mat": mat(synsets=synsets),
        "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt": b"1\n2\n",
    }
    train: dict[str, bytes | None] = {
        f"{wnid}.tar": tar_of({f"{wnid}_1.JPEG": picture(50 * place)}) for place, wnid in enumerate(wnids)
    }
    val: dict[str, bytes | None] = {f"ILSVRC2012_val_0000000{number}.JPEG": picture(number) for number in (1, 2)}
    return {
        "ILSVRC2012_img_train.tar": tar_of(train),
        "ILSVRC2012_img_val.tar": tar_of(val),
        "ILSVRC2012_devkit_t12.tar.gz": tar_of(kit, "w:gz"),
    }, [Expected("train", {}, [0, 1, 2], [0, 50, 100], (12, 9)), Expected("val", {}, [2, 0], [1, 2], (12, 9))]


THREE = {"train": "train", "val": "valid", "test": "test"}
STANDINS: dict[str, Callable[[], Made]] = {
    "fashion-mnist": mnist_like,
    "kmnist": mnist_like,
    "emnist": emnist,
    "qmnist": qmnist,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "svhn": svhn,
    "stl10": stl10,
    "usps": usps,
    "semeion": semeion,
    "omniglot": omniglot,
    "imagenette": lambda: imagenette("imagenette2"),
    "imagenette-320": lambda: imagenette("imagenette2-320"),
    "imagenette-160": lambda: imagenette("imagenette2-160"),
    "food101": food101,
    "caltech101": caltech101,
    "caltech256": caltech256,
    "country211": lambda: folders("country211.tgz", {k: f"country211/{v}" for k, v in THREE.items()}, 211),
    "rendered-sst2": lambda: folders(
        "rendered-sst2.tgz",
        {key: f"rendered-sst2/{folder}" for key, folder in THREE.items()},
        2,
        "PNG",
        names=["negative", "positive"],
    ),
    "eurosat": lambda: folders("EuroSAT.zip", {"all": "2750"}, 10, make=zip_of),
    "flowers102": flowers102,
    "oxford-iiit-pet": pets,
    "dtd": dtd,
    "fgvc-aircraft": aircraft,
    "gtsrb": gtsrb,
    "sun397": sun397,
    "places365": places365,
    "fer2013": fer2013,
    "celeba": celeba,
    "imagenet": imagenet,
}
