"""How long a study goes on: two times, and no word where nothing is known."""

from results.analysis.forecast import Forecast, Spending, ahead, duration, energy


def test_before_the_first_training_its_own_budget_says_how_long_it_takes() -> None:
    assert ahead(Spending(), 10, None, 2, 60.0) == Forecast(300.0, None)
    assert ahead(Spending(), 10, None, 2, None) is None
    assert ahead(Spending(), 10, None, None, 60.0) is None, "an old study does not know its slots"


def test_slots_that_stay_idle_make_the_likely_time_longer_than_the_least() -> None:
    so_far = Spending(spent=6, ended=4, slot_seconds=240, run_seconds=240, run_ended=4, run_elapsed=160)
    assert ahead(so_far, 10, None, 4) == Forecast(60.0, 240.0)


def test_a_run_that_has_hardly_begun_tells_the_least_alone() -> None:
    so_far = Spending(spent=8, ended=4, slot_seconds=240, run_seconds=60, run_ended=1, run_elapsed=60)
    assert ahead(so_far, 10, None, 4) == Forecast(30.0, None)


def test_a_run_whose_clock_was_set_back_tells_the_least_alone() -> None:
    so_far = Spending(spent=8, ended=8, slot_seconds=480, run_seconds=480, run_ended=8, run_elapsed=-3000)
    assert ahead(so_far, 10, None, 4) == Forecast(30.0, None)


def test_hours_that_end_before_the_trainings_end_the_study() -> None:
    so_far = Spending(spent=4, ended=4, slot_seconds=2400, run_seconds=2400, run_ended=4, run_elapsed=2400)
    assert ahead(so_far, 100, 1.0, 1) == Forecast(1200.0, 1200.0)


def test_a_study_that_has_spent_its_budget_has_nothing_left() -> None:
    so_far = Spending(spent=10, ended=10, slot_seconds=600, run_seconds=60, run_ended=4, run_elapsed=60)
    assert ahead(so_far, 10, None, 2) == Forecast(0.0, 0.0)


def test_times_and_energies_are_told_in_fitting_units() -> None:
    assert [duration(s) for s in (42, 720, 9000, 200_000)] == ["42 s", "12 min", "2.5 h", "2.3 days"]
    assert [energy(j) for j in (None, 350.0, 7200.0, 7.2e6)] == ["", "350 J", "2 Wh", "2 kWh"]
    assert str(Forecast(60.0, 240.0)) == "60 s to 4 min"
    assert str(Forecast(3600.0, None)) == "at least 60 min"
    assert str(Forecast(7200.0, 7201.0)) == "about 2.0 h"
