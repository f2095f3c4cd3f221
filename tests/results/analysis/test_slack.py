"""What giving up accuracy would save, from the trials at hand."""

import pytest

from results import queries
from results.db.store import Store
from tests.results.records import complete, open_study


@pytest.fixture
def studied(store: Store, db: str) -> str:
    """A study of a bound of .8 with a lucky cheap network, a good one trained again, and the base network."""
    study = open_study(store)
    config = {"subset": {"train": 100, "validation": 100_000, "seed": 0}}
    for number, accuracy in enumerate((0.82, 0.822, 0.818), 1):
        complete(store, study, number, 9_000_000, accuracy, purpose="baseline", config=config)
    store.set_bound(
        study.id, min_accuracy=0.8, baseline_accuracy=0.82, baseline_std=None, baseline_replicates=3
    )
    complete(store, study, 4, 2_000_000, 0.7985, config=config)
    complete(store, study, 5, 3_000_000, 0.81, config=config)
    for number, accuracy in enumerate((0.807, 0.805, 0.806), 6):
        again = {"purpose": "confirmation", "of_trial_number": 5, "config": config}
        complete(store, study, number, 3_000_000, accuracy, **again)
    return db


def test_the_slack_of_each_bound_is_its_cheapest_network(studied: str) -> None:
    frame = queries.slack(studied, "demo")
    by_mean = frame[frame["evidence"] == "mean"]
    assert by_mean["slack"].tolist() == [-0.005, -0.0025, 0.0, 0.0025]
    assert by_mean["trial"].tolist() == [4, 4, 5, 5]
    assert by_mean["trainings"].tolist() == [1, 1, 3, 3]
    assert by_mean["mean_accuracy"].tolist()[2] == pytest.approx(0.806), "without the search's own training"


def test_only_a_network_trained_again_is_sure(studied: str) -> None:
    frame = queries.slack(studied, "demo")
    sure = frame[frame["evidence"] == "sure"]
    assert sure["trial"].tolist() == [5, 5, 5, 5]
    assert (sure["probability"] >= 0.95).all()
    assert frame[frame["trial"] == 4]["probability"].isna().all()


def test_the_base_network_is_among_those_at_hand(store: Store, db: str) -> None:
    study = open_study(store)
    for number in (1, 2):
        complete(store, study, number, 9_000_000, 0.9, purpose="baseline")
    store.set_bound(
        study.id, min_accuracy=0.9, baseline_accuracy=0.9, baseline_std=None, baseline_replicates=2
    )
    frame = queries.slack(db, "demo")
    assert frame[frame["evidence"] == "mean"]["trial"].tolist()[:3] == [1, 1, 1]
    assert frame["trial"].isna().sum() >= 1, "nothing keeps a bound above the base's own"
