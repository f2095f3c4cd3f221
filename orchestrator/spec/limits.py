"""Limits of one training: time, host memory, retries."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

RETRIES = 2

_UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


@dataclass(frozen=True)
class TrialLimits:
    """Limits of one training. `memory_bytes`: host memory of all its processes; None: .9 of the machine's."""

    timeout_seconds: float
    memory_bytes: float | None = None
    retries: int = RETRIES

    @staticmethod
    def settled(
        budget_seconds: float | None, timeout: float | None, max_memory: str | None, retries: int
    ) -> TrialLimits:
        """Return the limits that the options give. The timeout of a budget in steps is a day.

        Raise ValueError.
        """
        usual = 86400.0 if budget_seconds is None else 1.1 * budget_seconds + 180.0
        return TrialLimits(usual if timeout is None else timeout, memory_bytes(max_memory), retries)


def memory_bytes(text: str | None) -> float | None:
    """Read an amount of memory: `8GB`, `500MB`, `6GiB`, or `none` for no limit. Raise ValueError."""
    if text is None:
        return None
    if text.strip().lower() == "none":
        return math.inf
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", text.strip(), re.IGNORECASE)
    size = 0.0
    if found:
        amount, unit, binary = found.groups()
        power = list(_UNITS).index(unit.upper())
        size = float(amount) * (1024.0**power if binary else _UNITS[unit.upper()])
    if size < 1e6:
        raise ValueError(
            f"--max-memory {text!r} is not an amount of memory; write it like 8GB, 500MB or none"
        )
    return size
