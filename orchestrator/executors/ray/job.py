"""Run one job on a Ray cluster: the orchestrator's side, from finding the actor to fetching the last file.

An actor is named after its job's folder. So a restarted orchestrator finds a trial that is still running, and
follows it instead of starting another one. It then writes the trial's output again from the first byte, since
the node keeps all of it.
"""

import hashlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, BinaryIO

from orchestrator.executors import STOPPED, ExecutorError, Exit, Job
from orchestrator.executors._process.pipe import Ending
from orchestrator.executors.ray.actor import Greeting, Sight, Status, TrialActor
from orchestrator.executors.ray.actor_client import AGAIN_SECONDS, POLL_SECONDS, Gone, Line, one_line
from orchestrator.executors.ray.cluster import NAMESPACE, Share, import_ray
from orchestrator.executors.ray.transfer import (
    actor_name,
    identity_of,
    mark_followed,
    parcel_of,
    sight_of,
    written_whole,
)

MOST_BIRTHS = 30  # of actors that die before they answer
CALLS_AT_ONCE = 8

Named = Callable[[str, str], AbstractContextManager[str]]  # (host, its GPUs) -> the slot's name

logger = logging.getLogger(__name__)


@dataclass
class RayJob:
    """One job to run in the cluster, on `share` of a node."""

    job: Job
    share: Share
    stopped: Callable[[], bool]
    started: Callable[[str], None]
    named: Named

    def run(self) -> Exit:
        """Wait for room, run the job and wait for its end.

        Raises ExecutorError if a node cannot run it, OSError if the job's files cannot be written.
        """
        with sight_of(self.job.folder) as sight:
            placed = self._placed(sight)
        if placed is None:
            return Exit.before_start()
        line, greeting = placed
        with (
            self._ended(line),
            mark_followed(self.job.folder),
            self.named(greeting.host, greeting.gpus) as slot,
            self.job.stdout.open("w+b") as out,
            self.job.stderr.open("w+b") as err,
        ):
            return self._followed(line, greeting, slot, out, err)

    def _placed(self, sight: Sight) -> tuple[Line, Greeting] | None:
        """Return the connection to the actor that runs this job, or will; None if the job was
        stopped before.
        """
        errors, identity, births = import_ray().exceptions, identity_of(self.job), 0
        while True:
            births += 1
            actor = _actor(self.job, self.share)
            line = Line(actor, self.job, self.stopped)
            try:
                greeting = self._greeting(actor, sight)
            except errors.RuntimeEnvSetupError as error:
                raise ExecutorError(f"a node cannot take up our code: {one_line(error)}") from error
            except errors.RayError as error:  # it is dying, or its node is
                if births == MOST_BIRTHS:
                    raise ExecutorError(f"the Ray cluster starts no trial: {one_line(error)}") from error
                time.sleep(AGAIN_SECONDS)
                continue
            if greeting is None:
                import_ray().kill(actor, no_restart=True)
                return None
            if greeting.running in (None, identity):
                if greeting.running:
                    logger.info("following the trial that already runs for %s", self.job.folder)
                return line, greeting
            logger.warning("ending the trial that an earlier run left running for %s", self.job.folder)
            line.end()

    def _greeting(self, actor: Any, sight: Sight) -> Greeting | None:
        """Return an actor's greeting once there is room for it; None if we must stop before that."""
        ray = import_ray()
        answer = actor.hello.remote(sight)
        while not ray.wait([answer], timeout=POLL_SECONDS)[0]:
            if self.stopped():
                return None
        found: Greeting = ray.get(answer)
        return found

    @contextmanager
    def _ended(self, line: Line) -> Iterator[None]:
        try:
            yield
        finally:
            line.end()

    def _followed(self, line: Line, greeting: Greeting, slot: str, out: BinaryIO, err: BinaryIO) -> Exit:
        """Write the trial's output until it has ended, and fetch the files it created."""
        look = Status(b"", b"", has_started=False, seconds=0.0)
        try:
            line.ask("begin", parcel_of(self.job, greeting, on_gpu=self.share.gpus > 0))
            has_told = False
            while look.ending is None and look.refused is None:
                look = line.ask("look", out.tell(), err.tell())
                _write(out, look.out)
                _write(err, look.err)
                if look.has_started and not has_told:
                    has_told = True
                    self.started(slot)
            _mend(line, {"out": out, "err": err})
            self._fetch(line)
        except Gone as gone:
            return self._lost(f"lost on {greeting.host}: {gone}", slot, look, err)
        if look.ending is None:
            raise ExecutorError(look.refused)
        return _exit(look.ending, slot, look.seconds)

    def _fetch(self, line: Line) -> None:
        for name in line.ask("changed"):
            with written_whole(self.job.folder.parent / name) as file:
                while chunk := line.ask("fetch", name, file.tell()):
                    file.write(chunk)

    def _lost(self, why: str, slot: str, look: Status, err: BinaryIO) -> Exit:
        if self.stopped():
            return _exit(Ending(STOPPED, "stopped"), slot, look.seconds)
        logger.warning("the trial in %s was %s", self.job.folder, why)
        _write(err, f"{why}\n".encode())
        return _exit(Ending(-signal.SIGKILL, "lost", why), slot, look.seconds)


def _actor(job: Job, share: Share) -> Any:
    """Return the actor of the job's folder, which may exist already."""
    return (
        import_ray()
        .remote(TrialActor)
        .options(
            name=actor_name(job.folder),
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            max_restarts=0,
            max_concurrency=CALLS_AT_ONCE,
            **share.options,
        )
        .remote(partial(os._exit, 0))
    )


def _write(file: BinaryIO, news: bytes) -> None:
    file.write(news)
    file.flush()


def _mend(line: Line, printed: Mapping[str, BinaryIO]) -> None:
    """Rewrite output files that the node has cut, since limits are applied there."""
    for stream, file in printed.items():
        file.seek(0)
        if hashlib.sha256(file.read()).hexdigest() == line.ask("digest", stream):
            continue
        file.seek(0)
        file.truncate()
        while chunk := line.ask("printed", stream, file.tell()):
            _write(file, chunk)


def _exit(ending: Ending, slot: str, seconds: float) -> Exit:
    now = datetime.now(UTC)
    began = now - timedelta(seconds=seconds)
    return Exit(ending.code, ending.reason, slot, seconds, began, now, ending.said)
