"""Listen to what stands guard over a trial, until it says how the trial ended.

Guards and wardens speak the same words, a line each: `refused WHY`, or `started PID` and then `ended CODE
REASON AT SLEPT`; `busy WHY` is a machine that has no process or memory to spare just then. The surprise: one
that falls silent in between was killed, and then its trial is killed here too.
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

POLL_SECONDS = 0.05  # between looks at whether to stop

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ending:
    """How a trial ended, as Exit tells it."""

    code: int
    reason: Reason
    said: str = ""
    at: float | None = None  # by the monotonic clock; None where nobody told
    slept_seconds: float = 0.0  # that the trial was suspended, its guard with it

    def seconds_since(self, began: float) -> float:
        """Return how long the slot was in use: while the trial was neither suspended nor over."""
        return max(0.0, (time.monotonic() if self.at is None else self.at) - began - self.slept_seconds)


@dataclass(frozen=True)
class SupervisorPipe:
    """The way to a guard: the descriptor it is heard on, and the one it listens to."""

    heard: int
    told: int

    def say_stop(self) -> None:
        # in words, because closing the wire says nothing while a process that we forked holds it open
        with suppress(BrokenPipeError, ConnectionResetError):  # the guard has ended already
            os.write(self.told, b"stop\n")


class NotStarted(Exception):
    """The guard could not start the trial; the message is its own."""


def follow(
    wire: SupervisorPipe, stopped: Callable[[], bool], started: Callable[[], None], watch: LimitsWatch
) -> Ending | None:
    """Wait for the trial's end, and pass our stop on meanwhile; None where the guard ended before the start.

    The trial is ended where `watch` finds it over a limit. Raises NotStarted.
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
    with suppress(ProcessLookupError):  # the trial's first process was killed as its guard died
        os.killpg(group, signal.SIGKILL)
    return _explained(
        Ending(-signal.SIGKILL, "lost", "the process that stands guard over it was killed"), watch
    )


def _ended(words: str) -> Ending:
    code, reason, *times = words.split()
    at, slept = map(float, times) if times else (None, 0.0)
    return Ending(int(code), cast(Reason, reason), at=at, slept_seconds=slept)


def _explained(ending: Ending, watch: LimitsWatch) -> Ending:
    """The ending with the limit that brought it about, if one did."""
    watch.end()
    breach = watch.breach
    return replace(ending, reason=breach.reason, said=breach.said) if breach else ending


def warn_of_the_undead(is_over: bool, guard: str = "their guard") -> None:
    """Say where processes of a trial that has ended are left, if what guards them is not over."""
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
    """What the guard says, until it hangs up; meanwhile our stop is passed on, and `look` called."""
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
