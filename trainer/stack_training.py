"""The training of a stack: one loop for all trials, and each one's own lines and end.

The budget's clock counts the stack's seconds divided by its trials. Each trial is owed as many steps
as it would have taken alone, so a stack that is faster ends before its budget, and one that turns out
slower is planned again, as any training is.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from trainer.budget import Done, Pace
from trainer.config import Budget
from trainer.costs import Costs
from trainer.describe import model_and_layers
from trainer.errors import TrialError
from trainer.events import Events
from trainer.final import final
from trainer.report import Report
from trainer.setting import Setting
from trainer.stack import Stack
from trainer.train import mean_loss, refuse_broken
from trainer.trainee import Trainee
from trainer.trial import memory_errors_named

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """A stack at its first weights; what a training alone costs, and what all of them together do."""

    settings: list[Setting]
    stack: Stack
    alone: Costs
    stacked: Costs


def train(prepared: Prepared, reports: Sequence[Report], process_began: float) -> None:
    """Train all trials and report each, its failure as well."""
    members = _members(prepared, reports)
    try:
        with memory_errors_named():
            pace = _pace(prepared, members)
            _train(prepared.stack, pace, members)
    except TrialError as error:
        failure = error  # its own name goes with this block
        _each(members, lambda member: member.fail(failure))
        return
    train_seconds = members[0].events.elapsed()
    _each(members, lambda member: member.end(pace.done, train_seconds, process_began))


@contextmanager
def own_end(report: Report, then: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Within, a TrialError is the end of one trial and nobody else's; after it, `then` is called."""
    try:
        with memory_errors_named():
            yield
    except TrialError as error:
        report.error(error)
        logger.warning("trainer: %s", error)
        then()


class _Member:
    """One trial of a stack. Whatever it does may raise a TrialError, which is its end."""

    def __init__(self, chosen: Setting, trainee: Trainee, report: Report, stack: Stack, began: float) -> None:
        self.lives, self.report = True, report
        self.events = Events(report, began, sharing=len(stack.trainees))
        self._setting, self._trainee, self._stack = chosen, trainee, stack

    def validate(self, pace: Pace, epoch: int) -> None:
        """Report the weights as they are."""
        loss = mean_loss(self._trainee, pace.step)
        self.events.epoch(0, self._trainee, pace, epoch, loss, self._trainee.validate())

    def finish(self, pace: Pace, epoch: int) -> None:
        """Settle and report the last weights."""
        loss = mean_loss(self._trainee, pace.step)
        self._trainee.finish()
        self._score = self._trainee.validate()
        refuse_broken(self._trainee.judged, self._score)
        self.events.epoch(0, self._trainee, pace, epoch, loss, self._score)

    def end(self, done: Done, train_seconds: float, process_began: float) -> None:
        """Read the test images where that is asked for, and report the last line."""
        count, tests = len(self._stack.trainees), self._setting.test_images()
        tested = self._trainee.score(*tests) if tests else None
        self.report.event(
            "final",
            **final(self._setting, self._score, tested, [done], train_seconds),
            wall_seconds=(time.monotonic() - process_began) / count,
            engine=self._stack.engine.name,
            stacked=count,
        )

    def die(self) -> None:
        """It takes no more part."""
        self.lives = False

    def fail(self, error: TrialError) -> None:
        """For a reason that is the whole stack's."""
        raise error


def _each(members: Sequence[_Member], what: Callable[[_Member], None]) -> None:
    """Those that live do it, each at its own risk."""
    for member in members:
        if member.lives:
            with own_end(member.report, member.die):
                what(member)


def _members(prepared: Prepared, reports: Sequence[Report]) -> list[_Member]:
    """Their network, machine and stack are told; then their clocks begin."""
    first, stack = prepared.settings[0], prepared.stack
    fields = model_and_layers(first.config, first.about)
    for report in reports:
        report.event("model", **fields)
        report.event("machine", **stack.lesson.machine.describe())
        report.event("stack", stacked=True, trials=len(reports), reason=None)
        report.event("engine", name=stack.engine.name, reason=stack.engine.reason)
    began = time.monotonic()
    each = zip(prepared.settings, stack.trainees, reports, strict=True)
    return [_Member(*own, stack, began) for own in each]


def _pace(prepared: Prepared, members: Sequence[_Member]) -> Pace:
    """So many steps as one of the trainings alone would take, or as the stack can. Raises TooShort."""
    budget = prepared.settings[0].config.budget
    return Pace(
        shared(prepared.stacked, len(members)),
        seconds=budget.seconds,
        steps=owed_steps(prepared.alone, budget),
        elapsed=members[0].events.elapsed,
        on_plan=lambda pace, reason: _each(members, lambda member: member.events.plan(pace, reason)),
    )


def owed_steps(alone: Costs, budget: Budget) -> int:
    """Those that a training alone would take. Raises TooShort."""
    return budget.steps or Pace(alone, seconds=budget.seconds, elapsed=lambda: 0.0).total_steps


def shared(stacked: Costs, count: int) -> Costs:
    """What one of so many trials pays of a stack's costs."""
    each = {name: getattr(stacked, name) / count for name in ("step", "epoch", "validation")}
    return replace(stacked, **each)


def _train(stack: Stack, pace: Pace, members: Sequence[_Member]) -> None:
    steps_per_epoch = stack.lesson.steps_per_epoch
    for step in pace.steps():
        epoch, batch = divmod(step, steps_per_epoch)
        if batch == 0:
            _validate_if_due(pace, members, epoch)
            if not any(member.lives for member in members):
                return
            with pace.preparing_epoch():
                stack.start_epoch(pace.progress)
        stack.step(batch, step, pace.total_steps)
        if not stack.engine.steady:
            pace.disregard_step()
    _each(members, lambda member: member.finish(pace, math.ceil(pace.step / steps_per_epoch)))


def _validate_if_due(pace: Pace, members: Sequence[_Member], epoch: int) -> None:
    if pace.validation_is_due():
        with pace.validating():
            _each(members, lambda member: member.validate(pace, epoch))
