import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.spec.trial_config import Choices, TrialBudget, TrialTemplate

TRAINING = TrialTemplate("senet18", "digits", 4000, 1000, TrialBudget(seconds=15), seed=7)


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("600s", TrialBudget(seconds=600)),
        ("10m", TrialBudget(seconds=600)),
        ("1.5h", TrialBudget(seconds=5400)),
        ("500steps", TrialBudget(steps=500)),
        ("1 step", TrialBudget(steps=1)),
    ],
)
def test_a_budget_is_read_in_seconds_or_steps(text: str, budget: TrialBudget) -> None:
    assert TrialBudget.parse(text) == budget


@pytest.mark.parametrize(
    "text", ["", "ten", "10", "10x", "-5s", "0", "0steps", "1.5steps", "1e3s", "10 m 5 s"]
)
def test_a_budget_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="budget"):
        TrialBudget.parse(text)


@given(st.floats(min_value=0.01, max_value=1e6))
def test_a_budget_comes_back_from_its_own_words(seconds: float) -> None:
    assert TrialBudget.parse(f"{seconds:f}s").seconds == pytest.approx(seconds, abs=1e-6)


def test_replicates_differ_in_images_and_seed_and_in_nothing_else() -> None:
    first, second = (TRAINING.config(Choices({"width": 0.5}), replicate=r) for r in (0, 1))
    assert {key for key in first if first[key] != second[key]} == {"seed", "subset"}
    assert (first["seed"], second["seed"]) == (7, 8)
    assert (first["subset"]["seed"], second["subset"]["seed"]) == (7, 8)


def test_a_points_hyperparameters_come_on_top_of_the_studys() -> None:
    fixed = TrialTemplate(
        "senet18",
        "digits",
        4000,
        1000,
        TrialBudget(steps=5),
        hyperparameters={"optimizer": "adam", "batch_size": 64},
    )
    config = fixed.config(Choices({}, {"batch_size": 128}))
    assert config["hyperparameters"] == {"optimizer": "adam", "batch_size": 128}


def test_the_question_does_not_ask_where_the_data_are() -> None:
    here, there = (
        TrialTemplate(
            "senet18", f"npz:{folder}/a.npz", 5000, 1000, TrialBudget(seconds=9), data_folder=folder
        )
        for folder in ("/here", "/there")
    )
    assert here.question() == there.question()
