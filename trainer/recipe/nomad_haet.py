"""The NOMAD paper's recipe: crop, flip, AutoAugment and cutout; SGD under a cosine (sections 3.4, 4.2).

Where the paper counts its cosine in epochs, here it spans the budget.
"""

from torch import Generator, Tensor
from torch.nn import functional as F

from trainer import augment, autoaugment, schedule
from trainer.recipe import Defaults, Recipe


def _policy(images: Tensor, progress: float, mirrored: bool, generator: Generator) -> Tensor:
    return autoaugment.cifar10(images, generator)


def _crop_and_flip(images: Tensor, progress: float, mirrored: bool, generator: Generator) -> Tensor:
    cropped = augment.crop(images, generator)
    return augment.flip(cropped, generator) if mirrored else cropped


def _cutout(images: Tensor, progress: float, mirrored: bool, generator: Generator) -> Tensor:
    return augment.cutout(images, generator)


RECIPE = Recipe(
    defaults=Defaults(optimizer="sgd", learning_rate=0.1, weight_decay=5e-4, batch_size=128),
    augment_epoch=_policy,
    augment_pixels=_crop_and_flip,
    augment_batch=_cutout,
    loss=F.cross_entropy,
    rate=schedule.cosine,
)
