"""Several trainings of one network whose forward and backward passes are one.

Only the passes are stacked. Each training keeps its own network, optimizer, images and draws, as if it
were alone: its weights are slices of stacked tensors, its gradients slices of theirs. So whatever acts
on weights or gradients in place is exactly what it is in a training alone, and a training that
diverges spoils no other.
"""

import copy
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import chain

import torch
from torch import Tensor, nn
from torch.func import functional_call

from trainer.engine import Eager, Graphed
from trainer.evaluate import Score
from trainer.lesson import Lesson, Phase
from trainer.machine import Machine
from trainer.trainee import Trainee, why_no_graph

_TOLERANCE = 0.1  # of a vector's length; other kernels differ by less, a wrong sum by more


class Stack:
    """Trainees that take their steps together.

    networks: of one shape, on the device; they are the trainees' own from now on
    lessons: one each, that differ in their images, learning rate and weight decay at most
    """

    def __init__(
        self, networks: Sequence[nn.Module], lessons: Sequence[Lesson], seeds: Sequence[int]
    ) -> None:
        self._passes = Passes(networks)  # before the trainees keep references to the weights
        each = zip(networks, lessons, seeds, strict=True)
        self.trainees = [Trainee(network, lesson, seed) for network, lesson, seed in each]
        self.lesson = lessons[0]
        self._updates = [trainee.update for trainee in self.trainees]
        why_eager = why_no_graph(self.lesson)
        self.engine = (
            Graphed(self._take, [trainee.generator for trainee in self.trainees], self._forget_gradients)
            if why_eager is None
            else Eager(self._take, why_eager)
        )

    def start_epoch(self, progress: float) -> None:
        """As a trainee's, for all of them."""
        for trainee in self.trainees:
            trainee.start_epoch(progress)

    def step(self, batch: int, number: int, total_steps: int) -> None:
        """As a trainee's, for all of them at once."""
        phases = [trainee.begin_step(batch, number, total_steps) for trainee in self.trainees]
        self.engine(phases[0])
        for trainee in self.trainees:
            trainee.end_step(number)

    def validate(self) -> list[Score | None]:
        """Each one's weights as they are, on its own validation images."""
        return [trainee.validate() for trainee in self.trainees]

    def _take(self, phase: Phase) -> None:
        batches = [update.batch(phase) for update in self._updates]
        inputs, targets = (torch.stack(each) for each in zip(*batches, strict=True))
        for update, loss in zip(self._updates, self._pass(inputs, targets), strict=True):
            update.loss_sum += loss
        if phase.perturbed:
            with ExitStack() as moved:
                for update in self._updates:
                    moved.enter_context(update.perturbed())
                self._pass(inputs, targets)
        for update in self._updates:
            update.learn()

    def _pass(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """[T, B, 3, S, S] and [T, B, K] to the losses [T]; gradients are in each weight's `.grad`."""
        self._forget_gradients()
        with self.lesson.machine.autocast():
            logits = self._passes(inputs)
        each = zip(logits.float(), targets, strict=True)
        losses = torch.stack([self.lesson.loss(*said) for said in each])
        torch.autograd.backward(losses.sum())
        self._passes.hand_out_gradients()
        return losses.detach()

    def _forget_gradients(self) -> None:
        self._passes.forget_gradients()
        for update in self._updates:
            update.forget_gradients()


class Passes:
    """Networks of one shape as one function of stacked weights, whose slices they keep as their own."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        self._network = networks[0]
        self._own = [list(network.parameters()) for network in networks]
        self._parameters = _joined([dict(network.named_parameters()) for network in networks])
        self._buffers = _joined([dict(network.named_buffers()) for network in networks])
        self._forward = torch.vmap(self._one)  # refuses layers that draw: they would not draw as alone
        for stacked, weights in zip(self._parameters.values(), self._own[0], strict=True):
            stacked.requires_grad_(weights.requires_grad)

    def __call__(self, inputs: Tensor) -> Tensor:
        """[T, B, 3, S, S] to logits [T, B, K]; running statistics are changed in place."""
        logits: Tensor = self._forward(self._parameters, self._buffers, inputs)
        return logits

    def forget_gradients(self) -> None:
        """The stacked ones; the networks' `.grad` are others' to forget."""
        for weights in self._parameters.values():
            weights.grad = None

    def hand_out_gradients(self) -> None:
        """Give each network the slices of the gradients that are its own."""
        for stacked, *own in zip(self._parameters.values(), *self._own, strict=True):
            if stacked.grad is not None:
                for weights, gradient in zip(own, stacked.grad, strict=True):
                    weights.grad = gradient

    def _one(self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], inputs: Tensor) -> Tensor:
        logits: Tensor = functional_call(self._network, (parameters, buffers), (inputs,))
        return logits


def why_not(networks: Sequence[nn.Module], inputs: Tensor, machine: Machine) -> str | None:
    """Why these networks cannot be stacked; None where both passes are the same as alone.

    inputs: float [T, B, 3, S, S]. The networks stay as they are.
    """
    alone, together, rehearsing = ([copy.deepcopy(network).train() for network in networks] for _ in range(3))
    try:
        with machine.autocast():
            rehearsed = Passes(rehearsing)(inputs)
        _backward(rehearsed)  # that it can be done; 16 bits are too few to compare
        passes = Passes(together)
        said, wanted = passes(inputs), torch.stack([one(own) for one, own in zip(alone, inputs, strict=True)])
        for logits in (said, wanted):
            _backward(logits)
        passes.hand_out_gradients()
    except RuntimeError as error:  # what torch says of a layer that it cannot stack
        return f"the network cannot be stacked: {str(error).strip().splitlines()[0]}"
    found = [(said[number], *_traces(network)) for number, network in enumerate(together)]
    expected = [(wanted[number], *_traces(network)) for number, network in enumerate(alone)]
    if all(map(_agree, chain(*found), chain(*expected))):
        return None
    return "stacked, the network says something else than alone"


def _backward(logits: Tensor) -> None:
    """From some loss: [T, B, K] to gradients."""
    torch.autograd.backward(logits.float().log_softmax(2)[..., 0].sum())


def _joined(networks: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors by name, stacked: [T, ...]. The networks' own become slices of them, in the layout they had."""
    return {name: _stacked([network[name] for network in networks]) for name in networks[0]}


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    first, count = tensors[0], len(tensors)
    room = torch.empty(count * first.numel(), dtype=first.dtype, device=first.device)
    stacked = room.as_strided((count, *first.shape), (first.numel(), *first.stride()))
    for own, place in zip(tensors, stacked, strict=True):
        place.copy_(own.detach())
        own.data = place
    return stacked


def _traces(network: nn.Module) -> tuple[Tensor, Tensor]:
    """What passes left behind: all gradients as one vector, and all running statistics."""
    gradients = [weights.grad for weights in network.parameters() if weights.grad is not None]
    return _vector(gradients), _vector(list(network.buffers()))


def _vector(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().double().flatten() for tensor in tensors] or [torch.zeros(1)])


def _agree(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).norm() <= _TOLERANCE * other.norm())
