"""Weight decay on what multiplies, not on what shifts or scales (He et al. 2019, section 3.1).

Told by shape, not by name: a weight of one dimension is a bias or a norm's.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.ingredients import Groups

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class DecaySplit(Groups):
    """Weights of two dimensions or more are decayed, all others are not."""

    def __call__(self, network: "nn.Module", weight_decay: float) -> list[dict[str, Any]]:
        learned = [weights for weights in network.parameters() if weights.requires_grad]
        split = [
            {"params": [weights for weights in learned if weights.ndim > 1], "weight_decay": weight_decay},
            {"params": [weights for weights in learned if weights.ndim <= 1], "weight_decay": 0.0},
        ]
        return [group for group in split if group["params"]]
