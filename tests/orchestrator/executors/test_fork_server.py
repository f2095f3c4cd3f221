"""Trainings as forks of a host: like any other, and run all the same where there is no host."""

import json
import logging
import os
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.executors import STOPPED, Executor, ExecutorError, local
from orchestrator.executors.local import fork_server
from tests.orchestrator._a_study import two_pretend_gpus
from tests.orchestrator._forks import begun, first_process, train, was_forked
from tests.orchestrator._processes import FAKE_TRAINER, eventually, job, naming, training


def test_a_training_is_a_fork_of_the_host_and_ends_like_any(
    executor: Executor, pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    running = begun(pool, executor, tmp_path / "t", "sleep=.3")
    assert was_forked(first_process(tmp_path / "t"))
    ended = running.result()
    events = [json.loads(line)["event"] for line in (tmp_path / "t" / "out").read_text().splitlines()]
    assert (ended.code, ended.reason, ended.slot) == (0, "exited", "cpu-0")
    assert (events[0], events[-1]) == ("model", "final")
    assert (tmp_path / "t" / "err").read_text() == ""


def test_a_job_that_is_no_training_is_a_fresh_process(
    executor: Executor, trainer: tuple[str, str], tmp_path: Path
) -> None:
    assert executor.run(job(tmp_path / "t", trainer[1], "models"), threading.Event()).code == 0
    assert '"senet18"' in (tmp_path / "t" / "out").read_text()


def test_a_fork_is_pinned_and_has_the_environment_of_its_slot(
    trainer: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = two_pretend_gpus(tmp_path / "locks", trainer=trainer)
    monkeypatch.setenv("MINE", "set after the host had started")
    monkeypatch.setenv("TRIAL_SOURCE", "import json, os; print(json.dumps(dict(os.environ)))")
    executor.run(train(tmp_path / "t"), threading.Event())
    executor.close()
    seen = json.loads((tmp_path / "t" / "out").read_text())
    assert seen == {**os.environ, "CUDA_VISIBLE_DEVICES": "GPU-a", "PYTHONUNBUFFERED": "1"}


def test_forks_on_two_slots_run_at_once(trainer: tuple[str, str], tmp_path: Path) -> None:
    executor = local.create("cpu", slots=2, trainer=trainer)
    jobs = [train(tmp_path / name, "sleep=.5") for name in ("a", "b")]
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda one: executor.run(one, threading.Event()), jobs)
    executor.close()
    assert first.started_at < second.ended_at
    assert second.started_at < first.ended_at


def test_a_trainer_that_knows_no_host_is_no_cause_for_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    executor = local.create("cpu", slots=1, trainer=(sys.executable, str(FAKE_TRAINER)))
    for _ in range(2):
        assert executor.run(training(tmp_path, program=FAKE_TRAINER), threading.Event()).code == 0
    executor.close()
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", "the trainer has no command `host`; every training runs in a new process")
    ]


def test_a_program_that_does_not_exist_is_an_error_with_a_host_too(tmp_path: Path) -> None:
    executor = local.create("cpu", slots=1, trainer=("no-such-trainer",))
    missing = replace(job(tmp_path), command=("no-such-trainer", "train"))
    with pytest.raises(ExecutorError, match="cannot run 'no-such-trainer': No such file"):
        executor.run(missing, threading.Event())
    executor.close()


def test_hosts_that_cannot_serve_are_given_up_after_three(
    trainer: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("HOST_FAULT", "broken")
    executor = local.create("cpu", slots=1, trainer=trainer)
    assert [executor.run(train(tmp_path / "t"), threading.Event()).code for _ in range(5)] == [0] * 5
    executor.close()
    assert len(caplog.records) == 3
    assert "ImportError: broken as asked" in caplog.messages[0]
    assert "(server 3 of 3)" in caplog.messages[2]


def test_a_stop_does_not_wait_for_a_host_that_still_imports(
    trainer: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: ThreadPoolExecutor
) -> None:
    monkeypatch.setenv("HOST_FAULT", "slow")
    monkeypatch.setenv("READY", str(tmp_path / "ready"))
    executor, stop, told = local.create("cpu", slots=1, trainer=trainer), threading.Event(), list[str]()
    running = pool.submit(executor.run, train(tmp_path / "t", "hang"), stop, told.append)
    assert eventually((tmp_path / "t" / "out").exists)
    stop.set()
    ended = running.result(timeout=60)
    assert (ended.code, ended.reason, told) == (STOPPED, "stopped", [])
    (tmp_path / "ready").touch()
    later = begun(pool, executor, tmp_path / "u", "sleep=.3")
    assert was_forked(first_process(tmp_path / "u")), "by the host, which has heard of the first one before"
    assert later.result().code == 0
    assert naming(tmp_path / "t") == []
    assert (tmp_path / "t" / "out").read_text() == ""
    executor.close()


def test_a_program_that_never_greets_is_no_host(
    trainer: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("HOST_FAULT", "deaf")
    monkeypatch.setattr(fork_server, "GREETING_SECONDS", 0.2)
    caplog.set_level(logging.INFO)
    executor = local.create("cpu", slots=1, trainer=trainer)
    assert executor.run(train(tmp_path / "t"), threading.Event()).code == 0
    assert "has no command `host`" in caplog.text
    executor.close()


def test_an_unwritable_report_is_an_error_with_a_host_too(executor: Executor, tmp_path: Path) -> None:
    one = train(tmp_path / "t")
    shutil.rmtree(tmp_path / "t")
    with pytest.raises(FileNotFoundError, match="t/out"):
        executor.run(one, threading.Event())
    assert executor.run(train(tmp_path / "t"), threading.Event()).code == 0


def test_closing_ends_the_host_at_once(trainer: tuple[str, str], tmp_path: Path) -> None:
    executor = local.create("cpu", slots=1, trainer=trainer)
    assert eventually(lambda: naming(tmp_path) != [])
    executor.close()
    assert naming(tmp_path) == []
    assert executor.run(train(tmp_path / "t"), threading.Event()).reason == "stopped"
