"""The trainer's own steps as a training takes them, epochs' augmentation included, without its clock."""

import time
from dataclasses import replace

import numpy as np

from trainer import data
from trainer.config import TrialConfig
from trainer.machine import machine
from trainer.setting import Setting, setting
from trainer.trainee import Trainee

_WARM_STEPS = 10  # not counted
_TOTAL = 10**6  # steps, of which those taken here are the first: nothing changes with progress


class Ours:
    """A network in training."""

    def __init__(self, trainee: Trainee) -> None:
        self._trainee, self._step = trainee, 0

    def images_per_second(self, seconds: float) -> float:
        """Of training for at least so long, after some steps that are not counted."""
        where, size = self._trainee.lesson.machine, self._trainee.lesson.settings.batch_size
        for _ in range(_WARM_STEPS):
            self._take()
        where.synchronize()
        began, first = time.perf_counter(), self._step
        while time.perf_counter() - began < seconds:
            self._take()
        where.synchronize()
        return (self._step - first) * size / (time.perf_counter() - began)

    @property
    def engine(self) -> str:
        """How steps are run, and why where it is not as a graph."""
        engine = self._trainee.engine
        return engine.name if engine.reason is None else f"{engine.name}: {engine.reason}"

    def _take(self) -> None:
        batch = self._step % self._trainee.lesson.steps_per_epoch
        if batch == 0:
            self._trainee.start_epoch(self._step / _TOTAL)
        self._trainee.step(batch, self._step, _TOTAL)
        self._step += 1


def made_setting(config: TrialConfig, images: int, pixels: int) -> Setting:
    """The setting of a configuration with so many made images in place of its own.

    They are smooth with some noise: neither flat ones nor random ones would be like pictures.
    """
    rng = np.random.default_rng(0)
    grid = np.linspace(0, 3, pixels)
    waves = np.sin(grid[:, None, None] * rng.uniform(0.5, 2, (images, 1, 1, 3)) + grid[:, None])
    pictures = (128 + 90 * waves + rng.normal(0, 12, waves.shape)).clip(0, 255).astype(np.uint8)
    held = data.Images(10, True, pictures, rng.permutation(np.arange(images) % 10))
    subset = replace(config.subset, train=images, validation=0)
    return setting(replace(config, subset=subset), data.about(config.dataset), machine(config), held)
