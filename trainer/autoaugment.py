"""AutoAugment under the name it had before it was an ingredient."""

import torch
from torch import Generator, Tensor

from trainer.ingredients import Draw
from trainer.ingredients.auto_augment import AutoAugment


def cifar10(images: Tensor, generator: Generator) -> Tensor:
    """images [N, 3, S, S] uint8, each under a sub-policy of its own; a new tensor."""
    return AutoAugment()(images, Draw(generator, torch.zeros((), device=generator.device), mirrored=True))
