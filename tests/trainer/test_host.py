"""A host from outside: what its trials find around them, and that none of them outlives its connection."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.trainer._hosting import (
    ANY_PROGRAM,
    ENVIRONMENT,
    TRAINER,
    Host,
    ask,
    ask_for,
    hosting,
)
from tests.trainer.configs import trial

TIMES = {"elapsed_seconds", "step_seconds", "train_seconds", "wall_seconds", "images_per_second"}
TIMES |= {"overshoot_seconds", "reserve_seconds", "started"}
HEAVY = ("torch", "sympy", "numpy", "sklearn")
WAITS = "import time; print('begun', flush=True); time.sleep(600)"


@pytest.fixture
def anys(tmp_path: Path) -> Iterator[Host]:
    """A host of any program, there in milliseconds."""
    with hosting(ANY_PROGRAM, tmp_path / "host") as host:
        yield host


def eventually(holds: Callable[[], bool], seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.01)
    return holds()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def config_file(folder: Path, **changes: Any) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "trial.json").write_text(json.dumps(trial(**changes)))
    return str(folder / "trial.json")


def lines(out: Path) -> list[dict[str, Any]]:
    """The events of a report, without what a clock or the way of starting puts in."""
    events = [json.loads(line) for line in out.read_text().splitlines()]
    return [{key: value for key, value in event.items() if key not in TIMES} for event in events]


def test_a_fork_trains_exactly_as_a_fresh_process_and_imports_nothing_heavy(
    trainers: Host, tmp_path: Path
) -> None:
    config = config_file(tmp_path)
    forked = ask(trainers, tmp_path / "forked", "train", "--config", config)
    with (tmp_path / "fresh").open("wb") as out:
        command = [*TRAINER, "train", "--config", config]
        fresh = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, env=ENVIRONMENT, check=True)
    assert forked.words()[0] == "started"
    assert forked.ending() == ["ended", "0", "exited"]
    assert lines(forked.out) == lines(tmp_path / "fresh")
    assert fresh.stderr == b""
    assert [name for name in HEAVY if name in forked.err.read_text()] == []
    assert '"started": "host"' in forked.out.read_text()
    assert '"started": "process"' in (tmp_path / "fresh").read_text()


def test_two_forks_are_bit_for_bit_equal(trainers: Host, tmp_path: Path) -> None:
    config = config_file(tmp_path)
    forks = [ask(trainers, tmp_path / name, "train", "--config", config) for name in ("a", "b")]
    assert [fork.ending() for fork in forks] == [["ended", "0", "exited"]] * 2
    assert lines(forks[0].out) == lines(forks[1].out)


def test_a_ready_host_has_one_thread_and_no_driver_of_a_gpu(trainers: Host) -> None:
    greeting = [trainers.heard.readline(), trainers.heard.readline()]
    assert greeting == [b"host 1\n", b"ready\n"]
    process = Path(f"/proc/{trainers.process.pid}")
    assert len(list((process / "task").iterdir())) == 1
    assert "libtorch" in (process / "maps").read_text()
    assert not any(Path(link).name.startswith("nvidia") for link in links(process / "fd"))


def test_a_fork_has_the_threads_that_its_environment_says(trainers: Host, tmp_path: Path) -> None:
    wish = {**ENVIRONMENT, "OMP_NUM_THREADS": "2"}
    config = config_file(tmp_path, hyperparameters={"batch_size": 999})  # refused right after `machine`
    forked = ask(trainers, tmp_path / "t", "train", "--config", config, environment=wish)
    assert forked.ending() == ["ended", "2", "exited"]
    assert [event["threads"] for event in lines(forked.out) if event["event"] == "machine"] == [2]


def test_a_refused_configuration_exits_2_from_a_fork_too(trainers: Host, tmp_path: Path) -> None:
    config = config_file(tmp_path, model="vgg")
    forked = ask(trainers, tmp_path / "t", "train", "--config", config)
    assert forked.ending() == ["ended", "2", "exited"]
    assert lines(forked.out)[0]["reason"] == "refused"
    assert "\ntrainer: " in "\n" + forked.err.read_text()


def test_a_fork_stops_on_sigterm_with_the_code_of_the_protocol(trainers: Host, tmp_path: Path) -> None:
    config = config_file(tmp_path, budget={"seconds": 100})
    forked = ask(trainers, tmp_path / "t", "train", "--config", config)
    forked.started()
    assert eventually(lambda: '"plan"' in forked.out.read_text())
    forked.connection.sendall(b"stop\n")
    assert forked.ending() == ["ended", "143", "stopped"]


def test_a_fork_is_alone_with_its_files_its_lock_and_its_environment(anys: Host, tmp_path: Path) -> None:
    source = (
        "import json, os, signal, sys; "
        "paths = [f'/proc/self/fd/{n}' for n in os.listdir('/proc/self/fd')]; "
        "fds = [os.readlink(path) for path in paths if os.path.islink(path)]; "  # not the one that lists
        "blocked = sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())); "
        "print(json.dumps([os.getsid(0) == os.getpid(), os.getcwd(), sys.stdin.read(), fds, blocked, "
        "dict(os.environ), sys.argv[1:], signal.getsignal(signal.SIGTERM) == signal.SIG_DFL]))"
    )
    own = {"TRIAL_SOURCE": source, "MINE": "\udcff only"}
    with (tmp_path / "lock").open("wb") as lock:
        forked = ask(anys, tmp_path / "t", "train", "--x", lock=lock, environment=own)
    assert forked.ending() == ["ended", "0", "exited"]
    leads, folder, stdin, links, blocked, environment, arguments, default = json.loads(forked.out.read_text())
    assert (leads, folder, stdin, blocked, default) == (True, str(tmp_path / "t"), "", [], True)
    assert (environment, arguments) == (own, ["train", "--x"])
    held = ["/dev/null", str(tmp_path / "lock"), str(forked.out), str(forked.err)]
    assert sorted(links) == sorted(held)


@pytest.mark.parametrize(
    ("source", "code", "complaint"),
    [
        ("pass", "0", ""),
        ("import sys; sys.exit(3)", "3", ""),
        ("import sys; sys.exit('no')", "1", "no\n"),
        ("1 / 0", "1", "ZeroDivisionError: division by zero\n"),
        ("import os; os.kill(os.getpid(), 11)", "-11", ""),
    ],
)
def test_an_exit_code_and_a_complaint_come_through(
    anys: Host, tmp_path: Path, source: str, code: str, complaint: str
) -> None:
    forked = ask_for(anys, tmp_path / "t", source)
    assert forked.ending() == ["ended", code, "exited"]
    assert forked.err.read_text().endswith(complaint)


def test_a_trial_beyond_its_time_gets_sigterm(anys: Host, tmp_path: Path) -> None:
    forked = ask_for(anys, tmp_path / "t", WAITS, timeout_seconds=0.3)
    assert forked.ending() == ["ended", "-15", "timeout"]


def test_a_trial_deaf_to_sigterm_is_killed_after_its_grace(anys: Host, tmp_path: Path) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAITS
    forked = ask_for(anys, tmp_path / "t", deaf, grace_seconds=0.3)
    assert eventually(lambda: forked.out.read_text() != "")
    began = time.monotonic()
    forked.connection.sendall(b"stop\n")
    assert forked.ending() == ["ended", "-9", "stopped"]
    assert time.monotonic() - began >= 0.3


LEAVES_BEHIND = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    print(os.getpid(), flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("then", ["", "time.sleep(600)"])
def test_a_daemon_that_a_trial_leaves_is_gone_with_it(anys: Host, tmp_path: Path, then: str) -> None:
    forked = ask_for(anys, tmp_path / "t", LEAVES_BEHIND + "time.sleep(.1)\n" + then)
    assert eventually(lambda: forked.out.read_text().endswith("\n"))
    daemon = int(forked.out.read_text())
    forked.connection.sendall(b"stop\n")
    forked.ending()
    assert not alive(daemon)


def test_a_lock_is_held_until_the_trial_and_all_it_started_are_gone(anys: Host, tmp_path: Path) -> None:
    with (tmp_path / "lock").open("wb") as lock, (tmp_path / "lock").open("wb") as others:
        fcntl.flock(lock, fcntl.LOCK_EX)
        forked = ask_for(anys, tmp_path / "t", LEAVES_BEHIND + "time.sleep(600)", lock=lock)  # type: ignore[arg-type]
        lock.close()
        assert eventually(lambda: forked.out.read_text().endswith("\n"))
        with pytest.raises(BlockingIOError):
            fcntl.flock(others, fcntl.LOCK_EX | fcntl.LOCK_NB)
        forked.connection.sendall(b"stop\n")
        assert forked.ending()[0] == "ended"
        fcntl.flock(others, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_trial_ends_with_its_connection(anys: Host, tmp_path: Path) -> None:
    forked = ask_for(anys, tmp_path / "t", WAITS)
    pid = forked.started()
    forked.hang_up()
    assert eventually(lambda: not alive(pid))


def test_a_request_withdrawn_before_its_turn_is_never_run(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    with hosting(ANY_PROGRAM, tmp_path / "host", HOST_FAULT="slow", READY=str(ready)) as host:
        forked = ask_for(host, tmp_path / "t", "print('ran')")
        forked.connection.shutdown(1)
        ready.touch()
        assert forked.heard.read() == b""
        assert forked.out.read_text() == ""


def test_a_trial_outlives_a_killed_host(anys: Host, tmp_path: Path) -> None:
    forked = ask_for(anys, tmp_path / "t", "import time; print('begun', flush=True); time.sleep(.5)")
    assert eventually(lambda: forked.out.read_text() != "")
    anys.process.kill()
    anys.process.wait()
    assert forked.ending() == ["ended", "0", "exited"]


def test_a_killed_supervisor_takes_its_trial_and_a_daemon_along(anys: Host, tmp_path: Path) -> None:
    forked = ask_for(anys, tmp_path / "t", LEAVES_BEHIND + "time.sleep(600)")
    pid = forked.started()
    assert eventually(lambda: forked.out.read_text().endswith("\n"))
    supervisor = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(supervisor, signal.SIGKILL)
    assert forked.heard.read() == b""
    assert eventually(lambda: not alive(pid) and not alive(int(forked.out.read_text())))
    assert ask_for(anys, tmp_path / "next", "pass").ending() == ["ended", "0", "exited"]


def test_a_host_ends_with_its_socket_and_leaves_no_zombies(anys: Host, tmp_path: Path) -> None:
    forked = ask_for(anys, tmp_path / "t", "pass")
    assert forked.ending() == ["ended", "0", "exited"]
    children = Path(f"/proc/{anys.process.pid}/task/{anys.process.pid}/children")
    assert eventually(lambda: children.read_text() == "")
    anys.heard.close()
    anys.control.close()
    assert anys.process.wait(2) == 0


def test_a_host_with_threads_refuses_to_serve(tmp_path: Path) -> None:
    with hosting(ANY_PROGRAM, tmp_path / "host", HOST_FAULT="threads") as host:
        assert host.heard.read() == b"host 1\n"
    assert "2 threads run after the imports" in (tmp_path / "host").read_text()


def test_a_host_without_a_socket_for_stdin_is_refused_with_a_way_out() -> None:
    ended = subprocess.run(
        [*TRAINER, "host"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=False,
    )
    assert ended.returncode == 2
    assert "stdin must be a Unix socket" in ended.stderr


def links(folder: Path) -> list[str]:
    found = list[str]()
    for entry in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # it was closed since
            found.append(os.readlink(entry))
    return found


@pytest.mark.gpu
def test_a_fork_trains_on_the_gpu_that_it_is_pinned_to(tmp_path: Path) -> None:
    unpinned = {name: value for name, value in ENVIRONMENT.items() if name != "CUDA_VISIBLE_DEVICES"}
    with hosting(TRAINER, tmp_path / "host", CUDA_VISIBLE_DEVICES="0") as host:
        for name in ("a", "b"):
            config = config_file(tmp_path, device="cuda")
            pinned = {**unpinned, "CUDA_VISIBLE_DEVICES": "0"}
            forked = ask(host, tmp_path / name, "train", "--config", config, environment=pinned)
            assert forked.ending() == ["ended", "0", "exited"], forked.err.read_text()
            assert '"device": "cuda"' in forked.out.read_text()


ASKING = """
import torch

asked = []
for module, name, answer in (
    (torch._C, "_cuda_getDeviceCount", 1), (torch._C, "_cuda_init", None),
    (torch.cuda, "is_available", True), (torch.cuda, "device_count", 1),
):
    setattr(module, name, lambda *given, name=name, answer=answer: asked.append(name) or answer)
from trainer import host
host._import_all_a_trial_needs()
print(asked)
"""


@pytest.mark.slow
def test_what_a_host_imports_asks_nothing_of_a_gpu() -> None:
    """CUDA that an import has started is useless in a fork."""
    done = subprocess.run([sys.executable, "-c", ASKING], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
