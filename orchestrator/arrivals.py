"""Hear of what threads have done, in the order in which they did it.

A queue that they put it in costs the same however many run; asking each of thousands of futures does not.
"""

from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import TypeVar

Done = TypeVar("Done")


def arrived(done: SimpleQueue[Done], most_seconds: float) -> Iterator[Done]:
    """Yield what is in the queue; where nothing is, wait for it `most_seconds` at most."""
    try:
        yield done.get(timeout=most_seconds)
        while True:
            yield done.get_nowait()
    except Empty:
        return
