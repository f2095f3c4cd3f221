"""Work that is done for one client at a time, because it takes seconds of CPU or a process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException

_SECONDS = 20.0
WAITING = 12  # of starlette's 40 threads: each request that waits occupies one


class OneAtATime:
    """Lets one request make a `what`, and few others wait for that."""

    def __init__(self, what: str) -> None:
        self._busy = f"another {what} is being made; try again"
        self._waiting = threading.BoundedSemaphore(WAITING)
        self._one = threading.Lock()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Wait until no other request is at it. Raise HTTPException if too many wait, or for too long."""
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
