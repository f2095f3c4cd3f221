"""The images on the device, and the recipe's ingredients by the place where they act."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from trainer import ingredients
from trainer.device import Device
from trainer.errors import InvalidConfig
from trainer.images import DeviceImages, Normalisation
from trainer.ingredients import Draw
from trainer.recipes import Defaults, Recipe


class Phase(NamedTuple):
    """A kind of step. All steps of a phase take the same time, and one CUDA graph holds them.

    perturbed: with a second pass, at perturbed weights; pixels: the images' side
    """

    perturbed: bool
    pixels: int


@dataclass(frozen=True)
class TrainingObjective:
    """What is trained on, and how. Raises InvalidConfig for a batch larger than the training set.

    training: at the network's full resolution
    validation: all validation images; curve: those of them that learning curves use
    classes: of the data set, K
    mirrored: whether a mirrored image keeps its class
    """

    training: DeviceImages
    validation: DeviceImages | None
    curve: DeviceImages | None
    normalise: Normalisation
    classes: int
    mirrored: bool
    recipe: Recipe
    settings: Defaults
    device: Device

    def __post_init__(self) -> None:
        if self.settings.batch_size > len(self.training):
            raise InvalidConfig(
                f"batch_size {self.settings.batch_size} is more than the {len(self.training)} training "
                "images; give a smaller one, or more images in subset"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches. Each epoch leaves out other images."""
        return len(self.training) // self.settings.batch_size

    @property
    def pixels(self) -> int:
        """The side of the network's input at the end of training and in every evaluation."""
        return self.training.images.shape[-1]

    def learning_rate(self, progress: float) -> float:
        """The rate at a progress in [0, 1]."""
        schedule = self.recipe.one(ingredients.Schedule)
        return self.settings.learning_rate * (schedule.rate(progress) if schedule else 1.0)

    def phase(self, progress: float, pixels: int | None = None) -> Phase:
        """The phase of a step at a progress in [0, 1], on images of this side where it is given."""
        perturbation, resolution = (
            self.recipe.one(ingredients.Perturbation),
            self.recipe.one(ingredients.Resolution),
        )
        if pixels is None:
            pixels = resolution.pixels(progress, self.pixels) if resolution else self.pixels
        return Phase(perturbation is not None and perturbation.active(progress), pixels)

    def epoch_images(self, draw: Draw) -> Tensor:
        """All training images, augmented for one epoch: uint8 [N, 3, S, S]."""
        images = self.training.images
        for change in self.recipe.every(ingredients.EpochImages):
            images = change(images, draw)
        return images

    def batch(self, images: Tensor, targets: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """uint8 [B, 3, S, S] and probabilities [B, K] to float inputs and targets of the same shapes."""
        for augment in self.recipe.every(ingredients.BatchImages):
            images = augment(images, draw)
        inputs = self.normalise(images)
        for change in self.recipe.every(ingredients.BatchInputs):
            inputs = change(inputs, draw)
        for mix in self.recipe.every(ingredients.Mixing):
            inputs, targets = mix(inputs, targets, draw)
        for soften in self.recipe.every(ingredients.Targets):
            targets = soften(targets)
        return inputs.contiguous(memory_format=torch.channels_last), targets

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Logits [B, K] and probabilities [B, K] to the mean loss.

        Class weights multiply the targets, mixed and smoothed ones too, as torch does.
        """
        chosen = self.recipe.one(ingredients.Loss)
        return chosen(logits, targets) if chosen else F.cross_entropy(logits, targets, self.class_weights)

    def views(self, images: Tensor) -> list[Tensor]:
        """uint8 [B, 3, S, S] to the views that are evaluated."""
        chosen = self.recipe.one(ingredients.Views)
        return chosen(images, self.mirrored) if chosen else [images]

    def draw(self, generator: Generator, progress: Tensor, seed: int, epoch: int = 0) -> Draw:
        """What augmentations may depend on."""
        return Draw(generator, progress, self.mirrored, epoch, seed)

    @cached_property
    def targets(self) -> Tensor:
        """float [N, K]: the one-hot labels of the training images."""
        return F.one_hot(self.training.labels, self.classes).float()

    @cached_property
    def class_weights(self) -> Tensor | None:
        """float [K], with mean 1 over the training images; None if all classes weigh the same."""
        chosen = self.recipe.one(ingredients.Weights)
        return chosen(self.targets.sum(0)) if chosen else None
