"""How many steps a budget allows, decided once after warm-up and kept.

Progress is a share of these steps, so the schedule is smooth however uneven
the machine. Only when the projected end drifts by more than 2% of the budget
are they planned again; near the end, a step that would not fit is dropped, so
that training ends with progress 1 before the deadline, never after it.
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
from trainer.timings import Timings

MOST_VALIDATIONS = 24  # before the last
_VALIDATION_SHARE = 0.05  # of the budget, at most
_LAST_VALIDATION = 0.9  # progress from which the last one is soon enough
_LEAST_UNEVENNESS, _MOST_UNEVENNESS = 1.25, 2.0
_DRIFT = 0.02  # of the budget
_STEPS_A_PLAN = 10  # at least, where there are many
_LANDING = 0.05  # the last part of the budget, in which a single step too many is dropped


Plan = Sequence[tuple[int, int]]  # (step, steps in all from there on), the first at step 0


@dataclass(frozen=True)
class Done:
    """What a training has done. plan: the steps in all that were planned at each step that planned."""

    step: int = 0
    total_steps: int = 0
    replans: int = 0
    validated: int = 0
    plan: Plan = ()


class Pace:
    """The steps of one training and the clock they must keep to.

    seconds: the budget, or None where `steps` is given and no clock is kept; with both, `steps` is the most.
    elapsed: seconds spent of the budget so far.
    on_plan: called with the reason whenever steps were planned.
    done: where an interrupted training goes on.
    plan: of another training, whose schedule this one of `steps` is to repeat.
    Raises TooShort where not even one step fits.
    """

    def __init__(
        self,
        costs: Timings,
        *,
        seconds: float | None = None,
        steps: int | None = None,
        elapsed: Callable[[], float] = time.monotonic,
        on_plan: Callable[["Pace", str], None] = lambda pace, reason: None,
        done: Done = Done(),
        plan: Plan = (),
    ) -> None:
        self.costs = costs
        self.step = self._planned_at = done.step
        self.replans = done.replans
        self._validated = done.validated
        self._given = dict(plan)
        self._recent: deque[float] = deque(maxlen=32)  # seconds of the last steps
        self._seconds = math.inf if seconds is None else seconds
        self._most_steps = sys.maxsize if steps is None else steps
        self._elapsed = elapsed
        self._on_plan = on_plan
        self._aside = 0.0  # seconds of the current step's round that were no step
        self._like_others = True  # the current step
        self.validations = self._affordable_validations()
        self.total_steps = done.total_steps or self._given.get(0) or self._most_steps
        if seconds is not None:
            self.total_steps = self._affordable(self._validations_left() if done.step else self.validations)
        if self.total_steps < 1:
            raise TooShort(self._too_short())
        self._plan = [*done.plan, (self.step, self.total_steps)]
        on_plan(self, "resumed" if done.step else "calibrated")

    @property
    def progress(self) -> float:
        """The share of the steps that are done, in [0, 1]."""
        return self.step / self.total_steps

    @property
    def done(self) -> Done:
        """For a training that goes on from here."""
        return Done(self.step, self.total_steps, self.replans, self._validated, tuple(self._plan))

    @property
    def reserve_seconds(self) -> float:
        """Kept for the last validation, the more the less even the machine; 0 without a clock."""
        if math.isinf(self._seconds):
            return 0.0
        margin = min(0.01 * self._seconds, 0.1 + 2 * self.costs.step)
        return self._unevenness() * (self.costs.validation + self.costs.closing) + margin

    def steps(self) -> Iterator[int]:
        """The number of each step to take, from 0; ends when the budget is spent."""
        while self.step < self.total_steps and self._fits():
            began = self._elapsed()
            self._aside, self._like_others = 0.0, True
            relative = self.costs.relative(self.progress)
            yield self.step
            self.step += 1
            if self._like_others:
                self._learn((self._elapsed() - began - self._aside) / relative)
            if self.step in self._given:
                self._replan(self._given[self.step], "given")
            self._plan_again_if_needed()

    def disregard_step(self) -> None:
        """The step under way costs what none after it will: it is prepared for, as by being captured."""
        self._like_others = False

    def validation_is_due(self) -> bool:
        """Whether a validation is due by progress, the last one not counted."""
        due_from = _LAST_VALIDATION * (self._validated + 1) / (self.validations + 1)
        return due_from <= self.progress < _LAST_VALIDATION

    @contextmanager
    def preparing_epoch(self) -> Iterator[None]:
        """Round what prepares an epoch."""
        began = self._elapsed()
        yield
        seconds = self._elapsed() - began
        self._aside += seconds
        self.costs = replace(self.costs, epoch=(self.costs.epoch + seconds) / 2)

    @contextmanager
    def validating(self) -> Iterator[None]:
        """Round a validation. A slow one is believed at once, a fast one by half."""
        began = self._elapsed()
        yield
        self._validated += 1
        seconds = self._elapsed() - began
        self._aside += seconds
        believed = max(seconds, (self.costs.validation + seconds) / 2)
        self.costs = replace(self.costs, validation=believed)

    def _unevenness(self) -> float:
        """By how much a thing may take longer than it did: as the slowest of the last steps did."""
        if not self._recent:
            return _LEAST_UNEVENNESS
        mean = sum(self._recent) / len(self._recent)
        return min(max(_LEAST_UNEVENNESS, max(self._recent) / mean), _MOST_UNEVENNESS)

    def _learn(self, seconds: float) -> None:
        """A mean over about the last quarter of the steps, as if each cost as much as the mean."""
        self._recent.append(seconds)
        weight = 1 / min(self.step + 1, max(32, self.total_steps / 4))
        self.costs = replace(self.costs, step=self.costs.step + weight * (seconds - self.costs.step))

    def _fits(self) -> bool:
        if self._room() >= self.costs.step * self.costs.relative(self.progress):
            return True
        if self.step == 0:
            raise TooShort(self._too_short())
        self._replan(self.step, "out of time")
        return False

    def _plan_again_if_needed(self) -> None:
        if math.isinf(self._seconds) or self.step == self.total_steps:
            return
        late = self._seconds_late()
        if self._elapsed() > (1 - _LANDING) * self._seconds:
            reason = "landing" if late > self.costs.step else None
        elif self.step < self._planned_at + _steps_to_wait(self.total_steps):
            reason = None
        elif abs(late) > max(_DRIFT * self._seconds, self.costs.step):
            reason = "late" if late > 0 else "early"
        else:
            reason = None
        if reason is not None:
            self._replan(max(self.step + 1, self._affordable(self._validations_left())), reason)

    def _seconds_late(self) -> float:
        """By which the last step would end after the reserve begins, at the present costs."""
        return self._needed(self.total_steps, self._validations_left()) - self._room()

    def _needed(self, total_steps: int, validations: int) -> float:
        """Seconds from here to the last of so many steps."""
        steps_per_epoch = self.costs.steps_per_epoch
        epochs = math.ceil(total_steps / steps_per_epoch) - math.ceil(self.step / steps_per_epoch)
        relative = self.costs.relative_from(self.step / total_steps) if total_steps else 1.0
        steps = (total_steps - self.step) * self.costs.step * relative
        return steps + epochs * self.costs.epoch + validations * self.costs.validation

    def _replan(self, total_steps: int, reason: str) -> None:
        if total_steps == self.total_steps:
            return
        self.total_steps = total_steps
        self._planned_at = self.step
        if self._plan[-1][0] == self.step:  # planned twice at one step: what was planned last holds
            self._plan.pop()
        else:
            self.replans += 1
        self._plan.append((self.step, total_steps))
        self._on_plan(self, reason)

    def _room(self) -> float:
        return self._seconds - self.reserve_seconds - self._elapsed()

    def _affordable(self, validations: int) -> int:
        """The most steps in all that end before the reserve; no less than are done."""
        room = self._room()
        enough = self.step + max(0, math.ceil(room / (self.costs.step * min(self.costs.profile)))) + 1
        fitting = bisect_right(
            range(self.step + 1, enough), room, key=lambda total: self._needed(total, validations)
        )
        return min(self.step + fitting, self._most_steps)

    def _affordable_validations(self) -> int:
        if math.isinf(self._seconds):
            return MOST_VALIDATIONS
        share = _VALIDATION_SHARE * max(0.0, self._room())
        return min(MOST_VALIDATIONS, math.floor(share / self.costs.validation))

    def _validations_left(self) -> int:
        if self.progress >= _LAST_VALIDATION:
            return 0
        epochs = math.ceil((self.total_steps - self.step) / self.costs.steps_per_epoch)
        return min(self.validations - self._validated, epochs)

    def _too_short(self) -> str:
        least = self._elapsed() + self.reserve_seconds + 2 * self.costs.step_in_all
        return (
            f"a budget of {self._seconds:g} s is too short: {self._elapsed():.2f} s are spent, and one step "
            f"and the last validation take about {self.costs.step_in_all + self.reserve_seconds:.2f} s; "
            f"give at least {max(1, math.ceil(least))} s"
        )


def _steps_to_wait(total_steps: int) -> int:
    """From one plan to the next: long enough to see a drift, and no fifth of the training."""
    return max(1, min(_STEPS_A_PLAN, total_steps // 5), total_steps // 25)
