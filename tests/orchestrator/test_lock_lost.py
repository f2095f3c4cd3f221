"""A search that lost its lock, and its study to another process, ends its trials and records nothing more."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from orchestrator.service.queue_worker import QueueWorker
from orchestrator.service.settings import Settings
from orchestrator.trainer_client import Stopped
from results.db.search_queue import SearchQueue
from results.db.store import Store
from results.errors import StudyLocked, StudyLost
from tests import postgres
from tests.orchestrator._processes import eventually
from tests.orchestrator._studies import evaluate, run

Cut = Callable[[], object]


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    if postgres.programs() is None:
        pytest.skip("PostgreSQL's programs are not installed")
    with postgres.server() as started:
        yield started


@pytest.fixture(params=["sqlite", "postgresql"])
def record(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Cut]:
    """A database, and what makes its orchestrator lose the lock of the study `s` without a word."""
    if request.param == "sqlite":
        db = tmp_path / "results.db"
        return str(db), lambda: Path(f"{db}.s.lock").unlink()
    server: postgres.Server = request.getfixturevalue("server")
    return server.database(), server.cut_locks


@pytest.mark.parametrize("study", [run, evaluate])
def test_a_run_that_lost_its_study_ends_its_trials_and_records_no_failure(
    tmp_path: Path, record: tuple[str, Cut], study: Callable[..., str]
) -> None:
    db, cut = record
    with Store(db) as other, ThreadPoolExecutor(1) as pool:
        running = pool.submit(study, tmp_path, db=db, data="fake:sleep=2", executor="local")
        assert eventually(lambda: states(other) == ["running"], 30)
        cut()
        with other.lock_study("s"):
            take_up(other)
            with pytest.raises(StudyLost, match="taken over by another process"):
                running.result(timeout=30)
            assert states(other) == ["running"]
            found = other.study("s")
            assert found is not None
            assert (found.state, found.message) == ("running", None)


def test_a_run_whose_lock_was_lost_to_nobody_goes_on(tmp_path: Path, record: tuple[str, Cut]) -> None:
    db, cut = record
    stop = threading.Event()
    with Store(db) as other, ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, tmp_path, stop, db=db, data="fake:sleep=.3")
        assert eventually(lambda: len(states(other)) == 1, 30)
        cut()
        assert eventually(lambda: len(states(other)) > 3, 30)
        with pytest.raises(StudyLocked), other.lock_study("s"):
            pass
        stop.set()
        with pytest.raises(Stopped):
            running.result(timeout=30)
        assert "failed" not in states(other)


def states(store: Store) -> list[str]:
    study = store.study("s")
    return [row.state for row in store.trials(study.id)] if study else []


def take_up(store: Store) -> None:
    """What the same command does on another machine, once it has the lock."""
    study = store.study("s")
    assert study is not None
    store.open_study(study.name, study.kind, study.question, study.budget_trials, {}, None)


def test_a_service_whose_queue_another_has_taken_starts_no_more_searches(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    db, lock = str(tmp_path / "results.db"), tmp_path / "results.db..service.lock"
    with SearchQueue(db) as queue, Store(db) as other, ExitStack() as held:
        searches = QueueWorker(Settings(runs=tmp_path, database=db), queue)
        searches.open()
        while True:
            lock.unlink(missing_ok=True)
            with suppress(StudyLocked):  # it had looked first
                held.enter_context(other.lock_study(".service"))
                break
        assert eventually(lambda: "this one starts no more searches" in caplog.text)
        searches.close()
        assert lock.exists()
