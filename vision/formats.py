"""Opening a file with exactly one of Pillow's decoders: the one that the file's first bytes name.

Pillow's own ``Image.open`` imports its decoders in bulk and tries them in turn, among them some that start other
programs (EPS runs Ghostscript). Here the signature decides, from a closed table, and only that decoder is imported:
safer, and a quicker start.
"""

from __future__ import annotations

import importlib
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from .errors import DamagedImageError, ImageTooLargeError, UnknownImageFormatError

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

SIGNATURE_BYTES = 32


class Format(NamedTuple):
    """An image format: its name, and where Pillow keeps the decoder."""

    name: str
    plugin: str
    decoder: str


FORMATS = {
    name: Format(name, plugin, decoder)
    for name, plugin, decoder in (
        ("JPEG", "JpegImagePlugin", "JpegImageFile"),
        ("PNG", "PngImagePlugin", "PngImageFile"),
        ("GIF", "GifImagePlugin", "GifImageFile"),
        ("BMP", "BmpImagePlugin", "BmpImageFile"),
        ("PPM", "PpmImagePlugin", "PpmImageFile"),
        ("TIFF", "TiffImagePlugin", "TiffImageFile"),
        ("WebP", "WebPImagePlugin", "WebPImageFile"),
        ("JPEG 2000", "Jpeg2KImagePlugin", "Jpeg2KImageFile"),
        ("AVIF", "AvifImagePlugin", "AvifImageFile"),
    )
}

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
)


def identify(head: bytes) -> str | None:
    """The name of the format whose signature `head`, a file's first bytes, carries; None where there is none.

    >>> identify(b"GIF89a...")
    'GIF'
    """
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp" and any(brand in head[8:32] for brand in (b"avif", b"avis")):
        return "AVIF"
    if head[:1] == b"P" and head[1:2] in tuple(b"%c" % c for c in b"123456fF") and head[2:3].isspace():
        return "PPM"
    return None


def open_image(stream: BinaryIO, name: str, max_pixels: int | None) -> ImageFile:
    """The image in a seekable binary `stream`, its header read and its size checked, its pixels not yet decoded.

    `name` is what messages call it. Raises UnknownImageFormatError, ImageTooLargeError or DamagedImageError.
    """
    stream.seek(0)
    head = stream.read(SIGNATURE_BYTES)
    stream.seek(0)
    form = identify(head)
    if form is None:
        raise UnknownImageFormatError(_not_an_image(name, head))
    decoder = _decoder(FORMATS[form], name)
    try:
        image: ImageFile = decoder(stream)
    except Exception as error:  # hostile bytes make decoders raise nearly anything, even SyntaxError
        raise damaged(name, form, error) from error
    check_pixels(image.size, name, max_pixels)
    return image


def check_pixels(size: tuple[int, int], name: str, max_pixels: int | None) -> None:
    """Refuse an image of `size` = (width, height) with more than `max_pixels` pixels (None: no limit)."""
    width, height = size
    if max_pixels is not None and width * height > max_pixels:
        raise ImageTooLargeError(
            f"{name} says that it is {width} x {height}, {width * height:,} pixels, where at most {max_pixels:,} "
            "are decoded. If you trust it, pass a larger max_pixels=, or make the image smaller first."
        )


def damaged(name: str, form: str | None, error: BaseException) -> DamagedImageError:
    """The error for an image whose decoder gave up with `error`."""
    reason = str(error).strip().rstrip(".") or type(error).__name__
    kind = f"a {form} image" if form else "an image"
    return DamagedImageError(
        f"{name} begins like {kind}, but it cannot be decoded ({reason}). It is truncated or damaged: get it again, "
        "or open and save it with an image editor."
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back the warnings that Pillow's own modules give while they decode; other modules' pass.

    What matters among them is an error here (size), the rest is about metadata that nobody reads. Threads may decode at
    the same time, so this does not save and restore the whole list of filters: it adds one entry and removes just that.
    """
    if getattr(sys.flags, "context_aware_warnings", False):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield
        return
    _Quiet.enter()
    try:
        yield
    finally:
        _Quiet.leave()


class _Quiet:
    lock = threading.Lock()
    inside = 0
    entry: Any = None
    lists: tuple[list[Any], ...] = ()

    @classmethod
    def enter(cls) -> None:
        with cls.lock:
            cls.inside += 1
            filters: list[Any] = warnings.filters  # type: ignore[assignment]
            if not (filters and filters[0] is cls.entry and cls.entry is not None):
                warnings.filterwarnings("ignore", module=r"PIL\.")
                cls.entry = filters[0]
                cls.lists += (filters,)

    @classmethod
    def leave(cls) -> None:
        with cls.lock:
            cls.inside -= 1
            if cls.inside == 0:
                current: list[Any] = warnings.filters  # type: ignore[assignment]
                for filters in (*cls.lists, current):
                    while cls.entry in filters:
                        filters.remove(cls.entry)
                cls.entry, cls.lists = None, ()


def _decoder(form: Format, name: str) -> Any:
    try:
        plugin = importlib.import_module(f"PIL.{form.plugin}")
    except ImportError:
        plugin = None
    if plugin is None or not getattr(plugin, "SUPPORTED", True):
        raise UnknownImageFormatError(
            f"{name} is a {form.name} image, and the installed Pillow was built without {form.name}. "
            "Install a newer Pillow (python -m pip install --upgrade pillow), or convert the image to PNG or JPEG."
        )
    return getattr(plugin, form.decoder)


def _not_an_image(name: str, head: bytes) -> str:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<svg")):
        what = "a web page or SVG (it begins with '<')"
    elif head[4:8] == b"ftyp" and any(brand in head for brand in (b"heic", b"heix", b"mif1", b"hevc")):
        what = "a HEIC photograph, which Pillow does not read"
    elif head.startswith((b"%PDF", b"%!PS", b"\xc5\xd0\xd3\xc6")):
        what = "a PDF or PostScript document"
    elif head and all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head):
        what = f"text (it begins with {head[:24].decode('ascii')!r})"
    else:
        what = f"no known image format (it begins with the bytes {head[:8].hex(' ')})"
    return (
        f"{name} is not an image: it is {what}. Read here: {', '.join(FORMATS)}. "
        "Convert it to PNG or JPEG, or check the path."
    )
