"""The rule that gives a training up: what it never does, and how often it is wrong on curves made here."""

import math
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.pruners.learning_curve import (
    AUDIT,
    EARLIEST,
    FEWEST_CURVES,
    LEVEL,
    NEVER,
    Finished,
    LearningCurvePruner,
    Prune,
    PrunerConfig,
)
from results.format import stops_text

LOOKS = tuple(n / 10 for n in range(1, 11))
IMAGES = 1000


def curve(final: float, rng: random.Random, noise: float = 0.03) -> tuple[tuple[float, float], ...]:
    """A curve that rises to `final`; before its end it is noisy, and rises at a pace of its own."""
    pace = rng.uniform(2, 5)
    risen = [(p, (1 - math.exp(-pace * p)) / (1 - math.exp(-pace))) for p in LOOKS]
    return (*((p, final * share + rng.gauss(0, noise)) for p, share in risen[:-1]), (1.0, final))


def measured(points: tuple[tuple[float, float], ...]) -> list[dict[str, Any]]:
    return [{"progress": progress, "val_accuracy": accuracy} for progress, accuracy in points]


def rule(finals: list[float], bound: float, level: float = LEVEL, seed: int = 0) -> LearningCurvePruner:
    rng = random.Random(seed)
    return LearningCurvePruner(
        tuple(Finished(curve(f, rng), f) for f in finals), bound, IMAGES, PrunerConfig(level), 0
    )


SPREAD = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85]
POOR = measured(tuple((p, 0.3 * p) for p in LOOKS))


def test_a_curve_far_below_all_that_reached_the_bound_is_given_up() -> None:
    hopeless = rule(SPREAD, 0.8).first_stop(POOR)
    assert hopeless is not None
    assert EARLIEST <= hopeless.progress < 1
    assert hopeless.accuracy == pytest.approx(0.3 * hopeless.progress)
    assert hopeless.predicted < hopeless.bound == 0.8


def test_nothing_is_given_up_on_the_word_of_few_curves() -> None:
    assert rule(SPREAD[: FEWEST_CURVES - 1], 0.8).first_stop(POOR) is None
    assert rule([*SPREAD[: FEWEST_CURVES - 1], 0.85], 0.8).first_stop(POOR) is not None


def test_curves_that_do_not_span_a_progress_do_not_speak_of_it() -> None:
    whole = rule(SPREAD, 0.8)
    late = tuple(Finished(f.points[-2:], f.accuracy) for f in whole.finished)  # of large networks, say
    hopeless = LearningCurvePruner(late, 0.8, IMAGES, PrunerConfig(), 0).first_stop(POOR)
    assert hopeless is None or hopeless.progress >= 0.9


def test_the_first_quarter_and_the_end_of_a_budget_are_no_ground_to_stop() -> None:
    strict = rule(SPREAD, 0.8)
    assert strict.first_stop(POOR[:2]) is None
    assert strict.first_stop(POOR[-1:]) is None


def test_a_dip_after_a_good_measurement_is_forgiven() -> None:
    good = measured(((0.2, 0.4), (0.4, 0.65)))
    dipped = [*good, {"progress": 0.5, "val_accuracy": 0.2}]
    assert rule(SPREAD, 0.7).first_stop(dipped) is None


def test_measurements_without_an_accuracy_say_nothing() -> None:
    empty = [{"progress": 0.5, "val_accuracy": None}, {"progress": None, "val_accuracy": 0.1}]
    assert rule(SPREAD, 0.8).first_stop(empty) is None


def test_a_policy_of_level_0_never_stops_and_leaves_no_mark() -> None:
    off = rule(SPREAD, 0.8, level=0.0)
    assert (off.first_stop(POOR), off.columns(1, POOR)) == (None, {})
    assert (NEVER.first_stop(POOR), NEVER.columns(1, POOR)) == (None, {})


accuracies = st.lists(st.floats(0.1, 0.95), min_size=6, max_size=20)
running = st.lists(st.floats(0, 1), min_size=1, max_size=9)


@given(finals=accuracies, seen=running, bound=st.floats(0.1, 0.9), more=st.floats(0, 0.1))
def test_a_higher_bound_never_keeps_a_training_longer(
    finals: list[float], seen: list[float], bound: float, more: float
) -> None:
    points = measured(tuple(zip(LOOKS, seen, strict=False)))
    lower, higher = rule(finals, bound, seed=1), rule(finals, bound + more, seed=1)
    # a bound near 1 has less spread by its images alone, and so only makes the rule surer
    given_up = lower.first_stop(points)
    if given_up is not None and bound >= 0.5:
        assert (higher.first_stop(points) or give_up_never()).progress <= given_up.progress


def give_up_never() -> Prune:
    return Prune(math.inf, 0.0, 0.0, 0.0)


@given(finals=accuracies, seen=running, bound=st.floats(0.05, 1.0))
def test_what_is_expected_of_a_training_given_up_misses_the_bound(
    finals: list[float], seen: list[float], bound: float
) -> None:
    hopeless = rule(finals, bound).first_stop(measured(tuple(zip(LOOKS, seen, strict=False))))
    assert hopeless is None or 0 <= hopeless.predicted < bound


@given(finals=accuracies, seen=running, at=st.integers(0, 9))
def test_what_came_after_the_first_stop_does_not_change_it(
    finals: list[float], seen: list[float], at: int
) -> None:
    points = measured(tuple(zip(LOOKS, seen, strict=False)))
    held = rule(finals, 0.6)
    early = held.first_stop(points[:at])
    assert early is None or held.first_stop(points) == early


@pytest.mark.parametrize("level", [0.05, 0.2])
def test_of_the_trainings_given_up_fewer_than_the_level_would_have_got_there(level: float) -> None:
    stopped = list(given_up(level, studies=30))
    assert len(stopped) > 300
    assert 0 < sum(stopped) / len(stopped) < level


def given_up(level: float, studies: int) -> Iterator[bool]:
    """For each training given up in studies made here, whether it would have reached the bound."""
    for study in range(studies):
        rng, finished = random.Random(study), list[Finished]()
        for _ in range(40):
            final = min(max(rng.gauss(0.68, 0.06), 0.1), 0.95)
            points = curve(final, rng)
            held = LearningCurvePruner(tuple(finished), 0.7, IMAGES, PrunerConfig(level), 0)
            if held.first_stop(measured(points)):
                yield final >= 0.7
            else:
                finished.append(Finished(points, final))


def test_the_audit_takes_its_share_by_a_lot_that_never_changes() -> None:
    policy = PrunerConfig()
    drawn = [number for number in range(1, 2001) if policy.audits(0, number)]
    assert len(drawn) == pytest.approx(2000 * AUDIT, rel=0.2)
    assert drawn == [number for number in range(1, 2001) if policy.audits(0, number)]
    assert drawn != [number for number in range(1, 2001) if policy.audits(1, number)]
    assert not any(PrunerConfig(audit=0.0).audits(0, number) for number in drawn)
    assert all(PrunerConfig(audit=1.0).audits(0, number) for number in range(1, 100))


def test_what_is_not_asked_is_as_on_record_and_else_as_usual() -> None:
    assert PrunerConfig.settled(None, None, None) == PrunerConfig(LEVEL, AUDIT)
    assert PrunerConfig.settled(0.02, None, None) == PrunerConfig(0.02, AUDIT)
    assert PrunerConfig.settled(None, None, {"early_stop": {"level": 0.01, "audit": 0.3}}) == PrunerConfig(
        0.01, 0.3
    )
    assert PrunerConfig.settled(None, None, {}).question() == {}, "a study from before there was a rule"
    assert PrunerConfig.settled(None, None, None).question() == {
        "early_stop": {"level": LEVEL, "audit": AUDIT}
    }


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"pruned": 0, "trainings_saved": 0, "audited": 3, "would_stop": 0, "false_stops": 0}, ""),
        (
            {"pruned": 3, "trainings_saved": 2.14, "audited": 9, "would_stop": 2, "false_stops": 0},
            "3 stopped, 2.1 trainings saved, 0 of 2 checks wrong",
        ),
        (None, ""),
    ],
)
def test_stops_are_counted_in_words_and_nothing_is_said_of_none(
    counts: dict[str, Any] | None, said: str
) -> None:
    assert stops_text(counts) == said
