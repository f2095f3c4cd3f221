"""Accuracy and loss of weights as they are, averaged over the recipe's views of an image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainer.images import DeviceImages
from trainer.objective import TrainingObjective

_BATCH = 500
_LEAST_PROBABILITY = 1e-12  # so that a vote of 0 has a finite loss

Judge = Callable[[Tensor], Tensor]  # uint8 [B, 3, S, S] to probabilities [B, K]


@dataclass(frozen=True)
class Score:
    """accuracy in [0, 1]; loss: mean cross-entropy, not finite where the network diverged.

    first_accuracy: of the first `first` images alone; None where there are no more than those.
    """

    accuracy: float
    loss: float
    first_accuracy: float | None = None


def judge(network: nn.Module, lesson: TrainingObjective) -> Judge:
    """What a network in evaluation mode says of images, by all views."""

    def probabilities(images: Tensor) -> Tensor:
        said = []
        for view in lesson.views(images):
            with lesson.machine.autocast():
                logits = network(lesson.normalise(view).contiguous(memory_format=torch.channels_last))
            said.append(logits.float().softmax(1))
        return said[0] if len(said) == 1 else torch.stack(said).mean(0)

    return probabilities


@torch.inference_mode()
def evaluate(networks: Sequence[nn.Module], judged: Judge, held: DeviceImages, first: int = 0) -> Score:
    """Score a judgement of all images; its networks are left in training mode. Waits for the device once."""
    for network in networks:
        network.eval()
    right, losses = [], []
    batches = zip(torch.split(held.images, _BATCH), torch.split(held.labels, _BATCH), strict=True)
    for images, labels in batches:
        probabilities = judged(images)
        right.append(probabilities.argmax(1) == labels)
        chosen = probabilities.gather(1, labels[:, None])[:, 0]
        losses.append(-torch.log(chosen.clamp(min=_LEAST_PROBABILITY)))
    for network in networks:
        network.train()
    hits = torch.cat(right).double()
    found = torch.stack([hits.mean(), torch.cat(losses).double().mean(), hits[: first or None].mean()])
    accuracy, loss, of_first = found.tolist()
    return Score(accuracy, loss, of_first if 0 < first < len(held) else None)
