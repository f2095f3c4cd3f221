"""No weight decay on biases and norms (He et al. 2019, section 3.1)."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from trainer.ingredients import Groups


@dataclass(frozen=True)
class DecaySplit(Groups):
    """Decay only weights of two dimensions or more; those of one dimension are biases and norms."""

    def __call__(self, network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
        trained = [weight for weight in network.parameters() if weight.requires_grad]
        groups = [
            {"params": [weight for weight in trained if weight.ndim > 1], "weight_decay": weight_decay},
            {"params": [weight for weight in trained if weight.ndim <= 1], "weight_decay": 0.0},
        ]
        return [group for group in groups if group["params"]]
