"""What limits leave of a space, found out before anything is trained.

Only a space of multipliers has a smallest network; of any other a sample is looked at, which can say that a
limit is hard to keep but never that nothing keeps it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from orchestrator.spec.objective import LIMITS, amount_text, size
from orchestrator.spec.options import BadOption
from orchestrator.spec.study_spec import Inquiry
from orchestrator.trainer_client import Describes, Description
from search_spaces import Point

SAMPLE = 300  # networks described to estimate a share


def check(inquiry: Inquiry, describer: Describes) -> None:
    """Raise BadOption where even the smallest network around a base network is over a limit."""
    over = _over(inquiry, inquiry.first)
    if not over or inquiry.named is not None:
        return
    least = {variable.name: variable.from_number(variable.lower) for variable in inquiry.space.variables}
    smallest = describer.describe(_config(inquiry, inquiry.space.point(least)))
    for name in _over(inquiry, smallest):
        raise BadOption(
            f"{LIMITS[name]} {_most(inquiry, name)} leaves no network: the smallest has "
            f"{amount_text(size(smallest, name), name)}; give a higher limit or wider ranges of multipliers"
        )


def told(inquiry: Inquiry, describer: Describes) -> Iterator[str]:
    """Say it where the search's start is over a limit, and how much of the space is not."""
    for name in _over(inquiry, inquiry.first):
        yield (
            f"the {'start' if inquiry.named else 'base network'} has "
            f"{amount_text(size(inquiry.first, name), name)}, over {LIMITS[name]} {_most(inquiry, name)}"
        )
    if _over(inquiry, inquiry.first):
        networks = sample(inquiry, describer)
        within = sum(not _over(inquiry, network) for network in networks)
        yield f"of {len(networks)} networks looked at {within or 'none'} are within the limits"


def sample(inquiry: Inquiry, describer: Describes) -> list[Description]:
    """Return the networks of a space, or of SAMPLE points of a large one."""
    return describer.describe_all([_config(inquiry, point) for point in _points(inquiry)])


def _over(inquiry: Inquiry, network: Description) -> list[str]:
    """Return the limits, by name, that a network is over, as far as its sizes are known."""
    known = {name: most for name, most in inquiry.aim.limits.items() if name != "latency"}
    return [name for name, most in known.items() if size(network, name) > most]


def _most(inquiry: Inquiry, name: str) -> str:
    return f"{inquiry.aim.limits[name]:.10g}"


def _config(inquiry: Inquiry, point: Point) -> dict[str, object]:
    return inquiry.training.config(inquiry.choice(point))


def _points(inquiry: Inquiry) -> list[Point]:
    space = inquiry.space
    if space.size is not None and space.size <= SAMPLE:
        return list(space)
    rng = random.Random(inquiry.request.seed)
    return [space.sample(rng) for _ in range(SAMPLE)]
