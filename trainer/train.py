"""The training loop, and what it trains.

Losses stay on the device until a report, so the host never waits for a single
number; on a GPU it waits for an event a few steps back, which keeps the clock
truthful while the queue stays full.
"""

import copy
import math
import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainer import optimizers
from trainer.budget import Costs, Pace
from trainer.errors import Diverged, Refused
from trainer.evaluate import Score, evaluate
from trainer.images import DeviceImages, Normalisation
from trainer.machine import Machine
from trainer.recipe import Defaults, Recipe

_STEPS_AHEAD = 3  # that the host may be of the GPU
_WARM_STEPS = 3
_FEWEST_TIMED_STEPS, _MOST_TIMED_STEPS = 3, 50

OnReport = Callable[[int, float, Score], None]  # epoch, mean loss since the last report, score


@dataclass(frozen=True)
class Lesson:
    """What a network is to learn, and how. Raises Refused for a batch larger than the training set."""

    training: DeviceImages
    validation: DeviceImages
    normalise: Normalisation
    mirrored: bool  # a mirrored image is still one of its class
    recipe: Recipe
    settings: Defaults
    machine: Machine

    def __post_init__(self) -> None:
        if self.settings.batch_size > len(self.training):
            raise Refused(
                f"batch_size {self.settings.batch_size} is more than the {len(self.training)} training "
                "images; give a smaller one, or more images in subset"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches; the images left over are others in each epoch."""
        return len(self.training) // self.settings.batch_size

    def learning_rate(self, progress: float) -> float:
        """The rate at a progress in [0, 1]."""
        return self.settings.learning_rate * self.recipe.rate(progress)


class Trainee:
    """A network in training: its weights, its optimizer's state and its random draws."""

    def __init__(self, network: nn.Module, lesson: Lesson, seed: int) -> None:
        self.network, self.lesson = network, lesson
        self._generator = torch.Generator(lesson.machine.device).manual_seed(seed)
        self._optimizer = optimizers.build(
            lesson.settings.optimizer,
            network.parameters(),
            lesson.settings.learning_rate,
            lesson.settings.weight_decay,
            lesson.machine.cuda,
        )
        self._events: deque[torch.cuda.Event] = deque()

    def start_epoch(self, progress: float) -> None:
        """Augment all training images and put them in a new random order."""
        lesson = self.lesson
        self._images = lesson.recipe.augment_epoch(
            lesson.training.images, progress, lesson.mirrored, self._generator
        )
        self._order = torch.randperm(
            len(lesson.training), generator=self._generator, device=lesson.machine.device
        )

    def step(self, batch: int, progress: float) -> Tensor:
        """Learn from the epoch's batch of this number; its loss, on the device."""
        lesson = self.lesson
        size = lesson.settings.batch_size
        chosen = self._order[batch * size : (batch + 1) * size]
        inputs = self._inputs(self._images[chosen], progress)
        with lesson.machine.autocast():
            logits = self.network(inputs)
        loss = lesson.recipe.loss(logits.float(), lesson.training.labels[chosen])
        self._optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        for group in self._optimizer.param_groups:
            group["lr"] = lesson.learning_rate(progress)
        self._optimizer.step()
        self._keep_up()
        return loss.detach()

    def score(self, held: DeviceImages) -> Score:
        """The weights as they are, on images held from training."""
        return evaluate(self.network, held, self.lesson.normalise, self.lesson.machine)

    def validate(self) -> Score:
        """The weights as they are, on the validation images."""
        return self.score(self.lesson.validation)

    def _inputs(self, images: Tensor, progress: float) -> Tensor:
        lesson = self.lesson
        pixels = lesson.recipe.augment_pixels(images, progress, lesson.mirrored, self._generator)
        inputs = lesson.recipe.augment_batch(
            lesson.normalise(pixels), progress, lesson.mirrored, self._generator
        )
        return inputs.contiguous(memory_format=torch.channels_last)

    def _keep_up(self) -> None:
        if not self.lesson.machine.cuda:
            return
        self._events.append(torch.cuda.current_stream().record_event())
        if len(self._events) > _STEPS_AHEAD:
            self._events.popleft().synchronize()


def measure(trainee: Trainee, most_seconds: float) -> Costs:
    """Warm up on a copy and time it, so that the trainee's weights and draws stay untouched."""
    dummy = Trainee(copy.deepcopy(trainee.network), trainee.lesson, seed=0)
    machine, steps_per_epoch = trainee.lesson.machine, trainee.lesson.steps_per_epoch
    dummy.start_epoch(0.0)
    for step in range(_WARM_STEPS):
        dummy.step(step % steps_per_epoch, 0.0)
    dummy.validate()
    return Costs(
        validation=_seconds(machine, dummy.validate),
        epoch=_seconds(machine, lambda: dummy.start_epoch(0.0)),
        step=_median_step(dummy, most_seconds),
        steps_per_epoch=steps_per_epoch,
    )


def train(trainee: Trainee, pace: Pace, on_report: OnReport) -> Score:
    """Train until the budget is spent; the score of the last weights. Raises Diverged."""
    steps_per_epoch = trainee.lesson.steps_per_epoch
    losses = _Losses()
    for step in pace.steps():
        epoch, batch = divmod(step, steps_per_epoch)
        if batch == 0:
            if pace.validation_is_due():
                with pace.validating():
                    on_report(epoch, losses.mean(step), trainee.validate())
            with pace.preparing_epoch():
                trainee.start_epoch(pace.progress)
        losses.add(trainee.step(batch, pace.progress))
    mean_loss = losses.mean(pace.step)
    score = trainee.validate()
    _refuse_broken(trainee.network, score)
    on_report(math.ceil(pace.step / steps_per_epoch), mean_loss, score)
    return score


class _Losses:
    """A mean that is read rarely: the sum stays on the device."""

    def __init__(self) -> None:
        self._losses: list[Tensor] = []

    def add(self, loss: Tensor) -> None:
        self._losses.append(loss)

    def mean(self, step: int) -> float:
        """Since the last time. Raises Diverged where it is not finite."""
        mean = float(torch.stack(self._losses).mean())
        if not math.isfinite(mean):
            raise Diverged(f"the training loss is {mean} by step {step}; give a lower learning_rate")
        self._losses.clear()
        return mean


def _refuse_broken(network: nn.Module, score: Score) -> None:
    finite = torch.stack([weights.isfinite().all() for weights in network.parameters()]).all()
    if not bool(finite) or not math.isfinite(score.loss):
        raise Diverged("the last weights or their validation loss are not finite; give a lower learning_rate")


def _median_step(dummy: Trainee, most_seconds: float) -> float:
    machine, steps_per_epoch = dummy.lesson.machine, dummy.lesson.steps_per_epoch
    deadline = time.monotonic() + most_seconds
    seconds: list[float] = []
    while len(seconds) < _MOST_TIMED_STEPS:
        if len(seconds) >= _FEWEST_TIMED_STEPS and time.monotonic() > deadline:
            break
        batch = len(seconds) % steps_per_epoch
        seconds.append(_seconds(machine, lambda batch=batch: dummy.step(batch, 0.0)))  # type: ignore[misc]
    return statistics.median(seconds)


def _seconds(machine: Machine, work: Callable[[], object]) -> float:
    machine.synchronize()
    began = time.monotonic()
    work()
    machine.synchronize()
    return time.monotonic() - began
