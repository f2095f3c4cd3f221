"""What mirrors of a study in other tools have in common: one update, and updates while the study runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class MirrorResult:
    """What one update copied: new trials, and trials that have ended since the last update."""

    added: int
    ended: int
    total: int
    state: str  # the study's


def follow(
    bring: Callable[[], MirrorResult], interval_seconds: float, tell: Callable[[MirrorResult], None]
) -> None:
    """Call `bring` until the study has ended; `tell` is called after each update with changes."""
    while True:
        brought = bring()
        if brought.added or brought.ended:
            tell(brought)
        if brought.state != "running":
            return
        time.sleep(interval_seconds)
