"""Open an Optuna storage for writing, and never a results database, which also has a table `trials`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, create_engine, inspect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from results.db import connection
from results.errors import StoreUnavailable

if TYPE_CHECKING:
    from optuna.storages import RDBStorage


@contextmanager
def open_storage(url: str, record: Any) -> Iterator[RDBStorage]:
    """Open the storage at `url`, created if missing. Raises StoreUnavailable, also while it is used."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    target = connection.address(url)
    _refuse_the_record(target, record)
    try:
        storage = optuna.storages.RDBStorage(
            target.render_as_string(hide_password=False), engine_kwargs=_engine_options(target)
        )
    except (SQLAlchemyError, ImportError, RuntimeError, optuna.exceptions.StorageInternalError) as error:
        raise _unavailable(target, error) from error
    try:
        yield storage
    except optuna.exceptions.StorageInternalError as error:
        raise _unavailable(target, error.__cause__ or error) from error
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _engine_options(target: URL) -> dict[str, Any]:
    if connection.sqlite_path(target) is None:
        return {"pool_pre_ping": True}
    # a storage that Optuna refuses to open is never ours to close, so it must keep no connection
    return {"connect_args": {"timeout": connection.BUSY_SECONDS}, "poolclass": NullPool}


def _refuse_the_record(target: URL, record: Any) -> None:
    path, own = connection.sqlite_path(target), connection.sqlite_path(connection.address(record))
    if path is not None and not path.parent.is_dir():
        raise StoreUnavailable(f"there is no folder {path.parent}; create it, or give another --optuna")
    if path is not None and not path.exists():
        return
    if path is not None and own is not None and own.exists() and path.samefile(own):
        raise StoreUnavailable(f"{path} is the results database itself; give Optuna a file of its own")
    if "measurements" in _tables(target):
        raise StoreUnavailable(
            f"{connection.display_name(target)} is a results database; give Optuna one of its own"
        )


def _tables(target: URL) -> set[str]:
    engine = create_engine(target)
    try:
        return set(inspect(engine).get_table_names())
    except SQLAlchemyError as error:
        raise _unavailable(target, error) from error
    finally:
        engine.dispose()


def _unavailable(target: URL, error: BaseException) -> StoreUnavailable:
    cause = getattr(error, "orig", None) or error
    said = " ".join(str(cause).split())
    return StoreUnavailable(
        f"cannot use {connection.display_name(target)} as an Optuna storage: {said}; give another --optuna"
    )
