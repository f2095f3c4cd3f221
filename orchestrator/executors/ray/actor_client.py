"""Call a trial's actor in a Ray cluster, forward our stop, and detect when the actor is gone.

Ray's cancellation does not interrupt a method that waits for a process, so it is not used. The actor is
told to stop by a call; only if it does not answer in time is it killed.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from orchestrator.executors import ExecutorError, Job
from orchestrator.executors.ray.cluster import import_ray

POLL_SECONDS = 0.1
AGAIN_SECONDS = 1.0  # between two calls to an actor that cannot be reached
UNREACHABLE_SECONDS = 60.0  # without an answer, after which its trial counts as lost
SPARE_SECONDS = 5.0  # for an answer, on top of what a trial may take to end


class Gone(Exception):
    """The actor has died or does not answer; the message says which."""


class Line:
    """The connection to the actor of one job. `stopped` is polled while it waits for an answer."""

    def __init__(self, actor: Any, job: Job, stopped: Callable[[], bool]) -> None:
        self._actor = actor
        self._stopped = stopped
        self._ending_seconds = 2 * job.grace_seconds + SPARE_SECONDS
        self._told: float | None = None

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method and return the actor's answer, with retries. Raises Gone or ExecutorError."""
        errors = import_ray().exceptions
        away_since: float | None = None  # not since the call: we may have been suspended meanwhile
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
        """Have the trial ended and its files removed, then end the actor."""
        ray = import_ray()
        with suppress(ray.exceptions.RayError):  # it is gone already, or does not answer
            seconds = self._ending_seconds
            ray.get(self._actor.end.remote(seconds - SPARE_SECONDS), timeout=seconds)
        with suppress(ray.exceptions.RayError):
            ray.kill(self._actor, no_restart=True)

    def _answer(self, method: str, *arguments: Any) -> Any:
        ray = import_ray()
        answer = getattr(self._actor, method).remote(*arguments)
        while not ray.wait([answer], timeout=POLL_SECONDS)[0]:
            if self._told is None and self._stopped():
                self._told = time.monotonic()
                self._actor.stop.remote()
            if self._told is not None and time.monotonic() - self._told > self._ending_seconds:
                raise Gone("it did not end when it was told to")
        return ray.get(answer)


def one_line(error: Exception) -> str:
    """Return the beginning of Ray's message, which may be pages long."""
    return " ".join(str(error).split())[:300]
