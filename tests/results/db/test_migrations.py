"""A database of an older version becomes one of this version, with every row it had."""

import runpy
from pathlib import Path

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from results import queries
from results.db import connection as database
from results.db import migrations
from results.db.store import Store
from tests.results.records import config, curve, open_study

TABLES = ("studies", "trials", "measurements", "models", "events")
MOMENT = "'2026-01-02 03:04:05'"
FIRST = f"""
INSERT INTO studies (name, kind, question, budget_trials, state, versions, created_at, updated_at)
    VALUES ('old', 'nas', '{{}}', 3, 'finished', '{{}}', {MOMENT}, {MOMENT});
INSERT INTO trials (study_id, number, purpose, state, replicate, config, attempts, created_at)
    VALUES (1, 1, 'search', 'completed', 0, '{{"recipe": "nomad_haet"}}', 1, {MOMENT});
INSERT INTO measurements (trial_id, ordinal, val_accuracy) VALUES (1, 0, 0.5);
INSERT INTO models (name, network, depth, width, resolution, dataset, recipe, macs, parameters,
                    val_accuracy, status, study_id, trial_id, created_at)
    VALUES ('small', 'senet18', 1, 0.5, 1, 'digits', 'nomad_haet', 1000, 50,
            0.75, 'confirmed', 1, 1, {MOMENT});
INSERT INTO events (study_id, trial_id, at, kind, detail) VALUES (1, 1, {MOMENT}, 'x', '{{}}');
CREATE VIEW completed_trials AS SELECT number FROM trials;
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('0001')
"""


@pytest.fixture
def old(db: str) -> str:
    """A database of the first version, with a row in every table."""
    url = database.address(db)
    if (path := database.sqlite_path(url)) is not None:
        path.parent.mkdir()
    engine = database.connect(url, read_only=False)
    with engine.begin() as connection:
        make_first_tables(connection)
        for statement in FIRST.split(";"):
            connection.exec_driver_sql(statement)
    engine.dispose()
    return db


def make_first_tables(connection: Connection) -> None:
    [file] = (Path(migrations.__file__).parent / "versions").glob("0001_*.py")
    with Operations.context(MigrationContext.configure(connection)):
        runpy.run_path(str(file))["upgrade"]()


def counted(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {t: connection.execute(text(f"SELECT COUNT(*) FROM {t}")).scalar_one() for t in TABLES}


def test_a_migration_keeps_every_row_and_reads_the_recipe_of_old_trials(old: str) -> None:
    Store(old).close()
    engine = database.connect(database.address(old), read_only=True)
    assert counted(engine) == dict.fromkeys(TABLES, 1)
    engine.dispose()
    assert queries.trials(old, "old")["recipe"].tolist() == ["nomad_haet"]
    assert queries.best(old).empty  # the views are there
    assert queries.learning_curves(old, "old")["val_accuracy"].tolist() == [0.5]


def test_a_migrated_database_takes_evaluations_and_still_checks_its_words(old: str) -> None:
    with Store(old) as store:
        study = open_study(store, kind="evaluation")
        trial = store.start_trial(study.id, 1, purpose="evaluation", config=config())
        store.finish_trial(trial.id, "completed", curve([0.5]), test_accuracy_1000=0.5)
        with pytest.raises(IntegrityError):
            store.start_trial(study.id, 2, purpose="guesswork")


def test_a_migrated_database_takes_final_trainings_and_models_of_test_accuracy_alone(old: str) -> None:
    with Store(old) as store:
        study = open_study(store, kind="training")
        trial = store.start_trial(study.id, 1, purpose="training", config=config())
        kept = {name: getattr(store.models()[0], name) for name in ("network", "dataset", "recipe")}
        sizes = {"depth": 1.0, "width": 1.0, "resolution": 1.0, "macs": 1, "parameters": 1}
        named = {"name": "big", "status": "trained", "study_id": study.id, "trial_id": trial.id}
        store.save_model(**kept, **sizes, **named, test_accuracy=0.5)
        assert [(model.name, model.val_accuracy) for model in store.models()] == [
            ("big", None),
            ("small", 0.75),
        ]


def test_a_migrated_database_still_deletes_what_belongs_to_a_study(old: str) -> None:
    with Store(old):
        engine = database.connect(database.address(old), read_only=False)
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM studies"))
        assert counted(engine) == dict.fromkeys(TABLES, 0)
        engine.dispose()
