"""How much the tests of properties try, and what garbage is looked for while tests run.

Properties are tried little by default, much in `make test-slow`. What collecting the tests brought, torch and
all, stays to the end, and looking through it again and again for garbage took a fifth of the collection.
"""

import gc
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile("thorough", max_examples=500, deadline=None)
settings.load_profile("quick")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # by a shell's `&`, which what is started here inherits
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection() -> None:
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _statements_are_compiled_once() -> Iterator[None]:
    """Let every engine of SQLite take what another has compiled, as in a process that opens one.

    A test opens several, and compiling the same SQL for each took a fifth of the time of all with a record.
    """
    if "sqlalchemy" not in sys.modules:
        yield
        return
    from sqlalchemy import util
    from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite as Dialect
    from sqlalchemy.engine import Engine

    compiled: Any = util.LRUCache(2000)
    begin = Engine.__init__

    def begin_with_all_compiled(engine: Any, *given: Any, **options: Any) -> None:
        begin(engine, *given, **options)
        engine._compiled_cache = compiled

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "__init__", begin_with_all_compiled)
        patch.setattr(Dialect, "__hash__", lambda dialect: hash(type(dialect)))  # a part of what is looked up
        patch.setattr(Dialect, "__eq__", lambda dialect, other: type(dialect) is type(other))
        yield
