"""Run one job on a Ray cluster: the orchestrator's side, from finding the actor to fetching the last file.

An actor is named after its job's folder. So a restarted orchestrator finds a trial that is still running, and
follows it instead of starting another one. It then writes the trial's output again from the first byte, since
the node keeps all of it.

Ray's cancellation does not interrupt a method that waits for a process, so it is not used. A call tells the
actor to stop; only if it does not answer in time is it killed.
"""

import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from orchestrator.executors import STOPPED, ExecutorError, Exit, Job
from orchestrator.executors._process.files import identify, replace_file
from orchestrator.executors._process.supervised import Ending
from orchestrator.executors.ray.actor import FILES, Greeting, Status, TrialActor
from orchestrator.executors.ray.cluster import NAMESPACE, Share, import_ray
from orchestrator.executors.ray.transfer import (
    actor_name,
    keep_job_file,
    keep_marker,
    make_transfer,
)

MOST_ACTORS = 30  # that die before they answer
CALLS_AT_ONCE = 8
POLL_SECONDS = 0.1
RETRY_SECONDS = 1.0  # between two calls to an actor that cannot be reached
UNREACHABLE_SECONDS = 60.0  # without an answer, after which its trial counts as lost
UNFINISHED = ".new"  # the end of the name of a file that is being written
SPARE_SECONDS = 5.0  # for an answer, on top of what a trial may take to end

NameSlot = Callable[[str, str], AbstractContextManager[str]]  # (host, its GPUs) -> the slot's name

logger = logging.getLogger(__name__)


@dataclass
class RayJob:
    """One job to run in the cluster, on `share` of a node."""

    job: Job
    share: Share
    stopped: Callable[[], bool]
    started: Callable[[str], None]
    name_slot: NameSlot

    def run(self) -> Exit:
        """Wait for room, run the job and wait for its end.

        Raises ExecutorError if a node cannot run it, OSError if the job's files cannot be written.
        """
        with keep_marker(self.job.folder) as marker:
            found = self._find_actor(marker)
        if found is None:
            return Exit.before_start()
        client, greeting = found
        with (
            closing(client),
            keep_job_file(self.job.folder),
            self.name_slot(greeting.host, greeting.gpus) as slot,
            self.job.stdout.open("wb") as out,
            self.job.stderr.open("wb") as err,
        ):
            return self._follow(client, greeting, slot, out, err)

    def _find_actor(self, marker: tuple[str, str]) -> "tuple[ActorClient, Greeting] | None":
        """Return the actor that runs this job, or will; None if the job was stopped before, or is gone."""
        ray = import_ray()
        identity, actors = identify(self.job), 0
        while True:
            actors += 1
            actor = _get_actor(self.job, self.share)
            if actor is None:
                return None
            client = ActorClient(actor, self.job, self.stopped)
            try:
                answer = actor.hello.remote(*marker)
                while not ray.wait([answer], timeout=POLL_SECONDS)[0]:
                    if self.stopped():
                        ray.kill(actor, no_restart=True)
                        return None
                greeting: Greeting = ray.get(answer)
            except ray.exceptions.RuntimeEnvSetupError as error:
                raise ExecutorError(f"a node cannot take up our code: {shorten(error)}") from error
            except ray.exceptions.RayError as error:  # it is dying, or its node is
                if actors == MOST_ACTORS:
                    raise ExecutorError(f"the Ray cluster starts no trial: {shorten(error)}") from error
                time.sleep(RETRY_SECONDS)
                continue
            if greeting.running == identity or (greeting.running is None and not self.job.follow_only):
                if greeting.running:
                    logger.info("following the trial that already runs for %s", self.job.folder)
                return client, greeting
            logger.warning("ending the trial that an earlier run left running for %s", self.job.folder)
            client.close()

    def _follow(
        self, client: "ActorClient", greeting: Greeting, slot: str, out: BinaryIO, err: BinaryIO
    ) -> Exit:
        """Write the trial's output until it has ended, and fetch the files it created."""
        status = Status(b"", b"", has_started=False, seconds=0.0)
        try:
            client.ask("begin", make_transfer(self.job, greeting, on_gpu=self.share.gpus > 0))
            has_reported_start = False
            while status.ending is None and status.refused is None:
                status = client.ask("look", out.tell(), err.tell())
                _write(out, status.out)
                _write(err, status.err)
                if status.has_started and not has_reported_start:
                    has_reported_start = True
                    self.started(slot)
            client.fetch("out", self.job.stdout)  # all of it again, as limits may have cut it there
            client.fetch("err", self.job.stderr)
        except Gone as gone:
            return self._lose(f"lost on {greeting.host}: {gone}", slot, status, err)
        if status.ending is None:
            raise ExecutorError(status.refused)
        self._fetch_created(client, greeting)
        return _exit(status.ending, slot, status.seconds)

    def _fetch_created(self, client: "ActorClient", greeting: Greeting) -> None:
        """Fetch the files that the trial created, but for unfinished ones.

        Its output is here by then, so a file that cannot be fetched does not lose the trial.
        """
        try:
            for name in client.ask("changed"):
                if not name.endswith(UNFINISHED):
                    client.fetch(f"{FILES}/{name}", self.job.folder / name)
        except (Gone, ExecutorError, OSError) as error:
            logger.warning(
                "files of the trial in %s stay on %s: %s", self.job.folder, greeting.host, shorten(error)
            )

    def _lose(self, why: str, slot: str, status: Status, err: BinaryIO) -> Exit:
        if self.stopped():
            return _exit(Ending(STOPPED, "stopped"), slot, status.seconds)
        logger.warning("the trial in %s was %s", self.job.folder, why)
        _write(err, f"{why}\n".encode())
        return _exit(Ending(-signal.SIGKILL, "lost", why), slot, status.seconds)


class Gone(Exception):
    """The actor has died or does not answer; the message says which."""


class ActorClient:
    """The connection to the actor of one job. `stopped` is polled while it waits for an answer."""

    def __init__(self, actor: Any, job: Job, stopped: Callable[[], bool]) -> None:
        self._actor = actor
        self._stopped = stopped
        self._ending_seconds = 2 * job.grace_seconds + SPARE_SECONDS
        self._stopped_at: float | None = None

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method and return the actor's answer, with retries. Raises Gone or ExecutorError."""
        errors = import_ray().exceptions
        away_since: float | None = None  # not since the call: we may have been suspended meanwhile
        while True:
            try:
                return self._call(method, *arguments)
            except errors.ActorUnavailableError as error:
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since > UNREACHABLE_SECONDS:
                    raise Gone(f"its node has not answered for {UNREACHABLE_SECONDS:.0f} s") from error
                time.sleep(RETRY_SECONDS)
            except (
                errors.RayTaskError
            ) as error:  # the actor lives, and something is wrong there: no disk, say
                raise ExecutorError(f"a node of the cluster fails: {shorten(error)}") from error
            except errors.RayError as error:
                text = shorten(error)
                raise Gone("its node has died" if "node has died" in text else text) from error

    def fetch(self, name: str, to: Path) -> None:
        """Copy a file of the trial from its node."""
        with replace_file(to) as file:
            while chunk := self.ask("fetch", name, file.tell()):
                file.write(chunk)

    def close(self) -> None:
        """Have the trial ended and its files removed, then end the actor."""
        ray = import_ray()
        with suppress(ray.exceptions.RayError):  # it is gone already, or does not answer
            seconds = self._ending_seconds
            ray.get(self._actor.end.remote(seconds - SPARE_SECONDS), timeout=seconds)
        with suppress(ray.exceptions.RayError):
            ray.kill(self._actor, no_restart=True)

    def _call(self, method: str, *arguments: Any) -> Any:
        ray = import_ray()
        answer = getattr(self._actor, method).remote(*arguments)
        while not ray.wait([answer], timeout=POLL_SECONDS)[0]:
            if self._stopped_at is None and self._stopped():
                self._stopped_at = time.monotonic()
                self._actor.stop.remote()
            if self._stopped_at is not None and time.monotonic() - self._stopped_at > self._ending_seconds:
                raise Gone("it did not end when it was told to")
        return ray.get(answer)


def shorten(error: Exception) -> str:
    """Return the beginning of Ray's message, which may be pages long, in one line."""
    return " ".join(str(error).split())[:300]


def _get_actor(job: Job, share: Share) -> Any:
    """Return the actor of the job's folder, which may exist already; None if it must and does not."""
    if job.follow_only:
        with suppress(ValueError):
            return import_ray().get_actor(actor_name(job.folder), NAMESPACE)
        return None
    options = {
        "name": actor_name(job.folder),
        "namespace": NAMESPACE,
        "lifetime": "detached",
        **share.options,
    }
    actor = import_ray().remote(TrialActor)
    actor = actor.options(get_if_exists=True, max_restarts=0, max_concurrency=CALLS_AT_ONCE, **options)
    return actor.remote(partial(os._exit, 0))


def _write(file: BinaryIO, news: bytes) -> None:
    file.write(news)
    file.flush()


def _exit(ending: Ending, slot: str, seconds: float) -> Exit:
    now = datetime.now(UTC)
    started_at = now - timedelta(seconds=seconds)
    return Exit(ending.code, ending.reason, slot, seconds, started_at, now, ending.said)
