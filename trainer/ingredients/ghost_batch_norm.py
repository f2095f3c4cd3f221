"""Batch norm over a part of the batch (Hoffer et al. 2017, algorithm 1).

The noise of small batches' statistics, at the speed of large ones. As in the paper the running
statistics learn from one group after the other, so they move faster than one batch's would.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainer.errors import InvalidConfig
from trainer.ingredients import Surgery
from trainer.ingredients._swapped import swap


@dataclass(frozen=True)
class GhostBatchNorm(Surgery):
    """Each group of images is normalised by its own statistics; in evaluation nothing changes.

    size: the fewest images of a group, at least 2; a batch is split evenly into as many as there can be.
        Raises Refused for a network without batch norms that it knows
    """

    size: int = 32

    def __post_init__(self) -> None:
        if self.size < 2:
            raise ValueError(f"size must be at least 2, not {self.size}")

    def apply(self, network: nn.Module) -> nn.Module:
        norms = swap(network, nn.BatchNorm2d, self._in_place_of)
        left = [
            norm for norm in network.modules() if isinstance(norm, _BatchNorm) and type(norm) is not _Ghost
        ]
        if left or not norms:
            what = f"a {type(left[0]).__name__}" if left else "no batch norm"
            raise InvalidConfig(
                f"ingredient ghost_batch_norm: the network has {what}; leave ghost_batch_norm out"
            )
        return network

    def _in_place_of(self, norm: nn.Module) -> nn.Module:
        assert isinstance(norm, nn.BatchNorm2d)
        ghost = _Ghost(
            self.size, norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats
        )
        ghost.load_state_dict(norm.state_dict(keep_vars=True), assign=True)
        return ghost.train(norm.training)


class _Ghost(nn.BatchNorm2d):
    """A batch norm that in training takes the batch in groups."""

    def __init__(
        self,
        size: int,
        features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
    ) -> None:
        super().__init__(features, eps, momentum, affine, track_running_stats)
        self.size = size

    def forward(self, features: Tensor) -> Tensor:
        """Features [B, C, H, W] to the same shape."""
        if not self.training:
            return super().forward(features)
        groups = features.tensor_split(max(1, len(features) // self.size))
        return torch.cat([nn.BatchNorm2d.forward(self, group) for group in groups])
