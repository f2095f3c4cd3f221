"""The training loop: epochs, steps and reports until the budget is spent."""

import copy
import math
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from trainer.budget import Pace
from trainer.device import Device
from trainer.engine import share_capture_failure
from trainer.errors import Diverged
from trainer.evaluate import Score
from trainer.objective import Phase
from trainer.timings import Timings
from trainer.train_state import TrainState

_WARM_STEPS = 5  # more than are taken eagerly before a step is captured
_FEWEST_TIMED_STEPS, _MOST_TIMED_STEPS = 3, 50
_PARTS = 100  # of the training, in which a step's cost is told apart


OnReport = Callable[[int, float, Score | None], None]  # epoch, mean loss since the last report, score
OnStep = Callable[[], None]


def train(
    trainee: TrainState, pace: Pace, on_report: OnReport, after_step: OnStep = lambda: None
) -> Score | None:
    """Train until the budget is spent; the score of the last weights, None without validation images.

    Raises Diverged.
    """
    steps_per_epoch = trainee.lesson.steps_per_epoch
    for step in pace.steps():
        epoch, batch = divmod(step, steps_per_epoch)
        if batch == 0:
            if pace.validation_is_due():
                with pace.validating():
                    on_report(epoch, _mean_loss(trainee, step), trainee.validate())
            with pace.preparing_epoch():
                trainee.start_epoch(pace.progress)
        trainee.step(batch, step, pace.total_steps)
        if not trainee.engine.is_steady:
            pace.disregard_step()
        after_step()
    last_loss = _mean_loss(trainee, pace.step)
    trainee.finish()
    score = trainee.validate()
    _refuse_broken(trainee.judged, score)
    on_report(math.ceil(pace.step / steps_per_epoch), last_loss, score)
    return score


def measure(trainee: TrainState, most_seconds: float, closing_validations: int = 0) -> Timings:
    """Warm up on a copy and time it, so that the trainee's weights and draws stay untouched.

    Where the copy's steps could not be captured, the trainee's will not be.
    closing_validations: how many more than the last one end the budget
    """
    gpus = [torch.cuda.current_device()] if trainee.lesson.machine.cuda else []
    with torch.random.fork_rng(gpus):  # from which layers draw, as often as steps are timed
        dummy = TrainState(copy.deepcopy(trainee.network), trainee.lesson, seed=0)
        found = _costs(dummy, most_seconds, closing_validations)
    share_capture_failure(trainee.engine, dummy.engine)
    return found


def _costs(dummy: TrainState, most_seconds: float, closing_validations: int) -> Timings:
    """What each thing costs that a training does, by doing it with a trainee that is of no other use."""
    machine, lesson = dummy.lesson.machine, dummy.lesson
    middles = [(part + 0.5) / _PARTS for part in range(_PARTS)]
    phases = [lesson.phase(middle) for middle in middles]
    seconds: dict[Phase, float] = {}
    for phase, middle in zip(phases, middles, strict=True):
        if phase not in seconds:
            seconds[phase] = _median_step(dummy, middle, most_seconds / len(set(phases)))
    dummy.validate()
    validation = _seconds(machine, dummy.validate)
    step = statistics.fmean(seconds[phase] for phase in phases)
    return Timings(
        validation=validation,
        epoch=_seconds(machine, lambda: dummy.start_epoch(0.0)),
        step=step,
        steps_per_epoch=lesson.steps_per_epoch,
        profile=tuple(seconds[phase] / step for phase in phases) if len(seconds) > 1 else (1.0,),
        closing=closing_validations * validation,
    )


def _mean_loss(trainee: TrainState, step: int) -> float:
    """Since the last time. Raises Diverged where it is not finite."""
    mean = trainee.read_loss()
    if not math.isfinite(mean):
        raise Diverged(f"the training loss is {mean} by step {step}; give a lower learning_rate")
    return mean


def _refuse_broken(network: nn.Module, score: Score | None) -> None:
    finite = torch.stack([weights.isfinite().all() for weights in network.parameters()]).all()
    if not bool(finite) or (score is not None and not math.isfinite(score.loss)):
        raise Diverged("the last weights or their validation loss are not finite; give a lower learning_rate")


def _median_step(dummy: TrainState, progress: float, most_seconds: float) -> float:
    """Seconds of a step at a progress, once it is warm."""
    machine, steps_per_epoch = dummy.lesson.machine, dummy.lesson.steps_per_epoch
    parts = 2 * _PARTS
    number = round(progress * parts)
    dummy.start_epoch(progress)
    for step in range(_WARM_STEPS):
        dummy.step(step % steps_per_epoch, number, parts)
    deadline = time.monotonic() + most_seconds
    seconds: list[float] = []
    while len(seconds) < _MOST_TIMED_STEPS:
        if len(seconds) >= _FEWEST_TIMED_STEPS and time.monotonic() > deadline:
            break
        batch = len(seconds) % steps_per_epoch
        seconds.append(_seconds(machine, lambda batch=batch: dummy.step(batch, number, parts)))  # type: ignore[misc]
    return statistics.median(seconds)


def _seconds(machine: Device, work: Callable[[], object]) -> float:
    machine.synchronize()
    began = time.monotonic()
    work()
    machine.synchronize()
    return time.monotonic() - began
