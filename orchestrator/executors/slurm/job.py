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
from typing import Any

from orchestrator.executors import ExecutorError, Exit, Reason
from orchestrator.executors.slurm import commands, job_files
from orchestrator.executors.slurm.commands import Away, JobState, Queue
from orchestrator.executors.slurm.job_files import LOG, JobFile

LOOK_SECONDS = 0.3  # between two checks of the folder
NODE_PROGRAM = Path(__file__).resolve().with_name("batch_script.py")
SETTLED_IF_STOPPED_SECONDS = 5.0
NOT_BY_ITSELF_SECONDS = 10.0  # beyond both graces, before a job that was asked to stop is cancelled
PATIENCE_IF_STOPPED_SECONDS = 30.0  # with a slurmctld that is away
SIGNAL_SECONDS = 1.0  # between two requests to stop

_REASONS: Mapping[str, Reason] = {
    "OUT_OF_MEMORY": "memory"
}  # of a job that left no result; with any other state it counts as lost

logger = logging.getLogger(__name__)


@dataclass
class SlurmJob:
    """One job in SLURM. `settle_seconds`: by how much the folder may lag behind squeue."""

    order: JobFile
    options: Sequence[str]
    queue: Queue
    settle_seconds: float
    stopped: Callable[[], bool]
    started: Callable[[str], None]
    _given_at: float | None = None  # monotonic; None if SLURM may not have it yet
    _tried_at: float | None = None  # when it was last submitted
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
            self._hear_of_start()
            result = self.order.result()
            if result is not None:
                return self._ended(result)
            if self._given_at is None:
                if self.stopped() and not self._may_be_there:
                    return Exit.before_start()
                self._give()
            elif (end := self._watch()) is not None:
                return end
            time.sleep(LOOK_SECONDS)

    def abandon(self) -> None:
        """Have SLURM end the job, and stop following it."""
        self.order.forget()  # this ends it as well, if SLURM cannot be reached
        with suppress(Away):
            commands.cancel(self.order.key)

    @property
    def _may_be_there(self) -> bool:
        """Whether SLURM may have the job: from an earlier orchestrator, or from a lost answer."""
        return self.order.is_kept or self._tried_at is not None

    def _give(self) -> None:
        """Submit the job, unless SLURM has it."""
        if self.stopped():
            self._given_at = time.monotonic()  # it is cancelled if it is there
        elif self._tried_at is None and self.order.is_kept:
            self._find()
        elif self._tried_at is None or time.monotonic() - self._tried_at > self.queue.interval:
            self._submit()

    def _find(self) -> None:
        """Follow the job that an earlier orchestrator submitted, or else submit it."""
        is_fresh, standing = self.queue.standing(self.order.key, self._opened_at)
        if standing is not None and not standing.is_over:
            logger.info("following job %d of %s, which SLURM has", standing.number, self.order.folder)
            self._given_at = self._opened_at
        elif is_fresh:
            self._submit()

    def _submit(self) -> None:
        self._tried_at = time.monotonic()
        command = (sys.executable, "-I", "-S", str(NODE_PROGRAM), self.order.folder, self.order.key)
        try:
            commands.submit(self.order.key, self.options, (self.order.folder, *command))
        except Away as problem:
            self.queue.forgive(problem)
        else:
            self._given_at = time.monotonic()

    def _hear_of_start(self) -> None:
        began = self.order.began()
        if began is None:
            return
        if self._node is None:
            self._restarts = began["restarts"]
            self.started(began["node"])
        elif began["restarts"] > self._restarts:
            self._restarts = began["restarts"]
            where = (began["job"], self.order.folder, began["node"], self._restarts)
            logger.warning("SLURM has requeued job %s of %s: it starts again on %s, requeue %d", *where)
        self._node, self._began_at = began["node"], began["at"]

    def _watch(self) -> Exit | None:
        """Check squeue and forward our stop. Return how the job ended, if it left no result."""
        assert self._given_at is not None
        is_fresh, standing = self.queue.standing(self.order.key, self._given_at)
        if is_fresh and (standing is None or standing.is_over):
            self._gone_since = self._gone_since or time.monotonic()
            if time.monotonic() - self._gone_since > self._patience():
                return self._lost(standing)
            return None
        self._gone_since = None
        if self.stopped():
            self._stop(standing)
        elif standing is not None and standing.state == "PENDING":
            self._check_that_it_can_start(standing)
        return None

    def _patience(self) -> float:
        """Seconds to wait for the result of a job that squeue no longer lists."""
        if not self.stopped():
            return self.settle_seconds
        return 0.0 if self._node is None else min(self.settle_seconds, SETTLED_IF_STOPPED_SECONDS)

    def _stop(self, standing: JobState | None) -> None:
        """Ask the job to end its trial, or cancel it if it has not started."""
        now = time.monotonic()
        self._stopping_since = self._stopping_since or now
        if now - self._signalled_at < SIGNAL_SECONDS:
            return
        self._signalled_at = now
        enough = 2 * self.order.job.grace_seconds + NOT_BY_ITSELF_SECONDS
        listens = self._node is not None and (standing is None or standing.state != "PENDING")
        is_asked = listens and now - self._stopping_since < enough
        try:
            commands.cancel(self.order.key, *(("--signal=USR1", "--batch") if is_asked else ()))
        except Away as problem:
            self.queue.forgive(problem, PATIENCE_IF_STOPPED_SECONDS)

    def _check_that_it_can_start(self, standing: JobState) -> None:
        if standing.reason.replace(" ", "_") not in commands.NEVER:
            return
        raise ExecutorError(
            f"SLURM will not start job {standing.number}: {standing.reason}; it was asked for by "
            f"{' '.join(self.options)}, so give a --timeout, --partition or --account that it accepts"
        )

    def _ended(self, result: Mapping[str, Any]) -> Exit:
        if "refused" in result:
            raise ExecutorError(f"on {result['node']}: {result['refused']}")
        return job_files.exit_of(result)

    def _lost(self, standing: JobState | None) -> Exit:
        """Return the exit of a job that left no result."""
        if self.stopped() and self._node is None:
            return Exit.before_start()
        number, state = (standing.number, standing.state) if standing else ("", "gone from its queue")
        if self._node is None and state == "FAILED":
            raise ExecutorError(
                f"job {number} failed before its trial started ({self.order.last_words() or 'no word'}); its "
                f"node needs {sys.executable} and {self.order.folder} under these paths: see {LOG} there"
            )
        said = f"its job {number} of SLURM left no result and is {state}"
        ended = datetime.now(UTC)
        began = datetime.fromtimestamp(self._began_at, UTC) if self._node else ended
        most = self.order.job.timeout_seconds + 2 * self.order.job.grace_seconds  # clocks may differ, or jump
        seconds = min(max(0.0, (ended - began).total_seconds()), most)
        reason: Reason = "stopped" if self.stopped() else _REASONS.get(state, "lost")
        return Exit(-signal.SIGKILL, reason, self._node or "", seconds, began, ended, said)
