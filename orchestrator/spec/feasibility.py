"""Check before training how much of a space is within the limits.

Only a space of multipliers has a known smallest network. Of any other space a sample is described, which can
show that a limit is hard to meet, but not that nothing meets it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from orchestrator.spec.command_options import BadOption
from orchestrator.spec.objective import amount_of
from orchestrator.spec.study_spec import StudySpec
from orchestrator.trainer_client import NetworkDescriber, NetworkInfo
from results.metrics import Metric
from search_spaces import Point

SAMPLE = 300  # networks described to estimate a share


def check_limits(spec: StudySpec, trainer_client: NetworkDescriber) -> None:
    """Raise BadOption if even the smallest network around a base network is over a limit.

    Raise it also if a metric of the objective cannot be measured on the device of the trainings.
    """
    for metric in spec.aim.metrics:
        if metric.device not in (None, spec.training.device):
            raise BadOption(
                f"{metric.noun} is measured only on --device {metric.device}, and trainings run on "
                f"{spec.training.device} here; omit --minimise {metric.name} and {metric.option}"
            )
    over = _over(spec, spec.first)
    if not over or spec.named is not None:
        return
    least = {variable.name: variable.from_number(variable.lower) for variable in spec.space.variables}
    smallest = trainer_client.describe(_config(spec, spec.space.point(least)))
    for metric in _over(spec, smallest):
        raise BadOption(
            f"{_limit(spec, metric)} excludes every network: the smallest has "
            f"{metric.text(amount_of(smallest, metric))}; give a higher limit or wider ranges of multipliers"
        )


def limit_lines(spec: StudySpec, trainer_client: NetworkDescriber) -> Iterator[str]:
    """Yield a line if the search's start is over a limit, and one on how much of the space is within."""
    for metric in _over(spec, spec.first):
        yield (
            f"the {'start' if spec.named else 'base network'} has "
            f"{metric.text(amount_of(spec.first, metric))}, over {_limit(spec, metric)}"
        )
    if _over(spec, spec.first):
        networks = sample_networks(spec, trainer_client)
        within = sum(not _over(spec, network) for network in networks)
        yield f"within the limits: {within or 'none'} of {len(networks)} sampled networks"


def sample_networks(spec: StudySpec, trainer_client: NetworkDescriber) -> list[NetworkInfo]:
    """Return all networks of a small space, or SAMPLE of a large one."""
    return trainer_client.describe_all([_config(spec, point) for point in _points(spec)])


def _over(spec: StudySpec, network: NetworkInfo) -> list[Metric]:
    """Return the metrics of which a network is over the limit, as far as they are known."""
    limits = spec.aim.limits
    known = [(metric, amount_of(network, metric)) for metric in spec.aim.metrics if metric.name in limits]
    return [metric for metric, amount in known if amount is not None and amount > limits[metric.name]]


def _limit(spec: StudySpec, metric: Metric) -> str:
    return f"{metric.option} {spec.aim.limits[metric.name]:.10g}"


def _config(spec: StudySpec, point: Point) -> dict[str, object]:
    return spec.training.config(spec.choice(point))


def _points(spec: StudySpec) -> list[Point]:
    space = spec.space
    if space.size is not None and space.size <= SAMPLE:
        return list(space)
    rng = random.Random(spec.request.seed)
    return [space.sample(rng) for _ in range(SAMPLE)]
