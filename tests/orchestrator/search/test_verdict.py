"""What the rule against a measured base asks for next, and its verdicts."""

import pytest

from orchestrator.search.verdict import BaseRule, BoundRule, Repeats
from results.analysis.difference import BASE
from results.analysis.posterior import VerdictSettings

MEASURED = VerdictSettings(is_paired=True, has_base=True)
NEW = BaseRule(MEASURED, 0.9, most=6, block=1, validation_images=10_000)
OLD = BoundRule(VerdictSettings(has_base=True), 0.9, most=6, block=1, validation_images=10_000)


def trained(accuracies: list[float], first: int) -> dict[int, float]:
    return dict(enumerate(accuracies, start=first))


def judged(own: int, base: int, rule: BaseRule = NEW, tried: set[int] | None = None) -> Repeats:
    """What is next after so many trainings of a candidate and of the base, of .4 points between them."""
    mine = [0.904 + 0.001 * (n % 2) for n in range(own)]
    theirs = [0.9 + 0.001 * (n % 2) for n in range(base)]
    trainings = {5: trained(mine, 1), BASE: trained(theirs, 0)}
    return rule.judge(5, trainings, tried or set()).next


def test_the_candidate_is_trained_until_the_base_lacks_as_much() -> None:
    assert judged(1, 3) == Repeats((2,))
    assert judged(2, 3) == Repeats((3,), (3,)), "a pair: base and candidate have 0 to 2, and 1 and 2"
    assert judged(4, 3).base[0] == 3, "and the base alone, in a replicate that the candidate has"


def test_with_parallel_trainings_two_are_asked_for_at_once() -> None:
    both = BaseRule(MEASURED, 0.9, most=6, block=4, validation_images=10_000)
    assert judged(1, 3, both) == Repeats((2, 3))
    assert len(judged(3, 3, both)) == 2


def test_a_replicate_in_which_the_base_failed_is_not_tried_again() -> None:
    assert 3 not in judged(4, 3, tried={0, 1, 2, 3}).base


def test_when_all_are_trained_a_candidate_is_undecided() -> None:
    assert judged(6, 7) == Repeats()
    trainings = {5: trained([0.902, 0.899] * 3, 1), BASE: trained([0.9] * 7, 0)}
    assert NEW.judge(5, trainings).verdict(MEASURED.needed) == "undecided"


def test_a_candidate_that_all_repeats_would_hardly_confirm_gets_none() -> None:
    level = {5: trained([0.9, 0.901, 0.899, 0.9], 1), BASE: trained([0.9, 0.8998, 0.9, 0.8999, 0.9], 0)}
    found = NEW.judge(5, level)
    assert (found.next, found.verdict(MEASURED.needed)) == (Repeats(), "undecided")
    ahead = {**level, 5: trained([0.905, 0.9, 0.904], 1)}
    assert NEW.judge(5, ahead).next


def test_a_base_with_many_trainings_keeps_what_they_tell() -> None:
    """A search may measure its base more often than it repeats a candidate."""
    few = BaseRule(MEASURED, 0.9, most=3, block=1, validation_images=10_000)
    trainings = {5: trained([0.9035, 0.9045], 1), BASE: trained([0.9, 0.901] * 5, 0)}
    assert few.judge(5, trainings).next == Repeats((3,))


def test_folds_stop_a_candidate_no_later_than_draws_that_share_nothing() -> None:
    """What their overlap leaves uncertain is no hope that more repeats would fulfil."""
    folds = VerdictSettings(is_paired=True, has_base=True, overlap=1 / 6)
    rule = BaseRule(folds, 0.9, most=6, block=1, validation_images=10_000)
    for lead in (0.0005, 0.001, 0.0015, 0.002):
        trainings = {5: trained([0.9 + lead, 0.901 + lead], 1), BASE: trained([0.9, 0.901, 0.9], 0)}
        assert len(rule.judge(5, trainings).next) <= len(NEW.judge(5, trainings).next)


def test_a_base_that_was_lucky_confirms_less_than_one_that_is_exact() -> None:
    """Three trainings of the base at .900 are less than a bound of .9."""
    trainings = {5: trained([0.905, 0.906, 0.905], 1), BASE: trained([0.898, 0.902, 0.9], 0)}
    exact, measured = OLD.judge(5, trainings), NEW.judge(5, trainings)
    assert exact.probability > measured.probability > 0.5
    assert measured.difference is not None
    assert measured.difference.pairs == 2
    assert "as accurate as the base with probability" in measured.text
    assert exact.difference is None


def test_the_tolerance_is_given_up_by_the_difference() -> None:
    tolerant = BaseRule(
        VerdictSettings(tolerance=0.01, is_paired=True, has_base=True), 0.89, 6, 1, validation_images=10_000
    )
    trainings = {5: trained([0.895, 0.896, 0.894], 1), BASE: trained([0.9, 0.901, 0.899], 0)}
    assert NEW.judge(5, trainings).verdict(MEASURED.needed) == "rejected"
    found = tolerant.judge(5, trainings)
    assert found.probability > 0.9
    assert found.missed == pytest.approx(-0.005, abs=0.001)
    assert "at most 1 point less accurate than the base" in found.text


def test_a_failed_repeat_rejects() -> None:
    found = NEW.reject(5, {BASE: trained([0.9] * 3, 0)}, [0.0])
    assert (found.verdict(MEASURED.needed), found.missed) == ("rejected", 0.9)
