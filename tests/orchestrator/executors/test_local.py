"""Trials as processes of their own: limits, stops, slots, and what a trial finds around it."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.executors import STOPPED, Executor, ExecutorError, local
from tests.orchestrator._processes import HOSTED, alive, eventually, job, training


@pytest.fixture
def executor() -> Iterator[Executor]:
    opened = local.create("cpu", slots=2)
    yield opened
    opened.close()


@pytest.fixture(params=["fresh", "forked", pytest.param("ray", marks=pytest.mark.slow)])
def either(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[Executor]:
    """An executor that starts every training as a process, one that forks it, and one of other machines."""
    if request.param == "ray":
        opened = request.getfixturevalue("three_nodes").executor()
    else:
        opened = local.create("cpu", slots=2, trainer=HOSTED if request.param == "forked" else ())
    yield opened
    assert caplog.messages == [], "a fork that was a fresh process after all"
    opened.close()


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


def after_its_start(folder: Path, act: Callable[[], None], event: str = "machine") -> threading.Thread:
    """A thread that acts once a fake trainer in this folder has told of an event; it heeds SIGTERM then."""

    def wait_and_act() -> None:
        eventually(lambda: (folder / "out").exists() and f'"{event}"' in (folder / "out").read_text())
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


def test_a_trial_beyond_its_time_is_asked_to_end(
    either: Executor, stop: threading.Event, tmp_path: Path
) -> None:
    ended = either.run(training(tmp_path, "fake:hang", timeout_seconds=1.0), stop)
    assert (ended.code, ended.reason) == (STOPPED, "timeout")
    assert 1.0 <= ended.wall_seconds < 20


def test_a_trial_deaf_to_sigterm_is_killed_after_its_grace(
    either: Executor, stop: threading.Event, tmp_path: Path
) -> None:
    deaf = training(tmp_path, "fake:hang,ignore_sigterm", timeout_seconds=0.5, grace_seconds=0.3)
    ended = either.run(deaf, stop)
    assert (ended.code, ended.reason) == (-9, "timeout")
    assert 0.8 <= ended.wall_seconds < 20


def test_a_stop_ends_a_running_trial_at_once(either: Executor, stop: threading.Event, tmp_path: Path) -> None:
    thread = after_its_start(tmp_path, stop.set)
    ended = either.run(training(tmp_path, "fake:hang"), stop)
    thread.join()
    assert (ended.code, ended.reason) == (STOPPED, "stopped")
    assert ended.wall_seconds < 20


def test_closing_ends_a_running_trial_and_waits_for_it(
    either: Executor, stop: threading.Event, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(either.run, training(tmp_path, "fake:hang"), stop)
        after_its_start(tmp_path, either.close).join()
        assert running.result(timeout=60).reason == "stopped"


@pytest.mark.parametrize("kind", ["child", "session", "daemon"])
@pytest.mark.parametrize("then", ["sleep=0", "hang"])
def test_what_a_trial_leaves_behind_is_gone_when_it_has_ended(
    either: Executor, stop: threading.Event, tmp_path: Path, kind: str, then: str
) -> None:
    thread = after_its_start(tmp_path, stop.set if then == "hang" else lambda: None, "grandchild")
    either.run(training(tmp_path, f"fake:grandchild={kind},{then}"), stop)
    thread.join()
    events = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    (left,) = [event["pid"] for event in events if event["event"] == "grandchild"]
    assert not alive(left)


def test_a_signal_from_a_stranger_is_told_by_its_number(
    executor: Executor, stop: threading.Event, tmp_path: Path
) -> None:
    suicide = job(tmp_path, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    ended = executor.run(suicide, stop)
    assert (ended.code, ended.reason) == (-11, "exited")


def test_a_program_that_does_not_exist_is_an_error(
    executor: Executor, stop: threading.Event, tmp_path: Path
) -> None:
    missing = replace(job(tmp_path), command=("no-such-trainer", "train"))
    with pytest.raises(ExecutorError, match="cannot run 'no-such-trainer': No such file"):
        executor.run(missing, stop)
    assert executor.run(job(tmp_path, "-c", "pass"), stop).code == 0  # its slot came back


def test_an_error_in_our_own_report_ends_the_trial(
    either: Executor, stop: threading.Event, tmp_path: Path
) -> None:
    def broken(slot: str) -> None:
        raise RuntimeError(slot)

    with pytest.raises(RuntimeError, match="cpu"):
        either.run(training(tmp_path, "fake:hang"), stop, broken)


def test_no_more_trials_run_at_once_than_there_are_slots(
    executor: Executor, stop: threading.Event, tmp_path: Path
) -> None:
    jobs = [job(tmp_path / str(i), "-c", "import time; time.sleep(.3)") for i in range(5)]
    with ThreadPoolExecutor(5) as pool:
        exits = list(pool.map(lambda one: executor.run(one, stop), jobs))
    together = [sum(b.started_at <= a.started_at < b.ended_at for b in exits) for a in exits]
    assert max(together) == 2
    assert {ended.slot for ended in exits} == {"cpu-0", "cpu-1"}


def test_a_stop_reaches_those_who_wait_for_a_slot(tmp_path: Path) -> None:
    executor, stop = local.create("cpu", slots=1), threading.Event()
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(executor.run, training(tmp_path / "a", "fake:hang"), threading.Event())
        after_its_start(tmp_path / "a", lambda: None).join()
        waiting = pool.submit(executor.run, training(tmp_path / "b"), stop)
        time.sleep(0.1)
        stop.set()
        assert waiting.result(timeout=60).slot == ""
        assert not running.done()
        executor.close()


def test_a_cpu_trial_has_one_thread_and_no_gpu(
    executor: Executor, stop: threading.Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("MINE", "kept")
    executor.run(job(tmp_path, "-c", "import json, os; print(json.dumps(dict(os.environ)))"), stop)
    seen = json.loads((tmp_path / "out").read_text())
    pins = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    assert {**seen, **pins, "MINE": "kept", "PYTHONUNBUFFERED": "1"} == seen


def test_a_trial_is_alone_in_its_session_with_fresh_signals(
    executor: Executor, stop: threading.Event, tmp_path: Path
) -> None:
    source = (
        "import os, signal, sys; "
        "print(os.getsid(0) == os.getpid(), os.getcwd(), sys.stdin.read() == '', "
        "*(signal.getsignal(n) == signal.SIG_DFL for n in (signal.SIGTERM, signal.SIGHUP)), "
        "len(os.listdir('/proc/self/fd')))"
    )
    executor.run(job(tmp_path, "-c", source), stop)
    descriptors = 4  # the standard three, and the one that lists them
    assert (tmp_path / "out").read_text().split() == ["True", str(tmp_path), *["True"] * 3, str(descriptors)]


def test_there_are_as_many_cpu_slots_as_usable_cores() -> None:
    assert local.create("cpu").slots == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("device", "slots", "complaint"),
    [("tpu", None, "--device tpu is unknown; give auto, cpu or cuda"), ("cpu", 0, "--slots 0 is too few")],
)
def test_what_this_machine_cannot_give_is_refused(device: str, slots: int | None, complaint: str) -> None:
    with pytest.raises(ExecutorError, match=complaint):
        local.create(device, slots)
