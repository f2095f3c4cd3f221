"""Studies on record on a PostgreSQL server that restarts, and whose orchestrator is killed meanwhile."""

import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from results.db.store import Store
from results.db.tables import Trial
from tests import postgres
from tests.orchestrator._processes import eventually, naming
from tests.orchestrator._studies import command

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(postgres.programs() is None, reason="PostgreSQL's programs are not installed"),
]
SEARCH = ("--base", "senet18", "--solver", "random", "--replicates", "1", "--confirm", "0", "--trials", "8")
EVALUATION = ("--model", "senet18", "--recipe", "nomad_haet", "--recipe", "resnet9_sam_ip", "--runs", "4")
STUDIES = {"nas_search": SEARCH, "nas_evaluate": EVALUATION}


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.server() as started:
        yield started


@pytest.mark.parametrize("program", STUDIES)
def test_a_study_goes_on_over_restarts_of_its_server_and_kills_of_its_own(
    server: postgres.Server, tmp_path: Path, program: str
) -> None:
    url = server.database()
    options = (*STUDIES[program], "--study", "s", "--db", url, "--budget", "10steps", "--slots", "2")
    words = command(tmp_path, *options, "--data", "fake:sleep=.4", program=program)
    ended: dict[int, object] = {}
    with Store(url) as store:
        for trained in (1, 3):
            killed = subprocess.Popen(words, stdout=subprocess.DEVNULL)
            assert eventually(partial(has_trained, store, trained), 60)
            killed.kill()
            killed.wait()
            ended = {row.number: row.finished_at for row in completed(store)}
            assert eventually(lambda: naming(tmp_path) == []), "a trial outlived its study"
        study = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert eventually(lambda: bool(naming(tmp_path / "s")), 60)
        server.stop()
        time.sleep(1)
        server.start()
        _, said = study.communicate(timeout=60)
        assert (study.returncode, "Traceback" in said) == (0, False), said
        after = {row.number: row for row in completed(store)}
        assert {number: after[number].finished_at for number in ended} == ended
        found = store.study("s")
        assert found is not None
        assert found.state == "finished"
        assert {row.state for row in store.trials(found.id)} <= {"completed", "duplicate", "screened"}


def has_trained(store: Store, trials: int) -> bool:
    return len(completed(store)) >= trials


def completed(store: Store) -> list[Trial]:
    study = store.study("s")
    return [row for row in store.trials(study.id) if row.state == "completed"] if study else []
