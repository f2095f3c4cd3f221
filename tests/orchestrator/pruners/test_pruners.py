"""The rules that stop a training early: what none of them does, and how often they are wrong."""

import math
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import pruners
from orchestrator.pruners import (
    AUDIT,
    EARLIEST,
    FEWEST_CURVES,
    LEVEL,
    NEVER,
    EarlyStopping,
    Evidence,
    Finished,
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


def stopping(
    finished: tuple[Finished, ...], required: float, level: float = LEVEL, pruner: str = "learning_curve"
) -> EarlyStopping:
    return EarlyStopping(
        PrunerConfig(level, AUDIT, pruner), Evidence(finished, required, IMAGES, level), seed=0
    )


def rule(
    finals: list[float], required: float, level: float = LEVEL, seed: int = 0, pruner: str = "learning_curve"
) -> EarlyStopping:
    rng = random.Random(seed)
    return stopping(tuple(Finished(curve(f, rng), f) for f in finals), required, level, pruner)


SPREAD = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85]
POOR = measured(tuple((p, 0.3 * p) for p in LOOKS))


def test_a_curve_far_below_all_that_reached_the_bound_is_given_up() -> None:
    hopeless = rule(SPREAD, 0.8).find_stop(POOR)
    assert hopeless is not None
    assert EARLIEST <= hopeless.progress < 1
    assert hopeless.accuracy == pytest.approx(0.3 * hopeless.progress)
    assert hopeless.predicted < hopeless.required == 0.8


@pytest.mark.parametrize("pruner", ["learning_curve", "median"])
def test_nothing_is_given_up_on_the_word_of_few_curves(pruner: str) -> None:
    assert rule(SPREAD[: FEWEST_CURVES - 1], 0.8, pruner=pruner).find_stop(POOR) is None
    assert rule([*SPREAD[: FEWEST_CURVES - 1], 0.85], 0.8, pruner=pruner).find_stop(POOR) is not None


def test_curves_that_do_not_span_a_progress_do_not_speak_of_it() -> None:
    whole = rule(SPREAD, 0.8)
    late = tuple(
        Finished(f.points[-2:], f.accuracy) for f in whole.evidence.finished
    )  # of large networks, say
    hopeless = stopping(late, 0.8).find_stop(POOR)
    assert hopeless is None or hopeless.progress >= 0.9


@pytest.mark.parametrize("pruner", pruners.names())
def test_the_first_quarter_and_the_end_of_a_budget_are_no_ground_to_stop(pruner: str) -> None:
    strict = rule(SPREAD, 0.8, pruner=pruner)
    assert strict.find_stop(POOR[:2]) is None
    assert strict.find_stop(POOR[-1:]) is None


def test_a_dip_after_a_good_measurement_is_forgiven() -> None:
    good = measured(((0.2, 0.4), (0.4, 0.65)))
    dipped = [*good, {"progress": 0.5, "val_accuracy": 0.2}]
    assert rule(SPREAD, 0.7).find_stop(dipped) is None


def test_measurements_without_an_accuracy_say_nothing() -> None:
    empty = [{"progress": 0.5, "val_accuracy": None}, {"progress": None, "val_accuracy": 0.1}]
    assert rule(SPREAD, 0.8).find_stop(empty) is None


def test_a_policy_of_level_0_never_stops_and_leaves_no_mark() -> None:
    off = rule(SPREAD, 0.8, level=0.0)
    assert (off.find_stop(POOR), off.columns(1, POOR)) == (None, {})
    assert (NEVER.find_stop(POOR), NEVER.columns(1, POOR)) == (None, {})


accuracies = st.lists(st.floats(0.1, 0.95), min_size=6, max_size=20)
running = st.lists(st.floats(0, 1), min_size=1, max_size=9)


@given(finals=accuracies, seen=running, bound=st.floats(0.1, 0.9), more=st.floats(0, 0.1))
def test_a_higher_bound_never_keeps_a_training_longer(
    finals: list[float], seen: list[float], bound: float, more: float
) -> None:
    points = measured(tuple(zip(LOOKS, seen, strict=False)))
    lower, higher = rule(finals, bound, seed=1), rule(finals, bound + more, seed=1)
    # a bound near 1 has less spread by its images alone, and so only makes the rule surer
    given_up = lower.find_stop(points)
    if given_up is not None and bound >= 0.5:
        assert (higher.find_stop(points) or give_up_never()).progress <= given_up.progress


def give_up_never() -> Prune:
    return Prune(math.inf, 0.0, 0.0, 0.0, "")


@pytest.mark.parametrize("pruner", pruners.names())
@given(finals=accuracies, seen=running, bound=st.floats(0.05, 1.0))
def test_what_is_expected_of_a_training_given_up_misses_the_bound(
    pruner: str, finals: list[float], seen: list[float], bound: float
) -> None:
    hopeless = rule(finals, bound, pruner=pruner).find_stop(measured(tuple(zip(LOOKS, seen, strict=False))))
    assert hopeless is None or 0 <= hopeless.predicted < bound == hopeless.required


@pytest.mark.parametrize("pruner", pruners.names())
@given(finals=accuracies, seen=running, at=st.integers(0, 9))
def test_what_came_after_the_first_stop_does_not_change_it(
    pruner: str, finals: list[float], seen: list[float], at: int
) -> None:
    points = measured(tuple(zip(LOOKS, seen, strict=False)))
    held = rule(finals, 0.6, pruner=pruner)
    early = held.find_stop(points[:at])
    assert early is None or held.find_stop(points) == early


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
            held = stopping(tuple(finished), 0.7, level)
            if held.find_stop(measured(points)):
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
    resolve = PrunerConfig.resolve
    assert resolve(None, None, None, None) == PrunerConfig(LEVEL, AUDIT, "learning_curve")
    assert resolve(None, 0.02, None, None) == PrunerConfig(0.02, AUDIT)
    recorded = {"early_stop": {"level": 0.01, "audit": 0.3}}
    assert resolve(None, None, None, recorded) == PrunerConfig(0.01, 0.3)
    assert resolve(None, None, None, {}).question() == {}, "a study from before there was a rule"
    assert resolve(None, None, None, None).question() == {"early_stop": {"level": LEVEL, "audit": AUDIT}}


def test_a_study_records_the_rule_it_stops_by_unless_it_is_the_usual_one() -> None:
    median = PrunerConfig.resolve("median", None, None, None)
    assert median.question() == {"early_stop": {"pruner": "median", "audit": AUDIT}}
    assert PrunerConfig.resolve(None, None, None, median.question()) == median
    assert PrunerConfig.resolve("none", None, None, None).question() == {}
    assert PrunerConfig.resolve("none", None, None, median.question()).question() == {}, (
        "a difference to be told"
    )


def test_the_median_rule_stops_below_half_of_the_earlier_trainings_running_averages() -> None:
    # running averages at half the budget: .11, .12, …, .17, whose median is .14
    flat = tuple(Finished(tuple((p, 0.1 + i / 100) for p in LOOKS), 0.5) for i in range(1, 8))
    held = stopping(flat, 0.5, pruner="median")
    below = held.find_stop(measured(((0.25, 0.15), (0.5, 0.13), (0.75, 0.13))))
    assert below is None, "its best so far counts, not the last"
    assert held.find_stop(measured(((0.5, 0.139),))) == Prune(
        0.5, 0.139, 0.139, 0.5, "reached 13.90%, half of 7 earlier trainings 14.00%"
    )
    assert held.find_stop(measured(((0.5, 0.141),))) is None
    high = tuple(Finished(tuple((p, 0.9) for p in LOOKS), 0.9) for _ in range(7))
    assert stopping(high, 0.5, pruner="median").find_stop(measured(((0.5, 0.6),))) is None, "it reached .5"


def test_an_unknown_rule_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"no pruner is named 'asha'; choose one of .*median"):
        pruners.load("asha")


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
