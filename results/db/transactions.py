"""Transactions that survive a restart of the database server.

A method of a store is one transaction. If the connection breaks before its end, the whole method runs
again. If it breaks during the commit, the server is first asked whether the transaction was committed, so
that it is never applied twice.
"""

import logging
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from results.db.connection import BUSY_SECONDS, display_name, explain_errors, is_lost
from results.errors import ServerLost, StoreUnavailable

PAUSE_SECONDS = 0.5
_log = logging.getLogger(__name__)
_P = ParamSpec("_P")
_R = TypeVar("_R")


def patient(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """Repeat a whole transaction for up to `BUSY_SECONDS` if its server was lost."""

    @wraps(method)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        begun, told = time.monotonic(), False
        while True:
            try:
                return method(*args, **kwargs)
            except ServerLost as error:
                if time.monotonic() - begun > BUSY_SECONDS:
                    raise
                if not told:
                    _log.warning("%s (trying again for %.0f s)", error, BUSY_SECONDS)
                told = True
                time.sleep(PAUSE_SECONDS)

    return run


def commit(session: Session) -> None:
    """Commit what the session wrote, exactly once. Its rows are detached first, so a failure expires none."""
    session.flush()
    number = _number(session)
    engine = session.get_bind().engine
    session.expunge_all()
    try:
        session.commit()
    except DBAPIError as error:
        if number is None or not is_lost(error) or not _was_committed(engine, number):
            raise


def _number(session: Session) -> str | None:
    """The server's number of the transaction; none where it wrote nothing, and none on SQLite."""
    if session.get_bind().dialect.name != "postgresql":
        return None
    number: str | None = session.scalar(text("SELECT pg_current_xact_id_if_assigned()::text"))
    return number


_STATUS = text("SELECT pg_xact_status(CAST(:number AS xid8))")
_END = text(  # a session that waits for a client that will not come back; a commit that has begun is finished
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE backend_xid = CAST(CAST(:number AS xid8) AS xid)"
)


def _was_committed(engine: Engine, number: str) -> bool:
    """Whether a transaction whose COMMIT got no answer was committed. Raises StoreUnavailable."""
    end = time.monotonic() + BUSY_SECONDS
    while time.monotonic() < end:
        try:
            with explain_errors(engine.url), engine.connect() as connection:
                status = connection.execute(_STATUS, {"number": number}).scalar_one()
                if status == "in progress":
                    connection.execute(_END, {"number": number})
        except ServerLost:
            status = "in progress"
        if status != "in progress":
            return bool(status == "committed")
        time.sleep(PAUSE_SECONDS)
    raise StoreUnavailable(
        f"{display_name(engine.url)} did not tell within {BUSY_SECONDS:.0f} s whether the last "
        "transaction was "
        "committed; run the same again when it is available"
    )
