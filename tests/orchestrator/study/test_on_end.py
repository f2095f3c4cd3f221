"""The command that is run when a study ends, whatever its end, and that it cannot harm the study."""

import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from orchestrator.search.common_failure import TrainingsFailed
from orchestrator.spec.command_options import BadOption
from orchestrator.study import session
from orchestrator.trainer_client import Stopped, TrainerRefused
from results.db.store import Store
from tests.orchestrator._processes import eventually
from tests.orchestrator._studies import command, evaluate, run, settled, train, typed

NOTICE = """
import json, os
told = {name: os.environ["NAS_" + name] for name in ("STUDY", "STATE", "SUMMARY")}
with open("WHERE", "a") as file:
    print(json.dumps(told), file=file)
"""
FEW: dict[str, Any] = {"trials": 3, "replicates": 2}


def notice(folder: Path) -> str:
    (folder / "notice.py").write_text(NOTICE.replace("WHERE", str(folder / "told")))
    return f"{sys.executable} {folder / 'notice.py'}"


def told(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "told").read_text().splitlines()]


def state(folder: Path) -> str:
    with Store(folder / "results.db", read_only=True) as store:
        found = store.study("s")
        assert found is not None
        return found.state


def test_a_study_that_has_finished_tells_so_once(tmp_path: Path) -> None:
    run(tmp_path, **FEW, on_end=notice(tmp_path))
    assert told(tmp_path) == [
        {"STUDY": "s", "STATE": "finished", "SUMMARY": "the search has spent its 3 trainings"}
    ]
    run(tmp_path, **FEW, on_end=notice(tmp_path))
    assert len(told(tmp_path)) == 1, "it had ended before"


@pytest.mark.parametrize("command", [evaluate, train])
def test_so_do_evaluations_and_final_trainings(tmp_path: Path, command: Any) -> None:
    command(tmp_path, on_end=notice(tmp_path))
    assert [one["STATE"] for one in told(tmp_path)] == ["finished"]


def test_a_study_that_fails_tells_why(tmp_path: Path) -> None:
    with pytest.raises((TrainerRefused, TrainingsFailed)):
        run(tmp_path, **FEW, data="fake:refuse_late", on_end=notice(tmp_path))
    (one,) = told(tmp_path)
    assert one["STATE"] == state(tmp_path) == "failed"
    assert "refused as asked" in one["SUMMARY"]


def test_a_study_that_is_stopped_tells_so(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        run(tmp_path, stop, **FEW, on_end=notice(tmp_path))
    assert told(tmp_path) == [{"STUDY": "s", "STATE": "stopped", "SUMMARY": "stopped by the user"}]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/no/such/program", "--on-end cannot be run: .*No such file"),
        (f"{sys.executable} -c 'raise SystemExit(\"no network\")'", "failed with exit code 1: no network"),
        (f"{sys.executable} -c 'import time; time.sleep(600)'", "did not end within 0.5 s"),
    ],
    ids=["absent", "failing", "hanging"],
)
def test_a_notice_that_fails_is_said_and_the_study_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, words: str
) -> None:
    monkeypatch.setattr(session, "_NOTICE_SECONDS", 0.5 if "sleep" in command else 60.0)
    printed = run(tmp_path, **FEW, on_end=command)
    assert re.search(words, printed)
    assert state(tmp_path) == "finished"


def test_all_that_a_hanging_notice_started_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_NOTICE_SECONDS", 1.0)
    (tmp_path / "hang.sh").write_text(f"sleep 600 & echo $! > {tmp_path}/pid; wait")
    assert "did not end within 1 s" in run(tmp_path, **FEW, on_end=f"sh {tmp_path / 'hang.sh'}")
    child = (tmp_path / "pid").read_text().strip()
    assert eventually(lambda: not Path(f"/proc/{child}").exists())


@pytest.mark.slow
def test_a_second_interrupt_ends_a_notice_that_hangs(tmp_path: Path) -> None:
    (tmp_path / "hang.sh").write_text(f"touch {tmp_path}/hangs; exec sleep 600")
    asked = ("--base=senet18", "--study=s", "--data=fake:sleep=0.1", "--budget=10steps", "--trials=999")
    words = command(tmp_path, *asked, f"--on-end=sh {tmp_path}/hang.sh")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert eventually((tmp_path / "s" / "00001").exists)
        process.send_signal(signal.SIGINT)
        assert eventually((tmp_path / "hangs").exists)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=50)  # less than it may take by itself
    assert "--on-end was stopped; the study is as it was" in printed
    assert (process.returncode, state(tmp_path)) == (130, "stopped")


@pytest.mark.parametrize(("command", "words"), [("", "empty"), ("'", "No closing quotation")])
def test_a_command_that_is_none_is_refused(tmp_path: Path, command: str, words: str) -> None:
    with pytest.raises(BadOption, match=words):
        settled(tmp_path, on_end=command)


def test_no_shell_reads_it(tmp_path: Path) -> None:
    run(tmp_path, **FEW, on_end=f"{notice(tmp_path)} ; touch {tmp_path / 'owned'}")
    assert not (tmp_path / "owned").exists()
    assert len(told(tmp_path)) == 1


def test_the_command_line_takes_it(tmp_path: Path) -> None:
    few = (
        "--trials=2",
        "--replicates=1",
        "--budget=10steps",
        "--data=fake:",
        "--solver=random",
        "--confirm=0",
    )
    ended = typed(tmp_path, "--base=senet18", "--study=s", *few, f"--on-end={notice(tmp_path)}")
    assert ended.returncode == 0, ended.stderr
    assert len(told(tmp_path)) == 1
