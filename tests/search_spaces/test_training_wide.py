import random

from search_spaces import Real, training_wide
from tests.search_spaces.test_recipe import by_name
from tests.trainer.configs import trial
from trainer import config, recipes


def test_rate_and_decay_are_logarithmic_and_the_batch_reaches_from_16_to_512() -> None:
    rate, decay, _, batch, *_ = training_wide.space().variables
    assert rate == Real("learning_rate", 1e-3, 1.0, log=True)
    assert decay == Real("weight_decay", 1e-5, 0.1, log=True)
    assert batch.values == (16, 32, 64, 128, 256, 512)


def test_the_nomad_papers_best_point_is_in_the_space_and_means_itself() -> None:
    best = {"learning_rate": 0.042, "weight_decay": 0.005, "optimizer": "sgd", "batch_size": 512}
    point = training_wide.space().point({**training_wide.start(), **best})
    assert training_wide.hyperparameters(point) == best


def test_the_start_is_the_default_training() -> None:
    settled = training_wide.parts(training_wide.start())
    defaults = recipes.load("nomad_haet")
    assert settled["hyperparameters"] == vars(defaults.defaults)
    assert recipes.load("nomad_haet", settled["ingredients"]) == defaults


def test_adamw_gets_a_rate_of_its_own_scale() -> None:
    point = training_wide.space().point({**training_wide.start(), "optimizer": "adamw"})
    assert training_wide.hyperparameters(point)["learning_rate"] == 0.01


def test_the_trainer_accepts_whatever_the_space_holds_and_understands_it() -> None:
    rng = random.Random(0)
    for _ in range(100):
        point = training_wide.space().sample(rng)
        settled = training_wide.parts(point)
        found = by_name("best", settled["ingredients"])
        policies = [name for name in ("auto_augment", "rand_augment", "trivial_augment") if name in found]
        assert policies == [point["policy"]] * (point["policy"] != "none")
        asked = config.from_json(trial(**settled))
        assert asked.hyperparameters.batch_size == point["batch_size"]
        if point["policy"] == "rand_augment":
            assert vars(found["rand_augment"])["magnitude"] == point["magnitude"]
