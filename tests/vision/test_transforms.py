"""The classification preset and the training transforms: results, draws, and what is refused.

That apply equals torchvision's is shown in tests/parity; here its results are stored, and the draws are looked at.
"""

from __future__ import annotations

import importlib
import json
import pickle
import zlib
from pathlib import Path
from typing import Any

import numpy
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numzoo import vision
from numzoo.vision import errors, transforms
from numzoo.vision.transforms.color import STEPS
from numzoo.vision.transforms.crops import Box
from numzoo.vision.transforms.geometry import resized

GOLDENS = json.loads((Path(__file__).parent / "preset_goldens.json").read_text())


def ramp(height: int, width: int) -> PIL.Image.Image:
    y, x, c = numpy.mgrid[0:height, 0:width, 0:3]
    return PIL.Image.fromarray(((x * 7 + y * 13 + c * 29 + x * y // 3) % 256).astype(numpy.uint8))


def random(seed: int = 0) -> numpy.random.Generator:
    return numpy.random.default_rng(seed)


class TestPreset:
    @pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: str(list(golden.values())[:5]))
    def test_it_gives_what_torchvision_gives(self, golden: dict[str, Any]) -> None:
        values = {name: golden[name] for name in ("resize", "crop", "interpolation")}
        array = transforms.classification(**values)(ramp(golden["height"], golden["width"]))
        assert array.dtype == numpy.float32
        assert array.shape == (3, golden["crop"], golden["crop"])
        assert array.flags.c_contiguous
        assert zlib.crc32(array.tobytes()) == golden["crc32"]

    def test_one_pixel_by_hand(self) -> None:
        preset = transforms.classification(resize=4, crop=2, mean=(0.5, 0.0, 0.25), std=(0.5, 1.0, 0.125))
        array = preset(PIL.Image.new("RGB", (4, 4), (0, 51, 255)))
        assert numpy.abs(array[:, 0, 0] - [-1.0, 0.2, 6.0]).max() < 1e-6

    def test_a_smaller_picture_gets_a_black_margin_with_the_odd_pixel_right_and_below(self) -> None:
        array = transforms.classification(resize=3, crop=6, mean=[0], std=[1])(PIL.Image.new("L", (3, 3), 255))
        assert array[0].tolist() == [[float(1 <= x < 4 and 1 <= y < 4) for x in range(6)] for y in range(6)]

    def test_the_settings_are_the_manifests_json_and_make_it_again(self) -> None:
        preset = transforms.classification(resize=232, crop=224, interpolation="bicubic", mean=[0.5] * 3, std=[0.1] * 3)
        stored = json.loads(json.dumps(preset.settings()))
        module, _, name = stored.pop("preset").rpartition(".")
        again = getattr(importlib.import_module(f"numzoo.{module}"), name)(**stored)
        assert again == preset
        assert hash(again) == hash(preset)
        assert again != transforms.classification()
        assert repr(preset) == (
            "classification(resize=232, crop=224, interpolation='bicubic', antialias=True, "
            "mean=[0.5, 0.5, 0.5], std=[0.1, 0.1, 0.1])"
        )
        assert eval(repr(preset), {"classification": transforms.classification}) == preset

    def test_arrays_are_taken_as_the_images_they_hold(self) -> None:
        preset = transforms.classification(resize=20, crop=16)
        pixels = numpy.asarray(ramp(30, 40))
        assert (preset(pixels) == preset(ramp(30, 40))).all()
        assert (preset(pixels[:, :, 0]) == preset(ramp(30, 40).getchannel(0))).all()
        with pytest.raises(errors.ImageError, match="channels come last"):
            preset(pixels.transpose(2, 0, 1))

    @pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK", "I;16"])
    def test_other_modes_are_converted(self, mode: str) -> None:
        image = ramp(30, 40).convert("L" if mode == "I;16" else mode)
        wide = PIL.Image.fromarray(numpy.asarray(image).astype(numpy.uint16) * 257) if mode == "I;16" else image
        preset = transforms.classification(resize=20, crop=16)
        assert (preset(wide) == preset(image.convert("RGB"))).all()

    def test_the_image_is_left_as_it_was(self) -> None:
        image = ramp(8, 8)
        transforms.classification(resize=8, crop=8)(image)
        assert image.tobytes() == ramp(8, 8).tobytes()

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"resize": 0}, "resize is 0"),
            ({"resize": 256.0}, "resize is 256.0"),
            ({"crop": -1}, "crop is -1"),
            ({"crop": True}, "crop is True"),
            ({"interpolation": "cubic"}, "nearest, bilinear, bicubic"),
            ({"antialias": False}, "always antialiases"),
            ({"mean": (0.5,)}, "mean has 1 and std 3"),
            ({"mean": (0.1, 0.2), "std": (1, 1)}, "1 .grey. or 3 .RGB."),
            ({"std": (0.1, 0.1, 0.0)}, "above zero"),
            ({"std": (0.1, 0.1, 1e-60)}, "above zero"),
            ({"mean": (0.1, 0.1, float("nan"))}, "finite"),
        ],
    )
    def test_senseless_settings_are_refused(self, values: dict[str, Any], said: str) -> None:
        with pytest.raises(ValueError, match=said):
            transforms.classification(**values)

    def test_a_path_is_refused_with_the_way_out(self) -> None:
        with pytest.raises(TypeError, match="read_image"):
            transforms.classification()("cat.jpg")

    def test_a_thread_of_an_image_is_refused_before_it_grows(self) -> None:
        with pytest.raises(errors.ImageTooLargeError, match="thin"):
            transforms.classification()(PIL.Image.new("L", (100_000, 1)))

    def test_an_image_without_pixels_is_refused(self) -> None:
        with pytest.raises(errors.ImageError, match="without pixels"):
            transforms.classification()(PIL.Image.new("RGB", (0, 5)))

    def test_a_batch_is_its_images_one_after_the_other(self) -> None:
        preset = transforms.classification(resize=20, crop=16)
        images = [ramp(30, 40), ramp(40, 30), ramp(16, 16)]
        array = transforms.batch(images, preset)
        assert array.shape == (3, 3, 16, 16)
        assert all((array[index] == preset(image)).all() for index, image in enumerate(images))

    def test_a_batch_of_nothing_or_of_different_shapes_is_refused(self) -> None:
        with pytest.raises(ValueError, match="no images"):
            transforms.batch([], transforms.ToArray())
        with pytest.raises(ValueError, match=r"image 1 became float32 \(3, 5, 4\) but image 0 float32 \(3, 4, 4\)"):
            transforms.batch([ramp(4, 4), ramp(5, 4)], transforms.ToArray())

    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 700))
    def test_the_shorter_side_becomes_exact_and_the_longer_one_is_cut_off(
        self, height: int, width: int, side: int
    ) -> None:
        new = resized((height, width), side)
        assert min(new) == side
        assert 0 <= side * max(height, width) / min(height, width) - max(new) < 1
        assert (new[0] <= new[1]) == (height <= width) or new[0] == new[1]


GEOMETRIC = [
    transforms.Resize(24),
    transforms.Resize((40, 17)),
    transforms.CenterCrop((30, 20)),
    transforms.CenterCrop((70, 90)),
    transforms.Pad((1, 2, 3, 4)),
    transforms.RandomCrop((20, 25), padding=4),
    transforms.RandomCrop(80, pad_if_needed=True),
    transforms.RandomResizedCrop((32, 28)),
    transforms.RandomHorizontalFlip(),
    transforms.RandomVerticalFlip(),
    transforms.classification(resize=30, crop=28),
]
EVERY = [
    *GEOMETRIC,
    transforms.RandomRotation(30),
    transforms.ColorJitter(0.4, 0.4, 0.4, 0.1),
    transforms.Grayscale(3),
    transforms.ToArray(),
    transforms.Compose(
        [transforms.RandomCrop(16), transforms.ToArray(), transforms.RandomErasing(1.0, value="random")]
    ),
]
SIZE = (48, 64)


def rectangle(box: Any, size: tuple[int, int] = SIZE) -> PIL.Image.Image:
    left, top, right, bottom = box
    pixels = numpy.zeros(size, numpy.uint8)
    pixels[top:bottom, left:right] = 1
    return PIL.Image.fromarray(pixels)


def pixels_of(image: Any) -> Any:
    return numpy.asarray(image)


class TestDraws:
    @pytest.mark.parametrize("step", EVERY, ids=repr)
    def test_the_same_generator_gives_the_same_and_the_image_stays(self, step: transforms.Transform[Any]) -> None:
        image = ramp(*SIZE)
        first = pixels_of(step(image, random(5)))
        assert (first == pixels_of(step(image, random(5)))).all()
        assert (first == pixels_of(step.seed(5)(image))).all()
        assert image.tobytes() == ramp(*SIZE).tobytes()
        step._generator = None

    @pytest.mark.parametrize("step", EVERY, ids=repr)
    def test_the_output_has_the_size_that_was_foretold(self, step: transforms.Transform[Any]) -> None:
        for seed in range(5):
            parameters = step.draw(random(seed), SIZE)
            result = step.apply(ramp(*SIZE), parameters)
            shape = result.shape[-2:] if hasattr(result, "shape") else (result.height, result.width)
            assert shape == step.output_size(SIZE, parameters)

    @pytest.mark.parametrize("step", GEOMETRIC, ids=repr)
    def test_mask_and_boxes_move_with_the_image(self, step: transforms.Transform[Any]) -> None:
        box = (14, 10, 44, 38)
        for seed in range(6):
            image = PIL.Image.merge("RGB", [rectangle(box).point(lambda value: value * 255)] * 3)
            seen, mask, boxes = step.joint(image, mask=rectangle(box), boxes=[box], generator=random(seed))
            inside = pixels_of(mask) > 0
            light = pixels_of(seen).mean(axis=0 if isinstance(seen, numpy.ndarray) else 2)
            assert inside.shape == light.shape
            middle = (light.max() + light.min()) / 2
            assert (inside != (light > middle)).mean() < 0.08  # they differ at most along the edges
            left, top, right, bottom = boxes[0]
            assert abs(inside.sum() - (right - left) * (bottom - top)) <= 0.12 * inside.size
            rows, columns = numpy.nonzero(inside)
            if len(rows):
                found = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
                assert numpy.abs(numpy.subtract(found, boxes[0])).max() <= 1.0

    @pytest.mark.parametrize("angle", [-70.0, -20.0, 0.0, 15.0, 90.0, 180.0])
    def test_a_turned_box_surrounds_the_turned_rectangle(self, angle: float) -> None:
        box = (24, 16, 44, 30)
        step = transforms.RandomRotation((angle, angle))
        _, mask, boxes = step.joint(ramp(*SIZE), mask=rectangle(box), boxes=[box], generator=random())
        rows, columns = numpy.nonzero(pixels_of(mask))
        found = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert numpy.abs(numpy.subtract(found, boxes[0])).max() <= 1.5

    def test_several_steps_share_one_draw(self) -> None:
        steps = [transforms.RandomResizedCrop(32), transforms.RandomHorizontalFlip(), transforms.RandomRotation(20)]
        train = transforms.Compose(
            [*steps, transforms.ColorJitter(0.3), transforms.ToArray(), transforms.RandomErasing()]
        )
        mask = ramp(*SIZE).getchannel(0)
        moved = transforms.Compose(steps)
        for seed in range(5):
            array, classes, _ = train.joint(ramp(*SIZE), mask=mask, generator=random(seed))
            assert array.shape == (3, 32, 32)
            assert classes.dtype == numpy.int64
            drawn = train.draw(random(seed), SIZE)
            assert (classes == pixels_of(moved.apply_mask(mask, drawn[:3]))).all()

    def test_boxes_that_fall_outside_become_empty_and_keep_their_row(self) -> None:
        boxes = transforms.CenterCrop(10).apply_boxes(numpy.array([[0.0, 0, 5, 5], [30, 20, 40, 30]]), None, SIZE)
        assert boxes.tolist() == [[0, 0, 0, 0], [3, 1, 10, 10]]
        assert transforms.CenterCrop(10).joint(ramp(*SIZE), boxes=[])[2].shape == (0, 4)

    def test_the_draws_cover_their_ranges(self) -> None:
        generator = random(1)
        crops = [
            transforms.RandomResizedCrop(8).draw(generator, (350, 350)) for _ in range(2000)
        ]  # square: no aspect is favoured
        shares = numpy.array([crop.height * crop.width for crop in crops]) / (350 * 350)
        aspects = numpy.array([crop.width / crop.height for crop in crops])
        assert shares.min() < 0.1 < 0.9 < shares.max()
        assert 0.74 < aspects.min() < 0.78 < 1.28 < aspects.max() < 1.35
        assert abs(numpy.log(aspects).mean()) < 0.02
        assert all(0 <= c.top <= 350 - c.height and 0 <= c.left <= 350 - c.width for c in crops)
        angles = [transforms.RandomRotation(30).draw(generator, SIZE) for _ in range(500)]
        assert -30 <= min(angles) < -28 < 28 < max(angles) <= 30
        flips = [transforms.RandomHorizontalFlip(0.3).draw(generator, SIZE) for _ in range(2000)]
        assert 0.26 < numpy.mean(flips) < 0.34
        places = {transforms.RandomCrop(46).draw(generator, (48, 46))[:2] for _ in range(100)}
        assert places == {(0, 0), (1, 0), (2, 0)}
        jitters = [transforms.ColorJitter(0.5, 0, 2.0, (0.1, 0.2)).draw(generator, SIZE) for _ in range(500)]
        assert {jitter.contrast for jitter in jitters} == {None}
        assert 0.5 <= min(j.brightness for j in jitters) < 0.52 < 1.48 < max(j.brightness for j in jitters) <= 1.5
        assert 0.0 <= min(j.saturation for j in jitters) < 0.1 < 2.8 < max(j.saturation for j in jitters) <= 3.0
        assert 0.1 <= min(j.hue for j in jitters) <= max(j.hue for j in jitters) <= 0.2
        assert len({jitter.order for jitter in jitters}) == 24
        assert all(sorted(jitter.order) == sorted(STEPS) for jitter in jitters)

    @pytest.mark.parametrize(("size", "box"), [((10, 1000), (0, 493, 10, 13)), ((1000, 10), (493, 0, 13, 10))])
    def test_of_a_thin_image_the_middle_is_cropped(self, size: tuple[int, int], box: tuple[int, ...]) -> None:
        assert transforms.RandomResizedCrop(8, scale=(0.9, 1.0)).draw(random(), size) == Box(*box)

    def test_a_crop_larger_than_the_image_is_refused_with_the_way_out(self) -> None:
        with pytest.raises(ValueError, match=r"image is \(48, 64\).*pad_if_needed"):
            transforms.RandomCrop(50)(ramp(*SIZE))


class TestErasing:
    def test_one_rectangle_changes_and_nothing_else(self) -> None:
        array = random().random((3, 40, 50), numpy.float32)
        step = transforms.RandomErasing(p=1.0, value=(1.0, 2.0, 3.0))
        for seed in range(20):
            drawn = step.draw(random(seed), (40, 50))
            assert drawn is not None
            top, left, height, width = drawn.part
            erased = step.apply(array, drawn)
            hole = numpy.zeros((40, 50), bool)
            hole[top : top + height, left : left + width] = True
            assert (erased[:, ~hole] == array[:, ~hole]).all()
            assert (erased[:, hole] == numpy.array([[1], [2], [3]])).all()
            assert 0.01 < hole.mean() < 0.36
        assert (array == random().random((3, 40, 50), numpy.float32)).all()

    def test_noise_comes_from_the_draw(self) -> None:
        array = numpy.zeros((3, 40, 50), numpy.float32)
        step = transforms.RandomErasing(p=1.0, scale=(0.3, 0.3), value="random")
        drawn = step.draw(random(1), (40, 50))
        noise = step.apply(array, drawn)
        assert (noise == step.apply(array, drawn)).all()
        values = noise[noise != 0]
        assert abs(values.mean()) < 0.1
        assert 0.9 < values.std() < 1.1

    def test_never_and_impossible_change_nothing(self) -> None:
        array = numpy.ones((1, 4, 4), numpy.float32)
        assert transforms.RandomErasing(p=0.0)(array, random()) is array
        assert transforms.RandomErasing(p=1.0, scale=(1.0, 1.0), ratio=(1.0, 1.0))(array, random()) is array


class TestArrays:
    def test_levels_become_parts_of_one(self) -> None:
        array = transforms.ToArray()(ramp(3, 4))
        assert array.dtype == numpy.float32
        assert (array == (numpy.asarray(ramp(3, 4)).transpose(2, 0, 1) / numpy.float32(255))).all()
        assert transforms.ToArray()(PIL.Image.new("1", (4, 3), 1)).tolist() == [[[1.0] * 4] * 3]

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    def test_normalising_keeps_the_dtype_and_the_input(self, dtype: str) -> None:
        array = numpy.full((2, 3, 4, 4), 0.75, dtype)
        result = transforms.Normalize((0.5, 0.25, 0.75), (0.5, 0.25, 2))(array)
        assert result.dtype == dtype
        assert result[1, :, 2, 2].tolist() == [0.5, 2.0, 0.0]
        assert (array == 0.75).all()


class TestRefusals:
    @pytest.mark.parametrize(
        ("make", "said"),
        [
            (lambda: transforms.Resize(0), "Resize: size is 0"),
            (lambda: transforms.Resize((1, 2, 3)), "Resize: size"),
            (lambda: transforms.Resize(8, "cubic"), "interpolation is 'cubic'"),
            (lambda: transforms.CenterCrop((4, -4)), "CenterCrop: size"),
            (lambda: transforms.Pad(-1), "padding is -1"),
            (lambda: transforms.Pad((1, 2, 3)), "padding is"),
            (lambda: transforms.Pad(1, padding_mode="wrap"), "constant, edge, reflect, symmetric"),
            (lambda: transforms.RandomResizedCrop(8, scale=(0.5, 0.1)), "scale is"),
            (lambda: transforms.RandomResizedCrop(8, scale=(0.5, 1.5)), "at most 1"),
            (lambda: transforms.RandomResizedCrop(8, ratio=(0, 1)), "ratio is"),
            (lambda: transforms.RandomHorizontalFlip(1.5), "probability"),
            (lambda: transforms.RandomVerticalFlip(-0.1), "probability"),
            (lambda: transforms.RandomRotation(-5), "degrees is -5"),
            (lambda: transforms.RandomRotation((5, float("nan"))), "degrees"),
            (lambda: transforms.RandomRotation(5, "lanczos"), "nearest, bilinear or bicubic"),
            (lambda: transforms.ColorJitter(brightness=-1), "brightness is -1"),
            (lambda: transforms.ColorJitter(contrast=(2, 1)), "contrast is"),
            (lambda: transforms.ColorJitter(hue=0.6), "from -0.5 to 0.5"),
            (lambda: transforms.Grayscale(2), "1 or 3"),
            (lambda: transforms.Normalize((0.5,), (0.5, 0.5)), "mean has 1 and std 2"),
            (lambda: transforms.Normalize((0.5,), (0.0,)), "above zero"),
            (lambda: transforms.RandomErasing(value="noise"), "'noise'"),
            (lambda: transforms.RandomErasing(p=2), "probability"),
        ],
    )
    def test_senseless_settings(self, make: Any, said: str) -> None:
        with pytest.raises(ValueError, match=said):
            make()

    @pytest.mark.parametrize(
        "step", [step for step in EVERY if not isinstance(step, transforms.Classification)], ids=repr
    )
    def test_what_is_no_image(self, step: transforms.Transform[Any]) -> None:
        with pytest.raises(TypeError, match="read_image"):
            step("cat.jpg")
        array = numpy.zeros((3, 48, 64), numpy.uint8)
        with pytest.raises(TypeError, match=r"put this step before ToArray"):
            step(array, random())

    @pytest.mark.parametrize("step", [transforms.Normalize([0.5], [0.5]), transforms.RandomErasing()], ids=repr)
    @pytest.mark.parametrize(
        "bad", [ramp(4, 4), numpy.zeros((1, 4, 4), numpy.uint8), numpy.zeros((4, 4), numpy.float32)]
    )
    def test_what_is_no_float_array(self, step: transforms.Transform[Any], bad: Any) -> None:
        with pytest.raises(ValueError, match="put it after ToArray"):
            step(bad)

    def test_counts_of_channels_that_do_not_fit(self) -> None:
        array = numpy.zeros((3, 8, 8), numpy.float32)
        with pytest.raises(ValueError, match=r"wants floats \(\.\.\., 1, height, width\)"):
            transforms.Normalize([0.5], [0.5])(array)
        with pytest.raises(ValueError, match="value has 2 numbers but the image has 3"):
            transforms.RandomErasing(1.0, value=(1, 2))(array, random())
        with pytest.raises(ValueError, match="has 3 bands"):
            transforms.Pad(2, fill=(1, 2))(ramp(4, 4))
        with pytest.raises(ValueError, match="'P'"):
            transforms.ColorJitter(0.5)(ramp(4, 4).quantize(4))

    def test_things_that_are_no_generator_no_transform_no_boxes_no_mask(self) -> None:
        flip = transforms.RandomHorizontalFlip()
        with pytest.raises(TypeError, match=r"numpy\.random\.Generator"):
            flip(ramp(4, 4), 7)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="step 1 is a builtin_function"):
            transforms.Compose([flip, len])  # type: ignore[list-item]
        with pytest.raises(ValueError, match=r"\(n, 4\)"):
            flip.joint(ramp(4, 4), boxes=[[1, 2, 3]])
        with pytest.raises(ValueError, match=r"mask is \(5, 4\) but the image is \(4, 4\)"):
            flip.joint(ramp(4, 4), mask=ramp(5, 4))


class TestPackage:
    def test_every_public_name_resolves_and_survives_pickling(self) -> None:
        for name in transforms.__all__:
            assert getattr(transforms, name).__name__ == name
        for name in vision.__all__:
            assert getattr(vision, name) is not None
        for step in EVERY:
            assert repr(pickle.loads(pickle.dumps(step))) == repr(step)

    @pytest.mark.parametrize("module", [transforms, vision])
    def test_an_unknown_name_tells_the_known_ones(self, module: Any) -> None:
        with pytest.raises(AttributeError, match="it has"):
            _ = module.RandomNonsense
