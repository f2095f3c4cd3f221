"""Crop, flip and cutout under the names they had before they were ingredients."""

import torch
from torch import Generator, Tensor

from trainer.ingredients import Draw
from trainer.ingredients.crop import Crop
from trainer.ingredients.cutout import Cutout
from trainer.ingredients.flip import Flip


def crop(images: Tensor, generator: Generator) -> Tensor:
    """Shift each image."""
    return Crop()(images, _draw(generator))


def flip(images: Tensor, generator: Generator) -> Tensor:
    """Mirror each image by a coin."""
    return Flip()(images, _draw(generator))


def cutout(images: Tensor, generator: Generator) -> Tensor:
    """Set a square of each image to 0."""
    return Cutout()(images, _draw(generator))


def _draw(generator: Generator) -> Draw:
    return Draw(generator, torch.zeros((), device=generator.device), mirrored=True)
