from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Generator, Tensor

from trainer import augment, autoaugment, image_ops, recipe

Augmentation = Callable[[Tensor, Generator], Tensor]


def pictures(count: int, size: int = 32, seed: int = 0) -> Tensor:
    """Smooth images with some noise, uint8 [count, 3, size, size]: neither flat nor pure noise."""
    rng = np.random.default_rng(seed)
    grid = np.linspace(0, 3, size)
    waves = np.sin(grid[None, :, None] * rng.uniform(0.5, 2, (count * 3, 1, 1)) + grid[None, None, :])
    noisy = 128 + 90 * waves + rng.normal(0, 12, waves.shape)
    return torch.from_numpy(noisy.clip(0, 255).astype(np.uint8)).view(count, 3, size, size)


def _affine(image: Image.Image, *coefficients: float) -> Image.Image:
    return image.transform(
        image.size, Image.Transform.AFFINE, coefficients, Image.Resampling.NEAREST, fillcolor=(128,) * 3
    )


PIL_OPERATIONS: dict[str, tuple[tuple[float, ...], Callable[[Image.Image, float], Image.Image]]] = {
    "shear_x": ((-0.3, 0.1, 0.27), lambda image, s: _affine(image, 1, s, 0, 0, 1, 0)),
    "shear_y": ((-0.3, 0.1, 0.27), lambda image, s: _affine(image, 1, 0, 0, s, 1, 0)),
    "translate_x": ((-0.4, 0.1, 0.453), lambda image, s: _affine(image, 1, 0, s * image.width, 0, 1, 0)),
    "translate_y": ((-0.4, 0.1, 0.453), lambda image, s: _affine(image, 1, 0, 0, 0, 1, s * image.width)),
    "rotate": ((-30, 6.7, 20), lambda image, s: image.rotate(s, fillcolor=(128,) * 3)),
    "brightness": ((0.1, 0.7, 1.9), lambda image, s: ImageEnhance.Brightness(image).enhance(s)),
    "contrast": ((0.1, 0.7, 1.9), lambda image, s: ImageEnhance.Contrast(image).enhance(s)),
    "color": ((0.1, 0.7, 1.9), lambda image, s: ImageEnhance.Color(image).enhance(s)),
    "sharpness": ((0.1, 0.7, 1.9), lambda image, s: ImageEnhance.Sharpness(image).enhance(s)),
    "posterize": ((4, 5, 8), lambda image, s: ImageOps.posterize(image, int(s))),
    "solarize": ((0, 100, 255), lambda image, s: ImageOps.solarize(image, int(s))),
    "invert": ((0,), lambda image, s: ImageOps.invert(image)),
    "autocontrast": ((0,), lambda image, s: ImageOps.autocontrast(image)),
    "equalize": ((0,), lambda image, s: ImageOps.equalize(image)),
}


@pytest.mark.parametrize("name", PIL_OPERATIONS)
@pytest.mark.parametrize("size", [16, 33])
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
    difference = np.abs(ours.permute(0, 2, 3, 1).numpy().astype(int) - np.stack(expected))
    assert (difference == 0).mean() >= 0.995


def test_the_policy_is_autoaugment_s_for_cifar10() -> None:
    from torchvision.transforms import AutoAugment, AutoAugmentPolicy

    theirs = AutoAugment(AutoAugmentPolicy.CIFAR10).policies
    ours = tuple(
        tuple((operation.__name__.replace("_", ""), probability) for operation, probability, _ in pair)
        for pair in autoaugment.POLICY
    )
    assert ours == tuple(tuple((name.lower(), p) for name, p, _ in pair) for pair in theirs)
    for our_pair, their_pair in zip(autoaugment.POLICY, theirs, strict=True):
        for (_, _, ours_magnitude), (_, _, magnitude) in zip(our_pair, their_pair, strict=True):
            assert magnitude is None or magnitude == ours_magnitude


@pytest.mark.parametrize("name", recipe.names())
def test_256_copies_of_an_image_come_back_different(name: str) -> None:
    copies = pictures(1).expand(256, -1, -1, -1)
    generator = torch.Generator().manual_seed(0)
    chosen = recipe.load(name)
    pixels = chosen.augment_epoch(copies, 0.0, True, generator)
    pixels = chosen.augment_pixels(pixels, 0.0, True, generator)
    inputs = chosen.augment_batch(pixels.float(), 0.0, True, generator)
    assert len(torch.unique(inputs.flatten(1), dim=0)) > 200


@pytest.mark.parametrize("change", [augment.crop, augment.flip, autoaugment.cifar10])
def test_the_same_seed_draws_the_same_changes(change: Augmentation) -> None:
    images = pictures(64)
    once, again = (change(images, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(once, again)


def test_the_images_given_are_left_as_they_were() -> None:
    images = pictures(64)
    before = images.clone()
    autoaugment.cifar10(images, torch.Generator().manual_seed(0))
    assert torch.equal(images, before)


def test_a_flip_mirrors_about_half_of_the_images_and_leaves_the_others() -> None:
    images = pictures(400, 8)
    flipped = augment.flip(images, torch.Generator().manual_seed(0))
    mirrored = (flipped == images.flip(3)).flatten(1).all(1)
    same = (flipped == images).flatten(1).all(1)
    assert 150 < int(mirrored.sum()) < 250
    assert bool((mirrored | same).all())


def test_a_crop_shifts_by_an_eighth_at_most_and_reflects_at_the_edge() -> None:
    images = torch.arange(16).expand(300, 3, 16, 16).to(torch.uint8)  # each pixel is its column
    cropped = augment.crop(images, torch.Generator().manual_seed(0))
    rows = {tuple(row.tolist()) for row in cropped[:, 0, 5]}
    padded = [2, 1, *range(16), 14, 13]
    assert rows == {tuple(padded[start : start + 16]) for start in range(5)}


def test_cutout_sets_one_square_in_each_image_to_the_mean() -> None:
    cut = augment.cutout(torch.ones(500, 3, 16, 16), torch.Generator().manual_seed(0)) == 0
    assert torch.equal(cut[:, 0], cut[:, 2])
    rows, columns = cut[:, 0].any(2).sum(1), cut[:, 0].any(1).sum(1)
    assert torch.equal(rows * columns, cut[:, 0].sum((1, 2)))
    assert int(rows.min()) == 4
    assert int(rows.max()) == 8
