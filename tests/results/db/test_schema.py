"""The migrations make the tables that the models describe."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from results.db import connection as database
from results.db import migrations, schema
from results.db.store import Store
from results.db.tables import Base
from tests.results.processes import ROOT, outcome_of


@pytest.fixture
def migrated(tmp_path: Path) -> Iterator[Engine]:
    """A database that was made by all migrations, one after the other."""
    engine = database.connect(database.address(tmp_path / "migrated.db"), read_only=False)
    with engine.begin() as connection:
        migrations.upgrade(connection)
    yield engine
    engine.dispose()


def test_all_migrations_make_the_tables_of_the_models(migrated: Engine) -> None:
    with migrated.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_a_new_database_is_what_all_migrations_end_with(tmp_path: Path, migrated: Engine) -> None:
    with Store(tmp_path / "new.db") as store:
        new = database.connect(store.url, read_only=True)
    assert described(new) == described(migrated)
    new.dispose()


def described(engine: Engine) -> dict[str, Any]:
    """Its revision, and its columns, keys, checks and views, as far as their order says nothing."""
    found = inspect(engine)
    tables = found.get_table_names()
    with engine.connect() as connection:
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    columns = {
        table: sorted((c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(table))
        for table in tables
    }
    return {
        "revision": revision,
        "columns": columns,
        "checks": {t: sorted(c["sqltext"] for c in found.get_check_constraints(t)) for t in tables},
        "keys": {t: sorted(map(str, found.get_foreign_keys(t))) for t in tables},
        "unique": {t: sorted(map(str, found.get_unique_constraints(t))) for t in tables},
        "indexes": {t: sorted(map(str, found.get_indexes(t))) for t in tables},
        "views": {view: found.get_view_definition(view) for view in found.get_view_names()},
    }


def test_the_database_checks_the_words_that_the_models_allow(migrated: Engine) -> None:
    for table in Base.metadata.sorted_tables:
        allowed = {
            str(check.name) for check in table.constraints if type(check).__name__ == "CheckConstraint"
        }
        assert {
            str(check["name"]) for check in inspect(migrated).get_check_constraints(table.name)
        } == allowed


def test_the_newest_migration_is_the_revision_of_this_version() -> None:
    assert migrations.revisions()[-1] == schema.REVISION


def test_views_changed_by_hand_are_made_anew_by_a_migration(store: Store) -> None:
    engine = database.connect(store.url, read_only=False)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP VIEW best_trials")
        connection.exec_driver_sql("DROP VIEW learning_curves")
        migrations.upgrade(connection)
    assert set(inspect(engine).get_view_names()) == {
        "best_trials",
        "completed_trials",
        "early_stops",
        "front",
        "learning_curves",
        "spending",
    }
    engine.dispose()


def test_sqlite_keeps_a_write_ahead_log_and_foreign_keys(tmp_path: Path) -> None:
    with Store(tmp_path / "results.db"):
        engine = database.connect(database.address(tmp_path / "results.db"), read_only=False)
        with engine.connect() as connection:
            modes = [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in PRAGMAS]
        engine.dispose()
    assert modes == ["wal", 1, 1, 90_000]


PRAGMAS = ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")


def test_importing_results_is_light_and_reading_needs_no_torch() -> None:
    code = (
        "import sys, results; print('pandas' in sys.modules, 'sqlalchemy' in sys.modules)\n"
        "import results.cli.commands; print('torch' in sys.modules, 'alembic' in sys.modules)"
    )
    assert outcome_of(code) == (0, "False False\nFalse False\n", "")


MAKE_A_DATABASE = (
    "import sys; sys.path.insert(0, sys.argv[1]); import results.db.store as s; s.Store('r.db').close()"
)


@pytest.mark.slow
def test_an_installed_wheel_makes_a_database_without_alembic_ini(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(site),
        str(ROOT),
    ]
    subprocess.run(install, check=True)
    subprocess.run([sys.executable, "-P", "-c", MAKE_A_DATABASE, site], cwd=tmp_path, check=True)
    assert (tmp_path / "r.db").is_file()
