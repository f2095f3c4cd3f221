import pytest

from orchestrator.spec.recipe_overrides import Ingredients, merge_ingredients, parse
from orchestrator.spec.trial_config import Choices, TrialBudget, TrialTemplate
from orchestrator.trainer_client import NetworkInfo, network_key


def test_an_ingredient_is_read_with_its_settings_without_them_or_left_out() -> None:
    assert parse(['sam={"rho": 0.1, "every": 2}', "ema", "mixup=null", "cutout={}"]) == {
        "sam": {"rho": 0.1, "every": 2},
        "ema": {},
        "mixup": None,
        "cutout": {},
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("=null", "has no ingredient name"),
        ("sam=rho", "settings that are not JSON; write it like sam="),
        ("sam={'rho': 1}", "settings that are not JSON; write"),
        ('sam={"rho": NaN}', "settings that are not JSON; write"),
        ("sam=0.1", "settings that are not a JSON object; write"),
        ("sam=[1]", "settings that are not a JSON object; write"),
    ],
)
def test_an_ingredient_that_cannot_be_read_is_refused(given: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse([given])


def test_an_ingredient_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="sam is given twice"):
        parse(["sam", "sam=null"])


def test_a_change_comes_after_all_it_may_take_the_place_of() -> None:
    saved: Ingredients = {"auto_augment": None, "trivial_augment": {}, "flip": {}}
    settled = merge_ingredients(saved, {"auto_augment": {}})
    assert list(settled.items()) == [("trivial_augment", {}), ("flip", {}), ("auto_augment", {})]


def test_studies_from_before_ingredients_are_still_the_same_question() -> None:
    plain = TrialTemplate("senet18", "digits", 40, 10, TrialBudget(steps=1))
    settled = TrialTemplate("senet18", "digits", 40, 10, TrialBudget(steps=1), ingredients={"sam": None})
    assert not {"ingredients", "test", "disjoint"} & set(plain.question())
    assert settled.question()["ingredients"] == {"sam": None}
    assert "ingredients" not in plain.config(Choices({}))


def test_networks_trained_with_other_ingredients_are_other_networks() -> None:
    shape = NetworkInfo("senet18", 1, "fake", 1, (8,), (1,), 16, 16, 10, {})
    keys = {
        network_key(
            shape,
            TrialTemplate("n", "digits", 4, 1, TrialBudget(steps=1), ingredients=given).config(Choices({})),
        )
        for given in ({}, {"sam": None}, {"sam": {"rho": 0.1}}, {"sam": {"rho": 0.2}})
    }
    assert len(keys) == 4
    assert sum("ingredients" in key for key in keys) == 3
