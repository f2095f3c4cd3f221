"""A clock that stops while this process is suspended: by Ctrl-Z, a debugger, a frozen container.

The monotonic clock goes on in that case; it stops only while the whole machine sleeps.
"""

import time

ASLEEP_SECONDS = 5.0  # between two readings that are normally a fraction of a second apart


class Awake:
    """Seconds since it was created, without suspensions. Read it several times a second."""

    def __init__(self) -> None:
        self._looked = time.monotonic()
        self._seconds = 0.0

    def seconds(self) -> float:
        now = time.monotonic()
        self._seconds += awake(now - self._looked)
        self._looked = now
        return self._seconds


def awake(seconds: float) -> float:
    """Return how much of the time between two readings counts: none of it after a suspension."""
    return 0.0 if seconds > ASLEEP_SECONDS else seconds
