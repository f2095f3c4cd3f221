"""The search space: multipliers around a base network, or a named space of training settings.

A value that is searched cannot also be fixed by an option: the searched value would silently win.
"""

from __future__ import annotations

from collections.abc import Mapping

import search_spaces
from orchestrator.spec.base_model import BaseModel
from orchestrator.spec.command_options import BadOption, check
from orchestrator.spec.images import suggest_batch
from orchestrator.spec.objective import Objective
from orchestrator.spec.options import LARGEST_SCALE
from orchestrator.spec.search_options import HpoOptions, NasOptions
from orchestrator.trainer_client import NetworkInfo
from search_spaces import Named, Space, scaling

WHOLE = {"depth": 1.0, "width": 1.0, "resolution": 1.0}


def multipliers(request: NasOptions, whole: NetworkInfo, scale: Mapping[str, float]) -> Space:
    """Return the space of multipliers around the base network of `scale`; raise BadOption.

    whole: the named network, at scale 1
    """
    ranges = {name: _range(request, name, whole) for name in WHOLE}
    try:
        return scaling.space(whole.blocks, whole.channels, whole.image_size, base=scale, **ranges)
    except ValueError as error:
        raise BadOption(str(error)) from error


def load_named(request: HpoOptions, subject: BaseModel, aim: Objective) -> Named:
    """Return the space that `--space` names, for trainings of `subject`; raise BadOption."""
    try:
        found = search_spaces.load(request.space)
        if found.most_parameters is not None and "params" in aim.limits:
            found = search_spaces.load(request.space, int(aim.limits["params"]))
    except ValueError as error:
        raise BadOption(f"--space {request.space}: {error}") from error
    check(
        found.network in (None, subject.network),
        f"--space {found.name} belongs to the network {found.network}, not to {subject.name}; "
        f"give --model {found.network}, or another --space",
    )
    check(
        "architecture" in found.parts(found.start) or all(metric.known == "after" for metric in aim.metrics),
        f"--space {found.name} does not change the network, so its size cannot be minimised or limited; "
        "omit that, give --space resnet_budget, or use nas-search",
    )
    _check_settled_once(request, found)
    return found


def _check_settled_once(request: HpoOptions, found: Named) -> None:
    parts = found.parts(found.start)
    for option, given in (("hyperparameters", request.hyperparameters), ("ingredients", request.ingredients)):
        twice = [name for name in given if name in parts.get(option, {})]
        check(
            not twice,
            f"{', '.join(twice)} cannot be given: --space {found.name} searches over it; omit it",
        )


def check_batches(named: Named, train_images: int) -> None:
    """Raise BadOption if the largest searched batch has more images than a training."""
    largest = largest_batch(named)
    check(
        train_images >= largest,
        f"--space {named.name} tries batches of up to {largest} images, more than the {train_images} "
        f"training images; give more, or --space recipe --batch-size {suggest_batch(train_images)}",
    )


def largest_batch(named: Named) -> int:
    """Return the most images of a batch that a space tries; 0 if it does not search over batches."""
    batches = [variable for variable in named.space.variables if variable.name == "batch_size"]
    return max((int(variable.from_number(variable.upper)) for variable in batches), default=0)


def _range(request: NasOptions, name: str, whole: NetworkInfo) -> tuple[float, float]:
    """Return the range of a multiplier, just 1 for a scale that the network lacks; raise BadOption."""
    asked = getattr(request, name)
    span = _span(asked, name)
    if name in whole.scales or span == (1.0, 1.0):
        return span
    if asked != NasOptions.model_fields[name].default:
        raise BadOption(f"--{name} {asked}: {whole.network} has no {name} to scale; omit --{name}")
    return 1.0, 1.0


def _span(text: str, name: str) -> tuple[float, float]:
    """Read LOW:HIGH, or one number for both; raise BadOption."""
    try:
        numbers = [float(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or not 0 < numbers[0] <= numbers[-1] <= LARGEST_SCALE:
        raise BadOption(
            f"--{name} {text!r} is not a range of multipliers up to {LARGEST_SCALE}; write it like .5:1.25"
        )
    return numbers[0], numbers[-1]
