"""The image operations against PIL's."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from tests.trainer.pictures import pictures
from trainer import image_ops

Theirs = Callable[[Image.Image, float], Image.Image]


def _affine(image: Image.Image, *coefficients: float) -> Image.Image:
    return image.transform(
        image.size, Image.Transform.AFFINE, coefficients, Image.Resampling.NEAREST, fillcolor=(128,) * 3
    )


PIL_OPERATIONS: dict[str, tuple[tuple[float, ...], Theirs]] = {
    "shear_x": ((-0.3, 0.1, 0.27, 0.99), lambda image, s: _affine(image, 1, s, 0, 0, 1, 0)),
    "shear_y": ((-0.3, 0.1, 0.27, 0.99), lambda image, s: _affine(image, 1, 0, 0, s, 1, 0)),
    "translate_x": ((-0.4, 0.1, 0.453, 1.0), lambda image, s: _affine(image, 1, 0, s * image.width, 0, 1, 0)),
    "translate_y": ((-0.4, 0.1, 0.453, 1.0), lambda image, s: _affine(image, 1, 0, 0, 0, 1, s * image.width)),
    "rotate": ((-30, 6.7, 20, 135), lambda image, s: image.rotate(s, fillcolor=(128,) * 3)),
    "brightness": ((0.01, 0.1, 0.7, 1.99), lambda image, s: ImageEnhance.Brightness(image).enhance(s)),
    "contrast": ((0.01, 0.1, 0.7, 1.99), lambda image, s: ImageEnhance.Contrast(image).enhance(s)),
    "color": ((0.01, 0.1, 0.7, 1.99), lambda image, s: ImageEnhance.Color(image).enhance(s)),
    "sharpness": ((0.01, 0.1, 0.7, 1.99), lambda image, s: ImageEnhance.Sharpness(image).enhance(s)),
    "posterize": ((2, 4, 5, 8), lambda image, s: ImageOps.posterize(image, int(s))),
    "solarize": ((0, 100, 144, 255), lambda image, s: ImageOps.solarize(image, int(s))),
    "invert": ((0,), lambda image, s: ImageOps.invert(image)),
    "autocontrast": ((0,), lambda image, s: ImageOps.autocontrast(image)),
    "equalize": ((0,), lambda image, s: ImageOps.equalize(image)),
}


@pytest.mark.parametrize("name", PIL_OPERATIONS)
@pytest.mark.parametrize("size", [16, 32, 33])
def test_an_operation_equals_pil_s_pixel_by_pixel(name: str, size: int) -> None:
    strengths, theirs = PIL_OPERATIONS[name]
    images = pictures(12, size)
    images[0] = 77  # one flat image
    strength = torch.tensor(strengths).float().repeat(12)[:12]
    ours = getattr(image_ops, name)(images, strength)
    expected = [
        np.asarray(theirs(Image.fromarray(image.permute(1, 2, 0).numpy()), float(s)))
        for image, s in zip(images, strength, strict=True)
    ]
    assert np.array_equal(ours.permute(0, 2, 3, 1).numpy(), np.stack(expected))


def test_grey_is_pil_s_luminance_for_every_pixel() -> None:
    images = pictures(12)
    expected = [np.asarray(Image.fromarray(image.permute(1, 2, 0).numpy()).convert("L")) for image in images]
    assert torch.equal(image_ops.to_grey(images)[:, 0], torch.from_numpy(np.stack(expected)))
