"""One trial, from its configuration to its last line.

The clock `train` starts once everything is on the device and timed, so neither
imports nor decoding count; `strict` counts from the start of the process. Both
stop with the last validation: the test images are moved and read after it.
Several networks that vote are trained one after the other, each in its share.
"""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import torch

from trainer import data
from trainer.budget import Done, Pace
from trainer.checkpoint import Checkpoint
from trainer.config import Budget, TrialConfig
from trainer.describe import model_and_layers
from trainer.device import resolve_device
from trainer.engine import share_capture_failure
from trainer.errors import DeviceLost, InvalidConfig, OutOfMemory, TooShort
from trainer.evaluate import Judge, Score, evaluate
from trainer.events import Events
from trainer.final_event import final
from trainer.images import DeviceImages
from trainer.ingredients import Vote
from trainer.report import Report
from trainer.setup import TrialSetup, set_up
from trainer.timings import Timings
from trainer.train import measure, train
from trainer.train_state import TrainState

_TIMING_SHARE = 0.05  # of a budget in seconds, for timing steps
_MOST_TIMING_SECONDS = 5.0
_FIRST_FIT = "squash"  # of checkpoints from before there was a choice
_TIMING_SECONDS = 0.3  # of a budget in steps, where only people read the timing
_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED", "bad_alloc")

# how the CUDA runtime calls a GPU or a driver that is gone; a kernel's own fault is none of these
_DEVICE_WORDS = (
    *("CUDA-capable device", "uncorrectable", "CUDA driver", "driver shutting down", "unknown error"),
    *("system not yet initialized", "CUDA error: initialization error"),
)

logger = logging.getLogger(__name__)


def run(
    config: TrialConfig, report: Report, process_began: float, checkpoint: Checkpoint | None = None
) -> None:
    """Train and report. process_began: time.monotonic() at the start. Raises TrialError."""
    with memory_errors_named():
        held = checkpoint.read() if checkpoint else None
        where = resolve_device(config)
        about = data.about(config.dataset)
        model = model_and_layers(config, about)
        report.event("model", **model)
        report.event("machine", **where.describe())
        maker = {"device": where.device.type, "precision": where.precision, "source": model["source"]}
        maker["fit"] = about.fit
        training = _Training(set_up(config, about, where), report, checkpoint, maker)
        score = training.run(process_began, _of_same(maker, held))
        report.event("final", **training.result(score, process_began))
    if checkpoint:
        checkpoint.remove()


def _of_same(maker: dict[str, Any], held: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a checkpoint holds; None, and that is told, where its numbers mean nothing here."""
    if held is None:
        return None
    made = {"fit": _FIRST_FIT, **held.get("maker", {})}
    if maker["fit"] is None:  # all images are squares
        made["fit"] = None
    if made != maker:
        logger.warning("the checkpoint is of %s, this is %s; training from the start", made, maker)
        return None
    return held


class _Training:
    """The networks of one trial, one after the other.

    maker: device, precision, network's file and fit of the images, which a checkpoint is good for
    """

    def __init__(
        self, chosen: TrialSetup, report: Report, checkpoint: Checkpoint | None, maker: dict[str, Any]
    ) -> None:
        self._setting, self._report, self._checkpoint, self._maker = chosen, report, checkpoint, maker
        self._vote = chosen.vote
        self._count = self._vote.count if self._vote else 1
        self._members: list[TrainState] = []
        self._paces: list[Done] = []

    def run(self, process_began: float, held: dict[str, Any] | None) -> Score | None:
        """Train all networks, from where a checkpoint left them; the score of the last weights."""
        config, budget = self._setting.config, self._setting.config.budget
        first = self._setting.trainee()
        costs = measure(first, _timing_seconds(budget.seconds), self._count if self._vote else 0)
        began = process_began if config.clock == "strict" else time.monotonic()
        self._events = Events(self._report, began, held["elapsed"] if held else 0.0)
        self._events.engine(first.engine)
        self._take_up(held)
        for member in range(len(self._members), self._count):
            trainee = self._setting.trainee(member) if member else first
            share_capture_failure(trainee.engine, first.engine)
            score = self._train(member, trainee, costs, held)
            held = None
        if self._vote:
            score = self._evaluate(self._setting.lesson.validation)
        self._seconds = self._events.elapsed()
        return score

    def result(self, score: Score | None, process_began: float) -> dict[str, Any]:
        """The fields of the `final` event; the test images are read for it."""
        tests = self._setting.test_images()
        tested = self._evaluate(*tests) if tests else None
        return {
            **final(self._setting, score, tested, self._paces, self._seconds),
            "wall_seconds": time.monotonic() - process_began,
            "engine": self._members[-1].engine.name,
        }

    def _take_up(self, held: dict[str, Any] | None) -> None:
        """The networks that were trained before an interruption."""
        for member, state in enumerate(held["members"] if held else []):
            trainee = self._setting.trainee(member)
            trainee.restore(state["trainee"])
            trainee.let_go()
            self._members.append(trainee)
            self._paces.append(Done(**state["done"]))
        self._events.again(held["epochs"] if held else [])

    def _train(
        self, member: int, trainee: TrainState, costs: Timings, held: dict[str, Any] | None
    ) -> Score | None:
        began = self._events.elapsed() if held is None else held["member_began"]
        share = _share(self._setting.config.budget, member, self._count, costs.closing)
        last = member + 1 == self._count
        if held is not None:
            trainee.restore(held["trainee"])
        pace = Pace(
            costs if last else replace(costs, closing=0.0),
            seconds=None if share.seconds is None else share.seconds - began,
            steps=share.steps,
            elapsed=lambda: self._events.elapsed() - began,
            on_plan=self._events.plan,
            done=Done(**held["done"]) if held else Done(),
            plan=share.plan,
        )
        score = train(
            trainee,
            pace,
            lambda *found: self._events.epoch(member, trainee, pace, *found),
            lambda: self._keep(trainee, pace, began),
        )
        self._members.append(trainee)
        self._paces.append(pace.done)
        return score

    def _keep(self, trainee: TrainState, pace: Pace, began: float) -> None:
        """Write a checkpoint if it is time. Called after a step that the pace has not counted yet."""
        if self._checkpoint is None:
            return
        done = replace(pace.done, step=pace.step + 1)
        ended = zip(self._members, self._paces, strict=True)
        self._checkpoint.write_if_due(
            lambda: {
                "maker": self._maker,
                "members": [{"trainee": each.state(), "done": asdict(its)} for each, its in ended],
                "trainee": trainee.state(),
                "done": asdict(done),
                "member_began": began,
                "elapsed": self._events.elapsed(),
                "epochs": list(self._events.epochs),
            }
        )

    def _evaluate(self, held: DeviceImages | None, first: int = 0) -> Score | None:
        """What all networks together say of images."""
        if held is None:
            return None
        judges = [member.judge() for member in self._members]
        judged = judges[0] if self._vote is None else _together(judges, self._vote)
        return evaluate([member.judged for member in self._members], judged, held, first)


def _together(judges: list[Judge], vote: Vote) -> Judge:
    return lambda images: vote.together(torch.stack([judge(images) for judge in judges]))


def _share(budget: Budget, member: int, count: int, closing: float) -> Budget:
    """Of one of several networks: the second at which it must end, or its steps. Raises TooShort.

    closing: seconds after the last network's last step, which are nobody's share
    """
    if budget.steps is None:
        assert budget.seconds is not None
        if budget.seconds <= closing:
            raise TooShort(
                f"a budget of {budget.seconds:g} s is too short: what {count} networks say together takes "
                f"{closing:.2f} s alone; give at least {math.ceil(3 * closing)} s"
            )
        last = member + 1 == count
        return Budget(seconds=budget.seconds if last else (budget.seconds - closing) * (member + 1) / count)
    if budget.plan and count > 1:
        raise InvalidConfig("a plan is for one network; omit it with an ensemble")
    if budget.steps < count:
        raise TooShort(f"{budget.steps} steps do not go round {count} networks; give at least {count}")
    return Budget(steps=budget.steps // count + (member < budget.steps % count), plan=budget.plan)


def _timing_seconds(budget_seconds: float | None) -> float:
    """How long to time steps for, at most."""
    if budget_seconds is None:
        return _TIMING_SECONDS
    return min(_MOST_TIMING_SECONDS, _TIMING_SHARE * budget_seconds)


@contextmanager
def memory_errors_named(*more_words: str) -> Iterator[None]:
    """Turn what torch and numpy raise when memory runs out into OutOfMemory, when a GPU is gone DeviceLost.

    more_words: in an error that means memory where the caller is sure that nothing else is wrong
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        if not isinstance(error, MemoryError) and not _says(error, *_MEMORY_WORDS, *more_words):
            if "CUDA" in str(error) and _says(error, *_DEVICE_WORDS):
                raise DeviceLost(f"{line}; see what nvidia-smi and dmesg say of the GPU") from error
            raise
        raise OutOfMemory(f"{line}; give a smaller batch_size, width or resolution") from error


def _says(error: Exception, *words: str) -> bool:
    return any(each in str(error) for each in words)
