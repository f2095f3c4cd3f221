"""An Optuna storage for tests: Optuna keeps connections and never closes them, of which Python 3.13 warns."""

from pathlib import Path

from optuna.storages import RDBStorage
from sqlalchemy.pool import NullPool


def open_storage(file: str | Path) -> RDBStorage:
    """Open, or make, the storage in an SQLite file. It keeps no connection."""
    return RDBStorage(f"sqlite:///{file}", engine_kwargs={"poolclass": NullPool})
