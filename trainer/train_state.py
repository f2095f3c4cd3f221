"""A network in training, epoch by epoch and step by step, and what must be kept to go on later."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trainer import optimizers
from trainer.engine import Eager, Graphed
from trainer.evaluate import Judge, Score, evaluate, judge
from trainer.images import DeviceImages
from trainer.ingredients import Average, Meta
from trainer.objective import TrainingObjective
from trainer.update import Update

_STEPS_AHEAD = 3  # that the host may be of the GPU


class TrainState:
    """A network, what it learns, and its random draws."""

    def __init__(self, network: nn.Module, lesson: TrainingObjective, seed: int) -> None:
        self.network, self.lesson = network, lesson
        self._seed, self._epoch, self._losses = seed, 0, 0
        self.generator = torch.Generator(lesson.machine.device).manual_seed(seed)
        why_eager = _why_no_graph(lesson)
        self.update = Update(network, lesson, self.generator, seed, graphed=why_eager is None)
        self.engine = (
            Graphed(self.update, [self.generator], self.update.forget_gradients)
            if why_eager is None
            else Eager(self.update, why_eager, compiled=lesson.machine.engine == "compile")
        )
        self._average, meta = lesson.recipe.one(Average), lesson.recipe.one(Meta)
        labels, size = lesson.training.labels, lesson.settings.batch_size
        self._outer = meta.begin(self.update.weights, labels, size, self.generator) if meta else None
        self._events: deque[torch.cuda.Event] = deque()

    def start_epoch(self, progress: float) -> None:
        """Augment all training images and put them in a new random order."""
        self._epoch_began = {"random": self._random_state(), "progress": progress, "epoch": self._epoch}
        self.update.progress.fill_(progress)
        self._pixels = self.lesson.phase(progress).pixels
        draw = self.lesson.draw(self.generator, self.update.progress, self._seed, self._epoch)
        self.update.load_epoch_images(self.lesson.epoch_images(draw, self._pixels))
        self._order = self._outer.order(self.generator) if self._outer else self._any_order()
        self._epoch += 1

    def step(self, batch: int, number: int, total_steps: int) -> None:
        """Learn from the epoch's batch of this number, in the step of this number, from 0."""
        progress, size = number / total_steps, self.lesson.settings.batch_size
        self.update.chosen.copy_(self._order[batch * size : (batch + 1) * size])
        self.update.progress.fill_(progress)
        if self._average:
            self.update.share.fill_(self._average.share(number + 1, total_steps))
        self.update.set_rate(self.lesson.learning_rate(progress))
        self.engine(self.lesson.phase(progress, self._pixels))
        self._losses += 1
        if self._outer:
            self._outer.after(number + 1)
        self._keep_up()

    def read_loss(self) -> float:
        """The mean loss since the last time; waits for the device."""
        mean = float(self.update.loss_sum) / max(self._losses, 1)
        self.update.loss_sum.zero_()
        self._losses = 0
        return mean

    def finish(self) -> None:
        """Settle what is under way: training does not go on."""
        if self._outer:
            self._outer.finish()
        self.let_go()

    def let_go(self) -> None:
        """Give back the memory that steps alone need, for others of a vote are still to be trained."""
        self.engine.release()
        self.update.forget_gradients()
        self.update.images.clear()

    @property
    def judged(self) -> nn.Module:
        """The network that evaluations look at: the average of the weights where there is one."""
        return self.network if self.update.averaged is None else self.update.averaged

    def judge(self) -> Judge:
        """What the network says of images; put it into evaluation mode first."""
        return judge(self.judged, self.lesson)

    def score(self, held: DeviceImages, first: int = 0) -> Score:
        """The weights as they are, on images held from training."""
        return evaluate([self.judged], self.judge(), held, first)

    def validate(self) -> Score | None:
        """The weights as they are, on the validation images; None where there are none."""
        return self.score(self.lesson.validation) if self.lesson.validation else None

    def state(self) -> dict[str, Any]:
        """All that a step depends on, cloned on the device: what a checkpoint keeps."""
        held = {
            "update": self.update.state(),
            "outer": self._outer.state() if self._outer else {},
            "random": self._random_state(),
            "epoch": self._epoch_began,
            "losses": self._losses,
        }
        cloned: dict[str, Any] = _cloned(held)
        return cloned

    def restore(self, held: dict[str, Any]) -> None:
        """Go on from `state()`: the epoch's images are drawn again, as they were."""
        self._epoch = held["epoch"]["epoch"]
        self._set_random(held["epoch"]["random"])
        if self._outer:
            self._outer.restore(held["outer"])  # which knows the tasks that the epoch is made of
        self.start_epoch(held["epoch"]["progress"])
        self.update.restore(held["update"])
        self._losses = held["losses"]
        self._set_random(held["random"])

    def _any_order(self) -> Tensor:
        count, device = len(self.lesson.training), self.lesson.machine.device
        return torch.randperm(count, generator=self.generator, device=device)

    def _random_state(self) -> list[Tensor]:
        """Of our own generator, and of torch's, from which layers such as dropout draw."""
        cuda = [torch.cuda.get_rng_state()] if self.lesson.machine.cuda else []
        return [self.generator.get_state(), torch.get_rng_state(), *cuda]

    def _set_random(self, states: Sequence[Tensor]) -> None:
        own, host, *cuda = (state.cpu() for state in states)
        self.generator.set_state(own)
        torch.set_rng_state(host)
        for state in cuda:
            torch.cuda.set_rng_state(state)

    def _keep_up(self) -> None:
        """Let the host run a few steps ahead of a GPU, no more: so the clock is true."""
        if not self.lesson.machine.cuda:
            return
        self._events.append(torch.cuda.current_stream().record_event())
        if len(self._events) > _STEPS_AHEAD:
            self._events.popleft().synchronize()


def _why_no_graph(lesson: TrainingObjective) -> str | None:
    """Why steps are not captured; None where they are."""
    if not lesson.machine.cuda:
        return "there is no GPU"
    if lesson.machine.engine in ("eager", "compile"):
        return f"engine {lesson.machine.engine} was asked for"
    if lesson.settings.optimizer not in optimizers.GRAPH_SAFE:
        return f"the optimizer {lesson.settings.optimizer} cannot be captured"
    if lesson.machine.precision == "fp16" and lesson.settings.optimizer not in optimizers.FUSED_ON_CUDA:
        return f"in fp16 the optimizer {lesson.settings.optimizer} asks the host whether to step"
    return None


def _cloned(held: Any) -> Any:
    if isinstance(held, Tensor):
        return held.detach().clone()
    if isinstance(held, dict):
        return {key: _cloned(value) for key, value in held.items()}
    if isinstance(held, list | tuple):
        return [_cloned(value) for value in held]
    return held
