"""What is known of networks before any training, for solvers, which compare more points than they propose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from orchestrator.spec.formulation import Formulation
from orchestrator.spec.objective import amount_of
from orchestrator.spec.problem import Problem
from orchestrator.spec.study_spec import StudySpec
from orchestrator.trainer_client import NetworkDescriber, NetworkInfo
from results.metrics import METRICS
from search_spaces import Point


@dataclass(frozen=True)
class KnownSizes:
    """The sizes of points' networks, each described once.

    trainer: one that measures no latency, since that takes a run of each network
    """

    spec: StudySpec
    formulation: Formulation
    trainer: NetworkDescriber
    _networks: dict[Point, NetworkInfo] = field(default_factory=dict, init=False)

    def add_to(self, problem: Problem) -> Problem:
        """Return the problem with `costs` and `allowed`, as far as a description tells them."""
        [network] = self.describe([problem.start])
        aim = self.formulation.aim
        told = {name for name, metric in METRICS.items() if amount_of(network, metric) is not None}
        return replace(
            problem,
            costs=self.costs if aim.minimise in told else None,
            allowed=self.allowed if told.intersection(aim.limits) else None,
        )

    def costs(self, points: Sequence[Point]) -> list[float]:
        """Return the objective of points. Raise as `NetworkDescriber.describe_all` does."""
        return [float(self.formulation.size(network)) for network in self.describe(points)]

    def allowed(self, points: Sequence[Point]) -> list[bool]:
        """Return whether points are within the limits. Raise likewise."""
        return [self.formulation.keeps_limits(network) for network in self.describe(points)]

    def describe(self, points: Sequence[Point]) -> list[NetworkInfo]:
        """Return the networks of points. Raise as `NetworkDescriber.describe_all` does."""
        new = [point for point in dict.fromkeys(points) if point not in self._networks]
        described = self.trainer.describe_all([self.spec.config(point) for point in new]) if new else []
        self._networks.update(zip(new, described, strict=True))
        return [self._networks[point] for point in points]
