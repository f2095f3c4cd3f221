"""How many steps a budget allows.

The number is planned once after warm-up. Progress is a fraction of these steps, so schedules are smooth on a
machine of uneven speed. The steps are planned again only if the projected end drifts by more than 2% of the
budget. Near the end a step that would not fit is dropped, so training ends with progress 1 before the
deadline, never after it.
"""

import math
import sys
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from trainer.errors import TooShort

MOST_VALIDATIONS = 24  # before the last
VALIDATION_SHARE = 0.05  # of the budget, at most
_LAST_VALIDATION = 0.9  # no validation from this progress on, but the last
_LEAST_UNEVENNESS, _MOST_UNEVENNESS = 1.25, 2.0
_DRIFT = 0.02  # of the budget
_STEPS_PER_PLAN = 10  # at least, where there are many
_LANDING = 0.05  # the last part of the budget, in which a single step too many is dropped
_SLOW_STEP = 0.02  # seconds; waiting for a GPU takes less than a hundredth of that
_LAST_STEPS = 8  # more than a host may be ahead of its GPU

Plan = Sequence[tuple[int, int]]  # (step, total steps planned at that step), the first at step 0


@dataclass(frozen=True)
class Timings:
    """Measured seconds of each part of a training.

    epoch: to prepare one, without its steps
    validation: of one on the images for learning curves
    profile: a step's seconds in each of equal parts of the training, relative to `step`
    closing: what ends the budget besides such a validation: the other validation images, or a vote
    """

    step: float
    epoch: float
    validation: float
    steps_per_epoch: int
    profile: tuple[float, ...] = (1.0,)
    closing: float = 0.0

    def relative(self, progress: float) -> float:
        """The seconds of a step at a progress in [0, 1], relative to `step`."""
        return self.profile[min(int(progress * len(self.profile)), len(self.profile) - 1)]

    def relative_from(self, progress: float) -> float:
        """The mean of `relative` over the steps from a progress in [0, 1] on."""
        parts = len(self.profile)
        begun = min(int(progress * parts), parts - 1)
        left = parts - progress * parts
        if left <= 0:
            return self.profile[-1]
        return (self.profile[begun] * (begun + 1 - progress * parts) + sum(self.profile[begun + 1 :])) / left


@dataclass(frozen=True)
class Done:
    """What a training has done so far. validated: validations; plan: every plan so far."""

    step: int = 0
    total_steps: int = 0
    replans: int = 0
    validated: int = 0
    plan: Plan = ()


class Pace:
    """The steps of one training and the clock that limits them.

    seconds: the budget; None where `steps` is given and there is no clock. With both, `steps` is the most.
    elapsed: returns the seconds of the budget spent so far
    on_plan: called with the reason whenever steps are planned
    done: where an interrupted training goes on
    plan: that of another training, whose schedule is to be repeated
    Raises TooShort if not even one step fits.
    """

    def __init__(
        self,
        timings: Timings,
        *,
        seconds: float | None = None,
        steps: int | None = None,
        elapsed: Callable[[], float] = time.monotonic,
        on_plan: Callable[["Pace", str], None] = lambda pace, reason: None,
        done: Done = Done(),
        plan: Plan = (),
    ) -> None:
        self.timings = timings
        self.step = self._planned_at = done.step
        self.replans = done.replans
        self._validated = done.validated
        self._given = dict(plan)
        self._recent: deque[float] = deque(maxlen=32)  # seconds of the last steps
        self._seconds = math.inf if seconds is None else seconds
        self._most_steps = sys.maxsize if steps is None else steps
        self._elapsed = elapsed
        self._on_plan = on_plan
        self._other_seconds = 0.0  # spent between two steps on other work
        self._is_typical = True  # whether the current step takes as long as those to come
        self.validations = self._affordable_validations()
        self.total_steps = done.total_steps or self._given.get(0) or self._most_steps
        if seconds is not None:
            self.total_steps = self._affordable(self._validations_left() if done.step else self.validations)
        if self.total_steps < 1:
            raise self._too_short()
        self._plan = [*done.plan, (self.step, self.total_steps)]
        on_plan(self, "resumed" if done.step else "calibrated")

    @property
    def progress(self) -> float:
        """The fraction of the steps that are done, in [0, 1]."""
        return self.step / self.total_steps

    @property
    def done(self) -> Done:
        """From where an interrupted training can go on."""
        return Done(self.step, self.total_steps, self.replans, self._validated, tuple(self._plan))

    @property
    def reserve_seconds(self) -> float:
        """Kept for the last validation, more on a machine of uneven speed; 0 without a clock."""
        if math.isinf(self._seconds):
            return 0.0
        margin = min(0.01 * self._seconds, 0.1 + 2 * self.timings.step)
        return self._unevenness() * (self.timings.validation + self.timings.closing) + margin

    @property
    def needs_exact_clock(self) -> bool:
        """Whether a GPU must finish a step before the next begins.

        Steps that the host has only launched are not on the clock yet. They matter where they are slow, or
        where few are left.
        """
        if math.isinf(self._seconds):
            return False
        return self.timings.step > _SLOW_STEP or self.total_steps - self.step <= _LAST_STEPS

    def steps(self) -> Iterator[int]:
        """Yield the number of each step to take, from 0, until the budget is spent."""
        while self.step < self.total_steps and self._fits():
            began = self._elapsed()
            self._other_seconds, self._is_typical = 0.0, True
            relative = self.timings.relative(self.progress)
            yield self.step
            self.step += 1
            if self._is_typical:
                self._learn((self._elapsed() - began - self._other_seconds) / relative)
            if self.step in self._given:
                self._replan(self._given[self.step], "given")
            self._replan_if_needed()

    def exclude_step_from_timing(self) -> None:
        """Do not learn from the current step, which no later one is like: a graph was captured, say."""
        self._is_typical = False

    def validation_is_due(self) -> bool:
        """Whether a validation is due at this progress. The last one does not count."""
        due_from = _LAST_VALIDATION * (self._validated + 1) / (self.validations + 1)
        return due_from <= self.progress < _LAST_VALIDATION

    @contextmanager
    def preparing_epoch(self) -> Iterator[None]:
        """Time the preparation of an epoch."""
        began = self._elapsed()
        yield
        seconds = self._elapsed() - began
        self._other_seconds += seconds
        self.timings = replace(self.timings, epoch=(self.timings.epoch + seconds) / 2)

    @contextmanager
    def validating(self) -> Iterator[None]:
        """Time a validation. A slower one replaces the estimate, a faster one is averaged with it."""
        began = self._elapsed()
        yield
        self._validated += 1
        seconds = self._elapsed() - began
        self._other_seconds += seconds
        estimate = max(seconds, (self.timings.validation + seconds) / 2)
        self.timings = replace(self.timings, validation=estimate)

    def _unevenness(self) -> float:
        """The slowest of the last steps relative to their mean, within bounds."""
        if not self._recent:
            return _LEAST_UNEVENNESS
        mean = sum(self._recent) / len(self._recent)
        return min(max(_LEAST_UNEVENNESS, max(self._recent) / mean), _MOST_UNEVENNESS)

    def _learn(self, seconds: float) -> None:
        """Update the mean seconds of a step, over about the last quarter of the steps."""
        self._recent.append(seconds)
        weight = 1 / min(self.step + 1, max(32, self.total_steps / 4))
        self.timings = replace(self.timings, step=self.timings.step + weight * (seconds - self.timings.step))

    def _fits(self) -> bool:
        if self._room() >= self.timings.step * self.timings.relative(self.progress):
            return True
        if self.step == 0:
            raise self._too_short()
        self._replan(self.step, "out of time")
        return False

    def _replan_if_needed(self) -> None:
        if math.isinf(self._seconds) or self.step == self.total_steps:
            return
        late = self._needed(self.total_steps, self._validations_left()) - self._room()  # seconds
        reason = "landing"
        if self._elapsed() <= (1 - _LANDING) * self._seconds:
            # enough steps to see a drift, at most a fifth of the training
            wait = max(1, min(_STEPS_PER_PLAN, self.total_steps // 5), self.total_steps // 25)
            if self.step < self._planned_at + wait or abs(late) <= max(
                _DRIFT * self._seconds, self.timings.step
            ):
                return
            reason = "late" if late > 0 else "early"
        elif late <= self.timings.step:
            return
        self._replan(max(self.step + 1, self._affordable(self._validations_left())), reason)

    def _needed(self, total_steps: int, validations: int) -> float:
        """Seconds from here to the end of step number `total_steps`."""
        steps_per_epoch = self.timings.steps_per_epoch
        epochs = math.ceil(total_steps / steps_per_epoch) - math.ceil(self.step / steps_per_epoch)
        relative = self.timings.relative_from(self.step / total_steps) if total_steps else 1.0
        steps = (total_steps - self.step) * self.timings.step * relative
        return steps + epochs * self.timings.epoch + validations * self.timings.validation

    def _replan(self, total_steps: int, reason: str) -> None:
        if total_steps == self.total_steps:
            return
        self.total_steps = total_steps
        self._planned_at = self.step
        if self._plan[-1][0] == self.step:  # a second plan at one step replaces the first
            self._plan.pop()
        else:
            self.replans += 1
        self._plan.append((self.step, total_steps))
        self._on_plan(self, reason)

    def _room(self) -> float:
        return self._seconds - self.reserve_seconds - self._elapsed()

    def _affordable(self, validations: int) -> int:
        """The most total steps that end before the reserve, at least those that are done."""
        room = self._room()
        enough = self.step + max(0, math.ceil(room / (self.timings.step * min(self.timings.profile)))) + 1
        totals = range(self.step + 1, enough)
        fitting = bisect_right(totals, room, key=lambda total: self._needed(total, validations))
        return min(self.step + fitting, self._most_steps)

    def _affordable_validations(self) -> int:
        if math.isinf(self._seconds):
            return MOST_VALIDATIONS
        share = VALIDATION_SHARE * max(0.0, self._room())
        return min(MOST_VALIDATIONS, math.floor(share / self.timings.validation))

    def _validations_left(self) -> int:
        if self.progress >= _LAST_VALIDATION:
            return 0
        epochs = math.ceil((self.total_steps - self.step) / self.timings.steps_per_epoch)
        return min(self.validations - self._validated, epochs)

    def _too_short(self) -> TooShort:
        step = self.timings.step + self.timings.epoch / self.timings.steps_per_epoch
        least = self._elapsed() + self.reserve_seconds + 2 * step
        return TooShort(
            f"a budget of {self._seconds:g} s is too short: {self._elapsed():.2f} s are spent, and one step "
            f"and the last validation take about {step + self.reserve_seconds:.2f} s; "
            f"give at least {max(1, math.ceil(least))} s"
        )
