"""Searches that nobody watches: their terminal is gone, their reader too, or they never had one."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from results.db.store import Store
from tests.orchestrator._processes import eventually
from tests.orchestrator._studies import RUN_COMMAND, command, trials

SMALL = (
    *("--base", "senet18", "--study", "s", "--budget", "10steps", "--solver", "random", "--slots", "1"),
    *("--replicates", "1", "--confirm", "0", "--trials", "3", "--early-stop", "0"),
)


def shell(redirections: str, words: list[str]) -> subprocess.Popen[str]:
    """The command, run by a shell with these redirections or as a part of a pipe."""
    line = f'exec "$@" {redirections}' if "|" not in redirections else f'"$@" {redirections}'
    return subprocess.Popen(
        ["sh", "-c", line, "sh", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def study(folder: Path) -> tuple[str, list[dict[str, object]]]:
    """The state of the study, and what its events say of lost output."""
    with Store(folder / "results.db", read_only=True) as store:
        found = store.study("s")
        assert found is not None
        return found.state, [e.detail for e in store.events(found.id) if e.kind == "output_lost"]


@pytest.mark.parametrize(
    ("redirections", "lost"),
    [
        ("<&-", []),
        (">&- 2>&-", []),
        ("| head -n 1", [{"stream": "stdout", "why": "Broken pipe"}]),
        (">/dev/full", [{"stream": "stdout", "why": "No space left on device"}]),
    ],
)
def test_a_search_outlives_its_streams_and_leaves_it_on_record(
    tmp_path: Path, redirections: str, lost: list[dict[str, object]]
) -> None:
    with shell(redirections, command(tmp_path, *SMALL, "--data", "fake:")) as search:
        _, error = search.communicate(timeout=100)
    assert (search.returncode, error) == (0, "")
    assert study(tmp_path) == ("finished", lost)
    assert {row.reason for row in trials(tmp_path)} == {None}, "no training failed for a descriptor"


def ignoring(*numbers: int) -> Callable[[], None]:
    """What a child does before its program begins, as nohup does, or a script's shell for a job with `&`."""

    def ignore() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)

    return ignore


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_was_ignored_when_a_search_began_does_not_end_it(tmp_path: Path, number: int) -> None:
    words = command(tmp_path, *SMALL, "--data", "fake:sleep=1")
    first = tmp_path / "s" / "00001" / "metrics.jsonl"
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, preexec_fn=ignoring(number)) as search:
        assert eventually(first.exists, 60)
        search.send_signal(number)
        assert search.wait(60) == 0
    assert study(tmp_path) == ("finished", [])


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_was_ignored_when_the_service_began_does_not_end_it(
    tmp_path: Path, number: int
) -> None:
    program = "import sys; from orchestrator.service import cli; sys.argv[0] = 'nas-serve'; cli.main()"
    words = [sys.executable, "-u", "-P", "-c", program, "--runs", str(tmp_path), "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, preexec_fn=ignoring(number)) as service:
        assert service.stdout is not None
        address = re.search(r"http://[\w.:]+", service.stdout.readline())
        assert address is not None
        assert eventually(lambda: answers(address[0]), 30)
        service.send_signal(number)
        time.sleep(0.5)  # in which one that hears it would have ended; only a broken one makes this test wait
        assert answers(address[0])
        service.terminate()
        assert service.wait(30) is not None


def answers(address: str) -> bool:
    try:
        return httpx.get(address, trust_env=False, timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_name_that_is_not_utf_8_is_refused_in_words(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/\xff"
    words = [sys.executable, "-c", RUN_COMMAND.format("nas_search"), "nas-search", "--base", "senet18"]
    ended = subprocess.run([*words, "--runs", folder], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "is not UTF-8 in this locale; rename it" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not os.path.exists(folder)


HOSTILE = """
import json, sys
if sys.argv[1] == "describe":
    for line in sys.stdin:
        words = "no \\x1b]0;mine\\x07\\x1b[2J\\u202egood"
        print(json.dumps({"event": "error", "message": words}), flush=True)
"""


def test_a_trainers_words_command_no_terminal(tmp_path: Path) -> None:
    trainer = tmp_path / "trainer.py"
    trainer.write_text(HOSTILE)
    words = command(tmp_path, *SMALL)
    words[words.index("--trainer") + 1] = f"{sys.executable} {trainer}"
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (2, "nas-search: no good\n")


def test_what_is_logged_commands_no_terminal(tmp_path: Path) -> None:
    program = "import logging; from results import terminal; terminal.prepare(); "
    program += "logging.getLogger('any').warning('no \\x1b[31m%s', '\\x07good')"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stderr == "no good\n"


BEGINS_WITH_A_MARK = """
import runpy, sys
sys.stdout.write("\\ufeff")
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_trainer_may_begin_what_it_prints_with_a_byte_order_mark(tmp_path: Path) -> None:
    words = command(tmp_path, *SMALL, "--data", "fake:")
    trainer = tmp_path / "marked.py"
    trainer.write_text(BEGINS_WITH_A_MARK)
    place = words.index("--trainer") + 1
    words[place] = words[place].replace(sys.executable, f"{sys.executable} {trainer}")
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=100)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert {row.state for row in trials(tmp_path) if row.purpose == "baseline"} == {"completed"}
    first = (tmp_path / "s" / "00001" / "metrics.jsonl").read_text(encoding="utf-8")
    assert first.startswith("\ufeff")
    assert "final" in [json.loads(line)["event"] for line in first.splitlines()[1:]]
