"""The latency of a network: seconds for a single image, which is not the inverse of the throughput.

It varies with what else the machine does. The median of many passes varies least, and their interquartile
range shows by how much.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from trainer import data, models, recipes
from trainer.config import TrialConfig
from trainer.describe import compute_shape
from trainer.device import Device, resolve_device
from trainer.errors import TrialError
from trainer.ingredients import Surgery, Vote
from trainer.models import Shape
from trainer.report import Report
from trainer.trial import name_device_errors

PASSES, WARM_UPS = 30, 10
BATCHES = (1, 256)


def latency(config: TrialConfig, shape: Shape, classes: int) -> dict[str, float]:
    """Time one image, batch 1, on the configuration's device in its precision. Raises InvalidConfig.

    A pass of an ensemble is one of each network. Returns the median and the interquartile range of PASSES, in
    milliseconds, as fields of the `model` event.
    """
    device = resolve_device(config)
    run = _prepare(config, shape, classes, device, batch=1)
    with torch.inference_mode(), device.autocast():
        seconds = [device.time(run) for _ in range(WARM_UPS + PASSES)]
    first, median, third = statistics.quantiles(seconds[WARM_UPS:], n=4)
    return {"latency_ms": 1000 * median, "latency_iqr_ms": 1000 * (third - first)}


def compare(configs: Sequence[TrialConfig], report: Report, seconds: float) -> None:
    """Report the latency of networks on the CPU, and on their own device, for each of BATCHES.

    One `latency` event each, with the networks numbered in their order. What takes the clock beyond `seconds`
    is skipped: a pass that has begun is not interrupted, but none begins that is expected to end too late.
    """
    ends = time.monotonic() + seconds
    cases = [
        (number, variant, batch)
        for batch in BATCHES
        for number, config in enumerate(configs)
        for variant in _variants(config)
    ]
    cases.sort(key=lambda case: (case[2], case[2] > 1 and case[1].device == "cpu"))  # the slowest last
    of_one = dict[tuple[int, str], float]()
    for place, (number, config, batch) in enumerate(cases):
        facts: dict[str, Any] = {"network": number, "device": config.device, "batch": batch}
        left = ends - time.monotonic()
        expected = batch * of_one.get((number, config.device), 0.0)  # at most: batches are more efficient
        if expected >= left:
            report.event("latency", **facts, skipped=_too_long(expected, seconds))
            continue
        try:
            told = _time(config, batch, left / (len(cases) - place))
        except TrialError as error:
            report.event("latency", **facts, skipped=str(error))
            continue
        report.event("latency", **facts, **told)
        if batch == 1:
            of_one[number, config.device] = told["milliseconds"] / 1000


def _variants(config: TrialConfig) -> list[TrialConfig]:
    """The configuration on the CPU, in fp32 as most programs run it there, and on a GPU if it is for one."""
    on_cpu = replace(config, device="cpu", precision="fp32", engine="auto")
    is_for_gpu = config.device == "cuda" or (config.device == "auto" and torch.cuda.is_available())
    return [on_cpu, replace(config, device="cuda")] if is_for_gpu else [on_cpu]


def _too_long(expected: float, seconds: float) -> str:
    if expected == 0.0:
        return f"the {seconds:g} s for all latencies were up"
    return f"one pass may take {expected:.1f} s, which is more than is left of {seconds:g} s"


def _time(config: TrialConfig, batch: int, seconds: float) -> dict[str, Any]:
    """The fields of a `latency` event; milliseconds are those of a whole batch. Raises TrialError.

    Of several passes the first warms up and does not count.
    """
    with name_device_errors():
        device, about = resolve_device(config), data.about(config.dataset)
        run = _prepare(config, compute_shape(config, about), about.classes, device, batch)
        ends = time.monotonic() + seconds
        with torch.inference_mode(), device.autocast():
            passes = [device.time(run)]
            while len(passes) <= PASSES and time.monotonic() + passes[-1] < ends:
                passes.append(device.time(run))
    counted = passes[1:] or passes
    first, median, third = statistics.quantiles(counted, n=4) if len(counted) > 1 else counted * 3
    machine = device.describe()
    return {
        **{key: machine[key] for key in ("device_name", "precision", "threads")},
        "milliseconds": 1000 * median,
        "iqr_milliseconds": 1000 * (third - first),
        "passes": len(counted),
    }


def _prepare(
    config: TrialConfig, shape: Shape, classes: int, device: Device, batch: int
) -> Callable[[], None]:
    """One forward pass of a batch of noise through each network of the configuration, as a function."""
    recipe = recipes.load(config.recipe, config.ingredients, config.versions.recipes)
    vote = recipe.one(Vote)
    changes = (surgery.apply for surgery in recipe.every(Surgery))
    network = models.build(config.model, shape, classes, changes)
    network = network.to(device.torch_device).to(memory_format=torch.channels_last).eval()
    images = torch.rand(batch, 3, shape.resolution, shape.resolution, device=device.torch_device)
    images = images.contiguous(memory_format=torch.channels_last)

    def run() -> None:
        for _ in range(vote.count if vote else 1):
            network(images)

    return run
