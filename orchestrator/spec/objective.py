"""The goal of a search: smallest size, highest accuracy or both, under limits on sizes.

A size is known before training, so a network over a limit is not trained.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Protocol

SIZES = MappingProxyType({"macs": "macs", "params": "parameters", "latency": "latency_ms"})  # and its column
LIMITS = MappingProxyType(
    {"macs": "--max-macs", "params": "--max-params", "latency": "--max-latency-ms"}
)  # and its option
FEWEST = MappingProxyType({"macs": "fewest MACs", "params": "fewest parameters", "latency": "lowest latency"})
UNITS = MappingProxyType({"macs": "M MACs", "params": "M parameters", "latency": "ms"})
_MOST = 1e18  # MACs or parameters
_FACTORS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9}


class NetworkSize(Protocol):
    """A network's sizes before training: those of a description, or of a trial's row."""

    @property
    def macs(self) -> int | None: ...
    @property
    def parameters(self) -> int | None: ...
    @property
    def latency_ms(self) -> float | None: ...


@dataclass(frozen=True)
class Objective:
    """At least one of a size to minimise and accuracy to maximise. `limits`: the most of each size."""

    minimise: str | None = None  # one of SIZES
    maximise: str | None = None  # accuracy
    limits: Mapping[str, float] = field(default_factory=dict)

    @property
    def objectives(self) -> int:
        return (self.minimise is not None) + (self.maximise is not None)

    @property
    def needs_bound(self) -> bool:
        """Whether it needs a required accuracy: the smallest network of all is not a useful answer."""
        return self.maximise is None

    @property
    def needs_latency(self) -> bool:
        return self.minimise == "latency" or "latency" in self.limits

    @property
    def told(self) -> str:
        """The size that is shown to people."""
        return self.minimise or next(iter(self.limits), "macs")

    def under(self, limits: Mapping[str, float]) -> Objective:
        """Return the same objective with these limits added."""
        merged = {**self.limits, **limits}
        return replace(self, limits={name: merged[name] for name in SIZES if name in merged})

    def to_json(self) -> dict[str, Any]:
        return {"minimise": self.minimise, "maximise": self.maximise, "limits": dict(self.limits)}

    def __str__(self) -> str:
        goals = [FEWEST[self.minimise]] if self.minimise else []
        goals += [f"highest {self.maximise}"] if self.maximise else []
        front = "Pareto front of " if len(goals) > 1 else ""
        under = [f"at most {amount_text(most, name)}" for name, most in self.limits.items()]
        return ", ".join([front + " and ".join(goals), *under])


def default_objective(kind: str) -> Objective:
    """Return the objective of a search of this kind if the user gives none."""
    return Objective(minimise="macs") if kind == "nas" else Objective(maximise="accuracy")


def parse_objective(
    kind: str, minimise: str | None, maximise: str | None, most: Mapping[str, str | float | None]
) -> Objective:
    """Return the objective that the options of a search of `kind` give; raise ValueError.

    most: the limit of each size, as the user wrote it; None: no limit
    """
    if minimise not in (None, *SIZES):
        raise ValueError(f"--minimise {minimise} is unknown; give one of {', '.join(SIZES)}")
    if maximise not in (None, "accuracy"):
        raise ValueError(f"--maximise {maximise} is unknown; give accuracy, or omit it")
    limits = {name: _limit(name, written) for name, written in most.items() if written is not None}
    if minimise is None and maximise is None:
        return replace(default_objective(kind), limits=limits)
    return Objective(minimise, maximise, limits)


def unused_options(aim: Objective) -> tuple[str, ...]:
    """Return the options of a search that have no effect with this objective."""
    return () if aim.needs_bound else ("replicates", "tolerance")


def _limit(name: str, written: str | float) -> float:
    option = LIMITS[name]
    try:
        most = float(written) if name == "latency" else parse_count(written)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from error
    if name == "latency":
        if not 0 < most < math.inf:
            raise ValueError(f"{option} {written} excludes every network; give more than 0")
    elif most < 1:
        raise ValueError(f"{option} {written} excludes every network; give at least 1")
    return most


def size(network: NetworkSize, name: str) -> float:
    """Return one of a network's SIZES, which must be known."""
    amount: float | None = getattr(network, SIZES[name])
    assert amount is not None, f"no {name} is known of {network}"
    return amount


def parse_count(text: str | float) -> int:
    """Read a number of MACs or parameters: `5000000`, `5e6`, `5M`, `1.2G`. Raise ValueError."""
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+(?:e\+?[0-9]+)?)\s*([kmgb]?)\s*", str(text).lower())
    if match is None:
        raise ValueError(f"cannot read {text!r} as a number; write it like 5000000, 5e6, 5M or 1.2G")
    count = float(match[1]) * _FACTORS[match[2]]
    if count > _MOST:
        raise ValueError(f"{text} is more than any network has; omit it, or give {_MOST:.0e} or less")
    return round(count)


def amount_text(amount: float | None, name: str) -> str:
    """Return one of a network's SIZES with its unit, for people."""
    return f"{number_text(amount, name)} {UNITS[name]}"


def number_text(amount: float | None, name: str) -> str:
    """Return one of a network's SIZES in its unit; empty if it is not known."""
    if amount is None:
        return ""
    return f"{amount:.3f}" if name == "latency" else f"{amount / 1e6:.{2 if name == 'macs' else 3}f}"
