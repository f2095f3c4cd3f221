"""What becomes of a study when its PostgreSQL server, or the way to it, fails for a moment."""

import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import make_url

from results.db import locks, transactions
from results.db.connection import address
from results.db.search_queue import SearchQueue
from results.db.store import Store
from results.errors import StoreUnavailable, StudyLocked, StudyLost
from tests import postgres
from tests.results.records import complete, open_study

pytestmark = pytest.mark.skipif(postgres.programs() is None, reason="PostgreSQL's programs are not installed")


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.server() as started:
        yield started


@pytest.fixture
def url(server: postgres.Server) -> str:
    return server.database()


def test_a_lock_whose_connection_was_cut_is_taken_again(server: postgres.Server, url: str) -> None:
    with Store(url) as store, store.lock_study("demo"):
        study = open_study(store)
        assert server.cut_locks() == 1
        assert locks.holder(address(url), "demo") is None
        store.keep_study(study.id)
        assert locks.holder(address(url), "demo") is not None
        with pytest.raises(StudyLocked), store.lock_study("demo"):
            pass
        complete(store, study, 1, 1_000_000, 0.5)


def test_a_run_that_lost_its_study_to_another_can_write_nothing_more(
    server: postgres.Server, url: str
) -> None:
    with Store(url) as first, Store(url) as second, first.lock_study("demo"):
        study = open_study(first)
        trial = first.start_trial(study.id, 1, purpose="search")
        server.cut_locks()
        with second.lock_study("demo"):
            first.finish_trial(trial.id, "completed", val_accuracy=0.5)  # nobody has taken it up yet
            open_study(second)
            with pytest.raises(StudyLost, match="study 'demo' was taken over by another process"):
                first.keep_study(study.id)
            assert_writes_nothing(first, study.id, trial.id)
            complete(second, study, 2, 1_000_000, 0.5)
        assert_writes_nothing(first, study.id, trial.id)
        with pytest.raises(StudyLost):  # also where the lock was free to be taken again
            first.keep_study(study.id)
        assert [row.number for row in second.trials(study.id)] == [1, 2]


def assert_writes_nothing(store: Store, study_id: int, trial_id: int) -> None:
    model = {"name": "m", "study_id": study_id}
    for write in (
        lambda: store.start_trial(study_id, 2, purpose="search"),
        lambda: store.answer_trial(study_id, 2, "screened", purpose="search"),
        lambda: store.restart_trial(trial_id),
        lambda: store.charge_trial(trial_id),
        lambda: store.finish_trial(trial_id, "failed"),
        lambda: store.judge_trial(trial_id, "rejected", {}),
        lambda: store.set_bound(study_id, min_accuracy=0.5),
        lambda: store.end_study(study_id, "failed", None),
        lambda: store.note(study_id, "x", {}),
        lambda: store.save_model(**model),
        lambda: store.drop_models(study_id),
    ):
        with pytest.raises(StudyLost):
            write()


def test_a_session_of_ours_that_the_server_still_holds_is_no_other_process(
    server: postgres.Server, url: str
) -> None:
    with Store(url) as store, store.lock_study("demo"):
        held = store._locks["demo"]
        assert isinstance(held, locks._ServerLock)
        broken = held._connection  # as behind a firewall that has forgotten it
        held._connection = None
        store.keep_lock("demo")
        assert locks.holder(address(url), "demo") is not None
        assert broken is not None
        broken.close()


def test_the_lock_s_session_is_not_ended_for_being_idle(server: postgres.Server, url: str) -> None:
    name = make_url(url).database
    server.execute(f"ALTER DATABASE {name} SET idle_session_timeout = '100ms'")
    with Store(url) as store, store.lock_study("demo"):
        time.sleep(0.4)
        assert locks.holder(address(url), "demo") is not None


def test_a_restart_of_the_server_is_waited_for(
    server: postgres.Server, url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(transactions, "PAUSE_SECONDS", 0.05)
    with SearchQueue(url) as store, store.lock_study("demo"):
        study = open_study(store)
        server.stop()
        starting = threading.Timer(0.3, server.start)
        starting.start()
        try:
            complete(store, study, 1, 1_000_000, 0.5)
        finally:
            starting.join()
        store.keep_study(study.id)
        with pytest.raises(StudyLocked), store.lock_study("demo"):
            pass
        assert [row.state for row in store.trials(study.id)] == ["completed"]
    assert caplog.text.count("is the server running and the address correct?") == 1


@pytest.mark.parametrize("lost", ["question", "answer"])
def test_a_commit_without_an_answer_is_applied_once(server: postgres.Server, url: str, lost: str) -> None:
    wire = postgres.Wire(server.port)
    with Store(make_url(url).set(port=wire.port).render_as_string()) as store:
        study = open_study(store)
        wire.loses = lost
        trial = store.start_trial(study.id, 1, purpose="search", macs=7)
        assert wire.loses is None
        assert (trial.number, trial.macs) == (1, 7)
        wire.loses = lost
        store.note(study.id, "once", {})
        assert [event.kind for event in store.events(study.id)] == ["once"]
        assert len(store.trials(study.id)) == 1
    wire.close()


def test_an_own_setting_of_the_connection_is_kept_when_only_reading(url: str) -> None:
    own = make_url(url).update_query_dict({"options": "-c search_path=elsewhere", "connect_timeout": "3"})
    Store(url).close()
    with pytest.raises(StoreUnavailable, match="is not a results database"):
        Store(own.render_as_string(), read_only=True)
