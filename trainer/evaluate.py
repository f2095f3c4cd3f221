"""Accuracy and loss of the weights as they are: plain, one view an image."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from trainer.images import DeviceImages, Normalisation
from trainer.machine import Machine

_BATCH = 500


@dataclass(frozen=True)
class Score:
    """accuracy in [0, 1]; loss: mean cross-entropy, not finite where the network diverged."""

    accuracy: float
    loss: float


@torch.inference_mode()
def evaluate(network: nn.Module, held: DeviceImages, normalise: Normalisation, machine: Machine) -> Score:
    """Score the network on all images; it is left in training mode. Waits for the device once."""
    network.eval()
    sums = torch.zeros(2, dtype=torch.float64, device=machine.device)
    batches = zip(torch.split(held.images, _BATCH), torch.split(held.labels, _BATCH), strict=True)
    for images, labels in batches:
        with machine.autocast():
            logits = network(normalise(images))
        logits = logits.float()
        sums[0] += (logits.argmax(1) == labels).sum()
        sums[1] += F.cross_entropy(logits, labels, reduction="sum")
    network.train()
    correct, loss = sums.tolist()
    return Score(correct / len(held), loss / len(held))
