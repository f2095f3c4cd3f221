"""Every recipe in the folder, and what the papers say of those that are theirs."""

import io
import json
import re
import time
from importlib import import_module
from typing import Any

import pytest

from tests.thinned import rest_slow
from tests.trainer.configs import trial
from trainer import config, ingredients, optimizers, recipes
from trainer import trial as trials
from trainer.errors import InvalidConfig
from trainer.ingredients import Ingredient, Perturbation, Vote
from trainer.report import Report

pytestmark = pytest.mark.usefixtures("digits_drawn_once")

RESNET9 = {"model": "resnet9", "scale": {"width": 0.125, "resolution": 0.5}}
PAPERS = {  # name: optimizer, rate, decay, batch, ingredients
    "nomad_haet": ("sgd", 0.1, 5e-4, 128, "auto_augment crop flip cutout cosine"),
    "resnet9_baseline": ("sgd", 0.1, 0.0, 128, "crop flip cosine"),
    "resnet9_sam": ("sgd", 0.1, 0.0, 128, "crop flip cosine sam"),
    "resnet9_sam_ip": (
        *("sgd", 0.1, 5e-4, 128),
        "crop flip cosine sam label_smoothing celu patch_whitening",
    ),
    "resnet9_sam_gc": ("sgd", 0.1, 0.0, 128, "crop flip cosine sam gradient_centralization"),
    "resnet9_meta": ("sgd", 0.1, 0.0, 128, "crop flip cosine mltp"),
    "budget5m_mixup": ("adam", 0.01, 1e-9, 64, "crop flip grayscale mixup step_decay"),
    "resnet18_asam": ("sgd", 1e-4, 0.0, 16, "crop flip asam cosine asymmetric_loss ema"),
    "ensemble6": ("adam", 1e-4, 0.0, 16, "crop flip step_decay asymmetric_loss ensemble"),
}


def final(**changes: Any) -> dict[str, Any]:
    """The last event of a training on images of digits."""
    stream = io.StringIO()
    trials.run(config.from_json(trial(**changes)), Report(stream), time.monotonic())
    event: dict[str, Any] = json.loads(stream.getvalue().splitlines()[-1])
    return event


@pytest.mark.parametrize("name", rest_slow(recipes.names(), ["best", "ensemble6", "nomad_haet"]))
def test_a_recipe_trains_a_network_for_a_few_steps(name: str) -> None:
    vote = recipes.load(name).one(Vote)
    steps = vote.count if vote else 3
    event = final(**RESNET9, recipe=name, budget={"steps": steps}, versions=vars(config.NEWEST))
    assert (event["event"], event["steps"]) == ("final", steps)


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_has_one_ingredient_of_a_kind_that_stands_alone(name: str) -> None:
    held = recipes.load(name).ingredients
    kinds = [kind for one in held for kind in type(one).__mro__ if vars(kind).get("alone")]
    assert len(kinds) == len(set(kinds))
    names = [ingredients.name_of(one) for one in held]
    assert len(names) == len(set(names))
    assert set(names) <= set(ingredients.names())


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_says_where_it_is_from_and_what_is_claimed(name: str) -> None:
    said = import_module(f"trainer.recipes.{name}").__doc__ or ""
    assert re.search(r"section|Our own", said)
    if name not in ("nomad_haet", "best"):
        assert re.search(r"\d%", said)
    assert recipes.load(name).defaults.optimizer in optimizers.names()


@pytest.mark.parametrize("name", PAPERS)
def test_a_papers_recipe_is_what_its_paper_says(name: str) -> None:
    *expected, listed = PAPERS[name]
    found = recipes.load(name)
    defaults = found.defaults
    given = [defaults.optimizer, defaults.learning_rate, defaults.weight_decay, defaults.batch_size]
    assert given == expected
    assert [ingredients.name_of(one) for one in found.ingredients] == listed.split()


def test_the_rate_of_the_5m_network_falls_by_a_twentieth_every_fifth_of_300_epochs() -> None:
    schedule = recipes.load("budget5m_mixup").one(ingredients.Schedule)
    assert schedule is not None
    rates = [schedule.rate(epoch / 300) for epoch in (4.99, 5, 10, 299)]
    assert rates == pytest.approx([1, 0.95, 0.95**2, 0.95**59])


def test_our_own_seeks_a_flat_minimum_in_its_second_half_only() -> None:
    perturbation = recipes.load("best").one(Perturbation)
    assert perturbation is not None
    assert [perturbation.active(progress) for progress in (0.0, 0.49, 0.5, 1.0)] == [False, False, True, True]


def test_a_configuration_takes_an_ingredient_out_and_puts_one_in() -> None:
    changed = recipes.load("resnet9_sam", {"sam": None, "asam": {"rho": 2.0}, "cosine": {"final": 0.1}})
    found: dict[str, Ingredient] = {ingredients.name_of(one): one for one in changed.ingredients}
    assert list(found) == ["crop", "flip", "cosine", "asam"]
    assert repr(found["asam"]) == "Asam(rho=2.0, eta=0.01, start=0.0, norms=True)"
    assert repr(found["cosine"]) == "Cosine(warm_up=0.0, final=0.1)"


@pytest.mark.parametrize(
    ("name", "changes", "ingredient", "then", "now"),
    [
        ("resnet18_asam", {}, "asymmetric_loss", {"positive": 1.0}, {"positive": 0.0}),
        ("ensemble6", {}, "asymmetric_loss", {"positive": 1.0}, {"positive": 0.0}),
        ("best", {"asymmetric_loss": {}}, "asymmetric_loss", {"positive": 1.0}, {"positive": 0.0}),
        ("best", {"asymmetric_loss": {"positive": 2.0}}, "asymmetric_loss", *[{"positive": 2.0}] * 2),
        ("resnet18_asam", {}, "asam", {"norms": False}, {"norms": True}),
        ("resnet9_sam_ip", {}, "patch_whitening", {"eps": 5e-4, "fp32": False}, {"eps": 0.01, "fp32": True}),
        ("resnet9_sam_ip", {"patch_whitening": {"eps": 0.1}}, "patch_whitening", *[{"eps": 0.1}] * 2),
    ],
)
def test_a_recipe_of_an_earlier_version_has_the_settings_of_then(
    name: str, changes: recipes.Changes, ingredient: str, then: dict[str, Any], now: dict[str, Any]
) -> None:
    for version, expected in ((1, then), (2, now)):
        found = recipes.load(name, changes, version).to_json()["ingredients"][ingredient]
        assert expected.items() <= found.items()


def test_a_configuration_without_versions_is_trained_by_the_first_ones() -> None:
    first = {"recipes": 1, "images": 2}
    older, explicit, newer = (
        final(
            **RESNET9,
            recipe="resnet9_sam_ip",
            hyperparameters={"optimizer": "muon", "batch_size": 20},
            budget={"steps": 2},
            **asked,
        )["val_loss"]
        for asked in ({}, {"versions": first}, {"versions": {"recipes": 2}})
    )
    assert older == explicit
    assert older != newer


@pytest.mark.parametrize("asked", [{"recipes": 3}, {"recipes": 0}, {"images": 1}, {"other": 1}])
def test_a_version_that_this_trainer_does_not_have_is_refused(asked: dict[str, int]) -> None:
    with pytest.raises(InvalidConfig, match=r"must be a whole number from|unknown key 'other' in versions"):
        config.from_json(trial(versions=asked))
