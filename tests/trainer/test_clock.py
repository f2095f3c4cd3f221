"""The training loop on a simulated GPU, which works behind the host's back, and a simulated clock."""

import random
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from torch import nn

from trainer.budget import Pace, Timings
from trainer.train import time_step, train
from trainer.train_state import STEPS_AHEAD, TrainState

LAUNCH = 0.0002  # the host's seconds for a step
WAIT = 0.0001  # from the end of the GPU's work until the host goes on


class SimulatedGpu:
    """Stands for a TrainState and its device.

    now: the host's time, in seconds; free: when the GPU has nothing left to do
    """

    cuda = True

    def __init__(
        self, step: float, steps_per_epoch: int, validation: float, epoch: float, noise: float = 0.0
    ) -> None:
        self.now = self.free = 0.0
        self._step, self._validation, self._epoch, self._noise = step, validation, epoch, noise
        self._random, self._ends = random.Random(0), deque[float]()
        recipe = SimpleNamespace(one=lambda kind: None)
        self.objective = SimpleNamespace(device=self, recipe=recipe, steps_per_epoch=steps_per_epoch)
        self.engine = SimpleNamespace(is_steady=True)
        self.eval_network = nn.Linear(1, 1)

    def synchronize(self) -> None:
        self.now = max(self.now, self.free + WAIT)

    def time(self, work: Callable[[], object]) -> float:
        self.synchronize()
        began = self.now
        work()
        self.synchronize()
        return self.now - began

    def step(self, batch: int, number: int, total_steps: int) -> None:
        self.now += LAUNCH
        self.free = max(self.free, self.now) + self._step * (1 + self._noise * self._random.random())
        self._ends.append(self.free)
        if len(self._ends) > STEPS_AHEAD:
            self.now = max(self.now, self._ends.popleft())

    def start_epoch(self, progress: float) -> None:
        self._work(self._epoch)

    def validate(self, *, whole: bool = False) -> None:
        self._work(self._validation)

    def read_loss(self) -> float:
        self.synchronize()
        return 1.0

    def finish(self) -> None:
        self.synchronize()

    def _work(self, seconds: float) -> None:
        self.synchronize()
        self.now = self.free = self.now + seconds


SETTINGS: dict[str, dict[str, Any]] = {
    "a small batch on a fast GPU": {"seconds": 60, "step": 0.002, "steps_per_epoch": 39},
    "a step timed too slow": {"seconds": 60, "step": 0.002, "steps_per_epoch": 39, "measured": 0.0023},
    "a step timed too fast": {"seconds": 60, "step": 0.002, "steps_per_epoch": 39, "measured": 0.0018},
    "a large batch": {"seconds": 60, "step": 0.008, "steps_per_epoch": 9},
    "an older GPU": {"seconds": 600, "step": 0.09, "steps_per_epoch": 9},
    "slow steps": {"seconds": 600, "step": 2.0, "steps_per_epoch": 9},
    "slow steps, a short budget": {"seconds": 20, "step": 0.3, "steps_per_epoch": 9},
    "a step an epoch": {"seconds": 60, "step": 0.1, "steps_per_epoch": 1},
    "slow steps, a long epoch": {"seconds": 60, "step": 0.5, "steps_per_epoch": 390},
    "slower steps, a long epoch": {"seconds": 60, "step": 1.0, "steps_per_epoch": 390},
    "a long epoch": {"seconds": 10, "step": 0.05, "steps_per_epoch": 390},
}


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_gpu_that_is_steps_behind_ends_in_time(name: str, noise: float) -> None:
    setting = SETTINGS[name]
    seconds, step, steps_per_epoch = setting["seconds"], setting["step"], setting["steps_per_epoch"]
    gpu = SimulatedGpu(step, steps_per_epoch, validation=max(step, 0.05), epoch=0.03, noise=noise)
    measured = setting.get("measured", step)
    timings = Timings(measured, epoch=0.03, validation=max(step, 0.05), steps_per_epoch=steps_per_epoch)
    pace = Pace(timings, seconds=seconds, elapsed=lambda: gpu.now)
    train(cast(TrainState, gpu), pace, lambda *report: None)
    assert pace.progress == 1.0
    assert 0.95 * seconds < gpu.now < 1.005 * seconds


@pytest.mark.parametrize("step", [0.0005, 0.002, 0.09, 0.5])
def test_a_step_is_timed_as_it_runs_behind_others(step: float) -> None:
    gpu = SimulatedGpu(step, 39, validation=0.05, epoch=0.01)
    assert time_step(cast(TrainState, gpu), 0.5, most_seconds=0.0) == pytest.approx(step, rel=0.05)
