"""A host and its conversation, as an executor has it (docs/trainer-protocol.md, `COMMAND host`)."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

ROOT = Path(__file__).parents[2]
TRAINER = [sys.executable, "-P", "-m", "trainer"]
ANY_PROGRAM = [sys.executable, str(ROOT / "tests" / "hosting_trainer.py")]  # runs what TRIAL_SOURCE says
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONPATH": str(ROOT),
}


@dataclass(frozen=True)
class Trial:
    """A trial that was asked for: what is said of it, and the files it prints to."""

    connection: socket.socket
    heard: BinaryIO
    out: Path
    err: Path

    def words(self) -> list[str]:
        """The next line's."""
        return self.heard.readline().decode().split()

    def started(self) -> int:
        """Its process id."""
        word, pid = self.words()
        assert word == "started"
        return int(pid)

    def hang_up(self) -> None:
        self.heard.close()
        self.connection.close()

    def ending(self) -> list[str]:
        """What is said of its end but for the times, once the connection has ended as well."""
        *_, last = self.heard.read().splitlines()
        return last.decode().split()[:3]


@dataclass(frozen=True)
class Host:
    """A running host: its process, our end of its socket, and the trials that it was asked for."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    heard: BinaryIO
    trials: list[Trial] = field(default_factory=list)


@contextmanager
def hosting(command: Sequence[str], errors: Path, **changes: str) -> Iterator[Host]:
    """A host that is killed in the end if it is still there; `errors` takes its stderr."""
    control, theirs = socket.socketpair()
    with theirs, errors.open("wb") as stderr:
        process = subprocess.Popen(
            [*command, "host"],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env={**ENVIRONMENT, **changes},
        )
    with process, control, control.makefile("rb") as heard:
        host = Host(process, control, heard)
        yield host
        for trial in host.trials:
            trial.hang_up()
        process.kill()


def ask(
    host: Host,
    folder: Path,
    *arguments: str,
    lock: BinaryIO | None = None,
    timeout_seconds: float = 60.0,
    grace_seconds: float = 5.0,
    environment: Mapping[str, str] = ENVIRONMENT,
) -> Trial:
    """Ask for a trial in a folder of its own."""
    folder.mkdir(exist_ok=True)
    ours, theirs = socket.socketpair()
    with theirs:
        socket.send_fds(host.control, [b"t"], [theirs.fileno()])
    request = {
        "arguments": arguments,
        "folder": str(folder),
        "environment": dict(environment),
        "timeout_seconds": timeout_seconds,
        "grace_seconds": grace_seconds,
    }
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        held = [out.fileno(), err.fileno(), *([lock.fileno()] if lock else [])]
        socket.send_fds(ours, [json.dumps(request).encode() + b"\n"], held)
    host.trials.append(Trial(ours, ours.makefile("rb"), folder / "out", folder / "err"))
    return host.trials[-1]


def ask_for(host: Host, folder: Path, source: str, **settings: float) -> Trial:
    """Ask a host of any program for a trial that runs this source."""
    return ask(host, folder, environment={**ENVIRONMENT, "TRIAL_SOURCE": source}, **settings)  # type: ignore[arg-type]
