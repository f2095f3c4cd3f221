"""kill -9 at any moment, of any process: the record ends as if nothing had happened."""

import random
import shlex
import signal
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import partial
from os import kill
from pathlib import Path
from typing import Any

import pytest

from results.db.store import Store
from tests.orchestrator._processes import HOSTED, eventually, naming, parent
from tests.orchestrator._studies import TRAINER, command, record

ARGUMENTS = (
    *("--base", "senet18"),
    *("--study", "s"),
    *("--data", "fake:sleep=0.1,crash=0.1"),
    *("--budget", "10steps"),
    *("--slots", "2"),
    *("--tolerance", "0.01"),
    *("--early-stop", "0"),  # trials this short may or may not end before they are cut
)
STOPPING = (
    *("--early-stop", "0.05"),
    *("--audit", "0.2"),
    *("--data", "fake:sleep=2,crash=0.1"),  # cut at .8 s
    *("--base-width", "0.15"),
    *("--base-resolution", "0.75"),
    *("--tolerance", "0.1"),
    *("--confirm", "3"),
    *("--seed", "1"),
)
VICTIMS = ("orchestrator", "trainer", "solver")


def test_a_study_survives_a_kill_of_each_of_its_processes(tmp_path: Path) -> None:
    check_survival(tmp_path, "random", VICTIMS, random.Random(0), trials=12)


@pytest.mark.slow
def test_a_study_of_forks_survives_a_kill_of_each_of_its_processes(tmp_path: Path) -> None:
    victims = ("host", "supervisor", "orchestrator")
    check_survival(tmp_path, "random", victims, random.Random(1), trials=10, trainer=shlex.join(HOSTED))


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["nomad", "tpe", "random"])
def test_a_study_survives_ten_kills(tmp_path: Path, solver: str) -> None:
    rng = random.Random(solver)
    check_survival(tmp_path, solver, [*VICTIMS, *rng.choices(VICTIMS, k=7)], rng, trials=30)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_study_that_stops_early_and_confirms_survives_kills(tmp_path: Path) -> None:
    rows = check_survival(tmp_path, "random", [*VICTIMS, *VICTIMS], random.Random(3), 18, asked=STOPPING)
    assert {row["state"] for row in rows} >= {"completed", "pruned"}
    assert {row["purpose"] for row in rows} == {"baseline", "search", "confirmation"}


def check_survival(
    folder: Path,
    solver: str,
    victims: Sequence[str],
    rng: random.Random,
    trials: int,
    trainer: str = TRAINER,
    asked: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Run one study undisturbed and one under kills, hold their records against each other, and return it.

    A study may end before every kill has landed, as when this process is paused. Then a longer one is run.
    """
    # one training may be hit more often than it is trained again by default
    asked = (*ARGUMENTS, *asked, "--solver", solver, "--trainer", trainer, "--retries", "20")
    for longer in (1, 2, 4):
        calm, harried = folder / f"calm-{longer}", folder / f"harried-{longer}"
        for made in (calm, harried):
            Store(made / "results.db").close()  # by us, for a study would import all that migrations need
        given = (*asked, "--trials", str(longer * trials))
        subprocess.run(command(calm, *given), check=True, capture_output=True, timeout=100)
        landed = harry(command(harried, *given), harried, victims, rng)
        assert exits_unseen(record(harried)) == exits_unseen(record(calm))
        assert eventually(partial(is_quiet, harried)), "a process is left over"
        if landed == len(victims):
            return record(calm)
    raise AssertionError("every study ended before every kill had landed: give it more trials")


def is_quiet(folder: Path) -> bool:
    """Whether no process works in a folder."""
    return naming(folder) == []


def exits_unseen(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows without exit codes: a result that ended as the orchestrator was killed is adopted so."""
    return [{name: value for name, value in row.items() if name != "exit_code"} for row in rows]


def harry(typed: Sequence[str], folder: Path, victims: Sequence[str], rng: random.Random) -> int:
    """Run a study to its end, killing `victims` one by one once each shows; return how many kills landed."""
    waiting, landed = list(victims), 0
    for _ in range(len(victims) + 1):
        with subprocess.Popen(typed, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as study:
            while waiting and eventually(lambda: in_the_middle(folder) or study.poll() is not None, 60):
                time.sleep(rng.uniform(0, 0.4))
                found = processes(study.pid, waiting[0], folder)
                if study.poll() is not None:
                    break
                with suppress(ProcessLookupError):
                    if found:
                        kill(rng.choice(found), signal.SIGKILL)
                        landed += 1
                        if waiting.pop(0) == "orchestrator":
                            break
            if study.wait(100) == 0:
                return landed
    assert study.stderr is not None
    raise AssertionError(f"the study never ended; at last exit code {study.returncode}")


def processes(orchestrator: int, victim: str, folder: Path) -> list[int]:
    """The process ids of one kind: trainers are known by the folder they write to."""
    if victim == "orchestrator":
        return [orchestrator]
    if victim == "solver":
        return [pid for pid in naming("orchestrator.solvers") if parent(pid) == orchestrator]
    hosts = [pid for pid in naming(HOSTED[1]) if parent(pid) == orchestrator]
    if victim == "host":
        return hosts
    if victim == "supervisor":
        return [pid for pid in naming(HOSTED[1]) if parent(pid) in hosts]
    guards = naming("supervisor.py")
    return [pid for pid in naming(folder) if pid not in (orchestrator, *guards)]


def in_the_middle(folder: Path) -> bool:
    """Whether the baseline is measured, so that a solver is at work."""
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(folder / "results.db")) as record:
        return record.execute("SELECT min_accuracy FROM studies").fetchone() not in (None, (None,))
    return False  # no table yet
