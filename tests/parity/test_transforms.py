"""Preprocessing and augmentation equal to torchvision's, to the bit, on the same Pillow images."""

from __future__ import annotations

import json
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy
import PIL.Image
import pytest

from numzoo import hub, vision
from numzoo.hub.errors import NetworkError
from numzoo.vision import transforms
from numzoo.vision.transforms.color import STEPS, Jitter
from numzoo.vision.transforms.crops import Box
from numzoo.vision.transforms.erasing import Erased

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
HALVES = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
BYTES = {"mean": (0.48235, 0.45882, 0.40784), "std": (1 / 255, 1 / 255, 1 / 255)}  # VGG16's features

PRESETS = [  # (resize, crop, interpolation, statistics): every combination that a published weight asks for
    *((resize, 224, "bicubic", IMAGENET) for resize in (224, 232, 238, 246, 256)),
    *((resize, 224, "bilinear", IMAGENET) for resize in (230, 232, 236, 242, 256)),
    *((resize, 256, "bicubic", IMAGENET) for resize in (260, 272)),
    *((size, size, "bicubic", IMAGENET) for size in (288, 384, 456, 512, 518, 528, 600)),
    (255, 240, "bilinear", IMAGENET),
    (256, 240, "bicubic", IMAGENET),
    (320, 300, "bicubic", IMAGENET),
    (342, 299, "bilinear", IMAGENET),
    (384, 380, "bicubic", IMAGENET),
    (384, 384, "bilinear", IMAGENET),
    (480, 480, "bilinear", IMAGENET),
    (256, 224, "bilinear", BYTES),
    (480, 480, "bicubic", HALVES),
]
SIZES = [
    (375, 500),
    (500, 375),
    (256, 256),
    (224, 301),
    (1, 1),
    (1, 7),
    (9, 2),
    (31, 33),
    (255, 1000),
    (1000, 341),
    (600, 601),
]
GOLDENS = Path(__file__).parents[1] / "vision" / "preset_goldens.json"
SAMPLES = ("cat", "coffee", "astronaut", "rocket", "china", "flower")


@pytest.fixture(scope="session")
def torch(reference: Any) -> Any:
    return reference.torch


@pytest.fixture(scope="session")
def torchvision(reference: Any) -> Any:
    return reference.torchvision


@lru_cache
def picture(height: int, width: int, mode: str = "RGB", seed: int = 0) -> PIL.Image.Image:
    """Waves with noise on them: smooth parts, sharp edges, every grey level."""
    generator = numpy.random.default_rng([seed, height, width])
    y, x = numpy.mgrid[0:height, 0:width]
    waves = [127 + 90 * numpy.sin(x / (7 + 11 * c) + c) * numpy.cos(y / (5 + 6 * c)) for c in range(3)]
    pixels = numpy.stack(waves, axis=-1) + generator.normal(0, 40, (height, width, 3))
    return PIL.Image.fromarray(numpy.clip(pixels, 0, 255).astype(numpy.uint8)).convert(mode)


def theirs(torchvision: Any, preset: tuple[Any, ...], image: PIL.Image.Image) -> Any:
    from torchvision.transforms import _presets

    resize, crop, interpolation, statistics = preset
    mode = torchvision.transforms.InterpolationMode(interpolation)
    return _presets.ImageClassification(crop_size=crop, resize_size=resize, interpolation=mode, **statistics)(
        image
    ).numpy()


def ours(preset: tuple[Any, ...], image: PIL.Image.Image) -> Any:
    resize, crop, interpolation, statistics = preset
    return transforms.classification(resize=resize, crop=crop, interpolation=interpolation, **statistics)(image)


def equal(mine: Any, reference: Any) -> None:
    assert mine.dtype == numpy.float32
    assert mine.shape == reference.shape
    assert mine.tobytes() == reference.tobytes()


@pytest.mark.parametrize("preset", PRESETS, ids=str)
def test_every_published_preset_is_equal(torchvision: Any, preset: tuple[Any, ...]) -> None:
    for size in ((375, 500), (313, 222), (40, 61)):
        equal(ours(preset, picture(*size)), theirs(torchvision, preset, picture(*size)))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    "interpolation", ["nearest", "nearest-exact", "bilinear", "bicubic", "box", "hamming", "lanczos"]
)
def test_every_shape_and_interpolation_is_equal(torchvision: Any, size: tuple[int, int], interpolation: str) -> None:
    for resize, crop in ((256, 224), (33, 47), (64, 63), (7, 1), (1, 2)):
        if resize * resize * max(size) / min(size) > 30_000_000:
            continue
        preset = (resize, crop, interpolation, IMAGENET)
        equal(ours(preset, picture(*size)), theirs(torchvision, preset, picture(*size)))


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK", "YCbCr", "HSV"])
def test_other_modes_are_equal_to_converting_first(torchvision: Any, mode: str) -> None:
    image = picture(90, 121, mode)
    equal(ours(PRESETS[0], image), theirs(torchvision, PRESETS[0], image.convert("RGB")))


def test_a_grey_preset_is_equal(torchvision: Any) -> None:
    preset = (28, 24, "bilinear", {"mean": (0.1307,), "std": (0.3081,)})
    equal(ours(preset, picture(31, 45, "L")), theirs(torchvision, preset, picture(31, 45, "L")))


@pytest.mark.network
@pytest.mark.parametrize("sample", SAMPLES)
def test_photographs_are_equal(torchvision: Any, sample: str) -> None:
    try:
        path = hub.pull(f"sample:{sample}")
    except NetworkError as error:
        pytest.skip(f"the photograph cannot be fetched: {error}")
    image = vision.read_image(path)
    assert image.tobytes() == PIL.Image.open(path).convert("RGB").tobytes()
    for preset in PRESETS:
        equal(ours(preset, image), theirs(torchvision, preset, image))


def same(mine: PIL.Image.Image, reference: PIL.Image.Image) -> None:
    assert (mine.mode, mine.size) == (reference.mode, reference.size)
    assert mine.tobytes() == reference.tobytes()


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("size", [(50, 70), (71, 40)], ids=str)
class TestAugmentation:
    """The same parameters on both sides; the draws themselves are tested in tests/vision."""

    def test_resize_and_crops(self, torchvision: Any, mode: str, size: tuple[int, int]) -> None:
        F = torchvision.transforms.functional  # noqa: N806
        image = picture(*size, mode)
        for shorter in (20, 40, 83):
            same(transforms.Resize(shorter)(image), F.resize(image, [shorter]))
        same(transforms.Resize((31, 97), "nearest")(image), F.resize(image, [31, 97], F.InterpolationMode.NEAREST))
        for wanted in ((10, 11), (41, 100), (90, 33), (100, 101)):
            same(transforms.CenterCrop(wanted)(image), F.center_crop(image, list(wanted)))
        step = transforms.RandomResizedCrop((24, 30), interpolation="bicubic")
        reference = F.resized_crop(image, 3, 5, 30, 20, [24, 30], F.InterpolationMode.BICUBIC)
        same(step.apply(image, Box(3, 5, 30, 20)), reference)

    @pytest.mark.parametrize("padding_mode", ["constant", "edge", "reflect", "symmetric"])
    def test_padding(self, torchvision: Any, mode: str, size: tuple[int, int], padding_mode: str) -> None:
        F = torchvision.transforms.functional  # noqa: N806
        image = picture(*size, mode)
        for padding in (3, (2, 5), (1, 2, 3, 4)):
            given = padding if isinstance(padding, int) else list(padding)
            reference = F.pad(image, given, fill=7, padding_mode=padding_mode)
            same(transforms.Pad(padding, 7, padding_mode)(image), reference)
        theirs_crop = torchvision.transforms.RandomCrop(90, 2, pad_if_needed=True, fill=5, padding_mode=padding_mode)
        theirs_crop.get_params = lambda padded, wanted: (6, 4, *wanted)  # type: ignore[method-assign]
        step = transforms.RandomCrop(90, 2, pad_if_needed=True, fill=5, padding_mode=padding_mode)
        same(step.apply(image, Box(6, 4, 90, 90)), theirs_crop(image))

    def test_turns(self, torchvision: Any, mode: str, size: tuple[int, int]) -> None:
        F = torchvision.transforms.functional  # noqa: N806
        image = picture(*size, mode)
        same(transforms.RandomHorizontalFlip().apply(image, True), F.hflip(image))
        same(transforms.RandomVerticalFlip().apply(image, True), F.vflip(image))
        for interpolation in ("nearest", "bilinear", "bicubic"):
            for angle in (-171.3, -90.0, 0.0, 12.5, 90.0, 180.0):
                reference = F.rotate(image, angle, F.InterpolationMode(interpolation), fill=9)
                same(transforms.RandomRotation(180, interpolation, fill=9).apply(image, angle), reference)

    def test_colours(self, torchvision: Any, mode: str, size: tuple[int, int]) -> None:
        F = torchvision.transforms.functional  # noqa: N806
        image = picture(*size, mode)
        names = {name: getattr(F, f"adjust_{name}") for name in STEPS}
        generator = numpy.random.default_rng(3)
        for _ in range(12):
            jitter = transforms.ColorJitter(0.9, 0.9, (0, 3), 0.5).draw(generator, size)
            reference = image
            for name in jitter.order:
                reference = names[name](reference, getattr(jitter, name))
            same(transforms.ColorJitter().apply(image, jitter), reference)
        same(transforms.ColorJitter().apply(image, Jitter(STEPS, None, None, None, None)), image)
        for channels in (1, 3):
            same(transforms.Grayscale(channels)(image), F.to_grayscale(image, channels))

    def test_arrays(self, torchvision: Any, torch: Any, mode: str, size: tuple[int, int]) -> None:
        F = torchvision.transforms.functional  # noqa: N806
        image = picture(*size, mode)
        array, tensor = transforms.ToArray()(image), F.to_tensor(image)
        equal(array, tensor.numpy())
        mean, std = [0.3, 0.4, 0.5][: len(array)], [0.2, 0.7, 0.9][: len(array)]
        equal(transforms.Normalize(mean, std)(array), F.normalize(tensor, mean, std).numpy())
        erased = transforms.RandomErasing(value=mean).apply(array, Erased(Box(4, 5, 20, 9), 0))
        equal(erased, F.erase(tensor, 4, 5, 20, 9, torch.tensor(mean)[:, None, None]).numpy())


@pytest.mark.parametrize("golden", json.loads(GOLDENS.read_text()), ids=lambda golden: str(list(golden.values())[:5]))
def test_the_stored_goldens_are_what_torchvision_computes(torchvision: Any, golden: dict[str, Any]) -> None:
    height, width = golden["height"], golden["width"]
    y, x, c = numpy.mgrid[0:height, 0:width, 0:3]
    image = PIL.Image.fromarray(((x * 7 + y * 13 + c * 29 + x * y // 3) % 256).astype(numpy.uint8))
    reference = theirs(torchvision, (golden["resize"], golden["crop"], golden["interpolation"], IMAGENET), image)
    assert zlib.crc32(reference.tobytes()) == golden["crc32"]
