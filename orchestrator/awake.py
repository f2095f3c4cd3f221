"""A clock that stands while this process is suspended: by Ctrl-Z, a debugger, a frozen container.

The monotonic clock goes on then, and stands only while the whole machine sleeps.
"""

import time

ASLEEP_SECONDS = 5.0  # between two looks, where a look is due several times a second


class Awake:
    """Seconds since it was made. Look at it several times a second."""

    def __init__(self) -> None:
        self._looked = time.monotonic()
        self._seconds = 0.0

    def seconds(self) -> float:
        now = time.monotonic()
        self._seconds += awake(now - self._looked)
        self._looked = now
        return self._seconds


def awake(seconds: float) -> float:
    """Return what of the time between two looks counts: none of it where we were suspended."""
    return 0.0 if seconds > ASLEEP_SECONDS else seconds
