"""The space of recipes, against the trainer that must accept them."""

import json
import random

import pytest

import search_spaces
from search_spaces import recipe
from tests.trainer.configs import trial
from trainer import config, ingredients
from trainer import recipes as recipes


def by_name(recipe_name: str, changes: recipe.Ingredients) -> dict[str, object]:
    """The ingredients of a recipe after changes that went through a file."""
    parsed = config.from_json(trial(recipe=recipe_name, ingredients=json.loads(json.dumps(changes))))
    made = recipes.load(parsed.recipe, parsed.ingredients)
    return {ingredients.name_of(one): one for one in made.ingredients}


def test_it_is_one_of_the_named_spaces() -> None:
    assert "recipe" in search_spaces.names()


def test_the_start_is_the_nomad_papers_recipe() -> None:
    unchanged = {ingredients.name_of(one): one for one in recipes.load("nomad_haet").ingredients}
    assert by_name("nomad_haet", recipe.ingredients(recipe.start())) == unchanged


@pytest.mark.parametrize("base", ["nomad_haet", "best"])
def test_the_trainer_accepts_whatever_the_space_holds(base: str) -> None:
    rng = random.Random(0)
    for _ in range(200):
        point = recipe.space().sample(rng)
        found = by_name(base, recipe.ingredients(point))
        for variable, known in (
            ("policy", recipe.POLICIES),
            ("flip", recipe.FLIPS),
            ("mixing", recipe.MIXINGS),
            ("sharpness", recipe.SHARPNESS),
            ("average", recipe.AVERAGES),
            ("schedule", recipe.SCHEDULES),
        ):
            assert [name for name in known if name in found] == [point[variable]] * (
                point[variable] != "none"
            )


def test_what_a_point_means_does_not_depend_on_the_recipe_it_changes() -> None:
    rng = random.Random(1)
    for _ in range(50):
        changes = recipe.ingredients(recipe.space().sample(rng))
        settled = [
            {name: one for name, one in by_name(base, changes).items() if name in changes}
            for base in ("resnet9_baseline", "budget5m_mixup", "best")
        ]
        assert settled[0] == settled[1] == settled[2]


def test_strengths_reach_the_ingredients_they_belong_to() -> None:
    point = recipe.space().point(
        {
            **recipe.start(),
            "policy": "rand_augment",
            "magnitude": 4,
            "mixing": "cutmix",
            "mixing_chance": 0.25,
            "mixing_fades": True,
            "sharpness": "asam",
            "rho": 0.2,
            "sharpness_from": 0.5,
            "smoothing": 0.1,
            "cutout": 0.0,
            "average": "ema",
            "half_life": 0.01,
        }
    )
    given = {name: settings for name, settings in recipe.ingredients(point).items() if settings is not None}
    assert given == {
        "rand_augment": {"operations": 2, "magnitude": 4},
        "flip": {"probability": 0.5},
        "cutmix": {"alpha": 1.0, "until": 1.0, "chance": 0.25, "anneal": True},
        "label_smoothing": {"alpha": 0.1},
        "asam": {"eta": 0.01, "rho": 2.0, "start": 0.5},
        "ema": {"half_life": 0.01},
        "cosine": {"warm_up": 0.0, "final": 0.0},
    }
