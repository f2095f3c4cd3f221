"""The pace on a clock that the tests move: time passes only by what a simulated training does."""

import random as randoms
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.budget import Pace, Timings
from trainer.errors import TooShort


class Simulated:
    """A training whose steps take as long as a function of the time says."""

    def __init__(
        self, seconds: float, step_seconds: Callable[[float], float], began: float = 0.0, unlike: int = 0
    ) -> None:
        self.now, self._unlike = began, unlike
        self.plans: list[str] = []
        self._step_seconds = step_seconds
        costs = Timings(step=step_seconds(0.0), epoch=0.02, validation=0.05, steps_per_epoch=20)
        self.pace = Pace(
            costs,
            seconds=seconds,
            elapsed=lambda: self.now,
            on_plan=lambda pace, reason: self.plans.append(reason),
        )

    def run(self) -> "Simulated":
        for step in self.pace.steps():
            if step % 20 == 0:
                if self.pace.validation_is_due():
                    with self.pace.validating():
                        self.now += 0.05
                with self.pace.preparing_epoch():
                    self.now += 0.02
            self.now += self._step_seconds(self.now)
            if step < self._unlike:
                self.now += 0.4
                self.pace.exclude_step_from_timing()
        self.now += 0.05  # the last validation
        return self


def test_an_even_machine_is_planned_once_and_uses_its_budget() -> None:
    trained = Simulated(20.0, lambda now: 0.01).run()
    assert trained.plans == ["calibrated"]
    assert trained.pace.progress == 1.0
    assert 19.6 < trained.now <= 20.0


@pytest.mark.parametrize("factor", [0.5, 1.3, 3.0])
def test_a_machine_that_changes_its_speed_is_planned_again_and_ends_in_time(factor: float) -> None:
    trained = Simulated(20.0, lambda now: 0.01 * (factor if now > 8 else 1)).run()
    assert 1 <= trained.pace.replans <= 25
    assert trained.pace.progress == 1.0
    assert 19.0 < trained.now <= 20.0


@pytest.mark.parametrize("seconds", [2.0, 3.0, 8.0])
def test_a_few_steps_that_were_timed_too_slow_are_corrected_at_once(seconds: float) -> None:
    trained = Simulated(seconds, lambda now: 0.3 if now == 0 else 0.1).run()
    assert trained.pace.progress == 1.0
    assert 0.8 * seconds < trained.now <= seconds


def test_first_steps_unlike_all_others_make_no_plan_for_them() -> None:
    trained = Simulated(20.0, lambda now: 0.01, unlike=4).run()
    assert set(trained.plans) <= {"calibrated", "late"}
    assert trained.pace.replans == 1  # for the seconds that they took, not for seconds to come
    assert trained.pace.progress == 1.0
    assert 19.6 < trained.now <= 20.0


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.floats(1.0, 10.0), st.floats(0.0, 0.9))
def test_a_noisy_machine_never_passes_the_deadline_by_more_than_half_a_percent(
    random: randoms.Random, seconds: float, noise: float
) -> None:
    trained = Simulated(seconds, lambda now: 0.01 * (1 + noise * (2 * random.random() - 1))).run()
    assert trained.pace.progress == 1.0
    assert trained.now <= seconds * 1.005
    assert trained.pace.replans < 30
    assert_plan_can_be_given(trained.pace)


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.floats(0.8, 3.0), st.floats(0.0, 3.0))
def test_steps_that_hang_leave_a_plan_to_repeat_the_training_by(
    random: randoms.Random, seconds: float, hang: float
) -> None:
    trained = Simulated(seconds, lambda now: 0.01 + hang * (now > 0.5 and random.random() < 0.1)).run()
    assert_plan_can_be_given(trained.pace)


def assert_plan_can_be_given(pace: Pace) -> None:
    began = [step for step, _ in pace.done.plan]
    assert began == sorted(set(began)), "one plan a step"
    assert pace.done.plan[-1] == (pace.done.plan[-1][0], pace.total_steps)
    repeated = Pace(pace.timings, steps=pace.total_steps, plan=pace.done.plan)
    assert len(list(repeated.steps())) == pace.step
    assert (repeated.done.plan, repeated.replans) == (pace.done.plan, pace.replans)


def test_a_drift_of_less_than_two_percent_is_left_alone() -> None:
    trained = Simulated(100.0, lambda now: 0.01 * (1.01 if now > 0 else 1)).run()
    assert "late" not in trained.plans
    assert trained.now <= 100.0


def test_a_budget_in_steps_is_never_planned_again() -> None:
    pace = Pace(Timings(1.0, 1.0, 1.0, 10), steps=25)
    assert list(pace.steps()) == list(range(25))
    assert (pace.total_steps, pace.replans, pace.progress, pace.reserve_seconds) == (25, 0, 1.0, 0.0)


def test_a_budget_shorter_than_a_step_is_refused_with_one_that_would_do() -> None:
    with pytest.raises(TooShort, match=r"a budget of 0\.06 s is too short: .* give at least 1 s"):
        Simulated(0.06, lambda now: 0.01)


def test_a_strict_clock_that_ran_out_before_training_is_refused() -> None:
    with pytest.raises(TooShort, match=r"9\.00 s are spent"):
        Simulated(5.0, lambda now: 0.01, began=9.0)


def test_what_ends_a_vote_is_kept_for_with_the_last_validation() -> None:
    reserves = [
        Pace(
            Timings(0.01, 0.01, 0.05, 20, closing=closing), seconds=20.0, elapsed=lambda: 0.0
        ).reserve_seconds
        for closing in (0.0, 2.0)
    ]
    assert reserves[0] >= 0.05
    assert reserves[1] >= 2.05


def test_validations_take_a_twentieth_of_the_budget_at_most_and_are_24_at_most() -> None:
    assert Simulated(1000.0, lambda now: 0.01).pace.validations == 24
    assert Simulated(5.0, lambda now: 0.01).pace.validations == 4
