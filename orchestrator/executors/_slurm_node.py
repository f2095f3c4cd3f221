"""Run one trial on the node that SLURM gave it, and leave in a file how it ended; standard library only.

It is the batch script of a job, `python -I -S _slurm_node.py FOLDER KEY`, and runs the trial under the guard
that local trials have. The surprise: it ends its trial by itself once nobody wants it, because the order in
the folder is another's, or SLURM, having lost sight of this node, has begun the job again elsewhere; where
SLURM ends it (SIGTERM) it leaves no result, for such a job may be requeued. Ours to stop it is SIGUSR1.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from typing import IO, Any

ORDER, BEGAN, RESULT = "job.json", "job.began.json", "job.result.json"
MOST_REQUEUES = 3
LOOK_SECONDS = 5.0  # between looks at whether anybody still wants the trial
HEARSAY_SECONDS = 0.5  # for SLURM's signal to reach us too where it has ended the trial before us
ENDED_BY_SLURM = (143, -signal.SIGTERM, -signal.SIGKILL)


def main(folder: str, key: str) -> None:
    """Run what the order in `folder` says, if it is the order of `key` and nobody has done it."""
    attempt = Attempt(folder, key)
    order = attempt.order()
    if order is None or read(folder, RESULT).get("key") == key:
        return
    if attempt.restarts > MOST_REQUEUES:
        attempt.give_up()
        return
    attempt.say_begun()  # first, so that an earlier attempt leaves no result without its files
    with fresh(order["stdout"]) as stdout, fresh(order["stderr"]) as stderr:
        attempt.run(order, stdout, stderr)


class Attempt:
    """This run of a job; SLURM may have begun it before, and may begin it again."""

    def __init__(self, folder: str, key: str) -> None:
        self.folder, self.key = folder, key
        self.restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
        self.attempt = uuid.uuid4().hex  # a slurmctld that was killed may begin a job twice
        self.node = os.environ.get("SLURMD_NODENAME") or os.uname().nodename
        self.is_stopped = False  # by the orchestrator, or because nobody wants it any more
        self.is_ended = False  # by SLURM
        self.guard: subprocess.Popen[bytes] | None = None
        signal.signal(signal.SIGUSR1, self._stop)
        signal.signal(signal.SIGTERM, self._end)

    def order(self) -> dict[str, Any] | None:
        """What is to be done; None where the order is not this job's any more."""
        order = read(self.folder, ORDER)
        return order if order.get("key") == self.key else None

    def say_begun(self) -> None:
        began = {"key": self.key, "attempt": self.attempt, "restarts": self.restarts}
        place = {"node": self.node, "job": os.environ.get("SLURM_JOB_ID")}
        write(self.folder, BEGAN, {**began, **place, "at": time.time()})

    def is_wanted(self) -> bool:
        is_latest = read(self.folder, BEGAN).get("attempt") == self.attempt
        return is_latest and self.order() is not None

    def leave(self, **result: Any) -> None:
        write(self.folder, RESULT, {"key": self.key, "node": self.node, **result})

    def give_up(self) -> None:
        why, now = f"lost by SLURM {self.restarts} times, as often as it may be requeued", time.time()
        times = {"started": now, "ended": now, "wall_seconds": 0.0}
        self.leave(code=-signal.SIGKILL, reason="exited", why=why, **times)

    def run(self, order: dict[str, Any], stdout: IO[bytes], stderr: IO[bytes]) -> None:
        started, clock = time.time(), time.monotonic()
        words = [os.getpid(), stdout.fileno(), order["timeout_seconds"], order["grace_seconds"]]
        beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_guard.py")
        self.guard = subprocess.Popen(
            [sys.executable, "-I", "-S", beside, *map(str, words), *order["command"]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            bufsize=0,
            pass_fds=[stdout.fileno()],
            cwd=order["folder"],
            env={**os.environ, **order["environment"]},
            start_new_session=True,
        )
        ending = self._ending()
        times = {"started": started, "ended": time.time(), "wall_seconds": time.monotonic() - clock}
        if ending is not None and self.is_wanted():
            self.leave(**ending, **times)
        self.guard.wait()  # whatever even SIGKILL does not end keeps this node's share of SLURM

    def _ending(self) -> dict[str, Any] | None:
        """How the trial ended, as the guard tells it; None where SLURM ended it."""
        for line in self._lines():
            match line.decode().rstrip().split(" ", 1):
                case ["refused", why]:
                    return {"refused": why}
                case ["ended", ending]:
                    code, reason = ending.split()
                    looks_so = reason == "stopped" or (reason == "exited" and int(code) in ENDED_BY_SLURM)
                    if looks_so and not self.is_stopped:
                        time.sleep(HEARSAY_SECONDS)
                    by_slurm = looks_so and self.is_ended and not self.is_stopped
                    return None if by_slurm else {"code": int(code), "reason": reason}
        return None  # the guard was killed, and with it the trial

    def _lines(self) -> Any:
        """What the guard says; meanwhile the trial is ended if nobody wants it."""
        assert self.guard is not None
        assert self.guard.stdout is not None
        looked = time.monotonic()
        if self.is_stopped or self.is_ended:  # before there was a guard to tell
            self._say_stop()
        while True:
            if select.select([self.guard.stdout], [], [], 1.0)[0]:
                line = self.guard.stdout.readline()
                if not line:
                    return
                yield line
            elif time.monotonic() - looked > LOOK_SECONDS:
                looked = time.monotonic()
                if not self.is_wanted():
                    self._stop()

    def _stop(self, *_: object) -> None:
        self.is_stopped = True
        self._say_stop()

    def _end(self, *_: object) -> None:
        self.is_ended = True
        self._say_stop()

    def _say_stop(self) -> None:
        if self.guard is not None and self.guard.stdin is not None:
            with suppress(OSError):  # it has ended
                os.write(self.guard.stdin.fileno(), b"stop\n")


def fresh(path: str) -> IO[bytes]:
    """Open a new file of this name: an attempt that SLURM has given up may still write to the old one."""
    with suppress(FileNotFoundError):
        os.unlink(path)
    return open(path, "xb")


def read(folder: str, name: str) -> dict[str, Any]:
    """A file's object, empty where there is none."""
    try:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            found: dict[str, Any] = json.load(file)
    except (FileNotFoundError, ValueError):
        return {}
    return found


def write(folder: str, name: str, value: dict[str, Any]) -> None:
    """Write the file whole, or not at all."""
    new = os.path.join(folder, f"{name}.{os.uname().nodename}.{os.getpid()}")
    with open(new, "w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, os.path.join(folder, name))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
