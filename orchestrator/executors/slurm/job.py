"""Follow one job in SLURM, from its submission to its result.

The result is a file that the job writes to its folder; squeue only tells whether one is still to come. So the
end of a trial is noticed even while slurmctld is away, and SLURM's accounting is not needed.
"""

import logging
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.executors import ExecutorError, Exit, Reason
from orchestrator.executors.slurm import commands, job_files
from orchestrator.executors.slurm.commands import Away, JobQueue, JobState
from orchestrator.executors.slurm.job_files import LOG, JobFile

LOOK_SECONDS = 0.3  # between two checks of the folder
BATCH_SCRIPT = Path(__file__).resolve().with_name("batch_script.py")
SETTLE_IF_STOPPED_SECONDS = 5.0
STOP_SECONDS = 10.0  # beyond both graces, before a job that was asked to stop is cancelled
PATIENCE_IF_STOPPED_SECONDS = 30.0  # with a slurmctld that is away
SIGNAL_SECONDS = 1.0  # between two requests to stop

# of a job that left no result; with any other state it counts as lost
_REASONS: Mapping[str, Reason] = {"OUT_OF_MEMORY": "memory"}

logger = logging.getLogger(__name__)


@dataclass
class SlurmJob:
    """One job in SLURM. `settle_seconds`: by how much the folder may lag behind squeue."""

    job_file: JobFile
    options: Sequence[str]
    queue: JobQueue
    settle_seconds: float
    stopped: Callable[[], bool]
    started: Callable[[str], None]
    _submitted_at: float | None = None  # monotonic; None if SLURM may not have it yet
    _attempted_at: float | None = None  # when it was last submitted
    _node: str | None = None  # None before it has started
    _began_at: float = 0.0
    _restarts: int = 0
    _gone_since: float | None = None
    _stopping_since: float | None = None
    _signalled_at: float = -1e9
    _opened_at: float = field(default_factory=time.monotonic)

    def run(self) -> Exit:
        """Return how the job ended, once all its processes have. Raises ExecutorError."""
        while True:
            self._check_start()
            result = self.job_file.read_result()
            if result is not None:
                if "refused" in result:
                    raise ExecutorError(f"on {result['node']}: {result['refused']}")
                return job_files.parse_exit(result)
            if self._submitted_at is None:
                if (self.stopped() or self.job_file.job.follow_only) and not self._may_exist:
                    return Exit.before_start()
                self._ensure_submitted()
            elif (end := self._check_queue()) is not None:
                return end
            time.sleep(LOOK_SECONDS)

    def abandon(self) -> None:
        """Have SLURM end the job, and stop following it."""
        self.job_file.remove()  # this ends it as well, if SLURM cannot be reached
        with suppress(Away):
            commands.cancel(self.job_file.key)

    @property
    def _may_exist(self) -> bool:
        """Whether SLURM may have the job: from an earlier orchestrator, or from a lost answer."""
        return self.job_file.is_kept or self._attempted_at is not None

    def _ensure_submitted(self) -> None:
        """Submit the job, unless SLURM has it."""
        if self.stopped():
            self._submitted_at = time.monotonic()  # it is cancelled if it is there
        elif self._attempted_at is None and self.job_file.is_kept:
            self._follow_earlier()
        elif self._attempted_at is None or time.monotonic() - self._attempted_at > self.queue.interval:
            self._submit()

    def _follow_earlier(self) -> None:
        """Follow the job that an earlier orchestrator submitted, or else submit it."""
        is_fresh, state = self.queue.find(self.job_file.key, self._opened_at)
        if self.job_file.job.follow_only:
            self._submitted_at = self._opened_at  # if it is gone, it counts as lost
        elif state is not None and not state.is_over:
            logger.info("following job %d of %s, which SLURM has", state.number, self.job_file.folder)
            self._submitted_at = self._opened_at
        elif is_fresh:
            self._submit()

    def _submit(self) -> None:
        self._attempted_at = time.monotonic()
        command = (sys.executable, "-I", "-S", str(BATCH_SCRIPT), self.job_file.folder, self.job_file.key)
        try:
            commands.submit(self.job_file.key, self.options, (self.job_file.folder, *command))
        except Away as problem:
            self.queue.report_away(problem)
        else:
            self._submitted_at = time.monotonic()

    def _check_start(self) -> None:
        began = self.job_file.read_begun()
        if began is None:
            return
        if self._node is None:
            self._restarts = began["restarts"]
            self.started(began["node"])
        elif began["restarts"] > self._restarts:
            self._restarts = began["restarts"]
            where = (began["job"], self.job_file.folder, began["node"], self._restarts)
            logger.warning("SLURM has requeued job %s of %s: it starts again on %s, requeue %d", *where)
        self._node, self._began_at = began["node"], began["at"]

    def _check_queue(self) -> Exit | None:
        """Check squeue and forward our stop. Return how the job ended, if it left no result."""
        assert self._submitted_at is not None
        is_fresh, state = self.queue.find(self.job_file.key, self._submitted_at)
        if is_fresh and (state is None or state.is_over):
            self._gone_since = self._gone_since or time.monotonic()
            if time.monotonic() - self._gone_since > self._settle_time():
                return self._exit_without_result(state)
            return None
        self._gone_since = None
        if self.stopped():
            self._stop(state)
        elif state and state.state == "PENDING" and state.reason.replace(" ", "_") in commands.NEVER:
            raise ExecutorError(
                f"SLURM will not start job {state.number}: {state.reason}; it was asked for by "
                f"{' '.join(self.options)}, so give a --timeout, --partition or --account that it accepts"
            )
        return None

    def _settle_time(self) -> float:
        """Seconds to wait for the result of a job that squeue no longer lists."""
        if not self.stopped():
            return self.settle_seconds
        return 0.0 if self._node is None else min(self.settle_seconds, SETTLE_IF_STOPPED_SECONDS)

    def _stop(self, state: JobState | None) -> None:
        """Ask the job to end its trial, or cancel it if it has not started."""
        now = time.monotonic()
        self._stopping_since = self._stopping_since or now
        if now - self._signalled_at < SIGNAL_SECONDS:
            return
        self._signalled_at = now
        enough = 2 * self.job_file.job.grace_seconds + STOP_SECONDS
        listens = self._node is not None and (state is None or state.state != "PENDING")
        is_asked = listens and now - self._stopping_since < enough
        try:
            commands.cancel(self.job_file.key, *(("--signal=USR1", "--batch") if is_asked else ()))
        except Away as problem:
            self.queue.report_away(problem, PATIENCE_IF_STOPPED_SECONDS)

    def _exit_without_result(self, state: JobState | None) -> Exit:
        """Return the exit of a job that left no result."""
        if self.stopped() and self._node is None:
            return Exit.before_start()
        number, name = (state.number, state.state) if state else ("", "gone from its queue")
        if self._node is None and name == "FAILED":
            why = self.job_file.last_line() or "no message"
            raise ExecutorError(
                f"job {number} failed before its trial started ({why}); its node needs {sys.executable} "
                f"and {self.job_file.folder} under these paths: see {LOG} there"
            )
        said = f"its job {number} of SLURM left no result and is {name}"
        ended = datetime.now(UTC)
        began = datetime.fromtimestamp(self._began_at, UTC) if self._node else ended
        job = self.job_file.job
        most = job.timeout_seconds + 2 * job.grace_seconds  # clocks may differ, or jump
        seconds = min(max(0.0, (ended - began).total_seconds()), most)
        reason: Reason = "stopped" if self.stopped() else _REASONS.get(name, "lost")
        return Exit(-signal.SIGKILL, reason, self._node or "", seconds, began, ended, said)
