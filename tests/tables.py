"""Tables at once, for tests of what a database holds: in steps they take as long as most such tests."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import Connection, inspect

from results.db import migrations
from results.db.store import Store

STEP_BY_STEP = migrations.upgrade


@pytest.fixture(scope="package", autouse=True)
def tables_at_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make the tables of a new SQLite file in one go, for the tests of every folder that imports this.

    They are what the migrations make, which are made in steps once here and in the tests of `step_by_step`.
    """
    template = tmp_path_factory.mktemp("tables") / "results.db"
    Store(template).close()
    with closing(sqlite3.connect(template)) as database:
        made = [words for (words,) in database.execute("SELECT sql FROM sqlite_master WHERE sql > ''")]
        [revision] = database.execute("SELECT version_num FROM alembic_version")

    def at_once(connection: Connection) -> None:
        if connection.dialect.name != "sqlite" or inspect(connection).get_table_names():
            STEP_BY_STEP(connection)
            return
        for words in made:
            connection.exec_driver_sql(words)
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", revision)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "upgrade", at_once)
        yield


@pytest.fixture
def step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Migrations as every user has them."""
    monkeypatch.setattr(migrations, "upgrade", STEP_BY_STEP)
