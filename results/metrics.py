"""What a search may minimise or limit: one row a metric, read by everything that names, shows or stores one.

A metric that is known before training decides which candidates need no training. One that is known only
after it cannot: its candidates are trained, and its limit is a constraint like the required accuracy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal


@dataclass(frozen=True)
class Metric:
    """A property of a network, or of its training, of which less is better."""

    name: str  # as in `--minimise NAME`, and in a study's settings
    column: str  # of `trials`
    noun: str
    unit: str  # that people see
    scale: float  # of that unit, in the column's
    digits: int  # after the decimal point, in that unit
    head: str  # of a narrow table's column
    option: str  # of its limit
    limit_help: str  # of that option
    known: Literal["before", "after"]  # training
    device: str | None = None  # that trainings must run on for it to be measured; None: any

    @property
    def is_count(self) -> bool:
        """Whether it counts millions of something, which is then its unit."""
        return self.unit == f"M {self.noun}"

    @property
    def goal(self) -> str:
        return f"{'fewest' if self.is_count else 'lowest'} {self.noun}"

    @property
    def axis(self) -> str:
        return f"{self.noun} (millions)" if self.is_count else f"{self.noun} ({self.unit})"

    @property
    def base_unit(self) -> str:
        """The unit without its millions."""
        return self.noun if self.is_count else self.unit

    @property
    def unit_of(self) -> str:
        """Its unit where nothing else says of what: `ms of latency`."""
        return self.unit if self.is_count else f"{self.unit} of {self.noun}"

    @property
    def field(self) -> str:
        """The name of its limit among the options."""
        return self.option.removeprefix("--").replace("-", "_")

    def number(self, amount: float | None) -> str:
        """Return an amount of the column in the unit; empty if it is not known."""
        return "" if amount is None else f"{amount / self.scale:.{self.digits}f}"

    def text(self, amount: float | None) -> str:
        """Return an amount of the column with the unit."""
        return f"{self.noun} not known" if amount is None else f"{self.number(amount)} {self.unit}"


# latency: of one image, measured before a network's first training; energy: of the GPU, all attempts together
_TABLE = (
    Metric(
        *("macs", "macs", "MACs", "M MACs", 1e6, 2, "MACs"),
        *("--max-macs", "Most MACs a network may have: 5000000, 5e6 or 5M."),
        known="before",
    ),
    Metric(
        *("params", "parameters", "parameters", "M parameters", 1e6, 3, "params"),
        *("--max-params", "Most parameters a network may have."),
        known="before",
    ),
    Metric(
        *("latency", "latency_ms", "latency", "ms", 1.0, 3, "ms"),
        *("--max-latency-ms", "Most milliseconds a network may take for one image, measured on a worker."),
        known="before",
    ),
    Metric(
        *("energy", "energy_joules", "energy", "J", 1.0, 1, "J"),
        *("--max-energy-joules", "Most joules that the GPU may use for a training, known only after it."),
        known="after",
        device="cuda",
    ),
)
METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _TABLE})


def shown_metric(minimise: str | None) -> Metric:
    """Return the metric by which a study's networks are shown: the one that it minimises, or else MACs."""
    return METRICS[minimised_metric(minimise) or "macs"]


def minimised_metric(minimise: str | None) -> str | None:
    """Return the metric of a network that a study minimises; None for a score's name, and for none."""
    return minimise if minimise in METRICS else None


def limits_of(question: Mapping[str, Any]) -> dict[str, float]:
    """Return the limits in a study's settings by metric, in the order of its constraints."""
    own = question.get("most_parameters")  # of the search space itself
    limits = (question.get("aim") or {}).get("limits") or ({} if own is None else {"params": own})
    return {name: limits[name] for name in METRICS if name in limits}
