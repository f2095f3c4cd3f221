"""Several configurations of one network in one process: stacked where that is faster, else one by one.

Each is a trial of its own: its lines have its number as `trial`, and its failure is its own. What
cannot be stacked exactly is not refused but trained one after the other, and the `stack` line says why.
"""

import time
from collections.abc import Callable, Sequence
from copy import deepcopy

import torch

from trainer import data, stack
from trainer import trial as trials
from trainer.config import TrialConfig
from trainer.costs import Costs
from trainer.engine import heed
from trainer.errors import TrialError
from trainer.machine import machine
from trainer.report import Report
from trainer.setting import Setting, setting
from trainer.stack import Stack
from trainer.stack_training import Prepared, own_end, train
from trainer.train import costs
from trainer.trainee import Trainee

_REHEARSED_IMAGES = 64  # at most, of each training, to see whether the network can be stacked

IsFaster = Callable[[Costs, Costs, int], bool]  # costs alone, costs of the whole stack, trials


def is_faster(alone: Costs, stacked: Costs, count: int) -> bool:
    """Whether one step of all trials takes less time than a step of each, one after the other."""
    return stacked.step < count * alone.step


def run(
    configs: Sequence[TrialConfig], report: Report, process_began: float, faster: IsFaster = is_faster
) -> None:
    """Train all and report each, its failure as well. process_began: time.monotonic() at the start.

    configs: that `stackable.refuse_different` lets pass
    """
    reports = [report.of(number) for number in range(len(configs))]
    try:
        with trials.memory_errors_named():
            prepared = _prepared(configs, faster)
    except TrialError as error:
        prepared = f"preparing the stack failed: {error}"
    if isinstance(prepared, Prepared):
        train(prepared, reports, process_began)
    else:
        _one_by_one(configs, reports, process_began, prepared)


def _one_by_one(
    configs: Sequence[TrialConfig], reports: Sequence[Report], process_began: float, reason: str
) -> None:
    for config, report in zip(configs, reports, strict=True):
        report.event("stack", stacked=False, trials=len(configs), reason=reason)
        with own_end(report):
            trials.run(config, report, process_began)
        process_began = time.monotonic()  # of the next one, which costs no start of a process


def _prepared(configs: Sequence[TrialConfig], faster: IsFaster) -> Prepared | str:
    """All that a stack needs, or why there is to be none. Raises TrialError."""
    first, where = configs[0], machine(configs[0])
    about, held = data.about(first.dataset), data.load(first.dataset, first.test)
    settings = [setting(config, about, where, held) for config in configs]
    if reason := _why_not(settings[0]):
        return reason
    networks, lessons = [one.network() for one in settings], [one.lesson for one in settings]
    size = min(_REHEARSED_IMAGES, lessons[0].settings.batch_size)
    inputs = torch.stack([lesson.normalise(lesson.training.images[:size]) for lesson in lessons])
    if reason := stack.why_not(networks, inputs, where):
        return reason
    seconds = trials.timing_seconds(first.budget.seconds)
    alone = costs(Trainee(deepcopy(networks[0]), lessons[0], seed=0), seconds)
    dummy = Stack(deepcopy(networks), lessons, [0] * len(configs))
    stacked = costs(dummy, seconds)
    if not faster(alone, stacked, len(configs)):
        return (
            f"not faster here: a step takes {1000 * alone.step:.3g} ms alone and "
            f"{1000 * stacked.step:.3g} ms with {len(configs)} stacked"
        )
    whole = Stack(networks, lessons, [one.seed() for one in settings])
    heed(whole.engine, dummy.engine)
    return Prepared(settings, whole, alone, stacked)


def _why_not(chosen: Setting) -> str | None:
    """What of the recipe or the machine cannot be stacked exactly."""
    where = chosen.lesson.machine
    if chosen.vote is not None:
        return "networks that vote are trained one after the other"
    if where.precision == "fp16":
        return "precision fp16 scales the loss of each training by itself"
    if where.engine == "compile":
        return "engine compile compiles the passes of one network"
    return None
