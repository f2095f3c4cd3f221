"""What is done for one client at a time, because it takes the processor or a process for seconds.

A request that waits for its turn keeps one of the service's threads, so that few may wait: with all threads
waiting nothing else would be answered.
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
        self._busy = f"another {what} is being made; ask again"
        self._waiting = threading.BoundedSemaphore(WAITING)
        self._one = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, and hold it. Raise HTTPException where too many wait, or for too long."""
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
