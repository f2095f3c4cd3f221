"""Label smoothing against torch's cross-entropy."""

import torch
from torch.nn import functional as F

from trainer.ingredients.label_smoothing import LabelSmoothing


def test_smoothed_targets_give_the_loss_that_torch_gives_for_smoothed_labels() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(8, 10, generator=generator)
    labels = torch.randint(10, (8,), generator=generator)
    smoothed = LabelSmoothing(alpha=0.2)(F.one_hot(labels, 10).float())
    torch.testing.assert_close(
        F.cross_entropy(logits, smoothed), F.cross_entropy(logits, labels, label_smoothing=0.2)
    )


def test_smoothed_targets_stay_probabilities() -> None:
    mixed = torch.tensor([[0.7, 0.3, 0.0]])
    torch.testing.assert_close(LabelSmoothing()(mixed).sum(dim=1), torch.ones(1))
