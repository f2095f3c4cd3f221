"""Images to change in a test, and what to draw the changes from."""

import numpy as np
import torch
from torch import Tensor

from trainer.ingredients import Draw


def pictures(count: int, size: int = 32, seed: int = 0) -> Tensor:
    """Smooth images with some noise, uint8 [count, 3, size, size]: neither flat nor pure noise."""
    rng = np.random.default_rng(seed)
    grid = np.linspace(0, 3, size)
    waves = np.sin(grid[None, :, None] * rng.uniform(0.5, 2, (count * 3, 1, 1)) + grid[None, None, :])
    noisy = 128 + 90 * waves + rng.normal(0, 12, waves.shape)
    return torch.from_numpy(noisy.clip(0, 255).astype(np.uint8)).view(count, 3, size, size)


def draw(progress: float = 0.0, mirrored: bool = True, epoch: int = 0, seed: int = 0) -> Draw:
    """A fresh one: its generator starts at the seed."""
    generator = torch.Generator().manual_seed(seed)
    return Draw(generator, torch.tensor(progress), mirrored, epoch, seed)
