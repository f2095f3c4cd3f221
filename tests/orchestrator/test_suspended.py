"""Suspended time is not charged: an orchestrator by Ctrl-Z, a training and its supervisor by a freezer."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from orchestrator import awake
from orchestrator.console.progress import PlainProgress, ProgressMeter
from orchestrator.executors import Exit, local
from orchestrator.executors._process import supervisor
from orchestrator.executors._process.supervised import Ending, run_supervised
from orchestrator.executors.local import Local
from orchestrator.trial import outcome, runner
from orchestrator.trial.outcome import TrialOutcome
from results.db.store import Store
from tests.orchestrator._processes import HOSTED, eventually, naming, parent, training
from tests.orchestrator._studies import evaluate, trials

ROOT = Path(__file__).parents[2]
TRAINERS = pytest.mark.parametrize("trainer", [(), HOSTED], ids=["fresh", "forked"])


@contextmanager
def suspended(*pids: int) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    yield
    for pid in reversed(pids):
        os.kill(pid, signal.SIGCONT)


def clock(*moments: float) -> SimpleNamespace:
    """The module `time`, as it would be at these moments."""
    return SimpleNamespace(monotonic=iter(moments).__next__)


def test_a_clock_stands_while_its_process_is_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awake, "time", clock(100.0, 100.5, 3700.0, 3701.0))
    reading = awake.Awake()
    assert [reading.seconds() for _ in range(3)] == [0.5, 0.5, 1.5]


def test_a_supervisor_counts_no_time_that_it_was_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "time", clock(100.0, 100.5, 3700.5, 3701.5))
    limit = supervisor.TimeLimit(10.0)
    for _ in range(3):
        limit.update()
    assert (limit.left, limit.slept) == (8.5, 3600.0)


ONE_TRIAL = """
import sys, threading
from pathlib import Path
from orchestrator.executors import local
from tests.orchestrator._processes import training
executor = local.create("cpu", 1, sys.argv[2:])
ended = executor.run(training(Path(sys.argv[1]), "fake:sleep=.5"), threading.Event())
print(ended.code, ended.wall_seconds)
"""


def has_begun(folder: Path) -> bool:
    out = folder / "out"
    return eventually(lambda: out.exists() and '"machine"' in out.read_text(), 60)


@TRAINERS
def test_a_trial_is_not_charged_what_its_orchestrator_was_suspended_after_its_end(
    tmp_path: Path, trainer: Sequence[str]
) -> None:
    words = [sys.executable, "-c", ONE_TRIAL, str(tmp_path / "1"), *trainer]
    began = time.monotonic()
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as orchestrator:
        assert has_begun(tmp_path / "1")
        with suspended(orchestrator.pid):
            assert eventually(lambda: '"final"' in (tmp_path / "1" / "out").read_text(), 60)
            assert eventually(lambda: set(naming(tmp_path / "1")) == {orchestrator.pid}, 60)
            most = time.monotonic() - began
            time.sleep(most)
        code, seconds = orchestrator.communicate(timeout=60)[0].split()
    assert code == "0"
    assert 0.5 < float(seconds) < most


@pytest.mark.slow
@TRAINERS
def test_a_trial_that_was_suspended_with_its_supervisor_has_its_time_all_the_same(
    tmp_path: Path, trainer: Sequence[str]
) -> None:
    executor = local.create("cpu", 1, trainer)
    one = training(tmp_path / "1", "fake:sleep=3", timeout_seconds=6.0)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(executor.run, one, threading.Event())
        assert has_begun(tmp_path / "1")
        supervisors = set(naming("supervisor.py"))
        [trial] = set(naming(tmp_path / "1")) - supervisors
        with suspended(parent(trial), trial):
            time.sleep(7)
        ended = running.result(timeout=60)
    executor.close()
    assert (ended.code, ended.reason) == (0, "exited")
    assert 6.5 < ended.slept_seconds < 8.5
    assert ended.wall_seconds < 7


THINKS_FOR_TWO_SECONDS = """
import sys, time
sys.stdin.readline()
for _ in range(20):
    time.sleep(0.1)
print('{"ask": [{"depth": 1, "width": 1}]}', flush=True)
"""
ASKS_IT = """
import sys
from orchestrator.solvers import SolverProcess
from tests.orchestrator import _solving
command = [sys.executable, "-c", sys.argv[1]]
with SolverProcess("own", _solving.grid(), command=command, think_seconds=6) as solver:
    print(len(solver.ask(pause=lambda: print(solver.pid, flush=True))))
"""


@pytest.mark.slow
def test_a_solver_that_was_suspended_with_its_orchestrator_is_not_killed() -> None:
    words = [sys.executable, "-c", ASKS_IT, THINKS_FOR_TWO_SECONDS]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as asks:
        assert asks.stdout
        solver = int(asks.stdout.readline())
        with suspended(asks.pid, solver):
            time.sleep(7)
        assert asks.communicate(timeout=60)[0].splitlines()[-1] == "1"


def test_energy_is_not_known_where_it_is_read_long_after_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleeps_on(*given: Any) -> Ending:
        return replace(run_supervised(*given), at=time.monotonic() - local.LATE_SECONDS - 1)

    joules = map(float, chain(range(0, 1000, 100), repeat(1000)))
    slot = replace(local._cpu_slot(0), meter=lambda: next(joules))
    one = training(tmp_path / "1")
    assert Local([slot]).run(one, threading.Event()).energy_joules == 100.0
    monkeypatch.setattr(local, "run_supervised", sleeps_on)
    assert Local([slot]).run(one, threading.Event()).energy_joules is None


def test_what_a_display_tells_of_the_time_left_leaves_out_what_was_slept() -> None:
    meter = ProgressMeter(10, 600.0)
    begun = meter.begun
    PlainProgress(Console(), meter).skip_seconds(3600.0)
    assert meter.begun == begun + 3600.0


def evaluated(folder: Path, budget: str, **given: Any) -> None:
    evaluate(folder, executor="local", data="fake:", budget=budget, runs=1, no_test=True, **given)


@pytest.fixture
def sleeper(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the first trainings have been suspended with their supervisor for half a second."""

    def let_sleep(times: int) -> None:
        naps = chain(repeat(0.5, times), repeat(0.0))
        run = lambda *given: replace(run_supervised(*given), slept_seconds=next(naps))  # noqa: E731
        monkeypatch.setattr(local, "run_supervised", run)
        monkeypatch.setattr(runner, "PAUSE_SECONDS", 0.01)

    return let_sleep


def test_a_training_whose_clock_went_on_while_it_was_suspended_is_trained_again(
    tmp_path: Path, sleeper: Callable[[int], None]
) -> None:
    sleeper(1)
    evaluated(tmp_path, "10s", validation_images=100)
    [row] = trials(tmp_path)
    assert (row.state, row.attempts) == ("completed", 2)
    with Store(tmp_path / "results.db", read_only=True) as store:
        [lost] = [event.detail for event in store.events(row.study_id) if event.kind == "trial_lost"]
    assert (lost["reason"], lost["message"]) == ("suspended", "suspended for 0 s of a budget of 10 s")


def test_a_training_of_so_many_steps_may_be_suspended(tmp_path: Path, sleeper: Callable[[int], None]) -> None:
    sleeper(1)
    evaluated(tmp_path, "10steps", validation_images=100)
    assert [(row.state, row.attempts) for row in trials(tmp_path)] == [("completed", 1)]


@pytest.mark.parametrize(
    ("found", "slept", "state"),
    [
        (TrialOutcome("completed"), 13.0, "lost"),
        (TrialOutcome("completed"), 11.0, "completed"),
        (TrialOutcome("pruned"), 13.0, "lost"),
        (TrialOutcome("failed", "budget_too_short"), 13.0, "lost"),
        (TrialOutcome("failed", "diverged"), 13.0, "failed"),
        (TrialOutcome("stopped"), 13.0, "stopped"),
    ],
)
def test_what_a_suspended_training_came_to_is_an_answer_only_if_its_clock_is_no_part_of_it(
    found: TrialOutcome, slept: float, state: str
) -> None:
    end = replace(Exit.before_start(), slept_seconds=slept)
    assert outcome.judge_suspended(found, end, {"budget": {"seconds": 600.0}}).state == state
