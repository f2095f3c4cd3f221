"""The migrations make the tables that the models describe."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from results.db import connection as database
from results.db import migrations, schema, search_queue
from results.db.store import Store
from results.db.tables import Base
from tests.results.processes import ROOT, outcome_of

pytestmark = pytest.mark.usefixtures("step_by_step")


def test_migrating_an_empty_database_makes_the_tables_of_the_models(store: Store) -> None:
    engine = database.connect(store.url, read_only=True)
    with engine.connect() as connection:
        assert search_queue.SearchRequest.__table__ in Base.metadata.sorted_tables  # its module knows it
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_the_database_checks_the_words_that_the_models_allow(store: Store) -> None:
    engine = database.connect(store.url, read_only=True)
    for table in Base.metadata.sorted_tables:
        allowed = {
            str(check.name) for check in table.constraints if type(check).__name__ == "CheckConstraint"
        }
        assert {str(check["name"]) for check in inspect(engine).get_check_constraints(table.name)} == allowed
    engine.dispose()


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
