"""One step of a training, whatever the recipe asks of it.

Everything it does stays on the device, in tensors that live as long as the training: so it can be
captured as a CUDA graph, and nothing waits for a number. What changes from step to step is written
into those tensors from outside.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainer import optimizers
from trainer.ingredients import Average, Groups, Perturbation
from trainer.objective import Phase, TrainingObjective


class Update:
    """A network, its optimizer, and what a step reads and writes.

    images: uint8 [N, 3, S, S] of this epoch, by S
    chosen: int64 [B], the images of the batch
    progress: 0-d float, in [0, 1]
    share: 0-d float, how far the average of the weights goes to them
    loss_sum: 0-d float, over the steps since somebody read it
    """

    def __init__(
        self, network: nn.Module, lesson: TrainingObjective, generator: Generator, seed: int, graphed: bool
    ):
        device = lesson.machine.device
        self.network = network
        self.weights: list[Tensor] = [weight for weight in network.parameters() if weight.requires_grad]
        self.averaged = deepcopy(network).requires_grad_(False) if lesson.recipe.one(Average) else None
        self.images: dict[int, Tensor] = {}
        self.chosen = torch.zeros(lesson.settings.batch_size, dtype=torch.int64, device=device)
        self.progress, self.share, self.loss_sum = torch.zeros(3, device=device).unbind()
        self._lesson, self._generator, self._seed, self._graphed = lesson, generator, seed, graphed
        self._perturbation = lesson.recipe.one(Perturbation)
        self._optimizer = self._new_optimizer()
        self._scaler = torch.amp.GradScaler(device.type, enabled=lesson.machine.precision == "fp16")
        self._forward = torch.compile(network) if lesson.machine.engine == "compile" else network
        self._now = _floats(network)
        self._mean = _floats(self.averaged) if self.averaged is not None else []

    def __call__(self, phase: Phase) -> None:
        """Learn from the chosen images."""
        inputs, targets = self.batch(phase)
        self.loss_sum += self._pass(inputs, targets)
        if phase.perturbed:
            with self.perturbed():
                self._pass(inputs, targets)
        self._learn()

    def batch(self, phase: Phase) -> tuple[Tensor, Tensor]:
        """The chosen images as inputs, float [B, 3, S, S], and what is to be said of them, [B, K]."""
        draw = self._lesson.draw(self._generator, self.progress, self._seed)
        targets = self._lesson.targets[self.chosen]
        return self._lesson.batch(self.images[phase.pixels][self.chosen], targets, draw)

    @contextmanager
    def perturbed(self) -> Iterator[None]:
        """Within, the weights are where the second pass takes the gradient; `.grad` holds the first's."""
        assert self._perturbation is not None, "no phase of this recipe is perturbed"
        held = self._perturbation.ascend(self.weights)
        with _statistics_frozen(self.network):
            yield
        with torch.no_grad():  # copied back, not subtracted: what is not finite cannot stay
            torch._foreach_copy_(self.weights, list(held))

    def _learn(self) -> None:
        """Take the step that the gradients in `.grad` say."""
        self._lesson.change_gradients(self.weights)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        if self._mean:
            self._approach()

    def set_rate(self, rate: float) -> None:
        """The learning rate of the steps from now on."""
        optimizers.set_rate(self._optimizer, rate)

    def forget_gradients(self) -> None:
        """As a step finds them, so that a capture makes its own."""
        self._optimizer.zero_grad(set_to_none=True)

    def load_epoch_images(self, images: Tensor) -> None:
        """Take uint8 [N, 3, S, S] for the steps to come, where a captured step looks for them."""
        pixels = images.shape[-1]
        if self._graphed and pixels in self.images:
            self.images[pixels].copy_(images)
        else:
            self.images[pixels] = images

    def state(self) -> dict[str, Any]:
        """What `restore` needs, not copied."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "averaged": self.averaged.state_dict() if self.averaged is not None else {},
            "loss_sum": self.loss_sum,
        }

    def restore(self, held: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        self.network.load_state_dict(held["network"])
        self._optimizer.load_state_dict(held["optimizer"])
        optimizers.adopt_rate(self._optimizer, graphed=self._graphed)
        self._scaler.load_state_dict(held["scaler"])
        if self.averaged is not None:
            self.averaged.load_state_dict(held["averaged"])
        self.loss_sum.copy_(held["loss_sum"])

    def _pass(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """The loss at the weights as they are, and in `.grad` its gradient."""
        self.forget_gradients()
        with self._lesson.machine.autocast():
            logits = self._forward(inputs)
        loss = self._lesson.loss(logits.float(), targets)
        torch.autograd.backward(self._scaler.scale(loss))
        return loss.detach()

    @torch.no_grad()
    def _approach(self) -> None:
        """Move the average of weights and of running statistics by `share` of the way."""
        way = torch._foreach_sub(self._now, self._mean)
        torch._foreach_mul_(way, self.share)
        torch._foreach_add_(self._mean, way)

    def _new_optimizer(self) -> torch.optim.Optimizer:
        settings, groups = self._lesson.settings, self._lesson.recipe.one(Groups)
        split = (
            groups(self.network, settings.weight_decay)
            if groups
            else [{"params": self.weights, "weight_decay": settings.weight_decay}]
        )
        return optimizers.build(
            settings.optimizer,
            split,
            settings.learning_rate,
            settings.weight_decay,
            cuda=self._lesson.machine.cuda,
            graphed=self._graphed,
        )


@contextmanager
def _statistics_frozen(network: nn.Module) -> Iterator[None]:
    """Within, batch norms normalise by the batch but do not look at the running statistics.

    A momentum of 0 would not do: where the weights are not finite, nothing times the batch's
    statistics is still not a number, and stays.
    """
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


def _floats(network: nn.Module) -> list[Tensor]:
    return [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]
