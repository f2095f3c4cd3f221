"""Connect to a database: SQLite by a path, or SQLite or PostgreSQL by an SQLAlchemy URL.

SQLite's Python driver starts transactions late and with too weak a lock. Here every transaction is started
explicitly, and a writing one takes SQLite's write lock at once. So two writers queue (up to `BUSY_SECONDS`)
instead of failing half-way.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import NullPool

from results.errors import ServerLost, StoreUnavailable

BUSY_SECONDS = 90.0  # more than a backup, a checkpoint or a careless browser of the file takes
WRITING = {"begin": "BEGIN IMMEDIATE"}
UNBEGUN = {"begin": ""}
# a peer that has gone silently is noticed within a minute, and idle connections stay open
_KEEPALIVES = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
_SERVER_KEEPALIVES = {"tcp_keepalives_idle": 30, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 3}


def address(url_or_path: str | Path) -> URL:
    """Return the URL of a database, given by a URL or by the path of an SQLite file.

    Raises StoreUnavailable for anything else, and for unsupported databases.
    """
    text = str(url_or_path)
    if "://" not in text:
        return _sqlite_file(text)
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise StoreUnavailable(f"{text!r} is not a database URL; {_FORMS}") from error
    if url.get_backend_name() == "sqlite":
        return _sqlite_file(url.database or "")
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise StoreUnavailable(f"{url.get_backend_name()!r} is neither SQLite nor PostgreSQL; {_FORMS}")
    return url if url.drivername.startswith("postgresql+") else url.set(drivername="postgresql+psycopg")


_FORMS = "give a file (runs/results.db) or a URL (postgresql://user@host/name)"


def _sqlite_file(path: str) -> URL:
    if path in ("", ":memory:"):
        raise StoreUnavailable(f"{path!r} would be lost when the process ends; {_FORMS}")
    return URL.create("sqlite", database=os.path.expanduser(path))


def sqlite_path(url: URL) -> Path | None:
    """Return the file of an SQLite database; None for a server."""
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def sqlite_file(url: URL) -> Path | None:
    """Return the same with every link followed, for files that are named after the database."""
    path = sqlite_path(url)
    return path and Path(os.path.realpath(path))


def display_name(url: URL) -> str:
    """Return the database as a user would write it, without a password."""
    return str(sqlite_path(url) or url.set(drivername=url.get_backend_name()).render_as_string())


def connect(url: URL, *, read_only: bool) -> Engine:
    """Return an engine on the database. Nothing is opened yet.

    The execution option `begin` is the statement that starts SQLite's transactions, "BEGIN" by default:
    WRITING takes the write lock at once, UNBEGUN starts no transaction. Raises StoreUnavailable if the
    driver is not installed.
    """
    path = sqlite_path(url)
    try:
        if path is None:
            options = {"options": _reading_only(url)} if read_only else {}
            return _server_engine(url, options, pool_pre_ping=True, json_serializer=_to_json)
        engine = create_engine(url, creator=_sqlite_opener(path, read_only), json_serializer=_to_json)
    except NoSuchModuleError as error:
        raise StoreUnavailable(f"no driver for {display_name(url)}; {_FORMS}") from error
    except ImportError as error:
        raise StoreUnavailable(
            f"the driver of {display_name(url)} is not installed ({error}); "
            "run pip install -e '.[postgresql]' in the checkout of nomad-nas"
        ) from error
    event.listen(engine, "begin", _begin)
    return engine


def sessions(url: URL) -> Engine:
    """Return an engine on a server for locks: its connections are outside transactions, and never reused."""
    return _server_engine(url, {}, poolclass=NullPool, isolation_level="AUTOCOMMIT")


def _server_engine(url: URL, options: Mapping[str, str], **settings: Any) -> Engine:
    """Return an engine on a server. Either side notices within a minute that the other has gone silently."""
    own = {name: value for name, value in _KEEPALIVES.items() if name not in url.query}
    engine = create_engine(url, connect_args={**own, **options}, **settings)
    event.listen(engine, "connect", _keep_alive)
    return engine


def _keep_alive(connection: Any, _: object) -> None:
    """Let the server check the connection too: a dead session that it believes alive keeps its locks."""
    with connection.cursor() as cursor:
        for name, value in _SERVER_KEEPALIVES.items():
            cursor.execute(f"SET {name} = {value}")
    connection.commit()


def _reading_only(url: URL) -> str:
    return f"{url.query.get('options', '')} -c default_transaction_read_only=on".strip()


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _begin(connection: Connection) -> None:
    statement = connection.get_execution_options().get("begin", "BEGIN")
    if statement:
        connection.exec_driver_sql(statement)


def read(path: Path) -> sqlite3.Connection:
    """Return a connection that reads an existing SQLite file in any folder. Raises sqlite3.Error."""
    if os.access(path.parent, os.W_OK) and os.access(path, os.W_OK):
        return sqlite3.connect(path, timeout=BUSY_SECONDS)  # which tidies up its log when it is closed
    return _sqlite_opener(path, read_only=True)()


def advice(error: sqlite3.Error) -> str | None:
    """Return what a user can do about an error of SQLite; None if only a developer could tell."""
    return _SQLITE_ADVICE.get(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF)


def _sqlite_opener(path: Path, read_only: bool) -> Callable[[], sqlite3.Connection]:
    def open_file() -> sqlite3.Connection:
        mode = _reading_mode(path) if read_only else "mode=rwc"
        uri = f"file:{quote(str(path.absolute()))}?{mode}"
        connection = sqlite3.connect(
            uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            # With a write-ahead log this loses no commit to a killed process and corrupts nothing; a power
            # cut may undo the last commits, whose trials are then run again. FULL would sync at every commit.
            connection.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    return open_file


def _reading_mode(path: Path) -> str:
    """Return how a reader opens the file.

    Readers share SQLite's index of its log, a file beside the database. If that cannot be created and the log
    is empty, nobody is writing, and the file may be read as it is.
    """
    log = Path(f"{path}-wal")
    if os.access(path.parent, os.W_OK) or (log.exists() and log.stat().st_size > 0):
        return "mode=ro"
    return "mode=ro&immutable=1"


@contextmanager
def explain_errors(url: URL) -> Iterator[None]:
    """Turn a driver's errors into StoreUnavailable, in words that say what to do."""
    try:
        yield
    except DBAPIError as error:
        said = _explanation(url, error)
        if said is None:
            raise
        raise (ServerLost if is_lost(error) else StoreUnavailable)(said) from error


def is_lost(error: DBAPIError) -> bool:
    """Whether a server's transaction was undone by a passing fault, so that it may be tried again."""
    if isinstance(error.orig, sqlite3.Error):
        return False
    state = getattr(error.orig, "sqlstate", None)  # none: no connection
    is_passing = state is None or state.startswith(_PASSING)
    return error.connection_invalidated or (isinstance(error, OperationalError) and is_passing)


_PASSING = ("08", "40", "57P")  # a broken connection, a deadlock, a server that starts or stops


def _explanation(url: URL, error: DBAPIError) -> str | None:
    name = display_name(url)
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        known = advice(cause)
        return None if known is None else f"{name}: {cause}; {known}"
    if is_lost(error):
        return f"cannot use {name}: {_one_line(cause)}; is the server running and the address correct?"
    if isinstance(error, OperationalError):  # its disk, its memory
        return f"cannot use {name}: {_one_line(cause)}; fix that and run the same again"
    if type(cause).__name__ in ("InsufficientPrivilege", "ReadOnlySqlTransaction"):
        return f"cannot write to {name}: {_one_line(cause)}; ask for the permission, or give another --db"
    return None


_KEPT_LOCKED = f"another process kept it locked for {BUSY_SECONDS:.0f} s; end that one, or try again"
_SQLITE_ADVICE = {
    sqlite3.SQLITE_FULL: "free some disk space and run the same again",
    sqlite3.SQLITE_IOERR: "the disk may be full, over its quota or gone; fix that and run the same again",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable, or give another --db",
    sqlite3.SQLITE_CANTOPEN: "change the permissions of the file and its folder, or give another --db",
    sqlite3.SQLITE_PERM: "change the permissions of the file and its folder, or give another --db",
    sqlite3.SQLITE_BUSY: _KEPT_LOCKED,
    sqlite3.SQLITE_LOCKED: _KEPT_LOCKED,
    sqlite3.SQLITE_NOTADB: "give another --db",
    sqlite3.SQLITE_CORRUPT: "it is damaged; restore a backup, or save what is left with `sqlite3 "
    "FILE .recover`",
}


def _one_line(error: BaseException | None) -> str:
    return " ".join(str(error).split())
