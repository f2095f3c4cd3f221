"""The training loop: epochs, steps and reports until the budget is spent."""

import copy
import itertools
import math
import statistics
import time
from collections.abc import Callable

import torch

from trainer.budget import Pace, Timings
from trainer.engine import refuse_eager, share_capture_result
from trainer.errors import Diverged
from trainer.evaluate import Score
from trainer.ingredients import Vote
from trainer.objective import Phase
from trainer.train_state import TrainState

_WARM_STEPS = 5  # more than are taken eagerly before a step is captured
_FEWEST_TIMINGS, _MOST_TIMED_STEPS = 3, 50
_BLOCK, _BLOCK_SECONDS = 20, 0.05  # of steps that are timed together on a GPU, at most
_PARTS = 100  # of the training, in which a step's time may differ

OnReport = Callable[[int, float, Score | None], None]  # epoch, mean loss since the last report, score


def train(
    state: TrainState, pace: Pace, on_report: OnReport, after_step: Callable[[], None] = lambda: None
) -> Score | None:
    """Train until the budget is spent; return the score of the last weights, on all validation images.

    A network that votes with others is scored on those for learning curves. The score is None without
    validation images. Raises Diverged.
    """
    steps_per_epoch = state.objective.steps_per_epoch
    for step in pace.steps():
        epoch, batch = divmod(step, steps_per_epoch)
        if batch == 0:
            if pace.validation_is_due():
                with pace.validating():
                    on_report(epoch, _mean_loss(state, step), state.validate())
            with pace.preparing_epoch():
                state.start_epoch(pace.progress)
        state.step(batch, step, pace.total_steps)
        if pace.needs_exact_clock:
            state.objective.device.synchronize()
        if not state.engine.is_steady:
            pace.exclude_step_from_timing()
        after_step()
    last_loss = _mean_loss(state, pace.step)
    state.finish()
    score = state.validate(whole=state.objective.recipe.one(Vote) is None)
    finite = torch.stack([weights.isfinite().all() for weights in state.eval_network.parameters()]).all()
    if not bool(finite) or (score is not None and not math.isfinite(score.loss)):
        raise Diverged("the last weights or their validation loss are not finite; give a lower learning_rate")
    on_report(math.ceil(pace.step / steps_per_epoch), last_loss, score)
    return score


def measure(state: TrainState, most_seconds: float, closing_validations: int = 0) -> Timings:
    """Warm up and time a copy, so that weights and random state stay as they are.

    If the copy's steps could not be captured, this state's will not be either. Raises InvalidConfig if graphs
    were asked for by name.
    closing_validations: how many of all validation images end the budget, if several networks vote
    """
    device, objective = state.objective.device, state.objective
    middles = [(part + 0.5) / _PARTS for part in range(_PARTS)]
    phases = [objective.phase(middle) for middle in middles]
    seconds: dict[Phase, float] = {}
    gpus = [torch.cuda.current_device()] if device.cuda else []
    with torch.random.fork_rng(gpus):  # layers draw from it, as often as steps are timed
        copied = TrainState(copy.deepcopy(state.network), objective, seed=0)
        for phase, middle in zip(phases, middles, strict=True):
            if phase not in seconds:
                seconds[phase] = time_step(copied, middle, most_seconds / len(set(phases)))
        copied.validate()
        validation = whole = device.time(copied.validate)
        if objective.curve is not None and len(objective.curve) < len(objective.validation or ()):
            # the shorter of two: a pause of the machine in one would refuse the training
            whole = min(device.time(lambda: copied.validate(whole=True)) for _ in range(2))
        copied.free_step_memory()  # with images that were drawn ahead, whose time would not be seen
        epoch = device.time(lambda: copied.start_epoch(0.0))
    share_capture_result(state.engine, copied.engine)
    refuse_eager(state.engine, device)
    step = statistics.fmean(seconds[phase] for phase in phases)
    return Timings(
        step=step,
        epoch=epoch,
        validation=validation,
        steps_per_epoch=objective.steps_per_epoch,
        profile=tuple(seconds[phase] / step for phase in phases) if len(seconds) > 1 else (1.0,),
        closing=closing_validations * whole if closing_validations else whole - validation,
    )


def _mean_loss(state: TrainState, step: int) -> float:
    """The mean loss since the last call. Raises Diverged if it is not finite."""
    mean = state.read_loss()
    if not math.isfinite(mean):
        raise Diverged(f"the training loss is {mean} by step {step}; give a lower learning_rate")
    return mean


def time_step(state: TrainState, progress: float, most_seconds: float) -> float:
    """Seconds of a step at a progress, after the warm-up.

    On a GPU blocks of steps are timed. A single one between two waits would seem to take longer than in a
    training, where the host is ahead.
    """
    device, steps_per_epoch = state.objective.device, state.objective.steps_per_epoch
    parts = 2 * _PARTS
    number = round(progress * parts)
    state.start_epoch(progress)
    taken = itertools.count()

    def take(steps: int) -> None:
        for step in itertools.islice(taken, steps):
            state.step(step % steps_per_epoch, number, parts)

    take(_WARM_STEPS)
    taken = itertools.count()
    block = 1
    if device.cuda:
        block = min(_BLOCK, max(1, round(_BLOCK_SECONDS / device.time(lambda: take(1)))))
    deadline = time.monotonic() + most_seconds
    seconds: list[float] = []
    while len(seconds) * block < _MOST_TIMED_STEPS:
        if len(seconds) >= _FEWEST_TIMINGS and time.monotonic() > deadline:
            break
        seconds.append(device.time(lambda: take(block)) / block)
    return statistics.median(seconds)
