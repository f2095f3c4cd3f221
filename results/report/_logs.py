"""The ends of the logs of failed trials.

A log is the output of another program: it may be huge, be missing, or hold escape sequences. Only its end is
read, and only printable characters are kept.
"""

from __future__ import annotations

from pathlib import Path

from results import file_names
from results.study_record import Row
from results.terminal import strip_escapes

_BYTES = 8192
_LINES = 20


def log_end(row: Row) -> str:
    """Return the last lines of a trial's log, or in brackets why there are none."""
    if not row["folder"]:
        return "(it has no folder)"
    path = Path(row["folder"]) / file_names.LOG
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - _BYTES))
            text = log.read(_BYTES).decode(errors="replace")
    except OSError as error:
        return f"({path}: {error.strerror or error})"
    lines = [strip_escapes(line.rpartition("\r")[2]) for line in text.rstrip().split("\n")[-_LINES:]]
    return "\n".join(lines) or "(the log is empty)"
