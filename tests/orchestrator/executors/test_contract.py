"""Every executor keeps the contract; the file in the folder is the registration."""

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from orchestrator import executors
from orchestrator.executors import STOPPED, ClusterOptions, Executor, ExecutorError, Job
from tests import inline
from tests.orchestrator._processes import job, training

ELSEWHERE = {"ray": "three_nodes", "slurm": "two_nodes"}  # executors of other machines, and their fixtures
MARKS = {"ray": [pytest.mark.slow], "slurm": [pytest.mark.slurm]}


def each() -> list[ParameterSet]:
    """Every executor; those that need other machines take long to have some."""
    return [pytest.param(name, marks=MARKS.get(name, [])) for name in ("inline", *executors.names())]


@pytest.fixture(params=each())
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    if request.param in ELSEWHERE:
        opened = request.getfixturevalue(ELSEWHERE[request.param]).executor()
    else:
        with inline.offered():
            opened = executors.load(request.param).create("cpu")
    yield opened
    opened.close()


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


def script(folder: Path, source: str) -> Job:
    (folder / "script.py").write_text(source)
    return job(folder, "-P", folder / "script.py")


def test_executors_are_found_by_their_files() -> None:
    assert executors.names() == ["local", "ray", "slurm"]


def test_an_unknown_executor_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ExecutorError, match="--executor pigeons is unknown; give one of local, ray, slurm"):
        executors.load("pigeons")


def test_an_executor_goes_by_its_files_name(executor: Executor) -> None:
    assert executor.name in ("inline", *executors.names())
    assert executor.slots >= 1


def test_a_trial_leaves_its_report_in_its_files(
    executor: Executor, stop: threading.Event, tmp_path: Path
) -> None:
    ended = executor.run(training(tmp_path), stop)
    events = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert (ended.code, ended.reason) == (0, "exited")
    assert [events[0]["event"], events[-1]["event"]] == ["model", "final"]
    assert (tmp_path / "err").read_text() == ""


def test_a_module_is_run_like_a_script(executor: Executor, stop: threading.Event, tmp_path: Path) -> None:
    (tmp_path / "value.json").write_text("[1]")
    ended = executor.run(job(tmp_path, "-P", "-m", "json.tool", "--compact", tmp_path / "value.json"), stop)
    assert ended.code == 0
    assert (tmp_path / "out").read_text() == "[1]\n"


@pytest.mark.parametrize(
    ("source", "code", "complaint"),
    [
        ("pass", 0, ""),
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('no')", 1, "no\n"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
    ],
)
def test_a_programs_exit_code_and_complaint_come_through(
    executor: Executor, stop: threading.Event, tmp_path: Path, source: str, code: int, complaint: str
) -> None:
    assert executor.run(script(tmp_path, source), stop).code == code
    assert (tmp_path / "err").read_text().endswith(complaint)


def test_a_second_attempt_overwrites_what_the_first_wrote(
    executor: Executor, stop: threading.Event, tmp_path: Path
) -> None:
    executor.run(script(tmp_path, "print('first, and long')"), stop)
    executor.run(script(tmp_path, "print('second')"), stop)
    assert (tmp_path / "out").read_text() == "second\n"


def test_the_start_is_told_with_the_slot(executor: Executor, stop: threading.Event, tmp_path: Path) -> None:
    told: list[str] = []
    ended = executor.run(training(tmp_path), stop, told.append)
    assert told == [ended.slot]
    assert ended.slot != ""


def test_times_are_measured_and_aware_of_their_zone(
    executor: Executor, stop: threading.Event, tmp_path: Path
) -> None:
    ended = executor.run(script(tmp_path, "import time; time.sleep(.2)"), stop)
    between = (ended.ended_at - ended.started_at).total_seconds()
    assert 0.2 <= ended.wall_seconds <= between + 0.1 < 20
    assert ended.started_at.utcoffset() is not None


def test_a_job_stopped_beforehand_never_starts(
    executor: Executor, stop: threading.Event, tmp_path: Path
) -> None:
    stop.set()
    ended = executor.run(training(tmp_path), stop)
    assert (ended.code, ended.reason, ended.slot, ended.wall_seconds) == (STOPPED, "stopped", "", 0)
    assert not (tmp_path / "out").exists()


def test_a_closed_executor_starts_nothing(executor: Executor, stop: threading.Event, tmp_path: Path) -> None:
    executor.close()
    assert executor.run(training(tmp_path), stop).reason == "stopped"
    assert not (tmp_path / "out").exists()


def test_an_unwritable_report_is_an_error(executor: Executor, stop: threading.Event, tmp_path: Path) -> None:
    nowhere = replace(training(tmp_path), stdout=tmp_path / "missing" / "out")
    with pytest.raises(FileNotFoundError, match="missing/out"):
        executor.run(nowhere, stop)


def test_an_executor_of_this_machine_refuses_what_is_said_of_another() -> None:
    elsewhere = ClusterOptions(address="head:6379", partition="long")
    with pytest.raises(ExecutorError, match="--address head:6379 has no effect with --executor local"):
        executors.load("local").create("cpu", place=elsewhere)


def test_inline_refuses_what_it_cannot_run(stop: threading.Event, tmp_path: Path) -> None:
    opened = inline.create()
    with pytest.raises(ExecutorError, match=r"runs a Python script or module, not '.* -c pass'"):
        opened.run(job(tmp_path, "-c", "pass"), stop)


def test_inline_has_one_slot() -> None:
    with pytest.raises(ExecutorError, match="--slots 2: the inline executor has 1 worker"):
        inline.create(slots=2)


def test_inline_gives_back_the_standard_streams(stop: threading.Event, tmp_path: Path) -> None:
    before = (sys.stdout, sys.stderr, sys.argv)
    inline.create().run(script(tmp_path, "1 / 0"), stop)
    assert (sys.stdout, sys.stderr, sys.argv) == before


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"command": ()}, "the command of a job is empty"),
        ({"timeout_seconds": 0.0}, "timeout_seconds=0.0"),
        ({"grace_seconds": float("inf")}, "grace_seconds=inf"),
        ({"stdout": Path("out")}, "out is a relative path"),
    ],
)
def test_a_job_that_makes_no_sense_is_refused(
    tmp_path: Path, change: dict[str, object], complaint: str
) -> None:
    sound = job(tmp_path, "-c", "pass")
    with pytest.raises(ValueError, match=complaint):
        replace(sound, **change)  # type: ignore[arg-type]  # that is what is tested
