"""What tests of forked trainings have in common, and tables at once for all tests of studies."""

import sqlite3
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect

from orchestrator.executors import Executor, local
from results import migrations
from results.store import Store
from tests.orchestrator._processes import HOSTING_TRAINER, eventually, naming
from tests.orchestrator._ray import Cluster, cluster


@pytest.fixture(scope="package", autouse=True)
def _tables_at_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make the tables of a new database in one go: migrating it step by step takes as long as its study.

    They are what the migrations make, which are made in steps once here and in all tests of the record.
    """
    template = tmp_path_factory.mktemp("tables") / "results.db"
    Store(template).close()
    with closing(sqlite3.connect(template)) as database:
        made = [words for (words,) in database.execute("SELECT sql FROM sqlite_master WHERE sql > ''")]
        [revision] = database.execute("SELECT version_num FROM alembic_version")

    step_by_step = migrations.upgrade

    def at_once(connection: Connection) -> None:
        if connection.dialect.name != "sqlite" or inspect(connection).get_table_names():
            step_by_step(connection)
            return
        for words in made:
            connection.exec_driver_sql(words)
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", revision)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "upgrade", at_once)
        yield


@pytest.fixture(scope="session")
def three_nodes() -> Iterator[Cluster]:
    """A Ray cluster for all tests that leave it whole."""
    with cluster(3) as opened:
        yield opened


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A trainer that knows `host`, under a name of this test's own; no process of it outlives the test."""
    (tmp_path / "hosting.py").symlink_to(HOSTING_TRAINER)
    yield sys.executable, str(tmp_path / "hosting.py")
    assert eventually(lambda: naming(tmp_path) == [], 3)


@pytest.fixture
def executor(trainer: tuple[str, str]) -> Iterator[Executor]:
    opened = local.create("cpu", slots=1, trainer=trainer)
    yield opened
    opened.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads
