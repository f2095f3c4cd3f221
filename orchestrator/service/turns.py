"""Work that is done for one client at a time, because it takes seconds of CPU or a process.

A waiting request occupies one of the service's threads. So only few may wait, or nothing else would be
answered.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException

_SECONDS = 20.0
WAITING = 12  # of starlette's 40 threads


class Turns:
    """Turns at making one `what` after the other."""

    def __init__(self, what: str) -> None:
        self._busy = f"another {what} is being made; try again"
        self._waiting = threading.BoundedSemaphore(WAITING)
        self._one = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, and hold it. Raise HTTPException if too many wait, or for too long."""
        if not self._waiting.acquire(blocking=False):
            raise HTTPException(429, self._busy)
        try:
            is_next = self._one.acquire(timeout=_SECONDS)
        finally:
            self._waiting.release()
        if not is_next:
            raise HTTPException(429, self._busy)
        try:
            yield
        finally:
            self._one.release()
