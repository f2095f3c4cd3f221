"""Decode an image file to a square of 8-bit RGB, upright, without transparency. docs/data.md has the rules.

Pillow opens more modes than it converts correctly: it clips 16 bits to white, shows the hidden colours of
transparent pixels and may invert CMYK. So every mode is either listed here or refused.
"""

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from trainer.data import BACKGROUND, RULES, Fit

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".gif", ".webp", ".tif", ".tiff"})

_FORMATS = (
    "PNG",
    "JPEG",
    "BMP",
    "GIF",
    "WEBP",
    "TIFF",
    "PPM",
)  # only these: Pillow runs programs for some others
_TIFF = (b"II*\0", b"MM\0*")  # a file's first bytes
_MOST_PIXELS = 89_478_485  # above this Pillow warns of decompression bombs
_MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX"})
_MODES |= {"CMYK", "YCbCr", "LAB", "HSV"}
_GREY_STEPS = {"1": 255, "L;2": 85, "L;4": 17}  # between two levels of a PNG with few bits of grey
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
_WHITE_IS_ZERO, _UNSIGNED = 0, 1
_EIGHT, _SIXTEEN = 255, 65535
_REDUCED_SINCE = 3  # version of the rules
_RESAMPLING = Image.Resampling.BICUBIC


class Unreadable(Exception):
    """A file cannot be read as a picture. The message says why, without naming the file."""


def decode_square(path: Path, size: int, fit: Fit, rules: int = RULES) -> NDArray[np.uint8]:
    """The (first) picture in a file, [size, size, 3], by the rules of a version. Raises Unreadable."""
    return np.asarray(make_square(decode(path, least_side(size, rules)), size, fit))


def least_side(size: int, rules: int) -> int | None:
    """The pixels a side that a JPEG must keep if it becomes a square of `size`; None: all it has."""
    return None if rules < _REDUCED_SINCE else 2 * size


def decode(file: Path | BinaryIO, least: int | None = None) -> Image.Image:
    """The (first) picture in a file as `to_rgb` makes it. Raises Unreadable.

    least: decode a JPEG at a half, a quarter or an eighth of its size, if both sides keep so many pixels
    """
    try:
        with Image.open(file, formats=_FORMATS) as image:
            return to_rgb(image, least)
    except (Unreadable, MemoryError):
        raise
    except UnidentifiedImageError as error:
        if _read_start(file).startswith(_TIFF):
            raise Unreadable(
                "a TIFF whose channels are not read; save it as grey or RGB, as networks take three channels"
            ) from error
        raise Unreadable("it is not an image, or not of the kind that its name says") from error
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from error
    except Exception as error:  # a damaged file may raise anything, such as struct.error or KeyError
        raise Unreadable(str(error) or type(error).__name__) from error


def _read_start(file: Path | BinaryIO) -> bytes:
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return opened.read(len(_TIFF[0]))
    file.seek(0)
    return file.read(len(_TIFF[0]))


def read_shorter_side(path: Path) -> int:
    """The pixels of the shorter side of the picture in a file, which is not decoded. Raises Unreadable."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return min(image.size)
    except Exception as error:  # as of a file that is no picture
        raise Unreadable(str(error) or type(error).__name__) from error


def to_rgb(image: Image.Image, least: int | None = None) -> Image.Image:
    """An opened image upright, with 8 bits per channel, blended with the background.

    Raises Unreadable, and what Pillow raises.
    """
    image = _load_upright(image, least)
    if not image.has_transparency_data:
        return image.convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")
    whole = Image.new("RGBA", image.size, (*BACKGROUND, _EIGHT))
    whole.alpha_composite(image.convert("RGBA"))
    return whole.convert("RGB")


def _load_upright(image: Image.Image, least: int | None) -> Image.Image:
    """Decode the picture, in 8 or 16 bits, and apply its EXIF orientation."""
    width, height = image.size
    if width * height > _MOST_PIXELS:
        raise Unreadable(f"{width} x {height} pixels are more than the {_MOST_PIXELS:,} that are read")
    rawmode = _rawmode(image)
    if least is not None:
        image.draft(None, (least, least))  # only of JPEG, whose decoder skips what a smaller image lacks
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    _refuse_ambiguous(image, rawmode)
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        return _to_eight_bits(image)
    if image.format == "PNG" and rawmode in _GREY_STEPS and "transparency" in image.info:
        levels = image.info["transparency"]  # Pillow scales the pixels to 0..255 but not this value
        image.info["transparency"] = min(levels * _GREY_STEPS[rawmode], _EIGHT)
    return image


def _rawmode(image: Image.Image) -> str:
    """How the file stores its pixels; empty where Pillow does not know."""
    tiles = getattr(image, "tile", None)
    stored = tiles[0][3] if tiles else ""
    return str(stored[0] if isinstance(stored, tuple) and stored else stored)


def _refuse_ambiguous(image: Image.Image, rawmode: str) -> None:
    """Raise Unreadable if brightness or transparency are ambiguous."""
    samples = _tag(image, _SAMPLE_FORMAT, _UNSIGNED)
    if image.mode == "F" or (image.mode == "I" and image.format != "PNG") or samples != _UNSIGNED:
        raise Unreadable("its pixels are floats, signed or of 32 bits; save it with 8 or 16 bits a channel")
    if image.mode == "CMYK" and image.format in ("JPEG", "MPO") and "adobe" not in image.info:
        raise Unreadable("a CMYK JPEG without Adobe's marker may be inverted or not; save it as RGB")
    if rawmode == "RGB;16B" and "transparency" in image.info:
        raise Unreadable("16 bits with one transparent colour; save it with an alpha channel or 8 bits")
    if image.mode not in _MODES and not image.mode.startswith("I"):
        raise Unreadable(f"pixels of the mode {image.mode} are not read; save it as RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale grey of 16 bits, or of as many as a TIFF says, to 8."""
    deep = np.asarray(image).astype(np.int64)
    most = min(2 ** int(_tag(image, _BITS, 16)) - 1, _SIXTEEN)
    grey = (deep * _EIGHT + most // 2) // most
    if _tag(image, _PHOTOMETRIC, None) == _WHITE_IS_ZERO:  # which Pillow applies only to 8 bits
        grey = _EIGHT - grey
    shallow = Image.fromarray(grey.astype(np.uint8))
    if "transparency" in image.info:
        seen = np.where(deep == image.info["transparency"], 0, _EIGHT).astype(np.uint8)
        shallow.putalpha(Image.fromarray(seen))
    return shallow


def _tag(image: Image.Image, tag: int, otherwise: Any) -> Any:
    """A tag of a TIFF, the first of several values."""
    held = getattr(image, "tag_v2", {}).get(tag, otherwise)
    return held[0] if isinstance(held, tuple) else held


def make_square(image: Image.Image, size: int, fit: Fit) -> Image.Image:
    """The picture in RGB with `size` pixels a side."""
    if fit == "crop":
        return ImageOps.fit(image, (size, size), _RESAMPLING)
    if fit == "squash" or image.width == image.height:
        return image.resize((size, size), _RESAMPLING)
    longest = max(image.size)
    width, height = (max(1, round(size * side / longest)) for side in image.size)
    padded = Image.new("RGB", (size, size), BACKGROUND)
    padded.paste(image.resize((width, height), _RESAMPLING), ((size - width) // 2, (size - height) // 2))
    return padded
