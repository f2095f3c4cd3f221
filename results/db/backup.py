"""Copy a database while searches write to it.

SQLite copies page by page under a reader's lock, so the copy is a consistent state of the database and no
search waits for it. The copy gets its name only when it is complete and checked.
"""

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from results.db import connection as database
from results.errors import StoreUnavailable


def back_up(url_or_path: str | Path, to: Path) -> int:
    """Write a copy of the database to the new file `to` and return its size in bytes.

    Raises StoreUnavailable if there is no SQLite file to copy, `to` exists or cannot be written, or the copy
    is damaged.
    """
    path = database.sqlite_path(database.address(url_or_path))
    if path is None:
        raise StoreUnavailable("the database of a server is not one file; copy it with pg_dump")
    if not path.is_file():
        raise StoreUnavailable(f"there is no database {path}; give another --db")
    if to.exists():
        raise StoreUnavailable(f"{to} already exists; give another --to")
    unfinished = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        _copy(path, unfinished)
        _name(unfinished, to)
        return to.stat().st_size
    except FileExistsError as error:
        raise StoreUnavailable(f"{to} already exists; give another --to") from error
    except (OSError, sqlite3.Error) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise StoreUnavailable(f"cannot copy {path} to {to}: {said}; fix that and run it again") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _name(unfinished: Path, to: Path) -> None:
    """Give the copy its name, without replacing a file created meanwhile, as a plain rename would."""
    try:
        os.link(unfinished, to)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        to.open("xb").close()  # the disk has no links, as a USB stick
        os.replace(unfinished, to)


def damage(path: Path) -> list[str]:
    """Return the errors that SQLite finds in the file at `path`; empty if it is intact.

    Raises sqlite3.Error if the file cannot be read at all.
    """
    with closing(database.read(path)) as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check(20)") if row[0] != "ok"]
        orphans = connection.execute("PRAGMA foreign_key_check").fetchmany(20)
    return found + [
        f"row {row} of {table} belongs to no row of {parent}" for table, row, parent, _ in orphans
    ]


def _copy(path: Path, to: Path) -> None:
    with (
        closing(database.read(path)) as source,
        closing(sqlite3.connect(to)) as copy,
    ):
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, with no log beside it
    found = damage(to)
    if found:
        raise StoreUnavailable(f"the copy of {path} is damaged: {found[0]}; run `nas-results doctor`")
    with to.open("rb") as written:
        os.fsync(written.fileno())
