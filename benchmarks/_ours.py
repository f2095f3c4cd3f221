"""The trainer's own steps as a training takes them, epochs' augmentation included, without its clock."""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from trainer import data
from trainer.config import TrialConfig
from trainer.device import Device, resolve_device
from trainer.setup import TrialSetup, set_up
from trainer.train_state import TrainState

_WARM_STEPS = 10  # not counted
_TOTAL = 10**6  # steps, of which those taken here are the first: nothing changes with progress
_MATMUL_SECONDS = 0.5

Clock = Callable[[], float]  # seconds


class Ours:
    """A network in training."""

    def __init__(self, state: TrainState, clock: Clock = time.perf_counter) -> None:
        self.state, self._step, self._clock = state, 0, clock

    def images_per_second(self, seconds: float) -> float:
        """Of training for at least so long, after some steps that are not counted."""
        where, size = self.state.objective.device, self.state.objective.settings.batch_size
        for _ in range(_WARM_STEPS):
            self._take()
        where.synchronize()
        began, first = self._clock(), self._step
        while self._clock() - began < seconds:
            self._take()
        where.synchronize()
        return (self._step - first) * size / (self._clock() - began)

    @property
    def engine(self) -> str:
        """How steps are run, and why where it is not as a graph."""
        engine = self.state.engine
        return engine.name if engine.reason is None else f"{engine.name}: {engine.reason}"

    def _take(self) -> None:
        batch = self._step % self.state.objective.steps_per_epoch
        if batch == 0:
            self.state.start_epoch(self._step / _TOTAL)
        self.state.step(batch, self._step, _TOTAL)
        self._step += 1


def made_setting(config: TrialConfig, images: int, pixels: int) -> TrialSetup:
    """The setting of a configuration with so many made images in place of its own.

    They are smooth with some noise: neither flat ones nor random ones would be like pictures.
    """
    rng = np.random.default_rng(0)
    grid = np.linspace(0, 3, pixels)
    waves = np.sin(grid[:, None, None] * rng.uniform(0.5, 2, (images, 1, 1, 3)) + grid[:, None])
    pictures = (128 + 90 * waves + rng.normal(0, 12, waves.shape)).clip(0, 255).astype(np.uint8)
    held = data.Images(10, True, pictures, rng.permutation(np.arange(images) % 10))
    subset = replace(config.subset, train=images, validation=0)
    return set_up(replace(config, subset=subset), data.about(config.dataset), resolve_device(config), held)


def matmul_flops(where: Device, clock: Clock) -> float:
    """FLOP/s of square matrix products in the precision that is trained in: the median of many."""
    size = 8192 if where.cuda else 1024
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[where.precision]
    left, right = torch.randn(2, size, size, device=where.torch_device).to(dtype).unbind()
    seconds: list[float] = []
    deadline = clock() + _MATMUL_SECONDS
    while clock() < deadline or len(seconds) < 5:
        where.synchronize()
        began = clock()
        torch.mm(left, right)
        where.synchronize()
        seconds.append(clock() - began)
    return 2.0 * size**3 / statistics.median(seconds)
