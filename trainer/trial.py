"""One trial, from its configuration to its last line.

The clock `train` starts once everything is on the device and timed, so neither
imports nor decoding count; `strict` counts from the start of the process. Both
stop with the last validation: the test images are moved and read after it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from trainer import data, images, models, recipe, subset
from trainer.budget import Pace
from trainer.config import TrialConfig
from trainer.data import About, Images
from trainer.describe import model_fields, realised
from trainer.errors import OutOfMemory
from trainer.evaluate import Score
from trainer.machine import Machine, machine
from trainer.report import Report
from trainer.train import Lesson, Trainee, measure, train

_TIMING_SHARE = 0.05  # of a budget in seconds, for timing steps
_MOST_TIMING_SECONDS = 5.0
_TIMING_SECONDS = 0.3  # of a budget in steps, where only people read the timing
_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")


def run(config: TrialConfig, report: Report, process_began: float) -> None:
    """Train and report. process_began: time.monotonic() at the start. Raises TrialError."""
    with _memory_errors_named():
        where = machine(config)
        about = data.about(config.dataset)
        report.event("model", **model_fields(config, about))
        report.event("machine", **where.describe())
        held = data.load(config.dataset, config.test)
        trainee = _trainee(config, about, held, where)
        costs = measure(trainee, _timing_seconds(config.budget.seconds))
        lines = _Lines(report, process_began if config.clock == "strict" else time.monotonic())
        pace = Pace(
            costs,
            seconds=config.budget.seconds,
            steps=config.budget.steps,
            elapsed=lines.elapsed,
            on_plan=lines.plan,
        )
        score = train(trainee, pace, lambda *found: lines.epoch(trainee, pace, *found))
        train_seconds = lines.elapsed()
        report.event(
            "final",
            val_accuracy=score.accuracy,
            val_loss=score.loss,
            test_accuracy=_test_accuracy(config, about, held, trainee),
            steps=pace.step,
            total_steps=pace.total_steps,
            epochs=pace.step / trainee.lesson.steps_per_epoch,
            replans=pace.replans,
            train_seconds=train_seconds,
            overshoot_seconds=train_seconds - (config.budget.seconds or train_seconds),
            wall_seconds=time.monotonic() - process_began,
            images_per_second=pace.step * trainee.lesson.settings.batch_size / train_seconds,
            peak_memory_bytes=where.peak_memory_bytes(),
        )


class _Lines:
    """The events of one training, each with the budget's clock."""

    def __init__(self, report: Report, clock_began: float) -> None:
        self._report = report
        self._clock_began = clock_began

    def elapsed(self) -> float:
        """Seconds of the budget spent so far."""
        return time.monotonic() - self._clock_began

    def plan(self, pace: Pace, reason: str) -> None:
        self._report.event(
            "plan",
            total_steps=pace.total_steps,
            step=pace.step,
            step_seconds=pace.costs.step,
            reserve_seconds=pace.reserve_seconds,
            elapsed_seconds=self.elapsed(),
            reason=reason,
        )

    def epoch(self, trainee: Trainee, pace: Pace, epoch: int, train_loss: float, score: Score) -> None:
        self._report.event(
            "epoch",
            epoch=epoch,
            step=pace.step,
            progress=pace.progress,
            elapsed_seconds=self.elapsed(),
            learning_rate=trainee.lesson.learning_rate(pace.progress),
            train_loss=train_loss,
            val_accuracy=score.accuracy,
            val_loss=score.loss,
        )


def _trainee(config: TrialConfig, about: About, held: Images, where: Machine) -> Trainee:
    """The network at its first weights, and its images on the device."""
    shape = realised(config, about)
    drawn = subset.draw(held.train_labels, held.classes, config.subset)
    sizes = (about.image_size, shape.resolution)
    training, validation = (
        images.to_device(held.train_images[chosen], held.train_labels[chosen], sizes, where.device)
        for chosen in drawn
    )
    chosen_recipe = recipe.load(config.recipe)
    lesson = Lesson(
        training,
        validation,
        images.normalisation(training.images),
        held.mirrored,
        chosen_recipe,
        recipe.settled(chosen_recipe.defaults, config.hyperparameters),
        where,
    )
    torch.manual_seed(config.seed)  # weights are drawn on the CPU, so they are the same on every device
    network = models.build(config.model, shape, held.classes)
    network = network.to(where.device).to(memory_format=torch.channels_last)
    return Trainee(network, lesson, config.seed)


def _test_accuracy(config: TrialConfig, about: About, held: Images, trainee: Trainee) -> float | None:
    if held.test_images is None or held.test_labels is None:
        return None
    sizes = (about.image_size, realised(config, about).resolution)
    device = trainee.lesson.machine.device
    return trainee.score(images.to_device(held.test_images, held.test_labels, sizes, device)).accuracy


def _timing_seconds(budget_seconds: float | None) -> float:
    if budget_seconds is None:
        return _TIMING_SECONDS
    return min(_MOST_TIMING_SECONDS, _TIMING_SHARE * budget_seconds)


@contextmanager
def _memory_errors_named() -> Iterator[None]:
    """Turn what torch and numpy raise when memory runs out into OutOfMemory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(words in str(error) for words in _MEMORY_WORDS):
            raise
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise OutOfMemory(f"{line}; give a smaller batch_size, width or resolution") from error
