"""A limit on the number of jobs that run at once."""

import threading
from collections.abc import Callable

from orchestrator.executors import Exit

WAIT_SECONDS = 0.05


class Capacity:
    """Runs at most so many jobs at once, until it is closed."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._running = 0
        self._changed = threading.Condition()
        self._closed = False

    def run(self, stop: threading.Event, work: Callable[[Callable[[], bool]], Exit]) -> Exit:
        """Call `work` once there is room. Its argument is a function that tells whether to stop."""

        def stopped() -> bool:
            return self._closed or stop.is_set()

        while not stopped():
            with self._changed:
                if self._running < self._slots and not self._closed:
                    self._running += 1
                    break
            stop.wait(WAIT_SECONDS)
        else:
            return Exit.before_start()
        try:
            return work(stopped)
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def close(self) -> None:
        """Stop running jobs, and wait for them."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: self._running == 0)
