"""Databases to test on: always SQLite, and PostgreSQL where NAS_TEST_DATABASE_URL names a server.

    NAS_TEST_DATABASE_URL=postgresql://user@host/postgres python -m pytest tests/results

A server of the tests' own (tests/postgres.py) shows what its failures do, where its programs are installed.
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from results.db.store import Store
from tests.results.records import write_two_studies

SERVER = os.environ.get("NAS_TEST_DATABASE_URL")


@pytest.fixture(params=["sqlite", "postgresql"] if SERVER else ["sqlite"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database's path or URL."""
    if request.param == "sqlite":
        yield str(tmp_path / "runs" / "results.db")
        return
    assert SERVER
    name = f"nas_test_{uuid.uuid4().hex}"
    server = create_engine(
        make_url(SERVER).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield make_url(SERVER).set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture
def store(db: str) -> Iterator[Store]:
    """A store on an empty database."""
    with Store(db) as opened:
        yield opened


@pytest.fixture(scope="session")
def record(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An SQLite file with a NAS and an HPO study, to read only."""
    path = str(tmp_path_factory.mktemp("record") / "results.db")
    write_two_studies(path)
    return path
