"""The exit codes of a trainer (docs/trainer-protocol.md). It is another program, so it has its own list."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What an exit code other than 0 says; in lower case, its name is the reason in a trial's row."""

    REFUSED = 2
    DIVERGED = 3
    OUT_OF_MEMORY = 4
    BUDGET_TOO_SHORT = 5
    DEVICE_LOST = 6
    KILLED = 137  # 128 + SIGKILL
    STOPPED = 143  # 128 + SIGTERM, which a trainer heard; also of a trial that never got a worker
