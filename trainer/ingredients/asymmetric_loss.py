"""A loss that hardly minds easy negatives (Ridnik et al. 2021), for one label.

The paper's loss is for many labels at once; this is its authors' form for a softmax, as in timm,
without the probability margin. timm takes whole labels. For targets that are probabilities the loss
is its mean over labels drawn from them, as with cross-entropy: linear in the targets.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.ingredients import Loss

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class AsymmetricLoss(Loss):
    """Cross-entropy with smoothed labels, each class weighed by how hard it is.

    positive: the power of 1 - p that weighs the label's class; 0, or at least 1
    negative: the power of p that weighs every other class; 0, or at least 1
    smoothing: in [0, 1), spread over all classes; on top of label_smoothing where a recipe has it.
        Without any, the other classes do not count at all, as in timm
    """

    positive: float = 1.0
    negative: float = 4.0
    smoothing: float = 0.1

    def __post_init__(self) -> None:
        for name, power in (("positive", self.positive), ("negative", self.negative)):
            if power != 0 and not power >= 1:
                raise ValueError(f"{name} must be 0, or at least 1 for its slope to be finite, not {power}")
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"smoothing must be in [0, 1), not {self.smoothing}")

    def __call__(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        log_probabilities = logits.log_softmax(dim=1)
        probabilities = log_probabilities.exp()
        spread = self.smoothing / logits.shape[1]
        as_label = targets * (1 - self.smoothing + spread) * (1 - probabilities) ** self.positive
        as_other = (1 - targets) * spread * probabilities**self.negative
        return -((as_label + as_other) * log_probabilities).sum(dim=1).mean()
