"""From an image to a network's input, exactly as the images of its training were made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

from trainer.data import Fit
from trainer.data._pictures import Unreadable, decode, make_square, to_rgb
from trainer.data.npz import make_squares
from trainer.images import resize

Storage = Literal["files", "arrays"]


@dataclass(frozen=True)
class Preprocess:
    """Turns an image, or a file with one, into uint8 [3, resolution, resolution], values 0..255.

    storage: whether the data set was of image files, which Pillow resizes (bicubic), or of arrays, which
        torch resizes (bilinear)
    image_size: pixels a side that images are stored at, before they are resized to `resolution`
    fit: how an image that is not square becomes one
    """

    storage: Storage
    fit: Fit
    image_size: int
    resolution: int

    def __call__(self, image: Image.Image | str | Path) -> Tensor:
        """Raises Unreadable with the reason."""
        rgb = self._convert(image) if isinstance(image, Image.Image) else decode(Path(image))
        if self.storage == "files":
            array = np.asarray(make_square(rgb, self.image_size, self.fit))[None]
        else:
            array = make_squares(np.asarray(rgb)[None], self.fit)
        pixels = torch.from_numpy(np.array(array)).permute(0, 3, 1, 2)
        for size in (self.image_size, self.resolution):
            pixels = resize(pixels, size)
        return pixels[0]

    def _convert(self, image: Image.Image) -> Image.Image:
        """A copy of the caller's image in RGB, upright."""
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
