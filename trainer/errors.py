"""The ways a trial ends without a result. Each has an exit code of its own (docs/trainer-protocol.md).

TrialError
├── InvalidConfig  exit 2: the configuration, its data or the machine does not allow this training
│   └── InvalidModel   exit 2: the files of a trained network are missing, damaged or of another version
├── Diverged       exit 3: a loss or a weight is not finite
├── OutOfMemory    exit 4: the device or the machine has too little memory
├── TooShort       exit 5: the budget has no room for one step and a validation; a smaller network might fit
└── DeviceLost     exit 6: the GPU is gone or its driver fails; this says nothing about the network
"""

from typing import ClassVar


class TrialError(Exception):
    """Ends a trial. The message is one line for people and says what to do."""

    reason: ClassVar[str]
    exit_code: ClassVar[int]

    def __init__(self, message: str) -> None:
        super().__init__(to_one_line(message))


class InvalidConfig(TrialError):
    reason, exit_code = "refused", 2


class InvalidModel(InvalidConfig):
    pass


class Diverged(TrialError):
    reason, exit_code = "diverged", 3


class OutOfMemory(TrialError):
    reason, exit_code = "out_of_memory", 4


class TooShort(TrialError):
    reason, exit_code = "budget_too_short", 5


class DeviceLost(TrialError):
    reason, exit_code = "device_lost", 6


def to_one_line(text: str) -> str:
    """The text with single spaces. What cannot be printed, such as bytes that are not UTF-8, is escaped."""
    words = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in words)
