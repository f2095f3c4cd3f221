"""What is wrong with options that are well formed: numbers too large for anything, or what does nothing.

Numbers are held against what can be handled at all; what makes sense is for whoever uses them to say. Without
it an infinity or a slip of the keyboard would end in a traceback, or never.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.spec.objective import Objective, unused

LARGEST_SCALE = 100  # of a network or of a multiplier: much deeper ones take hours to describe
_LARGEST = 2**31  # of any other number: what the record and the libraries hold
_LARGEST_OF = dict.fromkeys(("slots", "replicates", "confirm"), 1000) | {"trials": 1_000_000}
_LARGEST_OF |= dict.fromkeys(("base_depth", "base_width", "base_resolution"), LARGEST_SCALE)
_COUNTS = ("max_macs", "max_params")  # of a network: `aim.parse_count` bounds them


def out_of_range(options: Mapping[str, object]) -> Iterator[str]:
    """Say of each number that is not finite, or too large, what to give instead."""
    for name, value in options.items():
        most = _LARGEST_OF.get(name, _LARGEST)
        if name in _COUNTS or not isinstance(value, int | float):
            continue
        if not abs(value) <= most:  # which holds of no NaN
            yield f"--{name.replace('_', '-')} {value} is out of range; give at most {most}"


def idle(given: Mapping[str, object], aim: Objective, early_stop: float | None) -> Iterator[str]:
    """Say of each option that was given and would do nothing in a search for `aim` why it would not."""
    for name in unused(aim):
        if given.get(name) is not None:
            yield f"--{name} {given[name]} does nothing in a search for {aim}; leave it out"
    if given.get("min_accuracy") is not None and given.get("replicates") is not None:
        yield (
            f"--replicates {given['replicates']} is for a measured baseline, and none is trained with "
            "--min-accuracy; leave one of them out"
        )
    if early_stop == 0 and given.get("audit") is not None:
        yield f"--audit {given['audit']} does nothing with --early-stop 0, which stops none; leave it out"
