"""What a search settled, in few words."""

from rich.table import Table

from results import queries, tables
from results.cli import show
from results.db.store import Store
from results.format import changes, comparison_text, quantity, settings, shown_point
from tests.results.records import complete, config, open_study


def test_settings_name_what_was_put_in_and_count_what_was_left_out() -> None:
    row = {
        "architecture": {"layers": 3, "blocks": [4, 6, 8]},
        "ingredients": {"sam": {"rho": 0.123456, "start": 0.5}, "ema": {}, "cutout": None, "mixup": None},
    }
    assert settings(row) == "layers 3, blocks 4-6-8; sam 0.123 0.5, ema, 2 left out"


def test_a_model_that_settled_nothing_of_these_has_a_dash() -> None:
    assert settings({"architecture": None, "ingredients": float("nan")}) == "-"


def test_changes_name_what_is_other_than_the_start_s() -> None:
    start = {"policy": "none", "rho": 0.05, "fades": False}
    assert changes({"policy": "none", "rho": 0.123456, "fades": True}, start) == "rho 0.1235, fades True"
    assert changes(start, start) == "-"


def write_a_search_over_recipes(db: str) -> None:
    with Store(db) as store:
        study = open_study(store, "h", "hpo")
        complete(store, study, 1, 9_000_000, 0.9, point={"policy": "none", "rho": 0.05})
        found = complete(store, study, 2, 9_000_000, 0.92, point={"policy": "none", "rho": 0.2})
        store.save_model(
            name="tuned", network="senet18", depth=1.0, width=1.0, resolution=1.0, dataset="digits",
            recipe="nomad_haet", macs=9_000_000, parameters=450_000, val_accuracy=0.92,
            status="provisional", ingredients={"sam": {"rho": 0.2}}, architecture={"layers": 2},
            study_id=study.id, trial_id=found.id,
        )  # fmt: skip


def shown(table: Table) -> list[str]:
    column = next(c for c in table.columns if c.header in ("change", "settings"))
    return [str(cell) for cell in column.cells]


def test_the_tables_of_trials_and_of_models_tell_them(db: str) -> None:
    write_a_search_over_recipes(db)
    study = show.study_facts(db, "h")
    assert shown(tables.trials_table(queries.trials(db, "h"), study)) == ["-", "rho 0.2"]
    assert shown(tables.models_table(queries.models(db))) == ["layers 2; sam 0.2"]
    with Store(db) as store:
        [model] = store.models()
    assert (model.ingredients, model.architecture) == ({"sam": {"rho": 0.2}}, {"layers": 2})


def test_the_best_trial_of_a_search_tells_the_recipe_or_architecture_that_it_settled(db: str) -> None:
    chosen = {"ingredients": {"sam": {"rho": 0.2}, "cutout": None}, "architecture": {"blocks": [2, 3]}}
    with Store(db) as store:
        complete(store, open_study(store, "h", "hpo"), 1, 9_000_000, 0.9, config=config(1.0) | chosen)
    [choice] = tables.best_table(queries.best(db, "h")).columns[-1].cells
    assert choice == "senet18, blocks 2-3; sam 0.2, 1 left out"


def test_the_tables_of_a_search_over_scales_have_no_such_column(record: str) -> None:
    trials = tables.trials_table(queries.trials(record, "nas-demo"), show.study_facts(record, "nas-demo"))
    for table in (trials, tables.models_table(queries.models(record))):
        assert not {"change", "settings"} & {column.header for column in table.columns}


def test_a_candidate_is_shown_in_the_values_that_its_training_gets() -> None:
    scaled = {"scale": {"depth": 1.0, "width": 0.125}, "hyperparameters": {}}
    assert shown_point({"depth": 1.0, "width": 0.5}, scaled) == {"depth": 1.0, "width": 0.125}
    tuned = {"scale": {"width": 0.25}, "hyperparameters": {"learning_rate": 0.05, "optimizer": "adam"}}
    point = {"learning_rate": 0.5, "optimizer": "adam", "cutout": 0.5}
    assert shown_point(point, tuned) == {"learning_rate": 0.05, "optimizer": "adam", "cutout": 0.5}
    own = {"scale": {"width": 1.0}, "hyperparameters": {"width": 64}}
    assert shown_point({"width": 64}, own) == {"width": 64}, "a script's own variable"
    assert shown_point({"width": 0.5}, None) == {"width": 0.5}
    assert shown_point(None, None) == {}


def test_a_count_has_its_noun_in_the_right_number() -> None:
    found = [quantity(count, "trial") for count in (0, 1, 2, 1234, 1.0, 2.5)]
    assert found == ["0 trials", "1 trial", "2 trials", "1,234 trials", "1 trial", "2.5 trials"]


def test_a_probability_that_falls_short_is_told_with_what_is_needed() -> None:
    row = {"difference": -0.009, "difference_low": -0.0208, "difference_high": 0.003, "pairs": 3}
    short = comparison_text(0.96664, row, 0.02, needed=1 - 0.05 / 1.5)
    assert "with probability 96.6% (96.7% needed): difference -0.90 points [-2.08, +0.30], 3 pairs" in short
    assert "with probability 96.7%: difference" in comparison_text(0.9668, row, 0.02, needed=1 - 0.05 / 1.5)
