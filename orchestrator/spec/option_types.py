"""Types of option values, with the messages that refuse others."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

from pydantic import AfterValidator

from orchestrator.spec.command_options import BadOption, Within, check

# a solver's seed is below 2**31, and each restart of a solver adds some thousands
_LARGEST_SEED = 2_000_000_000

Seed = Annotated[int, Within(0, _LARGEST_SEED, f"is out of range; give 0 to {_LARGEST_SEED}")]
Fraction = Annotated[
    float, Within(0, 1, "is not a fraction; 87% is 0.87, and half a percentage point is 0.005")
]
Confidence = Annotated[
    float, Within(0.5, math.nextafter(1, 0), "is out of range; give 0.5 or more and less than 1")
]
WrongStops = Annotated[
    float, Within(0, math.nextafter(0.5, 0), "is out of range; give 0 or more and less than .5")
]
KeepWeights = Literal["best", "confirmed", "all", "none"]
ALL_IMAGES = "all"


def parse_images(text: str) -> int | float | str:
    """Return a number of images, a share of all in (0, 1), or `all`. Raise BadOption for anything else."""
    if text == ALL_IMAGES:
        return text
    if re.fullmatch(r"\d+", text):
        check(len(text) <= 9, f"is out of range; give at most {10**9 - 1}")
        return int(text)
    if (share := _read_share(text)) is not None:
        return share
    raise BadOption("is not a number of images; give one like 5000, a share like .8 or 80%, or all")


def parse_share(text: str) -> float:
    """Return a share of all in (0, 1), written as .01 or 1%. Raise BadOption for anything else."""
    share = _read_share(text)
    if share is None:
        raise BadOption("is not a share of more than 0 and less than all; give one like 1% or .01")
    return share


def _read_share(text: str) -> float | None:
    match = re.fullmatch(r"(\d*\.?\d+)(%?)", text)
    share = float(match[1]) / (100 if match[2] else 1) if match else 0.0
    return share if 0 < share < 1 else None


def _check_images(text: str) -> str:
    parse_images(text)
    return text


def _check_share(text: str) -> str:
    parse_share(text)
    return text


Images = Annotated[str, AfterValidator(_check_images)]
Share = Annotated[str, AfterValidator(_check_share)]
