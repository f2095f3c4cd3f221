"""Listen to what stands guard over a trial, until it says how the trial ended.

Guards and wardens speak the same words, a line each: `refused WHY`, or `started PID` and then `ended CODE
REASON`. The surprise: one that falls silent in between was killed, and then its trial is killed here too.
"""

import logging
import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from orchestrator.executors import Reason

POLL_SECONDS = 0.05  # between looks at whether to stop

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ending:
    """How a trial ended, as Exit tells it."""

    code: int
    reason: Reason


@dataclass(frozen=True)
class Wire:
    """The way to a guard: the descriptor it is heard on, and the one it listens to."""

    heard: int
    told: int

    def say_stop(self) -> None:
        # in words, because closing the wire says nothing while a process that we forked holds it open
        with suppress(BrokenPipeError, ConnectionResetError):  # the guard has ended already
            os.write(self.told, b"stop\n")


class NotStarted(Exception):
    """The guard could not start the trial; the message is its own."""


def follow(wire: Wire, stopped: Callable[[], bool], started: Callable[[], None], log: Path) -> Ending | None:
    """Wait for the trial's end, and pass our stop on meanwhile; None where the guard ended before the start.

    Raises NotStarted. `log` is named where a trial's end remains unknown.
    """
    group: int | None = None
    for line in _lines(wire, stopped):
        match line.split(maxsplit=1):
            case ["refused", problem]:
                raise NotStarted(problem)
            case ["started", pid]:
                group = int(pid)
                started()
            case ["ended", ending]:
                code, reason = ending.split()
                return Ending(int(code), cast(Reason, reason))
    if group is None:
        return None
    logger.warning("the guard of a trial died without a word; see %s", log)
    with suppress(ProcessLookupError):  # the trial's first process was killed as its guard died
        os.killpg(group, signal.SIGKILL)
    return Ending(-signal.SIGKILL, "exited")


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


def _lines(wire: Wire, stopped: Callable[[], bool]) -> Iterator[str]:
    """What the guard says, until it hangs up; meanwhile our stop is passed on."""
    told, unread = False, b""
    while True:
        if not told and stopped():
            told = True
            wire.say_stop()
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
