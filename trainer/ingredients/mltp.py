"""MLTP, the meta-learning procedure of the ResNet-9 paper, read as Reptile.

The paper (section 2.5) splits its training set into two tasks of 250 images a class and
shows the rest in a figure alone; what it calls reframing few-shot meta-learning is taken
here for first-order meta-learning on these tasks (Nichol et al. 2018, the batched
version). A step stays a step: only the order of the images and, at the ends of a task and
of a cycle, the weights are changed.
"""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from trainer.errors import InvalidConfig
from trainer.ingredients import Meta, OuterLoop


@dataclass(frozen=True)
class Mltp(Meta):
    """Learn each part of the training set in turn from shared weights (the ResNet-9 paper, section 2.5).

    From the shared weights, each task trains for some steps; after the last task the shared
    weights go `outer_rate` of the way to the mean of where the tasks came to. The
    optimizer's momentum and batch norm's statistics go on from task to task.
    tasks: 2 to 16. inner_steps: about how many steps a task has in its turn, at least 1;
    it is fitted so that an epoch is whole cycles, after which the weights are the shared
    ones. outer_rate: in (0, 1].
    """

    tasks: int = 2
    inner_steps: int = 10
    outer_rate: float = 1.0

    def __post_init__(self) -> None:
        if not 2 <= self.tasks <= 16:
            raise ValueError(f"tasks must be from 2 to 16, not {self.tasks}")
        if self.inner_steps < 1:
            raise ValueError(f"inner_steps must be at least 1, not {self.inner_steps}")
        if not 0 < self.outer_rate <= 1:
            raise ValueError(f"outer_rate must be above 0 and at most 1, not {self.outer_rate}")

    def begin(
        self, weights: Sequence[Tensor], labels: Tensor, batch_size: int, generator: Generator
    ) -> OuterLoop:
        """Deals out each class's images to the tasks. Raises Refused where a task has no whole batch."""
        fewest = len(labels) // self.tasks
        if batch_size > fewest:
            raise InvalidConfig(
                f"a batch of {batch_size} is more than the {fewest} images of each of {self.tasks} tasks; "
                "give a smaller batch_size, fewer tasks or more images in subset"
            )
        return _Reptile(self, weights, _dealt(labels, self.tasks, generator), batch_size)


def _dealt(labels: Tensor, tasks: int, generator: Generator) -> Tensor:
    """int64 [N]: each image's task, drawn; of a class, each task has as many images, give or take one."""
    shuffled = torch.randperm(len(labels), generator=generator, device=labels.device)
    by_class = shuffled[labels[shuffled].argsort(stable=True)]
    turn = torch.arange(len(labels), device=labels.device) % tasks
    return torch.empty_like(turn).index_copy_(0, by_class, turn)


class _Reptile(OuterLoop):
    """shared: the weights that each task starts from; gained: how far this cycle's tasks came, summed."""

    def __init__(self, strengths: Mltp, weights: Sequence[Tensor], task: Tensor, batch_size: int) -> None:
        self._strengths, self._weights, self._batch_size = strengths, list(weights), batch_size
        self._task, self._steps = task, 0
        self._ends = _block_ends(len(task) // batch_size, strengths)
        self._shared = [weight.detach().clone() for weight in weights]
        self._gained = [torch.zeros_like(weight) for weight in self._shared]

    def order(self, generator: Generator) -> Tensor:
        """Batches of the task whose turn it is; where a task's images run out in an epoch, it starts over."""
        images = torch.randperm(len(self._task), generator=generator, device=self._task.device)
        own = [images[self._task[images] == task] for task in range(self._strengths.tasks)]
        taken = [0] * self._strengths.tasks
        blocks = []
        for number, steps in enumerate(_lengths(self._ends)):
            task = number % self._strengths.tasks
            first, taken[task] = taken[task], taken[task] + steps * self._batch_size
            places = torch.arange(first, taken[task], device=images.device) % len(own[task])
            blocks.append(own[task][places])
        left = images[: len(images) % self._batch_size]
        return torch.cat([*blocks, left])

    @torch.no_grad()
    def after(self, step: int) -> None:
        self._steps = step
        turn, over = self._turn()
        if over:
            self._end_task()
        if over and turn == self._strengths.tasks:
            self._end_cycle(turn)

    @torch.no_grad()
    def finish(self) -> None:
        """The shared weights go to the mean of the tasks that were begun, one cut short as far as it came."""
        turn, over = self._turn()
        if self._steps and not (over and turn == self._strengths.tasks):
            self._end_task()
            self._end_cycle(turn)

    def state(self) -> dict[str, Tensor]:
        state = {"task": self._task, "steps": torch.tensor(self._steps)}
        state |= {f"shared.{number}": weight for number, weight in enumerate(self._shared)}
        return state | {f"gained.{number}": weight for number, weight in enumerate(self._gained)}

    @torch.no_grad()
    def restore(self, state: dict[str, Tensor]) -> None:
        self._task, self._steps = state["task"].to(self._task.device), int(state["steps"])
        for number, (shared, gained) in enumerate(zip(self._shared, self._gained, strict=True)):
            shared.copy_(state[f"shared.{number}"])
            gained.copy_(state[f"gained.{number}"])

    def _turn(self) -> tuple[int, bool]:
        """Of the last step: whose turn of a cycle it was, from 1, and whether it was the turn's last."""
        step_of_epoch = (self._steps - 1) % self._ends[-1] + 1
        block = bisect.bisect_left(self._ends, step_of_epoch)
        return block % self._strengths.tasks + 1, step_of_epoch == self._ends[block]

    def _end_task(self) -> None:
        """Note how far the task came, and go back to the shared weights."""
        torch._foreach_add_(self._gained, torch._foreach_sub(self._weights, self._shared))
        torch._foreach_copy_(self._weights, self._shared)

    def _end_cycle(self, tasks: int) -> None:
        """Move the shared weights by the mean over the tasks."""
        torch._foreach_add_(self._shared, self._gained, alpha=self._strengths.outer_rate / tasks)
        torch._foreach_zero_(self._gained)
        torch._foreach_copy_(self._weights, self._shared)


def _block_ends(steps: int, strengths: Mltp) -> list[int]:
    """The steps of an epoch, from 1, that end a turn: whole cycles, of turns alike to one step."""
    cycles = round(steps / (strengths.inner_steps * strengths.tasks))
    blocks = strengths.tasks * max(1, min(cycles, steps // strengths.tasks))
    return [steps * number // blocks for number in range(1, blocks + 1)]


def _lengths(ends: Sequence[int]) -> list[int]:
    return [end - before for before, end in zip([0, *ends], ends, strict=False)]
