"""Reading and writing images: what every kind of file becomes, and how every bad one is refused."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numzoo.vision import errors
from numzoo.vision.formats import FORMATS, identify
from numzoo.vision.io import from_array, read_image, to_array, write_image

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encode(image: PIL.Image.Image, form: str = "PNG", **options: Any) -> bytes:
    if form == "PPM" and image.mode == "I;16":  # which older Pillows read but do not write
        return b"P5 %d %d 65535\n" % image.size + numpy.asarray(image).astype(">u2").tobytes()
    stream = io.BytesIO()
    image.save(stream, format=form, **options)
    return stream.getvalue()


def noise(height: int = 20, width: int = 30, seed: int = 0) -> PIL.Image.Image:
    return PIL.Image.fromarray(numpy.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=numpy.uint8))


def corners() -> PIL.Image.Image:
    """32 x 16, a colour per quarter: red, green over blue, white."""
    image = PIL.Image.new("RGB", (32, 16))
    for box, colour in (((0, 0), RED), ((16, 0), GREEN), ((0, 8), BLUE), ((16, 8), WHITE)):
        image.paste(colour, (*box, box[0] + 16, box[1] + 8))
    return image


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises width x height grey pixels and holds none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


PIL.Image.init()
LOSSLESS = {"PNG": {}, "BMP": {}, "PPM": {}, "TIFF": {}, "WEBP": {"lossless": True}, "JPEG2000": {}}
LOSSY = {"JPEG": {"quality": 95}, "GIF": {}, **({"AVIF": {}} if "AVIF" in PIL.Image.SAVE else {})}


class TestFormats:
    @pytest.mark.parametrize("form", [*LOSSLESS, *LOSSY])
    def test_every_format_is_read_from_a_path_from_bytes_and_from_a_file(self, form: str, tmp_path: Path) -> None:
        data = encode(noise(), form, **{**LOSSLESS, **LOSSY}[form])
        path = tmp_path / "without_a_suffix"
        path.write_bytes(data)
        with path.open("rb") as file:
            file.seek(7)
            images = [read_image(source) for source in (path, str(path), data, bytearray(data), memoryview(data), file)]
            assert not file.closed
        assert all(image.mode == "RGB" and image.size == (30, 20) for image in images)
        assert all(image.tobytes() == images[0].tobytes() for image in images)
        if form in LOSSLESS:
            assert images[0].tobytes() == noise().tobytes()
        else:
            assert images[0].tobytes() == PIL.Image.open(io.BytesIO(data)).convert("RGB").tobytes()

    def test_the_signature_decides_and_not_the_suffix(self, tmp_path: Path) -> None:
        path = tmp_path / "picture.jpg"
        path.write_bytes(encode(noise(), "PNG"))
        assert read_image(path).tobytes() == noise().tobytes()

    def test_a_pipe_is_read_to_its_end(self) -> None:
        reading, writing = os.pipe()
        data = encode(noise(3, 4))
        os.write(writing, data)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            assert read_image(pipe).tobytes() == noise(3, 4).tobytes()

    def test_the_result_is_free_of_its_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(encode(noise()))
        image = read_image(path)
        path.unlink()
        assert type(image) is PIL.Image.Image
        assert to_array(image).shape == (20, 30, 3)

    @pytest.mark.parametrize(("form", "extra"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})])
    def test_of_an_animation_the_first_picture_is_read(self, form: str, extra: dict[str, Any]) -> None:
        frames = [PIL.Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
        data = encode(frames[0], form, save_all=True, append_images=frames[1:], **extra)
        assert read_image(data).getpixel((4, 4)) == RED

    def test_only_the_decoder_that_the_file_needs_is_imported(self) -> None:
        program = (
            "import sys; from numzoo.vision.io import read_image; assert 'PIL' not in sys.modules; "
            "read_image(sys.stdin.buffer.read()); print(*sorted(m for m in sys.modules if m.endswith('ImagePlugin')))"
        )
        root = Path(errors.__file__).parents[1]
        environment = {**os.environ, "PYTHONPATH": str(root / ".dev")}
        run = subprocess.run(
            [sys.executable, "-c", program], input=encode(noise()), capture_output=True, env=environment, check=True
        )
        assert run.stdout.split() == [b"PIL.PngImagePlugin"]


class TestOrientation:
    @pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_the_picture_stands_upright(self, form: str, orientation: int) -> None:
        turn = [None, 0, 3, 1, 5, 2, 6, 4][orientation - 1]  # the way from upright to stored
        stored = corners() if turn is None else corners().transpose(PIL.Image.Transpose(turn))
        exif = PIL.Image.Exif()
        exif[0x0112] = orientation
        image = read_image(encode(stored, form, exif=exif))
        assert image.size == (32, 16)
        seen = [image.getpixel(point) for point in ((8, 4), (24, 4), (8, 12), (24, 12))]
        assert numpy.abs(numpy.subtract(seen, (RED, GREEN, BLUE, WHITE))).max() <= 40  # JPEG and WebP are lossy
        assert image.getexif().get(0x0112, 1) == 1

    @pytest.mark.parametrize("value", [0, 9, 65535])
    def test_a_senseless_orientation_turns_nothing(self, value: int) -> None:
        exif = PIL.Image.Exif()
        exif[0x0112] = value
        assert read_image(encode(noise(), exif=exif)).tobytes() == noise().tobytes()

    def test_damaged_metadata_turns_nothing_and_warns_of_nothing(self) -> None:
        data = encode(noise(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12")
        assert read_image(data).size == (30, 20)


GREY16 = numpy.array([[0, 128, 129, 256, 257], [1000, 32896, 65278, 65407, 65535]], numpy.uint16)
GREY8 = numpy.rint(GREY16 / 257).astype(numpy.uint8)


class TestModes:
    def test_grey_becomes_three_equal_channels(self) -> None:
        grey = noise().convert("L")
        array = to_array(read_image(encode(grey)))
        assert (array == to_array(grey)[:, :, None]).all()
        assert array.shape == (20, 30, 3)

    @pytest.mark.parametrize("mode", ["RGBA", "LA"])
    def test_alpha_is_dropped_and_the_colours_under_it_stay(self, mode: str) -> None:
        image = noise().convert(mode)
        image.putalpha(PIL.Image.new("L", image.size, 0))
        assert read_image(encode(image)).tobytes() == image.convert("RGB").tobytes()
        assert to_array(read_image(encode(image), mode="RGBA"))[..., 3].max() == 0

    @pytest.mark.parametrize("form", ["PNG", "GIF"])
    def test_a_palette_with_transparency_gives_its_colours_without_a_warning(self, form: str) -> None:
        palette = noise().quantize(16)
        data = encode(palette, form, transparency=bytes([0] * 8 + [255] * 8) if form == "PNG" else 3)
        assert read_image(data).tobytes() == palette.convert("RGB").tobytes()
        transparent = to_array(read_image(data, mode="RGBA"))[..., 3] == 0
        indices = numpy.asarray(palette)
        assert (transparent == ((indices < 8) if form == "PNG" else (indices == 3))).all()

    def test_one_bit_becomes_black_and_white(self) -> None:
        bits = noise().convert("1")
        assert set(to_array(read_image(encode(bits))).ravel().tolist()) == {0, 255}
        assert read_image(encode(bits)).tobytes() == bits.convert("RGB").tobytes()

    @pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM", "JPEG2000"])
    @pytest.mark.parametrize("mode", ["RGB", "L"])
    def test_sixteen_bits_are_scaled_and_not_clipped(self, form: str, mode: str) -> None:
        data = encode(PIL.Image.fromarray(GREY16), form)
        array = to_array(read_image(data, mode=mode))
        assert (array.reshape(2, 5, -1) == GREY8[:, :, None]).all()

    def test_a_dark_sixteen_bit_picture_stays_dark(self) -> None:
        dark = PIL.Image.fromarray(numpy.full((4, 4), 200, numpy.uint16))
        for form in ("PNG", "PPM", "TIFF"):
            assert to_array(read_image(encode(dark, form), "L")).max() == 1

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_both_byte_orders_of_sixteen_bit_tiff_are_read(self, order: str) -> None:
        image = PIL.Image.frombytes("I;16" if order == "<" else "I;16B", (5, 2), GREY16.astype(order + "u2").tobytes())
        assert (to_array(read_image(encode(image, "TIFF"), "L")) == GREY8).all()

    @pytest.mark.parametrize("full", [1.0, 255.0, 65535.0])
    def test_floats_are_scaled_by_their_smallest_usual_range(self, full: float) -> None:
        values = numpy.linspace(0, full, 12, dtype=numpy.float32).reshape(3, 4)
        array = to_array(read_image(encode(PIL.Image.fromarray(values), "TIFF"), "L"))
        assert (array == numpy.rint(numpy.linspace(0, 255, 12)).reshape(3, 4)).all()

    @pytest.mark.parametrize("bad", [-1.0, 1e6, float("nan"), float("inf")])
    def test_floats_without_a_usual_range_are_refused_with_the_way_out(self, bad: float) -> None:
        values = numpy.zeros((3, 4), numpy.float32)
        values[1, 2] = bad
        data = encode(PIL.Image.fromarray(values), "TIFF")
        with pytest.raises(errors.ImageError, match="mode=None"):
            read_image(data)
        assert read_image(data, mode=None).mode == "F"

    @pytest.mark.parametrize("full", [255, 65535, 2147483647])
    def test_integers_are_scaled_by_their_smallest_usual_range(self, full: int) -> None:
        values = numpy.array([[0, full // 2, full]], numpy.int32)
        array = to_array(read_image(encode(PIL.Image.fromarray(values), "TIFF"), "L"))
        assert array.tolist() == [[0, round(full // 2 * 255 / full), 255]]

    @pytest.mark.parametrize("form", ["JPEG", "TIFF"])
    def test_inks_become_light(self, form: str) -> None:
        inks = PIL.Image.new("CMYK", (16, 16), (0, 255, 255, 0))
        data = encode(inks, form, **({"quality": 100} if form == "JPEG" else {}))
        assert (b"Adobe" in data) == (form == "JPEG")
        assert numpy.abs(numpy.subtract(read_image(data).getpixel((8, 8)), RED)).max() <= 2
        assert abs(read_image(data, "L").getpixel((8, 8)) - 76) <= 2

    def test_a_pillow_image_goes_by_the_same_rules(self) -> None:
        assert (to_array(read_image(PIL.Image.fromarray(GREY16), "L")) == GREY8).all()
        image = noise()
        assert read_image(image) is not image

    def test_a_lab_picture_is_converted(self) -> None:
        middle = read_image(encode(PIL.Image.new("LAB", (4, 4), (255, 128, 128)), "TIFF")).getpixel((1, 1))
        assert numpy.abs(numpy.subtract(middle, WHITE)).max() <= 4

    def test_a_colour_space_that_pillow_cannot_convert_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: Any) -> None:
            raise ValueError("conversion not supported")

        data = encode(noise().convert("L"))
        monkeypatch.setattr(PIL.Image.Image, "convert", refuse)
        with pytest.raises(errors.ImageError, match=r"mode 'L' cannot be converted to 'RGB'.*8-bit RGB"):
            read_image(data)

    @pytest.mark.parametrize("mode", ["BGR", "rgb", "", 3])
    def test_an_unknown_mode_is_refused(self, mode: Any) -> None:
        with pytest.raises(ValueError, match="'RGB', 'L', 'RGBA' or None"):
            read_image(encode(noise()), mode)


class TestBadInput:
    def test_a_missing_file_is_named_with_what_was_perhaps_meant(self, tmp_path: Path) -> None:
        (tmp_path / "chelsea.png").write_bytes(encode(noise()))
        with pytest.raises(errors.MissingImageError, match=r"chelsae\.png.*Did you mean .*chelsea\.png") as caught:
            read_image(tmp_path / "chelsae.png")
        assert isinstance(caught.value, FileNotFoundError)
        assert isinstance(caught.value, errors.ImageError)
        assert caught.value.exit_code == 3

    @pytest.mark.parametrize(
        ("path", "said"),
        [
            ("no/such/folder/x.png", "does not exist"),
            ("https://example.org/cat.jpg", "download"),
            ("", "no file ''"),
            ("nul\0byte.png", "null"),
            ("x" * 5000, "no file"),
        ],
    )
    def test_paths_that_lead_nowhere_are_missing(self, path: str, said: str) -> None:
        with pytest.raises(errors.MissingImageError, match=said):
            read_image(path)

    def test_a_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(errors.ImageError, match="is a folder") as caught:
            read_image(tmp_path)
        assert caught.value.exit_code == 2

    @pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no device files on this system")
    def test_a_device_is_refused_and_not_read_for_ever(self) -> None:
        with pytest.raises(errors.ImageError, match="device"):
            read_image("/dev/zero")

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
    def test_a_forbidden_file_says_so(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(encode(noise()))
        path.chmod(0)
        with pytest.raises(errors.ImageAccessError) as caught:
            read_image(path)
        assert caught.value.exit_code == 8

    @pytest.mark.parametrize("kind", ["path", "bytes", "file"])
    def test_an_empty_file_says_so(self, kind: str, tmp_path: Path) -> None:
        path = tmp_path / "empty.jpg"
        path.touch()
        with pytest.raises(errors.ImageError, match="empty"):
            read_image({"path": path, "bytes": b"", "file": io.BytesIO()}[kind])

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"This is just a note.\n", "text .it begins with 'This is just a note."),
            (b"<!DOCTYPE html><html>404", "web page"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
            (b"%PDF-1.7\n", "PDF"),
            (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "PostScript"),
            (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "HEIC"),
            (b"\x00\x01\x02\x03\x04\x05\x06\x07\x08", "00 01 02 03"),
            (b"PK\x03\x04" + bytes(30), "50 4b 03 04"),
            (b"\xff", "bytes ff"),
        ],
    )
    def test_what_is_no_image_is_told_for_what_it_is(self, data: bytes, said: str, tmp_path: Path) -> None:
        path = tmp_path / "cat.jpg"
        path.write_bytes(data)
        with pytest.raises(errors.UnknownImageFormatError, match=said) as caught:
            read_image(path)
        assert "cat.jpg" in str(caught.value)
        assert "JPEG" in str(caught.value)
        assert caught.value.exit_code == 2

    @pytest.mark.parametrize("form", [*LOSSLESS, *LOSSY])
    @pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
    def test_a_truncated_file_is_refused(self, form: str, part: float) -> None:
        data = encode(noise(64, 64), form, **{**LOSSLESS, **LOSSY}[form])
        with pytest.raises(errors.DamagedImageError, match="truncated"):
            read_image(data[: int(len(data) * part)])

    @settings(max_examples=150, deadline=None, derandomize=True)
    @given(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP"]), st.data())
    def test_damaged_bytes_give_an_image_or_an_image_error(self, form: str, data: st.DataObject) -> None:
        content = bytearray(encode(noise(6, 7), form))
        for _ in range(data.draw(st.integers(1, 6))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        with contextlib.suppress(errors.ImageError):
            assert read_image(bytes(content)).mode == "RGB"

    def test_a_decompression_bomb_is_refused_by_its_header(self) -> None:
        with pytest.raises(errors.ImageTooLargeError, match=r"60000 x 60000.*max_pixels"):
            read_image(png_header(60000, 60000))
        with pytest.raises(errors.ImageTooLargeError):
            read_image(png_header(9460, 9460))  # where Pillow would only warn

    def test_the_limit_is_the_callers(self) -> None:
        data = encode(noise(10, 10))
        assert read_image(data, max_pixels=100).size == (10, 10)
        with pytest.raises(errors.ImageTooLargeError):
            read_image(data, max_pixels=99)
        with pytest.raises(errors.ImageTooLargeError):
            read_image(noise(10, 10), max_pixels=99)
        with pytest.raises(errors.DamagedImageError):  # no limit: the decoder gets its chance, and finds no pixels
            read_image(png_header(9500, 9500), max_pixels=None)

    @pytest.mark.parametrize("source", [3, None, numpy.zeros((4, 4, 3), numpy.uint8), ["a.png"]])
    def test_what_is_no_source_is_a_type_error(self, source: Any) -> None:
        with pytest.raises(TypeError, match="read_image: source is a"):
            read_image(source)

    def test_a_file_open_as_text_is_a_type_error(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        path.write_text("x")
        with path.open() as file, pytest.raises(TypeError, match="'rb'"):
            read_image(file)  # type: ignore[arg-type]

    def test_errors_travel_between_processes(self) -> None:
        for error in (errors.ImageError("a"), errors.MissingImageError("b"), errors.ImageAccessError("c")):
            again = pickle.loads(pickle.dumps(error))
            assert type(again) is type(error)
            assert str(again) == str(error)

    def test_the_filters_for_warnings_are_left_as_they_were_by_many_threads(self) -> None:
        data = encode(noise().quantize(16), transparency=bytes([0] * 8))
        before = list(warnings.filters)
        failures: list[BaseException] = []

        def work() -> None:
            try:
                for _ in range(20):
                    read_image(data)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert list(warnings.filters) == before

    def test_identify_knows_every_format_of_the_table(self) -> None:
        forms = {**LOSSLESS, **LOSSY}
        assert {identify(encode(noise(), form, **extra)[:32]) for form, extra in forms.items()} >= set(FORMATS) - {
            "AVIF"
        }
        assert identify(b"\0\0\0\x20ftypavif\0\0\0\0") == "AVIF"

    def test_a_format_that_this_pillow_was_built_without_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("PIL.WebPImagePlugin.SUPPORTED", False)
        with pytest.raises(errors.UnknownImageFormatError, match="built without WebP"):
            read_image(b"RIFF\x20\0\0\0WEBPVP8 ")


class TestWriting:
    @pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff", ".ppm", ".PNG"])
    def test_what_is_written_is_read_again(self, suffix: str, tmp_path: Path) -> None:
        path = tmp_path / f"a{suffix}"
        assert write_image(noise(), path) == path
        assert (to_array(read_image(path)) == to_array(noise())).all()
        write_image(to_array(noise(5, 5)), path)
        assert read_image(path).size == (5, 5)
        assert os.listdir(tmp_path) == [path.name]

    def test_options_reach_the_encoder(self, tmp_path: Path) -> None:
        small = write_image(noise(), tmp_path / "a.jpg", quality=5).stat().st_size
        assert small < write_image(noise(), tmp_path / "b.jpg", quality=95).stat().st_size

    @pytest.mark.parametrize(
        ("image", "name", "error", "said"),
        [
            (noise(), "a.xyz", errors.ImageError, "suffix"),
            (noise(), "suffixless", errors.ImageError, "suffix"),
            (noise().convert("RGBA"), "a.jpg", errors.ImageError, "RGBA"),
            (noise(), "no/folder/a.png", errors.MissingImageError, "no folder"),
            (numpy.zeros((3, 8, 8), numpy.uint8), "a.png", errors.ImageError, "channels come last"),
            (numpy.zeros((8, 8, 3)), "a.png", errors.ImageError, "float64"),
            (numpy.zeros((0, 8, 3), numpy.uint8), "a.png", errors.ImageError, "empty"),
        ],
    )
    def test_what_cannot_be_written_leaves_the_old_file(
        self, image: Any, name: str, error: type[Exception], said: str, tmp_path: Path
    ) -> None:
        for old in ("a.png", "a.jpg"):
            (tmp_path / old).write_bytes(b"old")
        with pytest.raises(error, match=said):
            write_image(image, tmp_path / name)
        assert sorted(os.listdir(tmp_path)) == ["a.jpg", "a.png"]
        assert (tmp_path / "a.png").read_bytes() == (tmp_path / "a.jpg").read_bytes() == b"old"

    def test_a_full_disk_leaves_the_old_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(b"old")

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            write_image(noise(), path)
        assert os.listdir(tmp_path) == ["a.png"]
        assert path.read_bytes() == b"old"

    def test_a_folder_is_not_written_over(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").mkdir()
        with pytest.raises(errors.ImageError, match="is a folder"):
            write_image(noise(), tmp_path / "a.png")

    @pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3), (4, 5, 4)])
    def test_arrays_and_images_convert_into_each_other(self, shape: tuple[int, ...]) -> None:
        array = numpy.random.default_rng(1).integers(0, 256, shape, dtype=numpy.uint8)
        assert (to_array(from_array(array)).reshape(shape) == array).all()

    def test_to_array_refuses_what_has_no_eight_bits(self) -> None:
        with pytest.raises(errors.ImageError, match="I;16"):
            to_array(PIL.Image.fromarray(GREY16))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_never_replaced_by_an_image(tmp_path):
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    with pytest.raises(errors.ImageError, match="pipe or a device"):
        write_image(numpy.zeros((2, 2), numpy.uint8), pipe)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
