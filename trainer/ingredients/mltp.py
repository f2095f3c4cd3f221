"""MLTP, the meta-learning procedure of Awad et al.'s ResNet-9 paper (2022, section 2.5), read as Reptile.

The paper splits its training set into two tasks of 250 images per class and shows the rest only in a figure.
It reframes few-shot meta-learning, taken here as first-order meta-learning on these tasks (Nichol et al.
2018, the batched version). Steps stay as they are: only the order of the images changes and, when a task or
a cycle ends, the weights.
"""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Generator, Tensor

from trainer.errors import InvalidConfig
from trainer.ingredients import Meta, OuterLoop, within


@dataclass(frozen=True)
class Mltp(Meta):
    """Train on each part of the training set in turn, starting from shared weights.

    After the last task of a cycle the shared weights move by `outer_rate` towards the mean of the tasks'
    weights. The optimizer's momentum and batch norm's statistics go on from task to task.
    inner_steps: about how many steps a task trains before the next; fitted so that an epoch is whole
        cycles, after which the weights are the shared ones
    """

    tasks: int = within(2, at_least=2, at_most=16)
    inner_steps: int = within(10, at_least=1)
    outer_rate: float = within(1.0, above=0, at_most=1)

    def begin(
        self, weights: Sequence[Tensor], labels: Tensor, batch_size: int, generator: Generator
    ) -> OuterLoop:
        """Assign each class's images to the tasks. Raises InvalidConfig if a task has no whole batch."""
        fewest = len(labels) // self.tasks
        if batch_size > fewest:
            raise InvalidConfig(
                f"a batch of {batch_size} is more than the {fewest} images of each of {self.tasks} tasks; "
                "give a smaller batch_size, fewer tasks or more images in subset"
            )
        return _Reptile(self, weights, _assign_tasks(labels, self.tasks, generator), batch_size)


def _assign_tasks(labels: Tensor, tasks: int, generator: Generator) -> Tensor:
    """int64 [N]: a task drawn for each image; within a class, their sizes differ by at most one."""
    shuffled = torch.randperm(len(labels), generator=generator, device=labels.device)
    by_class = shuffled[labels[shuffled].argsort(stable=True)]
    turn = torch.arange(len(labels), device=labels.device) % tasks
    return torch.empty_like(turn).index_copy_(0, by_class, turn)


class _Reptile(OuterLoop):
    """shared: the weights that each task starts from; gained: this cycle's changes, summed over its tasks."""

    def __init__(self, settings: Mltp, weights: Sequence[Tensor], task: Tensor, batch_size: int) -> None:
        self._settings, self._weights, self._batch_size = settings, list(weights), batch_size
        self._task, self._steps = task, 0
        self._ends = _compute_block_ends(len(task) // batch_size, settings)
        self._shared = [weight.detach().clone() for weight in weights]
        self._gained = [torch.zeros_like(weight) for weight in self._shared]

    def order(self, generator: Generator) -> Tensor:
        """Whole batches of one task at a time. A task whose images run out in an epoch starts over."""
        images = torch.randperm(len(self._task), generator=generator, device=self._task.device)
        own = [images[self._task[images] == task] for task in range(self._settings.tasks)]
        taken = [0] * self._settings.tasks
        blocks = []
        for number, (begin, end) in enumerate(pairwise([0, *self._ends])):
            task = number % self._settings.tasks
            first, taken[task] = taken[task], taken[task] + (end - begin) * self._batch_size
            places = torch.arange(first, taken[task], device=images.device) % len(own[task])
            blocks.append(own[task][places])
        left = images[: len(images) % self._batch_size]
        return torch.cat([*blocks, left])

    @torch.no_grad()
    def after(self, step: int) -> None:
        self._steps = step
        turn, ended = self._find_turn()
        if ended:
            self._end_task()
        if ended and turn == self._settings.tasks:
            self._end_cycle(turn)

    @torch.no_grad()
    def finish(self) -> None:
        """Move the shared weights to the mean of the tasks begun; one cut short counts as far as it came."""
        turn, ended = self._find_turn()
        if self._steps and not (ended and turn == self._settings.tasks):
            self._end_task()
            self._end_cycle(turn)

    def state_dict(self) -> dict[str, Tensor]:
        state = {"task": self._task, "steps": torch.tensor(self._steps)}
        state |= {f"shared.{number}": weight for number, weight in enumerate(self._shared)}
        return state | {f"gained.{number}": weight for number, weight in enumerate(self._gained)}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self._task, self._steps = state["task"].to(self._task.device), int(state["steps"])
        for number, (shared, gained) in enumerate(zip(self._shared, self._gained, strict=True)):
            shared.copy_(state[f"shared.{number}"])
            gained.copy_(state[f"gained.{number}"])

    def _find_turn(self) -> tuple[int, bool]:
        """The task of the last step within its cycle, from 1, and whether that was the task's last step."""
        step_of_epoch = (self._steps - 1) % self._ends[-1] + 1
        block = bisect.bisect_left(self._ends, step_of_epoch)
        return block % self._settings.tasks + 1, step_of_epoch == self._ends[block]

    def _end_task(self) -> None:
        """Add the task's change of the weights, and go back to the shared ones."""
        torch._foreach_add_(self._gained, torch._foreach_sub(self._weights, self._shared))
        torch._foreach_copy_(self._weights, self._shared)

    def _end_cycle(self, tasks: int) -> None:
        """Move the shared weights by the mean change over the tasks."""
        torch._foreach_add_(self._shared, self._gained, alpha=self._settings.outer_rate / tasks)
        torch._foreach_zero_(self._gained)
        torch._foreach_copy_(self._weights, self._shared)


def _compute_block_ends(steps: int, settings: Mltp) -> list[int]:
    """The steps of an epoch, from 1, that end a task: whole cycles, tasks equal to within one step."""
    cycles = round(steps / (settings.inner_steps * settings.tasks))
    blocks = settings.tasks * max(1, min(cycles, steps // settings.tasks))
    return [steps * number // blocks for number in range(1, blocks + 1)]
