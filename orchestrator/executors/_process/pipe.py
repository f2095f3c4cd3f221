"""Read the messages of a trial's supervisor until it reports how the trial ended.

All supervisors send the same messages, one per line: `refused WHY`, or `started PID` and then `ended CODE
REASON AT SLEPT`. `busy WHY` means that the machine has no process or memory to spare at the moment. If the
pipe closes after `started` and before `ended`, the supervisor was killed; its trial is then killed here.
"""

import logging
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import cast

from orchestrator.executors import STOPPED, Reason
from orchestrator.executors._process.limits import LimitsWatch

POLL_SECONDS = 0.05  # between two checks of whether to stop

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ending:
    """How a trial ended, as in `Exit`."""

    code: int
    reason: Reason
    said: str = ""
    at: float | None = None  # by the monotonic clock; None if it was not reported
    slept_seconds: float = 0.0  # for which the trial was suspended, together with its supervisor

    def seconds_since(self, began: float) -> float:
        """Return how long the slot was in use since `began`, without suspensions."""
        return max(0.0, (time.monotonic() if self.at is None else self.at) - began - self.slept_seconds)


@dataclass(frozen=True)
class SupervisorPipe:
    """The connection to a supervisor: the descriptor to read from, and the one to write to."""

    heard: int
    told: int

    def say_stop(self) -> None:
        # as a message, because closing the pipe has no effect while a process that we forked holds it open
        with suppress(BrokenPipeError, ConnectionResetError):  # the supervisor has already ended
            os.write(self.told, b"stop\n")


class NotStarted(Exception):
    """The supervisor could not start the trial; the message is the supervisor's."""


def follow(
    wire: SupervisorPipe, stopped: Callable[[], bool], started: Callable[[], None], watch: LimitsWatch
) -> Ending | None:
    """Wait for the end of the trial, and forward our stop. None: the supervisor ended before the start.

    The trial is killed if `watch` finds that it exceeds a limit. Raises NotStarted.
    """
    group: int | None = None
    for line in _lines(wire, stopped, watch.look):
        match line.split(maxsplit=1):
            case ["refused", problem]:
                raise NotStarted(problem)
            case ["busy", problem]:
                return Ending(STOPPED, "lost", f"no process could be started for it: {problem}")
            case ["started", pid]:
                group = int(pid)
                watch.begin(group)
                started()
            case ["ended", ending]:
                return _explained(_ended(ending), watch)
    if group is None:
        return None
    with suppress(ProcessLookupError):  # the trial's first process was killed when its supervisor died
        os.killpg(group, signal.SIGKILL)
    return _explained(Ending(-signal.SIGKILL, "lost", "its supervisor was killed"), watch)


def _ended(words: str) -> Ending:
    code, reason, *times = words.split()
    at, slept = map(float, times) if times else (None, 0.0)
    return Ending(int(code), cast(Reason, reason), at=at, slept_seconds=slept)


def _explained(ending: Ending, watch: LimitsWatch) -> Ending:
    """Return the ending, with the limit that caused it, if any."""
    watch.end()
    breach = watch.breach
    return replace(ending, reason=breach.reason, said=breach.said) if breach else ending


def warn_of_the_undead(is_over: bool, guard: str = "their guard") -> None:
    """Log a warning if processes of an ended trial remain, so that their supervisor does not end."""
    if not is_over:
        logger.warning(
            "processes of a trial do not die on SIGKILL, most likely inside a driver or a file system; "
            "%s waits for them and keeps their GPU locked",
            guard,
        )


def readable(descriptor: int, seconds: float) -> bool:
    poll = select.poll()  # not select, which takes no descriptor above 1023
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(1000 * seconds))


def _lines(wire: SupervisorPipe, stopped: Callable[[], bool], look: Callable[[], None]) -> Iterator[str]:
    """Yield the supervisor's messages until it closes the pipe; forward our stop and call `look`
    meanwhile.
    """
    told, unread = False, b""
    while True:
        if not told and stopped():
            told = True
            wire.say_stop()
        look()
        if not readable(wire.heard, POLL_SECONDS):
            continue
        try:
            read = os.read(wire.heard, 65536)
        except ConnectionResetError:
            return
        if not read:
            return
        *lines, unread = (unread + read).split(b"\n")
        yield from map(bytes.decode, lines)
