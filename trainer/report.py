"""The JSON lines on stdout.

Libraries print to stdout, C libraries too. So the report keeps the real stdout, and file descriptor 1 becomes
a copy of stderr.
"""

import json
import os
from typing import Any, TextIO

from trainer.errors import TrialError


def take_stdout() -> TextIO:
    """Return the real stdout, flushed by line, and send all other output to stderr. Call once per process."""
    stream = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    return stream


class Report:
    """Events as JSON lines on a stream."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream  # of the commands that print for people, too

    def event(self, event: str, **fields: Any) -> None:
        """Write one line at once. A number that is not finite is our bug: ValueError."""
        self.stream.write(json.dumps({"event": event, **fields}, allow_nan=False) + "\n")

    def error(self, error: TrialError) -> None:
        """Write the `error` event of a trial that ends without a result."""
        self.event("error", reason=error.reason, message=str(error))
