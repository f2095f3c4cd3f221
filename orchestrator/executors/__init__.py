"""Run a trial's command on a slot (a worker) and wait until it has ended.

An executor is a module in this folder: its name is the file's, and its `create(device, slots, trainer,
place)` opens it. `run` blocks; to run several trials at once, call it from several threads.
"""

import importlib
import math
import pkgutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol, cast

from orchestrator.exit_codes import ExitCode

Reason = Literal["exited", "timeout", "stopped", "memory", "output", "lost"]

STOPPED = int(ExitCode.STOPPED)  # a trainer's exit code on SIGTERM, and that of a trial that never got a slot


class ExecutorError(Exception):
    """Trials cannot be run as asked: no such device, too many workers, no such program, no folder
    for locks.
    """


@dataclass(frozen=True)
class ClusterOptions:
    """Options of the executors that run trials on other machines; None: not given."""

    address: str | None = None  # HOST:PORT of a cluster, or auto
    gpu_fraction: float | None = None  # of a GPU that one trial takes
    partition: str | None = None  # of the cluster's machines
    account: str | None = None  # that the cluster charges

    def check_only(self, *used: str, executor: str) -> None:
        """Raise ExecutorError for an option that is given but not among `used`."""
        given = [field.name for field in fields(self) if getattr(self, field.name) is not None]
        for name in sorted(set(given) - set(used)):
            option = f"--{name.replace('_', '-')} {getattr(self, name)}"
            raise ExecutorError(f"{option} has no effect with --executor {executor}; omit it")


HERE = ClusterOptions()


@dataclass(frozen=True)
class Job:
    """One command to run once, and the files for its output. All paths are absolute."""

    command: tuple[str, ...]
    folder: Path  # the working directory; it must exist
    stdout: Path  # overwritten
    stderr: Path  # overwritten
    timeout_seconds: float  # wall time after which the job's processes get SIGTERM
    grace_seconds: float = 10.0  # between SIGTERM and SIGKILL
    needed: tuple[Path, ...] = ()  # files outside of `folder` that the command does not name, but reads
    memory_bytes: float | None = None  # of host memory, all its processes; None: the executor's default share
    stdout_bytes: int = 64 << 20  # more ends the job
    stderr_bytes: int = 16 << 20  # of a longer log the middle is cut out, and a line says so
    follow_only: bool = False  # wait for the job of an earlier orchestrator in `folder`, and start none

    def __post_init__(self) -> None:
        if not self.command:
            raise ValueError("the command of a job is empty; give at least the program")
        if not 0 < self.timeout_seconds < math.inf or not 0 <= self.grace_seconds < math.inf:
            raise ValueError(
                f"timeout_seconds={self.timeout_seconds} and grace_seconds={self.grace_seconds} "
                "are out of range; give a finite timeout above 0 and a finite grace of 0 or more"
            )
        relative = [path for path in (self.folder, self.stdout, self.stderr) if not path.is_absolute()]
        if relative:
            raise ValueError(f"{relative[0]} is a relative path; a job needs absolute paths")


@dataclass(frozen=True)
class Exit:
    """How a job ended.

    `code` is the program's own, or minus the number of the signal that killed it. `reason` says what ended
    it: the program itself (or a signal from outside), our timeout, our stop, or our limit of host memory or
    of output. Or the job was lost: its supervisor died or could not start it, which says nothing about the
    job. `said` explains the reason in words, if there is more to say.
    """

    code: int
    reason: Reason
    slot: str  # "gpu-0", "cpu-1"; "" if the job was stopped before it got one
    wall_seconds: float  # that the job held its slot
    started_at: datetime
    ended_at: datetime
    said: str = ""  # such as "lost with its node"
    energy_joules: float | None = None  # of the slot's GPU meanwhile; None if it was not measured
    slept_seconds: float = 0.0  # for which the job was suspended; not part of `wall_seconds`

    @staticmethod
    def before_start() -> "Exit":
        """Return the exit of a job that was stopped while it waited for a slot."""
        now = datetime.now(UTC)
        return Exit(STOPPED, "stopped", slot="", wall_seconds=0.0, started_at=now, ended_at=now)


class StopOfOne(threading.Event):
    """The stop event of one job. It also counts as set when the stop event of all jobs is set."""

    def __init__(self, of_all: threading.Event) -> None:
        super().__init__()
        self._of_all = of_all

    def is_set(self) -> bool:
        return super().is_set() or self._of_all.is_set()


class Executor(Protocol):
    """Runs jobs, at most `slots` at a time."""

    @property
    def name(self) -> str: ...

    @property
    def slots(self) -> int: ...

    @property
    def device(self) -> str:
        """The device of its trials as in trial.json: cuda or cpu."""

    def run(self, job: Job, stop: threading.Event, started: Callable[[str], None] | None = None) -> Exit:
        """Wait for a free slot, run the job there, and return when all its processes have ended.

        May be called from several threads at once. `started` is called with the slot's name when the job
        starts. Once `stop` is set, the job gets SIGTERM, and SIGKILL after its grace; a job that still waits
        for a slot returns at once. Raises ExecutorError if the program cannot be started, and OSError if the
        job's files cannot be written.
        """

    def close(self) -> None:
        """Stop running jobs as `stop` does, and wait for them. A later job is stopped before it starts."""


class ExecutorModule(Protocol):
    """The interface of a module in this folder."""

    def create(
        self,
        device: str = "auto",
        slots: int | None = None,
        trainer: Sequence[str] = (),
        place: ClusterOptions = HERE,
    ) -> Executor:
        """Open the executor. `device` is auto, cpu or cuda; `slots` None means as many as there are.

        `trainer` is the command with which trainings start, for an executor that keeps a process of it ready;
        a job may run another command.

        Raises ExecutorError if the machine cannot provide what is asked for, and for options in `place` that
        the executor does not use.
        """


def check_slots(device: str, slots: int | None) -> None:
    """Raise ExecutorError for an unknown device, or for fewer than one slot."""
    if device not in ("auto", "cpu", "cuda"):
        raise ExecutorError(f"--device {device} is unknown; give auto, cpu or cuda")
    if slots is not None and slots < 1:
        raise ExecutorError(f"--slots {slots} is too few; give 1 or more")


def names() -> list[str]:
    """Return the names of all executors."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def check(name: str) -> None:
    """Raise ExecutorError for a name that no executor has."""
    if name not in names():
        raise ExecutorError(f"--executor {name} is unknown; give one of {', '.join(names())}")


def load(name: str) -> ExecutorModule:
    """Return the module of an executor. Raises ExecutorError for an unknown name."""
    check(name)
    return cast(ExecutorModule, importlib.import_module(f"{__name__}.{name}"))
