"""One file of an image as a square of 8-bit RGB, upright, without transparency. docs/data.md has the rules.

Pillow opens far more than it can convert: it clips 16 bits to white, shows the hidden colours of transparent
pixels and takes inks for light. So every mode is either named here or refused.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from trainer.data import BACKGROUND, Fit

RULES = 2  # raise it when any picture comes out otherwise: it is then another data set
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".gif", ".webp", ".tif", ".tiff"})

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")  # no other: Pillow runs programs to read some
_MOST_PIXELS = 89_478_485  # beyond which Pillow warns of a small file made to fill the memory
_MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX"})
_MODES |= {"CMYK", "YCbCr", "LAB", "HSV"}
_GREY_STEPS = {"1": 255, "L;2": 85, "L;4": 17}  # of a PNG's grey of few bits, between two of its levels
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
_WHITE_IS_ZERO, _UNSIGNED = 0, 1
_EIGHT, _SIXTEEN = 255, 65535
_RESAMPLING = Image.Resampling.BICUBIC


class Unreadable(Exception):
    """A file holds no picture that is read. The message says why, without naming the file."""


def square(path: Path, size: int, fit: Fit) -> NDArray[np.uint8]:
    """The picture in a file, of several the first: [size, size, 3]. Raises Unreadable."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return np.asarray(_squared(rgb(image), size, fit))
    except (Unreadable, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise Unreadable("it is not an image, or not of the kind that its name says") from error
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from error
    except Exception as error:  # whatever Pillow makes of a damaged file, struct.error and KeyError included
        raise Unreadable(str(error) or type(error).__name__) from error


def rgb(image: Image.Image) -> Image.Image:
    """What is seen of an opened image: upright, 8 bits a channel, transparency on the background.

    Raises Unreadable, and what Pillow raises.
    """
    image = _upright(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")
    whole = Image.new("RGBA", image.size, (*BACKGROUND, _EIGHT))
    whole.alpha_composite(image.convert("RGBA"))
    return whole.convert("RGB")


def _upright(image: Image.Image) -> Image.Image:
    """The picture decoded, in 8 or 16 bits, turned as its EXIF orientation says."""
    width, height = image.size
    if width * height > _MOST_PIXELS:
        raise Unreadable(f"{width} x {height} pixels are more than the {_MOST_PIXELS:,} that are read")
    rawmode = _rawmode(image)
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    _refuse_ambiguous(image, rawmode)
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        return _eight_bits(image)
    if image.format == "PNG" and rawmode in _GREY_STEPS and "transparency" in image.info:
        levels = image.info["transparency"]  # Pillow widens the pixels to 0..255 and not this
        image.info["transparency"] = min(levels * _GREY_STEPS[rawmode], _EIGHT)
    return image


def _rawmode(image: Image.Image) -> str:
    """How the file stores its pixels; empty where Pillow does not tell."""
    tiles = getattr(image, "tile", None)
    stored = tiles[0][3] if tiles else ""
    return str(stored[0] if isinstance(stored, tuple) and stored else stored)


def _refuse_ambiguous(image: Image.Image, rawmode: str) -> None:
    """Raises Unreadable for what nobody can say the brightness or the transparency of."""
    samples = _tag(image, _SAMPLE_FORMAT, _UNSIGNED)
    if image.mode == "F" or (image.mode == "I" and image.format != "PNG") or samples != _UNSIGNED:
        raise Unreadable("its pixels are floats, signed or of 32 bits; save it with 8 or 16 bits a channel")
    if image.mode == "CMYK" and image.format in ("JPEG", "MPO") and "adobe" not in image.info:
        raise Unreadable("a CMYK JPEG without Adobe's marker may be inverted or not; save it as RGB")
    if rawmode == "RGB;16B" and "transparency" in image.info:
        raise Unreadable("16 bits with one transparent colour; save it with an alpha channel or 8 bits")
    if image.mode not in _MODES and not image.mode.startswith("I"):
        raise Unreadable(f"pixels of the mode {image.mode} are not read; save it as RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits, or of as many as a TIFF says, over the whole range of 8."""
    deep = np.asarray(image).astype(np.int64)
    most = min(2 ** int(_tag(image, _BITS, 16)) - 1, _SIXTEEN)
    grey = (deep * _EIGHT + most // 2) // most
    if _tag(image, _PHOTOMETRIC, None) == _WHITE_IS_ZERO:  # which Pillow heeds in 8 bits alone
        grey = _EIGHT - grey
    shallow = Image.fromarray(grey.astype(np.uint8))
    if "transparency" in image.info:
        seen = np.where(deep == image.info["transparency"], 0, _EIGHT).astype(np.uint8)
        shallow.putalpha(Image.fromarray(seen))
    return shallow


def _tag(image: Image.Image, tag: int, otherwise: Any) -> Any:
    """A tag of a TIFF, the first value of several."""
    held = getattr(image, "tag_v2", {}).get(tag, otherwise)
    return held[0] if isinstance(held, tuple) else held


def _squared(image: Image.Image, size: int, fit: Fit) -> Image.Image:
    if fit == "crop":
        return ImageOps.fit(image, (size, size), _RESAMPLING)
    if fit == "squash" or image.width == image.height:
        return image.resize((size, size), _RESAMPLING)
    longest = max(image.size)
    width, height = (max(1, round(size * side / longest)) for side in image.size)
    padded = Image.new("RGB", (size, size), BACKGROUND)
    padded.paste(image.resize((width, height), _RESAMPLING), ((size - width) // 2, (size - height) // 2))
    return padded
