"""From an image to a network's input, exactly as the images of its training were made."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from torch import Tensor

from trainer.data import Fit, Storage
from trainer.data._pictures import Unreadable, decode, least_side, make_square, to_rgb
from trainer.data.npz import make_squares
from trainer.images import resize


@dataclass(frozen=True)
class Preprocess:
    """Turns an image, or a file with one, into uint8 [3, resolution, resolution], values 0..255.

    storage: whether the data set was of image files, which Pillow resizes (bicubic), or of arrays, which
        torch resizes (bilinear)
    image_size: pixels a side that images are stored at, before they are resized to `resolution`
    fit: how an image that is not square becomes one
    rules: by which image files are decoded
    """

    storage: Storage
    fit: Fit
    image_size: int
    resolution: int
    rules: int

    def __call__(self, image: Image.Image | str | Path) -> Tensor:
        """Raises Unreadable with the reason."""
        least = least_side(self.image_size, self.rules) if self.storage == "files" else None
        rgb = self._convert(image, least) if isinstance(image, Image.Image) else decode(Path(image), least)
        if self.storage == "files":
            array = np.asarray(make_square(rgb, self.image_size, self.fit))[None]
        else:
            array = make_squares(np.asarray(rgb)[None], self.fit)
        pixels = torch.from_numpy(np.array(array)).permute(0, 3, 1, 2)
        for size in (self.image_size, self.resolution):
            pixels = resize(pixels, size)
        return pixels[0]

    def _convert(self, image: Image.Image, least: int | None) -> Image.Image:
        """A copy of the caller's image in RGB, upright."""
        if least is not None and (content := _read_undecoded(image)):
            return decode(io.BytesIO(content), least)
        try:
            if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:  # `to_rgb` would rotate the caller's
                upright = ImageOps.exif_transpose(image)
                upright.format = image.format  # which decides how 16 bits and CMYK are read
                image = upright
            return to_rgb(image)
        except (Unreadable, MemoryError):
            raise
        except Exception as error:  # as of a file that is cut off
            raise Unreadable(str(error) or type(error).__name__) from error


def _read_undecoded(image: Image.Image) -> bytes:
    """The file of a JPEG that is open and not decoded yet; empty for all others."""
    file = getattr(image, "fp", None)
    if not isinstance(image, JpegImageFile) or not image.tile or file is None:
        return b""
    position = file.tell()
    file.seek(0)
    content: bytes = file.read()
    file.seek(position)
    return content
