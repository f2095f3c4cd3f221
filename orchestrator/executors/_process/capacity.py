"""A limit on the number of jobs that an executor runs at once."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

from orchestrator.executors import Exit, Job

WAIT_SECONDS = 0.05


class LimitedExecutor(ABC):
    """Runs at most `slots` jobs at once, until it is closed."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._running = 0
        self._changed = threading.Condition()
        self._closed = False

    def run(self, job: Job, stop: threading.Event, started: Callable[[str], None] | None = None) -> Exit:
        def stopped() -> bool:
            return self._closed or stop.is_set()

        while not stopped():
            with self._changed:
                if self._running < self.slots and not self._closed:
                    self._running += 1
                    break
            stop.wait(WAIT_SECONDS)
        else:
            return Exit.before_start()
        try:
            return self._run(job, stopped, started or (lambda slot: None))
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: self._running == 0)

    @abstractmethod
    def _run(self, job: Job, stopped: Callable[[], bool], started: Callable[[str], None]) -> Exit:
        """Run a job, now that there is room for it."""
