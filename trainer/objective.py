"""What a network is to learn, and how: images on the device and the recipe, sorted by where it acts."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from trainer.device import Device
from trainer.errors import InvalidConfig
from trainer.images import DeviceImages, Normalisation, resized
from trainer.ingredients import (
    BatchImages,
    BatchInputs,
    Draw,
    EpochImages,
    Gradients,
    Loss,
    Mixing,
    Perturbation,
    Resolution,
    Schedule,
    Targets,
    Views,
)
from trainer.recipes import Defaults, Recipe


class Phase(NamedTuple):
    """What makes one step cost other than the next: a captured step is one of these."""

    perturbed: bool  # a second pass, at perturbed weights
    pixels: int  # a side


@dataclass(frozen=True)
class TrainingObjective:
    """Raises Refused for a batch larger than the training set.

    training: at the network's full resolution; classes: of the data set, K
    """

    training: DeviceImages
    validation: DeviceImages | None
    normalise: Normalisation
    classes: int
    mirrored: bool  # a mirrored image is still one of its class
    recipe: Recipe
    settings: Defaults
    machine: Device

    def __post_init__(self) -> None:
        if self.settings.batch_size > len(self.training):
            raise InvalidConfig(
                f"batch_size {self.settings.batch_size} is more than the {len(self.training)} training "
                "images; give a smaller one, or more images in subset"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches; the images left over are others in each epoch."""
        return len(self.training) // self.settings.batch_size

    @property
    def pixels(self) -> int:
        """A side, of the network's input at the end of the training and in every evaluation."""
        return self.training.images.shape[-1]

    def learning_rate(self, progress: float) -> float:
        """The rate at a progress in [0, 1]."""
        schedule = self.recipe.one(Schedule)
        return self.settings.learning_rate * (schedule.rate(progress) if schedule else 1.0)

    def phase(self, progress: float, pixels: int | None = None) -> Phase:
        """Of a step at a progress in [0, 1], on images of so many pixels where that is settled already."""
        perturbation, resolution = self.recipe.one(Perturbation), self.recipe.one(Resolution)
        if pixels is None:
            pixels = resolution.pixels(progress, self.pixels) if resolution else self.pixels
        return Phase(perturbation is not None and perturbation.active(progress), pixels)

    def epoch_images(self, draw: Draw, pixels: int) -> Tensor:
        """All training images for one epoch: uint8 [N, 3, pixels, pixels]."""
        images = self.training.images
        for change in self.recipe.every(EpochImages):
            images = change(images, draw)
        return resized(images, pixels)

    def batch(self, images: Tensor, targets: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """uint8 [B, 3, S, S] and probabilities [B, K] to inputs, float, and what is to be said of them."""
        for repaint in self.recipe.every(BatchImages):
            images = repaint(images, draw)
        inputs = self.normalise(images)
        for change in self.recipe.every(BatchInputs):
            inputs = change(inputs, draw)
        for mix in self.recipe.every(Mixing):
            inputs, targets = mix(inputs, targets, draw)
        for soften in self.recipe.every(Targets):
            targets = soften(targets)
        return inputs.contiguous(memory_format=torch.channels_last), targets

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Logits [B, K] and probabilities [B, K] to the mean loss."""
        chosen = self.recipe.one(Loss)
        return chosen(logits, targets) if chosen else F.cross_entropy(logits, targets)

    def change_gradients(self, weights: list[Tensor]) -> None:
        """What the recipe does to `.grad` before the optimizer sees it."""
        for change in self.recipe.every(Gradients):
            change(weights)

    def views(self, images: Tensor) -> list[Tensor]:
        """uint8 [B, 3, S, S] to what is looked at to judge them."""
        chosen = self.recipe.one(Views)
        return chosen(images, self.mirrored) if chosen else [images]

    def draw(self, generator: Generator, progress: Tensor, seed: int, epoch: int = 0) -> Draw:
        """What augmentations may depend on."""
        return Draw(generator, progress, self.mirrored, epoch, seed)

    @cached_property
    def targets(self) -> Tensor:
        """float [N, K]: all of each training image's probability on its class."""
        return F.one_hot(self.training.labels, self.classes).float()
