"""Reading and writing images: any usual file in, an upright eight-bit Pillow image out, or one clear error.

>>> from numzoo.vision.io import read_image, to_array
>>> image = read_image("cat.jpg")                           # doctest: +SKIP
>>> to_array(image).shape                                   # doctest: +SKIP
(300, 451, 3)
"""

from __future__ import annotations

import io
import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from numzoo.hub.given import Given

from .errors import ImageAccessError, ImageError, ImageTooLargeError, MissingImageError
from .formats import check_pixels, damaged, open_image, quiet
from .modes import MODES, convert

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy
    from numpy.typing import NDArray
    from PIL.Image import Image

    Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Image

MAX_PIXELS = 89_478_485  # where Pillow begins to warn of a decompression bomb: 256 MiB of RGB
MAX_STREAM_BYTES = 1 << 30  # of a pipe, whose end nobody can see
_GIVEN = Given("an", "image", ImageError, MissingImageError, ImageAccessError, ImageTooLargeError)

_ORIENTATION = 0x0112  # the EXIF tag
_UPRIGHT = {  # its value: the name of Pillow's transposition that undoes it
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
_METADATA = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")


def read_image(source: Source, mode: str | None = "RGB", *, max_pixels: int | None = MAX_PIXELS) -> Image:
    """The image in `source`, upright (EXIF orientation applied), decoded, in `mode`, free of its file.

    `source` is a path, the file's bytes, an open binary file (read from its beginning, left open) or a Pillow image.
    `mode` is "RGB", "L" or "RGBA" (how others become these: numzoo.vision.modes) or None for pixels as stored. Of an
    animation or a many-paged file, the first picture. Read: JPEG, PNG, GIF, BMP, PPM, TIFF, WebP, JPEG 2000, AVIF.

    Raises MissingImageError, ImageAccessError, UnknownImageFormatError, DamagedImageError, ImageTooLargeError (more
    than `max_pixels`, by the header, before anything is decoded; None: no limit), all of them ImageError.
    """
    import PIL.Image

    if mode is not None and mode not in MODES:
        raise ValueError(f"read_image: mode is {mode!r} but must be one of {', '.join(map(repr, MODES))} or None")
    if isinstance(source, PIL.Image.Image):
        name, form = "the Pillow image", source.format
        check_pixels(source.size, name, max_pixels)
        with quiet():
            return _finish(source, name, form, mode)
    with _opened(source) as (stream, name), quiet():
        image = open_image(stream, name, max_pixels)
        return _finish(image, name, image.format, mode)


def to_array(image: Image) -> NDArray[numpy.uint8]:
    """The pixels as a new uint8 array: (height, width) for "L" and "1", else (height, width, channels)."""
    import numpy

    if image.mode == "1":
        image = image.convert("L")
    array = numpy.array(image)
    if array.dtype != numpy.uint8:
        raise ImageError(
            f"to_array: the image is in Pillow's mode {image.mode!r}, not of eight bits; "
            "numpy.asarray(image) keeps its type"
        )
    return array


def from_array(array: NDArray[Any]) -> Image:
    """A Pillow image of a uint8 array: (height, width), or (height, width, 1, 3 or 4)."""
    import numpy
    import PIL.Image

    array = numpy.asarray(array)
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))
    if array.dtype != numpy.uint8 or not fits or array.size == 0:
        planar = array.ndim == 3 and array.shape[0] in (1, 3)
        hint = "; channels come last here: array.transpose(1, 2, 0)" if planar else ""
        raise ImageError(
            f"from_array: the array is {array.dtype} {array.shape} but must be uint8 (height, width), "
            f"(height, width, 3) or (height, width, 4), without empty sides{hint}"
        )
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    return PIL.Image.fromarray(numpy.ascontiguousarray(array))


def write_image(image: Image | NDArray[Any], path: str | os.PathLike[str], **options: Any) -> Path:
    """Write a Pillow image or a uint8 array to `path`, in the format of its suffix; the path that was written.

    The file appears whole or not at all: it is written beside, flushed to the disk, then renamed over. `options` go to
    Pillow's encoder (``quality=90``). Raises ImageError (unknown suffix, pixels that the format cannot hold),
    MissingImageError (no such folder), ImageAccessError, or the OSError of a full disk.
    """
    import PIL.Image

    picture = image if isinstance(image, PIL.Image.Image) else from_array(image)
    target = Path(os.path.realpath(path))
    form = PIL.Image.registered_extensions().get(target.suffix.lower(), "")
    if form not in PIL.Image.SAVE:
        raise ImageError(
            f"write_image: {str(path)!r} has no suffix of an image format that can be written; try .png or .jpg"
        )
    encoded = io.BytesIO()
    try:
        picture.save(encoded, format=form, **options)
    except (OSError, ValueError, KeyError) as error:
        raise ImageError(
            f"write_image: Pillow cannot write mode {picture.mode!r} as {form} ({error}); "
            'convert it first, e.g. image.convert("RGB")'
        ) from error
    _publish(encoded.getvalue(), target)
    return Path(path)


def _finish(image: Image, name: str, form: str | None, mode: str | None) -> Image:
    try:
        image.load()
        turned = _upright(image)
    except MemoryError:
        raise
    except Exception as error:  # see open_image
        raise damaged(name, form, error) from error
    try:
        result = turned if mode is None else convert(turned, mode)
    except ImageError as error:
        raise type(error)(f"{name}: {error}") from error
    return result.copy() if result is image else result  # a copy knows nothing of the file


def _upright(image: Image) -> Image:
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged metadata says nothing, and so turns nothing
        return image
    if not isinstance(orientation, int) or orientation not in _UPRIGHT:
        return image
    from PIL.Image import Transpose

    turned = image.transpose(Transpose[_UPRIGHT[orientation]])
    turned.format = image.format
    for key in _METADATA:  # so that nobody turns it a second time
        turned.info.pop(key, None)
    return turned


def _opened(source: Any) -> AbstractContextManager[tuple[BinaryIO, str]]:
    """A seekable binary file with the bytes of `source`, and what to call it in messages."""
    wanted = "a path, bytes, a binary file or a Pillow image; for an array see numzoo.vision.io.from_array"
    return _GIVEN.opened(source, "read_image", most=MAX_STREAM_BYTES, wanted=wanted)


def _publish(data: bytes, target: Path) -> None:
    if target.exists() and not (target.is_file() or target.is_dir()):
        # The rename would put a file in its place; for a pipe or a device nobody wants that.
        raise ImageError(f"write_image: {str(target)!r} is a pipe or a device; an image is written to a file")
    part = target.with_name(f".{target.name[:80]}.{os.urandom(6).hex()}.part")
    try:
        # Not tempfile: the new file gets the rights that the user's umask asks for.
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except FileNotFoundError as error:
        raise MissingImageError(f"write_image: there is no folder {str(target.parent)!r}; make it first") from error
    except PermissionError as error:
        raise ImageAccessError(f"write_image: {str(target)!r} cannot be written: permission denied") from error
    except IsADirectoryError as error:
        raise ImageError(f"write_image: {str(target)!r} is a folder; give the path of a file in it") from error
