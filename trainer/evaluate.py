"""Accuracy and loss, from probabilities averaged over the recipe's views of an image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainer.images import DeviceImages
from trainer.objective import TrainingObjective

_BATCH = 500
_LEAST_PROBABILITY = 1e-12  # so that a vote of 0 has a finite loss

Predictor = Callable[[Tensor], Tensor]  # uint8 [B, 3, S, S] to probabilities [B, K]


@dataclass(frozen=True)
class Score:
    """accuracy: in [0, 1]; loss: mean cross-entropy, not finite where the network diverged.

    first_accuracy: of the first `first` images; None where there are no more than those
    """

    accuracy: float
    loss: float
    first_accuracy: float | None = None


def make_predictor(network: nn.Module, objective: TrainingObjective) -> Predictor:
    """Average a network's probabilities over all views. Put the network into evaluation mode first."""

    def predict(images: Tensor) -> Tensor:
        by_view = []
        for view in objective.views(images):
            with objective.device.autocast():
                logits = network(objective.normalise(view).contiguous(memory_format=torch.channels_last))
            by_view.append(logits.float().softmax(1))
        return by_view[0] if len(by_view) == 1 else torch.stack(by_view).mean(0)

    return predict


@torch.inference_mode()
def evaluate(
    networks: Sequence[nn.Module], predict: Predictor, held_out: DeviceImages, first: int = 0
) -> Score:
    """Score a predictor on all images, and leave its networks in training mode. Waits for the device once."""
    for network in networks:
        network.eval()
    right, losses = [], []
    batches = zip(torch.split(held_out.images, _BATCH), torch.split(held_out.labels, _BATCH), strict=True)
    for images, labels in batches:
        probabilities = predict(images)
        right.append(probabilities.argmax(1) == labels)
        chosen = probabilities.gather(1, labels[:, None])[:, 0]
        losses.append(-torch.log(chosen.clamp(min=_LEAST_PROBABILITY)))
    for network in networks:
        network.train()
    hits = torch.cat(right).double()
    means = torch.stack([hits.mean(), torch.cat(losses).double().mean(), hits[: first or None].mean()])
    accuracy, loss, of_first = means.tolist()
    return Score(accuracy, loss, of_first if 0 < first < len(held_out) else None)
