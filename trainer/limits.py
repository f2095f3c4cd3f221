"""The largest batch that a network can be trained with on this machine.

Each size is tried in every phase of the recipe. A GPU reports that its memory is used up, and goes on. On a
CPU the kernel would kill some process instead, and libraries crash without memory. So there each try is a
forked child that limits itself to the free memory.
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
from trainer.trial import LIBRARY_WORDS, name_device_errors

_STEPS_CPU, _STEPS_GPU = 2, 5  # of each phase: more than a GPU takes eagerly before a step is captured
_SHARE = 0.9  # of the free memory
_GRAIN = 8  # images
_FITS, _DOES_NOT_FIT, _BROKEN = 0, 1, 2  # exit codes of a child
_ONEDNN = "could not create a primitive"  # the error of a CPU's convolutions without memory


def limits(config: TrialConfig, report: Report, memory_bytes: int | None = None) -> None:
    """Report the largest batch, whatever the configuration's own. Raises TrialError.

    memory_bytes: the most to use of a CPU's memory; None: what is free. A GPU is used to its limit.
    """
    device = resolve_device(config)
    if not device.cuda:
        torch.set_num_threads(1)  # the fork of a process with several threads may hang
    smallest = replace(config, hyperparameters=replace(config.hyperparameters, batch_size=2))
    with name_device_errors():
        setup = set_up(smallest, data.about(config.dataset), device)
        setup.new_state()  # imports what every child would import
    most = len(setup.objective.training)
    peak: dict[int, int | None] = {}  # bytes, by batch size
    engines: dict[int, str] = {}  # of a GPU, by batch size

    def fits(batch_size: int) -> bool:
        settings = replace(setup.objective.settings, batch_size=batch_size)
        tried = replace(setup, objective=replace(setup.objective, settings=settings))
        if device.cuda:
            engine = _try_on_gpu(tried)
            peak[batch_size] = device.peak_memory_bytes()
            engines[batch_size] = engine or ""
            return engine is not None
        return _fits_child(tried, memory_bytes or round(_SHARE * _free_bytes()))

    largest = _find_largest(fits, most)
    if largest < 2:
        raise OutOfMemory("not even a batch of 2 images fits; give a smaller width or resolution")
    report.event(
        "limit",
        batch_size=largest,
        bound="training images" if largest == most else "memory",
        peak_memory_bytes=peak.get(largest),
        engine=engines.get(largest),
    )


def _find_largest(fits: Callable[[int], bool], most: int) -> int:
    """The largest batch that fits, by doubling and then bisecting; 0 if 2 images do not fit."""
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


def _try_on_gpu(setup: TrialSetup) -> str | None:
    """The engine of steps that fit: "eager" where a graph of them did not fit; None where none fit."""
    torch.cuda.reset_peak_memory_stats()
    try:
        with name_device_errors(*LIBRARY_WORDS):
            return _train_briefly(setup.new_state())
    except OutOfMemory:
        return None
    finally:
        gc.collect()
        torch.cuda.empty_cache()


def _fits_child(setup: TrialSetup, memory_bytes: int) -> bool:
    child = os.fork()
    if child == 0:
        os._exit(_try_within(setup, memory_bytes))
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if ended == _BROKEN:
        raise RuntimeError("a trial batch failed for another reason than memory; its traceback is above")
    return ended == _FITS


def _try_within(setup: TrialSetup, memory_bytes: int) -> int:
    try:
        _limit_memory(memory_bytes)
        with name_device_errors(_ONEDNN):
            _train_briefly(setup.new_state())
    except OutOfMemory:
        return _DOES_NOT_FIT
    except Exception:
        traceback.print_exc()
        return _BROKEN
    return _FITS


def _train_briefly(state: TrainState) -> str:
    """Take a few steps of each phase and validate; return the name of the engine."""
    objective = state.objective
    steps = _STEPS_GPU if objective.device.cuda else _STEPS_CPU
    for progress in {objective.phase(part / 100): part / 100 for part in range(101)}.values():
        state.start_epoch(progress)
        for step in range(steps):
            state.step(step % objective.steps_per_epoch, round(progress * 100), 100)
    state.validate()
    objective.device.synchronize()
    return state.engine.name


def _limit_memory(memory_bytes: int) -> None:
    """Let this process allocate so much beyond what it uses now."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            used = int(statm.read().split()[0]) * resource.getpagesize()
    except OSError as error:
        raise InvalidConfig("a CPU's largest batch is found on Linux only; use a GPU or guess") from error
    resource.setrlimit(resource.RLIMIT_AS, (used + memory_bytes, resource.RLIM_INFINITY))


def _free_bytes() -> int:
    with open("/proc/meminfo", encoding="ascii") as lines:
        free = next(line for line in lines if line.startswith("MemAvailable"))
    return int(free.split()[1]) * 1024
