"""Asymmetric loss, which weighs easy negatives down (Ridnik et al. 2021), for one label.

The paper's loss is for many labels at once. This is the softmax form in its authors' code
(`ASLSingleLabel`), without the probability margin, with its defaults. timm has the same form with a positive
power of 1. Both take class indices; here the loss is linear in the target probabilities, as cross-entropy is.
"""

from dataclasses import dataclass

from torch import Tensor

from trainer.ingredients import Loss, within


@dataclass(frozen=True)
class AsymmetricLoss(Loss):
    """Cross-entropy with smoothed labels, each class weighed by how hard it is.

    positive: power of 1 - p that weighs the label's class; 0, or at least 1
    negative: power of p that weighs every other class; 0, or at least 1
    smoothing: spread over all classes, in addition to label_smoothing; at 0 the other classes do not
        count, as in timm
    """

    positive: float = 0.0
    negative: float = 4.0
    smoothing: float = within(0.1, at_least=0, below=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, power in (("positive", self.positive), ("negative", self.negative)):
            if power != 0 and not power >= 1:
                raise ValueError(f"{name} must be 0 or at least 1, so that its slope is finite, not {power}")

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        log_probabilities = logits.log_softmax(dim=1)
        probabilities = log_probabilities.exp()
        spread = self.smoothing / logits.shape[1]
        as_label = targets * (1 - self.smoothing + spread) * (1 - probabilities) ** self.positive
        as_other = (1 - targets) * spread * probabilities**self.negative
        return -((as_label + as_other) * log_probabilities).sum(dim=1).mean()
