"""Scores of a network, from probabilities averaged over the recipe's views of an image.

With K classes, let m be how many images a class has, t how many of these are predicted right, and q how often
the class is predicted. Its recall is t / m. Its F1, the harmonic mean of precision t / q and recall, is
2 t / (m + q). Classes without images are left out of both means:

- balanced accuracy: the mean recall (Brodersen et al. 2010, "The balanced accuracy and its posterior
  distribution", who have two classes)
- macro F1: the mean of the classes' F1. Opitz and Burst 2019, "Macro F1 and Macro F1", call it averaged F1,
  to tell it from the F1 of the averaged precision and recall. m + q is never 0, so nothing is undefined.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainer.images import DeviceImages, Normalisation
from trainer.objective import TrainingObjective

_BATCH = 500
LEAST_PROBABILITY = 1e-12  # so that a vote of 0 has a finite loss
_TOP = 5

Predictor = Callable[[Tensor], Tensor]  # uint8 [B, 3, S, S] to probabilities [B, K]


@dataclass(frozen=True)
class Score:
    """All are in [0, 1] except the loss.

    loss: mean cross-entropy, not finite where the network diverged
    top5_accuracy: share of images whose class is among the five likeliest; None with fewer than 6 classes
    class_accuracies: the recall of each class, None of one without images
    first_accuracy: accuracy on the first `first` images; None where there are no more than those
    """

    accuracy: float
    loss: float
    balanced_accuracy: float
    macro_f1: float
    top5_accuracy: float | None
    class_accuracies: tuple[float | None, ...]
    first_accuracy: float | None = None


def make_predictor(network: nn.Module, objective: TrainingObjective) -> Predictor:
    """Average a network's probabilities over all views. Put the network into evaluation mode first."""

    def predict(images: Tensor) -> Tensor:
        with objective.device.autocast():
            return average_views(network, objective.views(images), objective.normalise)

    return predict


def average_views(network: nn.Module, views: Sequence[Tensor], normalise: Normalisation) -> Tensor:
    """The mean of a network's probabilities, [B, K], over views of the images, [B, 3, S, S] each."""
    by_view = [compute_logits(network, view, normalise).softmax(1) for view in views]
    return by_view[0] if len(by_view) == 1 else torch.stack(by_view).mean(0)


def compute_logits(network: nn.Module, images: Tensor, normalise: Normalisation) -> Tensor:
    """Pixels in 0..255, [B, 3, S, S], to logits, float [B, K]."""
    inputs = normalise(images).contiguous(memory_format=torch.channels_last)
    logits: Tensor = network(inputs).float()
    return logits


@torch.inference_mode()
def evaluate(
    networks: Sequence[nn.Module], predict: Predictor, held_out: DeviceImages, first: int = 0
) -> Score:
    """Score a predictor on all images, and leave its networks in training mode. Waits for the device once."""
    for network in networks:
        network.eval()
    predicted, among_top, losses = [], [], []
    batches = zip(torch.split(held_out.images, _BATCH), torch.split(held_out.labels, _BATCH), strict=True)
    for images, labels in batches:
        probabilities = predict(images)
        predicted.append(probabilities.argmax(1))
        likeliest = probabilities.topk(min(_TOP, probabilities.shape[1])).indices
        among_top.append((likeliest == labels[:, None]).any(1))
        chosen = probabilities.gather(1, labels[:, None])[:, 0]
        losses.append(-torch.log(chosen.clamp(min=LEAST_PROBABILITY)))
    for network in networks:
        network.train()
    classes = probabilities.shape[1]
    hits = torch.cat(predicted) == held_out.labels
    means = [torch.cat(found).double().mean() for found in (losses, among_top)]
    means += [found.double().mean() for found in (hits, hits[: first or None])]
    by_class = _score_classes(torch.cat(predicted), held_out.labels, hits, classes)
    loss, top5, accuracy, of_first, balanced, macro_f1, *recalls = torch.cat(
        [torch.stack(means), by_class]
    ).tolist()
    return Score(
        accuracy,
        loss,
        balanced_accuracy=balanced,
        macro_f1=macro_f1,
        top5_accuracy=top5 if classes > _TOP else None,
        class_accuracies=tuple(None if math.isnan(recall) else recall for recall in recalls),
        first_accuracy=of_first if 0 < first < len(held_out) else None,
    )


def _score_classes(predicted: Tensor, labels: Tensor, hits: Tensor, classes: int) -> Tensor:
    """Balanced accuracy, macro F1 and the recall of each class, NaN without images: float64 [2 + K].

    predicted, labels: int64 [N]; hits: bool [N]
    """

    def count(chosen: Tensor, ones: Tensor) -> Tensor:
        """How many of each class, [K]. torch.bincount would wait for a GPU, twice."""
        return torch.zeros(classes, dtype=torch.float64, device=chosen.device).scatter_add_(
            0, chosen, ones.double()
        )

    every = torch.ones_like(hits)
    images, right, claimed = count(labels, every), count(labels, hits), count(predicted, every)
    recalls = right / images
    f1 = torch.where(images > 0, 2 * right / (images + claimed), torch.nan)
    return torch.cat([torch.stack([recalls.nanmean(), f1.nanmean()]), recalls])
