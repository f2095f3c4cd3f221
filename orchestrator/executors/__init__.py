"""Run a trial's command on a slot and wait until it has ended.

An executor is a module in this folder: its name is the file's, and its `create(device, slots, trainer,
place)` opens it. The surprise: `run` blocks, and whoever wants several trials at once calls it from several
threads.
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

Reason = Literal["exited", "timeout", "stopped", "memory", "output", "lost"]

STOPPED = 143  # what a trainer exits with on SIGTERM, and what a trial that never got a slot is given


class ExecutorError(Exception):
    """Trials cannot be run as asked: no such device, too many slots, no such program, no place for locks."""


@dataclass(frozen=True)
class ClusterOptions:
    """Where machines other than this one are found, and how much of them is asked for; None: not given."""

    address: str | None = None  # HOST:PORT of a cluster, or auto
    gpu_fraction: float | None = None  # of a GPU that one trial takes
    partition: str | None = None  # of the cluster's machines
    account: str | None = None  # that the cluster charges

    def check_only(self, *used: str, executor: str) -> None:
        """Raise ExecutorError for what is given and is not among `used`."""
        given = [field.name for field in fields(self) if getattr(self, field.name) is not None]
        for name in sorted(set(given) - set(used)):
            option = f"--{name.replace('_', '-')} {getattr(self, name)}"
            raise ExecutorError(f"{option} says nothing to --executor {executor}; leave it out")


HERE = ClusterOptions()


@dataclass(frozen=True)
class Job:
    """One command to run once, and where what it prints goes. All paths are absolute."""

    command: tuple[str, ...]
    folder: Path  # the working directory; it must exist
    stdout: Path  # overwritten
    stderr: Path  # overwritten
    timeout_seconds: float  # wall time after which the job's processes get SIGTERM
    grace_seconds: float = 10.0  # between SIGTERM and SIGKILL
    memory_bytes: float | None = None  # of host memory, all its processes; None: the executor's usual share
    stdout_bytes: int = 64 << 20  # more ends the job
    stderr_bytes: int = 16 << 20  # of more the middle is cut out, in a line that says so

    def __post_init__(self) -> None:
        if not self.command:
            raise ValueError("a job's command is empty; give at least the program")
        if not 0 < self.timeout_seconds < math.inf or not 0 <= self.grace_seconds < math.inf:
            raise ValueError(
                f"timeout_seconds={self.timeout_seconds} and grace_seconds={self.grace_seconds} "
                "bound nothing; give a timeout above 0 and a grace of 0 or more, both finite"
            )
        relative = [path for path in (self.folder, self.stdout, self.stderr) if not path.is_absolute()]
        if relative:
            raise ValueError(f"{relative[0]} is a relative path; a job needs absolute ones")


@dataclass(frozen=True)
class Exit:
    """How a job ended.

    `code` is the program's own, or the signal's number below zero where a signal killed it. `reason` says
    who ended it: the program itself (or a stranger's signal), our timeout, our stop, our limit of host memory
    or of what it prints; or it was lost: what ran it died, or could not start it, which says nothing of the
    job. `said` has that in words where the reason alone does not tell.
    """

    code: int
    reason: Reason
    slot: str  # "gpu-0", "cpu-1"; "" where the job was stopped before it got one
    wall_seconds: float  # that the job held its slot
    started_at: datetime
    ended_at: datetime
    said: str = ""  # such as "lost with its node"
    energy_joules: float | None = None  # of the slot's GPU meanwhile; None where it was not measured
    slept_seconds: float = 0.0  # that the job was suspended, which are none of `wall_seconds`

    @staticmethod
    def before_start() -> "Exit":
        """The exit of a job that was stopped while it waited for a slot."""
        now = datetime.now(UTC)
        return Exit(STOPPED, "stopped", slot="", wall_seconds=0.0, started_at=now, ended_at=now)


class StopOfOne(threading.Event):
    """A stop of one job, which is set as well once the stop of all jobs is."""

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
        """Where its trials run, as trial.json names it: cuda or cpu."""

    def run(self, job: Job, stop: threading.Event, started: Callable[[str], None] | None = None) -> Exit:
        """Wait for a free slot, run the job there, and return when every process of it is gone.

        May be called from several threads at once. `started` is called with the slot's name when the job
        begins. Once `stop` is set the job gets SIGTERM, and SIGKILL after its grace; a job that still waits
        for a slot returns at once. Raises ExecutorError where the program cannot be started, and OSError
        where the job's files cannot be written.
        """

    def close(self) -> None:
        """Stop what runs as `stop` does, and wait for it. A job given later is stopped before it starts."""


class ExecutorModule(Protocol):
    """What a file in this folder offers."""

    def create(
        self,
        device: str = "auto",
        slots: int | None = None,
        trainer: Sequence[str] = (),
        place: ClusterOptions = HERE,
    ) -> Executor:
        """Open the executor. `device` is auto, cpu or cuda; `slots` None is as many as there are.

        `trainer` is the command that trainings begin with, for an executor that keeps one ready; jobs need
        not be of it.

        Raises ExecutorError where the machine cannot give what is asked, and for what is said of a `place`
        that the executor has no use for.
        """


def check_slots(device: str, slots: int | None) -> None:
    """Raise ExecutorError for a device that does not exist, or too few slots."""
    if device not in ("auto", "cpu", "cuda"):
        raise ExecutorError(f"no device is named {device!r}; use auto, cpu or cuda")
    if slots is not None and slots < 1:
        raise ExecutorError(f"{slots} slots run no trial; give --slots 1 or more")


def names() -> list[str]:
    """The executors there are."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def check(name: str) -> None:
    """Raise ExecutorError for a name that no executor has."""
    if name not in names():
        raise ExecutorError(f"no executor is named {name!r}; choose from {', '.join(names())}")


def load(name: str) -> ExecutorModule:
    """The module of an executor. Raises ExecutorError for an unknown name."""
    check(name)
    return cast(ExecutorModule, importlib.import_module(f"{__name__}.{name}"))
