"""Talk to a trial's actor in a Ray cluster: ask it, pass our stop on, and know when it is gone.

The surprise: Ray's own cancellation does not interrupt what waits for a process, so nothing is cancelled
here. The actor is told to stop and answers as ever; only one that does not answer in time is killed.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from orchestrator.executors import ExecutorError, Job
from orchestrator.executors.ray.cluster import imported

POLL_SECONDS = 0.1
AGAIN_SECONDS = 1.0  # between questions to an actor that cannot be reached
UNREACHABLE_SECONDS = 60.0  # that it may not answer for until its trial counts as lost
SPARE_SECONDS = 5.0  # for an answer, on top of what a trial may take to end


class Gone(Exception):
    """The actor has died, or does not answer; the message says which."""


class Line:
    """The line to the actor of one job; `stopped` is asked as long as we wait for an answer."""

    def __init__(self, actor: Any, job: Job, stopped: Callable[[], bool]) -> None:
        self._actor = actor
        self._stopped = stopped
        self._ending_seconds = 2 * job.grace_seconds + SPARE_SECONDS
        self._told: float | None = None

    def ask(self, method: str, *arguments: Any) -> Any:
        """Return the actor's answer, however often it has to be asked. Raises Gone, or ExecutorError."""
        errors = imported().exceptions
        away_since: float | None = None  # not since the question: we may have been suspended meanwhile
        while True:
            try:
                return self._answer(method, *arguments)
            except errors.ActorUnavailableError as error:
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since > UNREACHABLE_SECONDS:
                    raise Gone(f"its node has not answered for {UNREACHABLE_SECONDS:.0f} s") from error
                time.sleep(AGAIN_SECONDS)
            except (
                errors.RayTaskError
            ) as error:  # the actor lives, and something is wrong there: no disk, say
                raise ExecutorError(f"a node of the cluster fails: {one_line(error)}") from error
            except errors.RayError as error:
                text = one_line(error)
                raise Gone("its node has died" if "node has died" in text else text) from error

    def end(self) -> None:
        """Have the trial ended and what is left of it removed; then end the actor."""
        ray = imported()
        with suppress(ray.exceptions.RayError):  # it is gone already, or does not answer
            seconds = self._ending_seconds
            ray.get(self._actor.end.remote(seconds - SPARE_SECONDS), timeout=seconds)
        with suppress(ray.exceptions.RayError):
            ray.kill(self._actor, no_restart=True)

    def _answer(self, method: str, *arguments: Any) -> Any:
        ray = imported()
        answer = getattr(self._actor, method).remote(*arguments)
        while not ray.wait([answer], timeout=POLL_SECONDS)[0]:
            if self._told is None and self._stopped():
                self._told = time.monotonic()
                self._actor.stop.remote()
            if self._told is not None and time.monotonic() - self._told > self._ending_seconds:
                raise Gone("it did not end when it was told to")
        return ray.get(answer)


def one_line(error: Exception) -> str:
    """The beginning of what Ray says, which may be pages."""
    return " ".join(str(error).split())[:300]
