"""The ways a trial ends without a result. Each has an exit code of its own (docs/trainer-protocol.md).

TrialError
├── Refused      exit 2: the configuration or its data cannot be trained
├── Diverged     exit 3: a loss or a weight is not finite
├── OutOfMemory  exit 4
├── TooShort     exit 5: the budget has no room for one step of this network
└── DeviceLost   exit 6: the GPU is gone or its driver fails, which says nothing of the network
"""

from typing import ClassVar


class TrialError(Exception):
    """Ends a trial. The message is one line for people and says what to do."""

    reason: ClassVar[str]
    exit_code: ClassVar[int]

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class InvalidConfig(TrialError):
    """The configuration, its data or the machine does not allow this training."""

    reason = "refused"
    exit_code = 2


class Diverged(TrialError):
    """A loss or a weight is no longer finite."""

    reason = "diverged"
    exit_code = 3


class OutOfMemory(TrialError):
    """The device or the machine has too little memory for this training."""

    reason = "out_of_memory"
    exit_code = 4


class TooShort(TrialError):
    """Not one step and the last validation fit the budget; a smaller network might."""

    reason = "budget_too_short"
    exit_code = 5


class DeviceLost(TrialError):
    """The GPU that this training was given is not there, or its driver no longer works."""

    reason = "device_lost"
    exit_code = 6


def one_line(text: str) -> str:
    """The text for any terminal and any JSON; of a name that is not UTF-8 the stray bytes are escaped."""
    words = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in words)
