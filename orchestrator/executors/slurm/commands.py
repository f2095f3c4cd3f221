"""Use SLURM through its commands: list nodes and jobs, submit and cancel jobs.

Jobs are identified by unique names, not by their numbers. A process that is killed while sbatch runs never
learns the number, but it chose the name before.
"""

import logging
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.executors import ExecutorError

PROGRAMS = ("sbatch", "squeue", "scancel", "sinfo")
SCRIPT = Path(__file__).resolve().with_name("job.sh")
COMMAND_SECONDS = 60.0  # for one of SLURM's commands; each gives up by itself before
OVER = (  # states that a job leaves only by a requeue
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY"),
    *("PREEMPTED", "TIMEOUT", "REVOKED"),
)
NEVER = (  # reasons to wait that only a person can resolve
    *("AccountNotAllowed", "AssociationNotAllowed", "BadConstraints", "DependencyNeverSatisfied"),
    *("InvalidAccount", "InvalidQOS", "PartitionNodeLimit", "PartitionTimeLimit", "QOSNotAllowed"),
    "launch_failed_requeued_held",
)
TEMPORARY = (  # messages while slurmctld is restarted or overloaded
    *("contact slurm controller", "timed out", "temporarily", "connection refused", "connect failure"),
    *("zero bytes", "transport endpoint", "try again", "standby", "communication", "no route to host"),
)
# variables that would affect our commands, if we run in a job or the user filters lists; and those that stay
REMOVED, KEPT = ("SLURM_", "SQUEUE_", "SINFO_", "SCANCEL_"), ("SLURM_CONF", "SLURM_CONF_SERVER")

logger = logging.getLogger(__name__)


class Unreachable(ExecutorError):
    """slurmctld has not answered for too long; our jobs in it go on."""


class Away(Exception):
    """slurmctld does not answer at the moment; the message is that of SLURM's command."""


@dataclass(frozen=True)
class JobState:
    """A job as listed by squeue: `state` and `reason` are SLURM's words, `node` is "" before it has one."""

    number: int
    state: str
    reason: str = ""
    node: str = ""

    @property
    def is_over(self) -> bool:
        return self.state in OVER


@dataclass(frozen=True)
class Node:
    """A node in one of its partitions. `gpus` is 0 if SLURM knows of none."""

    name: str
    partition: str
    is_default: bool  # the partition is
    is_up: bool
    cpus: int
    gpus: int


@dataclass
class JobQueue:
    """Our jobs by name, from one squeue for all of them every `interval` seconds, however many ask.

    slurmctld may be away for `patience` seconds; after that every call raises Unreachable.
    """

    interval: float = 2.0
    patience: float = 600.0
    looks: int = 0  # how often squeue was run
    _jobs: Mapping[str, JobState] = field(default_factory=dict)
    _asked_at: float = -1e9  # time of the last squeue, on the monotonic clock
    _away_since: float | None = None
    _tried_at: float = -1e9
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, name: str, since: float) -> tuple[bool, JobState | None]:
        """Return whether squeue ran after `since` (monotonic), and the job in its list."""
        self._update()
        return self._asked_at > since, self._jobs.get(name)

    def report_away(self, problem: Away, patience: float | None = None) -> None:
        """Note that slurmctld is away. Raise Unreachable if it has been away for too long."""
        if self._away_since is None:
            self._away_since = time.monotonic()
            logger.warning("slurmctld does not answer (%s); waiting for it", problem)
        away = time.monotonic() - self._away_since
        if away > (self.patience if patience is None else patience):
            raise Unreachable(
                f"slurmctld has not answered for {away:.0f} s ({problem}); jobs that run go on, and the same "
                "command follows them once it answers"
            ) from problem

    def _update(self) -> None:
        """Run squeue, unless another thread has just done so or is doing so."""
        if time.monotonic() - self._tried_at < self.interval or not self._lock.acquire(blocking=False):
            return
        try:
            self._tried_at = asked_at = time.monotonic()
            self.looks += 1
            self._jobs = _list_jobs()
            self._asked_at = asked_at
            if self._away_since is not None:
                self._away_since = None
                logger.warning("slurmctld answers again")
        except Away as problem:
            self.report_away(problem)
        finally:
            self._lock.release()


def check_programs() -> None:
    """Raise ExecutorError if SLURM's commands are not installed."""
    for program in PROGRAMS:
        if shutil.which(program) is None:
            raise ExecutorError(
                f"{program} is not on the PATH; --executor slurm needs a machine from which jobs are "
                "submitted, such as the cluster's login node"
            )


def list_nodes() -> list[Node]:
    """Return every node in every partition. Raises ExecutorError if slurmctld does not answer."""
    try:
        lines = _run("sinfo", "--noheader", "--Node", "--format=%N|%R|%P|%T|%c|%G")
    except Away as problem:
        raise ExecutorError(
            f"slurmctld does not answer ({problem}); see what sinfo says, and give the same command again"
        ) from problem
    return [_parse_node(line) for line in lines.splitlines() if line.count("|") >= 5]


def submit(name: str, options: Sequence[str], command: Sequence[str]) -> int:
    """Submit a job and return its number. Raises Away, and ExecutorError if it is refused.

    A job waits until no other job with its name is left (`singleton`). So a job that was accepted without
    our knowing, and is submitted again, runs once.
    """
    fixed = ("--requeue", "--parsable", "--dependency=singleton", "--export=ALL", f"--job-name={name}")
    printed = _run("sbatch", *fixed, *options, str(SCRIPT), *command)
    return int(printed.strip().split(";")[0])


def cancel(name: str, *how: str) -> None:
    """End the jobs with this name, or signal them; a job that has ended is not an error. Raises Away."""
    with suppress(ExecutorError):
        _run("scancel", f"--user={os.getuid()}", f"--name={name}", "--quiet", *how)


def _list_jobs() -> dict[str, JobState]:
    lines = _run("squeue", "--me", "--states=all", "--noheader", "--format=%A|%T|%r|%N|%j").splitlines()
    found: dict[str, JobState] = {}
    for number, state, reason, node, name in (line.split("|", 4) for line in lines if line.count("|") >= 4):
        if name not in found or found[name].is_over:
            found[name] = JobState(int(number), state, "" if reason == "None" else reason, node)
    return found


def _parse_node(line: str) -> Node:
    name, partition, starred, state, cpus, resources = line.split("|", 5)
    is_up = state in ("idle", "mixed", "allocated", "completing", "planned", "idle~", "reserved")
    gpus = sum(map(_count_gpus, re.sub(r"\([^()]*\)", "", resources).split(",")))
    return Node(name, partition, starred.endswith("*"), is_up, int(cpus), gpus)


def _count_gpus(resource: str) -> int:
    """Return the GPUs in one of a node's generic resources, such as gpu, gpu:1, gpu:a100:4 or shard:8."""
    kind, _, rest = resource.partition(":")
    count = rest.rpartition(":")[2] or "1"
    return int(count) if kind == "gpu" and count.isdigit() else 0


def _run(program: str, *arguments: str) -> str:
    """Run one of SLURM's commands and return its stdout. Raises Away, and ExecutorError for other errors."""
    environment = {k: v for k, v in os.environ.items() if k in KEPT or not k.startswith(REMOVED)}
    try:
        done = subprocess.run(
            [program, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
            start_new_session=True,  # so that Ctrl-C in a terminal reaches us alone
        )
    except subprocess.TimeoutExpired as late:
        raise Away(f"{program} has not ended within {COMMAND_SECONDS:.0f} s") from late
    if done.returncode == 0:
        return done.stdout
    message = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
    if any(part in message.lower() for part in TEMPORARY):
        raise Away(message)
    raise ExecutorError(f"{program} refuses: {message}")
