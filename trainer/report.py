"""The JSON lines on stdout, and nothing else there.

Libraries print; so the real stdout is kept aside for the report, and file
descriptor 1 is pointed at stderr for everybody else, C libraries included.
"""

import json
import os
from typing import Any, TextIO

from trainer.errors import TrialError


def own_stdout() -> TextIO:
    """The real stdout, line by line, for the caller alone. Call once a process."""
    stream = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    return stream


class Report:
    """Events as JSON lines on a stream."""

    def __init__(self, stream: TextIO) -> None:
        self._lines = stream

    def event(self, event: str, **fields: Any) -> None:
        """Write one line at once. A number that is not finite is our bug: ValueError."""
        self._lines.write(json.dumps({"event": event, **fields}, allow_nan=False) + "\n")

    def error(self, error: TrialError) -> None:
        """Write the `error` event of a trial that ends without a result."""
        self.event("error", reason=error.reason, message=str(error))
