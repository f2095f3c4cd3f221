"""Create or migrate a database to this version's tables and views, or raise why that is not possible.

A new database gets the tables that the models describe; an older one is migrated to them. Views are not part
of the migrations: they are dropped before and created again after each, so they always match `views.py`.
Alembic takes a second to import, and only a migration imports it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from results.db import migrations, views
from results.db.connection import (
    BUSY_SECONDS,
    UNBEGUN,
    WRITING,
    display_name,
    explain_errors,
    sqlite_file,
    sqlite_path,
)
from results.db.locks import preparation_lock
from results.db.tables import Base
from results.errors import SchemaTooNew, SchemaTooOld, StoreUnavailable

REVISION = "0020"  # the newest file in migrations/versions


def prepare(engine: Engine) -> None:
    """Create the database, its folder and its tables if they are missing, and migrate older ones.

    Processes that do this at once take turns. Raises StoreUnavailable or SchemaTooNew.
    """
    path = sqlite_file(engine.url)
    if path is None:
        with explain_errors(engine.url):
            _migrate(engine)
        return
    _make_folder(path.parent)
    _refuse_two_names(path)
    with preparation_lock(path, BUSY_SECONDS), explain_errors(engine.url):
        _keep_a_write_ahead_log(engine)
        _migrate(engine)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(
            f"cannot create the folder {folder}: {error.strerror}; give a --db that you can write to"
        ) from error


def _refuse_two_names(path: Path) -> None:
    """Refuse a file with a second hard link: SQLite would keep another log beside that name."""
    if path.is_file() and (names := path.stat().st_nlink) > 1:
        raise StoreUnavailable(
            f"{path} has {names} names (hard links), and writing through two of them would damage "
            "it; remove the "
            f"others, or make a copy (nas-results backup --db {path}) and give that as --db"
        )


def _keep_a_write_ahead_log(engine: Engine) -> None:
    """Let readers and the writer never wait for each other. The file remembers the mode."""
    with engine.execution_options(**UNBEGUN).connect() as connection:  # it cannot change in a transaction
        mode = connection.execute(text("PRAGMA journal_mode = WAL")).scalar_one()
    if mode != "wal":
        raise StoreUnavailable(
            f"{display_name(engine.url)} cannot keep a write-ahead log where it is ({mode}); put it "
            "on a local disk"
        )


def _migrate(engine: Engine) -> None:
    with (
        engine.execution_options(**WRITING).connect() as connection,
        _foreign_keys_unheld(connection),
        connection.begin(),
    ):
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(7302250140)"))  # any number, ours
        revision = _revision(connection, engine)
        if revision is None and not inspect(connection).get_table_names():
            _create(connection)
        elif revision != REVISION:
            _upgrade(connection, display_name(engine.url))


def _create(connection: Connection) -> None:
    """Create the tables of a new database as this version has them, which is how the migrations end."""
    Base.metadata.create_all(connection)
    views.create(connection)
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": REVISION})


def _upgrade(connection: Connection, name: str) -> None:
    try:
        migrations.upgrade(connection)
    except DBAPIError as error:
        if getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR:
            raise
        raise StoreUnavailable(
            f"the tables of {name} do not match its schema version ({error.orig}), so it cannot "
            "be migrated to "
            f"{REVISION}; restore a backup, or give another --db"
        ) from error


@contextmanager
def _foreign_keys_unheld(connection: Connection) -> Iterator[None]:
    """Let a migration replace a table, which is how SQLite changes a table's checks.

    With foreign keys on, every row that refers to the old table would be deleted. The setting belongs to the
    connection, and cannot change within a transaction.
    """
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        yield
        return
    driver.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys = ON")


def check(engine: Engine) -> None:
    """Raise StoreUnavailable, SchemaTooNew or SchemaTooOld unless the database can be read as it is."""
    path = sqlite_path(engine.url)
    name = display_name(engine.url)
    if path is not None and not path.is_file():
        raise StoreUnavailable(f"there is no database {name}; run a search first, or give another --db")
    with explain_errors(engine.url), engine.begin() as connection:
        revision = _revision(connection, engine)
    if revision is None:
        raise StoreUnavailable(f"{name} is not a results database; give another --db")
    if revision != REVISION:
        raise SchemaTooOld(f"{name} was made by an older version; run `nas-results migrate --db {name}` once")


def _revision(connection: Connection, engine: Engine) -> str | None:
    """Return the revision of the database's tables; None if there are none yet."""
    tables = set(inspect(connection).get_table_names())
    name = display_name(engine.url)
    if "measurements" not in tables and tables & {"studies", "trials", "models", "events", "alembic_version"}:
        raise StoreUnavailable(f"{name} belongs to another program; give another --db")
    if "alembic_version" not in tables:
        return None
    revision: str | None = connection.execute(
        text("SELECT version_num FROM alembic_version")
    ).scalar_one_or_none()
    if revision is not None and revision not in migrations.revisions():
        raise SchemaTooNew(
            f"{name} was made by a newer version (schema {revision}, this one knows up to {REVISION}); "
            "update the checkout of nomad-nas (git pull) and run pip install -e . in it"
        )
    return revision
