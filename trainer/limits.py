"""The largest batch that a network can be trained with here, found without running out of the machine.

Each size is tried for real, in every phase of the recipe. A GPU says that its memory is used up and
goes on. A CPU's kernel would kill somebody instead, and its libraries crash when they get no memory:
so there each trial is a forked child that forbids itself more than the memory that is free.
"""

import gc
import os
import resource
import traceback
from collections.abc import Callable
from dataclasses import replace

import torch

from trainer import data
from trainer.config import TrialConfig
from trainer.device import resolve_device
from trainer.errors import InvalidConfig, OutOfMemory
from trainer.report import Report
from trainer.setup import TrialSetup, set_up
from trainer.train_state import TrainState
from trainer.trial import memory_errors_named

_STEPS_CPU, _STEPS_GPU = 2, 5  # of each phase: more than a GPU takes eagerly before a step is captured
_SHARE = 0.9  # of the memory that is free
_GRAIN = 8  # images
_FITS, _DOES_NOT_FIT, _BROKEN = 0, 1, 2  # what a child exits with
_ONEDNN = "could not create a primitive"  # what the CPU's convolutions say when they get no memory


def limits(config: TrialConfig, report: Report, memory_bytes: int | None = None) -> None:
    """Report the largest batch, whatever the configuration's own. Raises TrialError.

    memory_bytes: of the host, to use at most; None: what is free. A GPU is used as far as it goes.
    """
    where = resolve_device(config)
    if not where.cuda:
        torch.set_num_threads(1)  # a child of a process with several may hang
    smallest = replace(config, hyperparameters=replace(config.hyperparameters, batch_size=2))
    with memory_errors_named():
        chosen = set_up(smallest, data.about(config.dataset), where)
        chosen.trainee()  # imports what every child would import
    most = len(chosen.lesson.training)
    peak: dict[int, int | None] = {}  # bytes, by batch size

    def fits(batch_size: int) -> bool:
        tried = _with_batches_of(chosen, batch_size)
        if where.cuda:
            fitting = _fits_gpu(tried)
            peak[batch_size] = where.peak_memory_bytes()
            return fitting
        return _fits_child(tried, memory_bytes or round(_SHARE * _free_bytes()))

    largest = _largest(fits, most)
    if largest < 2:
        raise OutOfMemory("not even a batch of 2 images fits; give a smaller width or resolution")
    report.event(
        "limit",
        batch_size=largest,
        bound="training images" if largest == most else "memory",
        peak_memory_bytes=peak.get(largest),
    )


def _largest(fits: Callable[[int], bool], most: int) -> int:
    """The largest batch that fits: a power of two, then finer; 0 where 2 images do not fit."""
    fitting, size = 0, 2
    while size < most and fits(size):
        fitting, size = size, 2 * size
    if size >= most:
        if fits(most):
            return most
        size = most
    while (middle := (fitting + size) // 2 // _GRAIN * _GRAIN) > fitting and size - fitting > fitting // 16:
        if fits(middle):
            fitting = middle
        else:
            size = middle
    return fitting


def _with_batches_of(chosen: TrialSetup, batch_size: int) -> TrialSetup:
    settings = replace(chosen.lesson.settings, batch_size=batch_size)
    return replace(chosen, lesson=replace(chosen.lesson, settings=settings))


def _fits_gpu(tried: TrialSetup) -> bool:
    torch.cuda.reset_peak_memory_stats()
    try:
        with memory_errors_named():
            _train_a_little(tried.trainee())
    except OutOfMemory:
        return False
    finally:
        gc.collect()
        torch.cuda.empty_cache()
    return True


def _fits_child(tried: TrialSetup, memory_bytes: int) -> bool:
    child = os.fork()
    if child == 0:
        os._exit(_tried_within(tried, memory_bytes))
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if ended == _BROKEN:
        raise RuntimeError("a trial batch failed for another reason than memory; its traceback is above")
    return ended == _FITS


def _tried_within(tried: TrialSetup, memory_bytes: int) -> int:
    try:
        _forbid_more_than(memory_bytes)
        with memory_errors_named(_ONEDNN):
            _train_a_little(tried.trainee())
    except OutOfMemory:
        return _DOES_NOT_FIT
    except Exception:
        traceback.print_exc()
        return _BROKEN
    return _FITS


def _train_a_little(trainee: TrainState) -> None:
    lesson = trainee.lesson
    steps = _STEPS_GPU if lesson.machine.cuda else _STEPS_CPU
    for progress in {lesson.phase(part / 100): part / 100 for part in range(101)}.values():
        trainee.start_epoch(progress)
        for step in range(steps):
            trainee.step(step % lesson.steps_per_epoch, round(progress * 100), 100)
    trainee.validate()
    lesson.machine.synchronize()


def _forbid_more_than(memory_bytes: int) -> None:
    """Let allocations fail beyond what is used now and so much more."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            used = int(statm.read().split()[0]) * resource.getpagesize()
    except OSError as error:
        raise InvalidConfig(
            "the largest batch on a CPU is found on Linux alone; use a GPU or guess"
        ) from error
    resource.setrlimit(resource.RLIMIT_AS, (used + memory_bytes, resource.RLIM_INFINITY))


def _free_bytes() -> int:
    with open("/proc/meminfo", encoding="ascii") as lines:
        free = next(line for line in lines if line.startswith("MemAvailable"))
    return int(free.split()[1]) * 1024
