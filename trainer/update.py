"""One training step, with whatever the recipe adds.

Everything stays on the device, in tensors that live as long as the training. So a CUDA graph can hold the
step, and nothing waits for a number. The caller writes into those tensors what changes from step to step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainer import optimizers
from trainer.config import COMPILED_ENGINES
from trainer.engine import Captured
from trainer.ingredients import Average, Gradients, Groups, Perturbation
from trainer.objective import Phase, TrainingObjective


class Update:
    """A network, its optimizer, and what a step reads and writes.

    images: uint8 [N, 3, S, S] of this epoch, by S
    chosen: int64 [B], the images of the batch
    progress: 0-d float, in [0, 1]
    share: 0-d float, how far the averaged weights move towards the current ones
    loss_sum: 0-d float, over the steps since it was last read
    """

    def __init__(
        self,
        network: nn.Module,
        objective: TrainingObjective,
        generator: Generator,
        seed: int,
        captured: Captured,
    ) -> None:
        device = objective.device.torch_device
        self.network = network
        self.weights: list[Tensor] = [weight for weight in network.parameters() if weight.requires_grad]
        self._names = {id(weight): name for name, weight in network.named_parameters()}
        self.averaged = deepcopy(network).requires_grad_(False) if objective.recipe.one(Average) else None
        self.images: dict[int, Tensor] = {}
        self.chosen = torch.zeros(objective.settings.batch_size, dtype=torch.int64, device=device)
        self.progress, self.share, self.loss_sum = torch.zeros(3, device=device).unbind()
        self._objective, self._generator, self._seed, self._captured = objective, generator, seed, captured
        self._perturbation = objective.recipe.one(Perturbation)
        self.optimizer = self._new_optimizer()
        self._scaler = torch.amp.GradScaler(device.type, enabled=objective.device.precision == "fp16")
        self._forward = torch.compile(network) if objective.device.engine in COMPILED_ENGINES else network
        self._current = _float_tensors(network)
        self._mean = _float_tensors(self.averaged) if self.averaged is not None else []

    def __call__(self, phase: Phase) -> None:
        """Take one step on the chosen images."""
        self.compute_gradients(phase)
        self.learn()

    def compute_gradients(self, phase: Phase) -> None:
        """The first part of a step, all passes: put into `.grad` what the optimizer is to see."""
        inputs, targets = self.batch(phase)
        self.loss_sum += self._backward(inputs, targets)
        if phase.perturbed:
            with self.perturbed():
                self._backward(inputs, targets)
        for change in self._objective.recipe.every(Gradients):
            change(self._weights_with_gradients())

    def learn(self) -> None:
        """The second part of a step: move the weights by `.grad`, and their averages after them."""
        self._scaler.step(self.optimizer)
        self._scaler.update()
        if self._mean:
            self._update_average()

    def batch(self, phase: Phase) -> tuple[Tensor, Tensor]:
        """The chosen images as inputs, float [B, 3, S, S], and their targets, [B, K]."""
        draw = self._objective.draw(self._generator, self.progress, self._seed)
        targets = self._objective.targets[self.chosen]
        return self._objective.batch(self.images[phase.pixels][self.chosen], targets, draw)

    @contextmanager
    def perturbed(self) -> Iterator[None]:
        """Within, the weights are where the second pass takes the gradient. `.grad` holds the first one."""
        assert self._perturbation is not None, "no phase of this recipe is perturbed"
        moved = self._weights_with_gradients()
        kept = self._perturbation.ascend(moved, [self._names[id(weight)] for weight in moved])
        with _freeze_statistics(self.network):
            yield
        with torch.no_grad():  # copied back, not subtracted, so that no infinite value stays
            torch._foreach_copy_(moved, list(kept))

    def forget_gradients(self) -> None:
        """Free all gradients, as before each pass; a captured step then allocates its own."""
        self.optimizer.zero_grad(set_to_none=True)

    def load_epoch_images(self, images: Tensor) -> None:
        """Put uint8 [N, 3, S, S] where the steps to come, captured ones too, read them."""
        pixels = images.shape[-1]
        if self._captured != "nothing" and pixels in self.images:
            self.images[pixels].copy_(images)
        else:
            self.images[pixels] = images

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs, not copied."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "averaged": self.averaged.state_dict() if self.averaged is not None else {},
            "loss_sum": self.loss_sum,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        optimizers.adopt_rate(self.optimizer, graphed=self._has_rate_tensor)
        self._scaler.load_state_dict(state["scaler"])
        if self.averaged is not None:
            self.averaged.load_state_dict(state["averaged"])
        self.loss_sum.copy_(state["loss_sum"])

    def _weights_with_gradients(self) -> list[Tensor]:
        """Without those that no output depends on, such as an auxiliary head's: always the same ones."""
        return [weight for weight in self.weights if weight.grad is not None]

    def _backward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss at the current weights, and put its gradient into `.grad`."""
        self.forget_gradients()
        with self._objective.device.autocast():
            logits = self._forward(inputs)
        loss = self._objective.loss(logits.float(), targets)
        torch.autograd.backward(self._scaler.scale(loss))
        return loss.detach()

    @torch.no_grad()
    def _update_average(self) -> None:
        """Move the averages of weights and running statistics by `share` towards the current values."""
        change = torch._foreach_sub(self._current, self._mean)
        torch._foreach_mul_(change, self.share)
        torch._foreach_add_(self._mean, change)

    def _new_optimizer(self) -> torch.optim.Optimizer:
        settings, recipe = self._objective.settings, self._objective.recipe
        make_groups = recipe.one(Groups)
        groups = (
            make_groups(self.network, settings.weight_decay) if make_groups else [{"params": self.weights}]
        )
        if settings.optimizer == "muon" and recipe.muon_on_convolutions:
            groups = optimizers.split_for_muon(groups)
        return optimizers.build(
            settings.optimizer,
            groups,
            settings.learning_rate,
            settings.weight_decay,
            cuda=self._objective.device.cuda,
            graphed=self._has_rate_tensor,
        )

    @property
    def _has_rate_tensor(self) -> bool:
        """Whether the optimizer reads its rate, and counts its steps, on the device.

        Then its step asks the host for nothing, whether it is captured or follows captured passes.
        """
        return self._captured != "nothing" and self._objective.settings.optimizer in optimizers.GRAPH_SAFE


@contextmanager
def _freeze_statistics(network: nn.Module) -> Iterator[None]:
    """Within, batch norms normalise by the batch and do not update their running statistics.

    A momentum of 0 would not do: 0 times a statistic that is not finite is still not a number.
    """
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


def _float_tensors(network: nn.Module) -> list[Tensor]:
    return [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]
