"""The rates of torch's schedulers, step by step, as shares of the base rate."""

from collections.abc import Callable

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from trainer.ingredients import Schedule


def of_torch(make: Callable[[Optimizer], LRScheduler], steps: int) -> list[float]:
    """The rates of so many steps of a base rate of 1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return rates


def of_ours(schedule: Schedule, steps: int, total: int) -> list[float]:
    """The rates of the first steps of so many in all."""
    return [schedule.rate(step / total) for step in range(steps)]
