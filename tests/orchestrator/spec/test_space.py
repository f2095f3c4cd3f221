"""Searches of named spaces: what is trained, what is skipped before training, what the model carries."""

import itertools
from pathlib import Path
from typing import Any

import pytest

import search_spaces
from orchestrator import solvers
from orchestrator.spec.command_options import BadOption
from orchestrator.trainer_client import Stopped
from results.db.store import Store
from results.db.tables import Model, Trial
from results.errors import QuestionChanged
from search_spaces import recipe, resnet_budget
from tests.orchestrator._studies import evaluate, record, run, trials
from tests.orchestrator.search.test_loop import stopping_at
from tests.thinned import rest_slow

SPACES = {  # a network for each
    "training": "senet18",
    "training_wide": "senet18",
    "recipe": "senet18",
    "resnet_budget": "resnet_budget",
}


def search(folder: Path, space: str, **given: Any) -> str:
    return run(folder, kind="hpo", space=space, **{"subject": SPACES[space], "trials": 6, **given})


def model(folder: Path, name: str) -> Model:
    with Store(folder / "results.db") as store:
        found = store.model(name)
    assert found is not None
    return found


def best(rows: list[Trial]) -> Trial:
    return max(rows, key=lambda row: row.val_accuracy or 0)


def test_every_space_whose_points_mean_something_is_searched_here() -> None:
    assert {name for name in search_spaces.names() if name != "scaling"} == set(SPACES)


@pytest.mark.parametrize(
    ("space", "solver"),
    rest_slow(
        itertools.product(SPACES, solvers.names()),
        [
            *(("recipe", solver) for solver in ("cmaes", "gp", "nomad", "tpe")),
            ("training", "nomad"),
            ("training_wide", "nomad"),
            ("resnet_budget", "nomad"),
        ],
    ),
)
def test_every_solver_accepts_every_space(tmp_path: Path, solver: str, space: str) -> None:
    search(tmp_path, space, solver=solver, trials=5)
    rows = trials(tmp_path)
    assert rows[0].point == dict(search_spaces.load(space).start)
    assert sum(row.state == "completed" for row in rows) == 5


def test_a_point_s_ingredients_come_on_top_of_the_options_own(tmp_path: Path) -> None:
    search(tmp_path, "recipe", ingredient=['ensemble={"members": 2}'], optimizer="adam", trials=4)
    for row in trials(tmp_path):
        assert row.config is not None
        assert row.config["hyperparameters"] == {"optimizer": "adam"}
        assert row.config["ingredients"] == {
            "ensemble": {"members": 2},
            **recipe.ingredients(row.point or {}),
        }


def test_a_model_found_by_its_recipe_is_trained_with_it_by_every_command(tmp_path: Path) -> None:
    search(tmp_path, "recipe", recipe="resnet9_sam_ip", save_as="m")
    saved, winner = model(tmp_path, "m"), best(trials(tmp_path))
    assert winner.config is not None
    assert (saved.recipe, saved.ingredients) == ("resnet9_sam_ip", winner.config["ingredients"])
    assert saved.val_accuracy == winner.val_accuracy
    search(tmp_path, "training", subject="m", study="h", trials=1)
    run(tmp_path, subject="m", study="n", trials=3)
    evaluate(tmp_path, model=["m"], study="e")
    for study in ("h", "n", "e"):
        for row in trials(tmp_path, study):
            if row.state == "completed":
                assert row.config is not None
                assert (row.recipe, row.config["ingredients"]) == ("resnet9_sam_ip", saved.ingredients)


@pytest.mark.usefixtures("heedless")
def test_networks_over_the_limit_are_answered_by_how_far_without_training(tmp_path: Path) -> None:
    printed = search(tmp_path, "resnet_budget", max_params=1_000_000, trials=8)
    rows = trials(tmp_path)
    over = [row for row in rows if (row.parameters or 0) > 1_000_000]
    assert over
    for row in over:
        assert (row.state, row.attempts, row.objective) == ("screened", 0, 1.0)
        assert row.constraints == [(row.parameters or 0) / 1_000_000 - 1]
    trained = [row for row in rows if row.state == "completed" and row.purpose == "search"]
    assert len(trained) == 6, "two are kept back"
    assert all((row.constraints or [1.0])[0] <= 0 for row in trained)
    assert rows[0].state == "completed", "the start keeps to any limit"
    assert "skipped before training, too large: " in printed


def test_blocks_beyond_the_layers_make_a_duplicate(tmp_path: Path) -> None:
    search(tmp_path, "resnet_budget", max_params=4000, trials=15)  # few networks, many points
    repeated = [row for row in trials(tmp_path) if row.state == "duplicate"]
    assert repeated
    originals = {row.number: row for row in trials(tmp_path)}
    for row in repeated:
        assert resnet_budget.architecture(row.point or {}) == resnet_budget.architecture(
            originals[row.of_trial_number or 0].point or {}
        )


def test_a_model_found_by_its_architecture_is_built_so_by_every_command(tmp_path: Path) -> None:
    search(tmp_path, "resnet_budget", trials=8, save_as="m")
    saved, winner = model(tmp_path, "m"), best(trials(tmp_path))
    architecture = resnet_budget.architecture(winner.point or {})
    assert saved.architecture == architecture
    search(tmp_path, "training", subject="m", study="h", trials=2)
    search(tmp_path, "recipe", subject="m", study="r", trials=2)
    run(tmp_path, subject="m", study="n", trials=3)
    evaluate(tmp_path, model=["m"], study="e")
    for study in ("h", "r", "n", "e"):
        rows = trials(tmp_path, study)
        assert [row.config["architecture"] for row in rows if row.config] == [architecture] * len(rows)
    for study in ("h", "r", "e"):
        assert {row.parameters for row in trials(tmp_path, study)} == {saved.parameters}
    assert model(tmp_path, "tuned_m").architecture == architecture


@pytest.mark.parametrize(
    ("space", "max_params"),
    rest_slow([("recipe", None), ("resnet_budget", 1_000_000)], [("resnet_budget", 1_000_000)]),
)
def test_a_stopped_search_of_a_named_space_resumes_to_the_same_record(
    tmp_path: Path, space: str, max_params: int | None
) -> None:
    given: dict[str, Any] = {"solver": "tpe", "block": 2, "data": "fake:crash=0.2", "max_params": max_params}
    search(tmp_path / "calm", space, trials=10, **given)
    with pytest.raises(Stopped):
        search(
            tmp_path / "stopped", space, trials=10, stop=stopping_at(tmp_path / "stopped" / "s", 4), **given
        )
    search(tmp_path / "stopped", space, trials=10, **given)
    assert record(tmp_path / "stopped") == record(tmp_path / "calm")


def test_another_space_under_the_same_name_is_refused_with_the_difference_named(tmp_path: Path) -> None:
    search(tmp_path, "training", trials=1)
    with pytest.raises(QuestionChanged, match="searched: nothing recorded, 'recipe' now"):
        search(tmp_path, "recipe", trials=1)


def test_another_limit_under_the_same_name_is_refused_with_the_difference_named(tmp_path: Path) -> None:
    search(tmp_path, "resnet_budget", trials=1)
    with pytest.raises(QuestionChanged, match="most parameters: 5000000 recorded, 4000000 now"):
        search(tmp_path, "resnet_budget", trials=1, max_params=4_000_000)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"space": "scaling"}, "choose one of recipe, resnet_budget, training, training_wide"),
        ({"space": "nothing"}, "no space 'nothing'"),
        ({"space": "resnet_budget"}, "belongs to the network resnet_budget, not to senet18; give --model"),
        ({"space": "recipe", "max_params": 9}, "--space recipe does not change the network"),
        ({"space": "resnet_budget", "max_params": 9}, "at most 9 parameters; the smallest has"),
        ({"space": "recipe", "ingredient": ["sam"]}, "sam cannot be given: --space recipe searches over it"),
        ({"space": "training", "optimizer": "adam"}, "optimizer cannot be given: --space training"),
        ({"max_params": 0}, "--max-params 0 excludes every network"),
    ],
)
def test_a_space_that_cannot_be_searched_as_asked_is_refused(
    tmp_path: Path, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadOption, match=words):
        run(tmp_path, **{"kind": "hpo", "subject": "senet18", **given})
    with Store(tmp_path / "results.db") as store:
        assert store.studies() == []


@pytest.mark.parametrize(
    ("space", "name"),
    [
        ("training", "hpo-senet18-fake"),
        ("recipe", "hpo-senet18-recipe-fake"),
        ("resnet_budget", "hpo-resnet_budget-resnet_budget-fake"),
    ],
)
def test_a_study_without_a_name_is_called_by_its_space(tmp_path: Path, space: str, name: str) -> None:
    search(tmp_path, space, trials=1, study=None)
    assert trials(tmp_path, name)


def test_many_variables_are_told_as_changes_of_the_start(tmp_path: Path) -> None:
    printed = search(tmp_path, "recipe", trials=2)
    assert "trial 1 starts: search, the start" in printed
    [found] = [line for line in printed.splitlines() if line.startswith("found: ")]
    assert len(found.split(" ")) < 2 * len(recipe.space().variables)
