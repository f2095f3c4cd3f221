"""Check before training how much of a space is within the limits.

Only a space of multipliers has a known smallest network. Of any other space a sample is described, which can
show that a limit is hard to meet, but not that nothing meets it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from orchestrator.spec.objective import LIMITS, amount_text, size
from orchestrator.spec.options import BadOption
from orchestrator.spec.study_spec import StudySpec
from orchestrator.trainer_client import NetworkDescriber, NetworkInfo
from search_spaces import Point

SAMPLE = 300  # networks described to estimate a share


def check_limits(spec: StudySpec, trainer_client: NetworkDescriber) -> None:
    """Raise BadOption if even the smallest network around a base network is over a limit."""
    over = _over(spec, spec.first)
    if not over or spec.named is not None:
        return
    least = {variable.name: variable.from_number(variable.lower) for variable in spec.space.variables}
    smallest = trainer_client.describe(_config(spec, spec.space.point(least)))
    for name in _over(spec, smallest):
        raise BadOption(
            f"{LIMITS[name]} {_most(spec, name)} excludes every network: the smallest has "
            f"{amount_text(size(smallest, name), name)}; give a higher limit or wider ranges of multipliers"
        )


def limit_lines(spec: StudySpec, trainer_client: NetworkDescriber) -> Iterator[str]:
    """Yield a line if the search's start is over a limit, and one on how much of the space is within."""
    for name in _over(spec, spec.first):
        yield (
            f"the {'start' if spec.named else 'base network'} has "
            f"{amount_text(size(spec.first, name), name)}, over {LIMITS[name]} {_most(spec, name)}"
        )
    if _over(spec, spec.first):
        networks = sample_networks(spec, trainer_client)
        within = sum(not _over(spec, network) for network in networks)
        yield f"within the limits: {within or 'none'} of {len(networks)} sampled networks"


def sample_networks(spec: StudySpec, trainer_client: NetworkDescriber) -> list[NetworkInfo]:
    """Return all networks of a small space, or SAMPLE of a large one."""
    return trainer_client.describe_all([_config(spec, point) for point in _points(spec)])


def _over(spec: StudySpec, network: NetworkInfo) -> list[str]:
    """Return the names of the limits that a network is over, as far as its sizes are known."""
    known = {name: most for name, most in spec.aim.limits.items() if name != "latency"}
    return [name for name, most in known.items() if size(network, name) > most]


def _most(spec: StudySpec, name: str) -> str:
    return f"{spec.aim.limits[name]:.10g}"


def _config(spec: StudySpec, point: Point) -> dict[str, object]:
    return spec.training.config(spec.choice(point))


def _points(spec: StudySpec) -> list[Point]:
    space = spec.space
    if space.size is not None and space.size <= SAMPLE:
        return list(space)
    rng = random.Random(spec.request.seed)
    return [space.sample(rng) for _ in range(SAMPLE)]
