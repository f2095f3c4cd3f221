"""Ghost batch norm: batch norm over parts of the batch (Hoffer et al. 2017, algorithm 1).

It has the noise of small batches at the speed of large ones. As in the paper, each group in turn updates the
running statistics, so they move faster than with one batch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainer.errors import InvalidConfig
from trainer.ingredients import Surgery, within
from trainer.ingredients._swapped import swap


@dataclass(frozen=True)
class GhostBatchNorm(Surgery):
    """Normalise each group of images by its own statistics. Evaluation does not change.

    size: smallest group; a batch is split evenly into as many groups as that allows
    Raises InvalidConfig for a network without batch norms, or with others than BatchNorm2d.
    """

    size: int = within(32, at_least=2)

    def apply(self, network: nn.Module) -> nn.Module:
        norms = swap(network, nn.BatchNorm2d, self._make_ghost)
        left = [
            norm for norm in network.modules() if isinstance(norm, _BatchNorm) and type(norm) is not _Ghost
        ]
        if left or not norms:
            what = f"a {type(left[0]).__name__}" if left else "no batch norm"
            raise InvalidConfig(f"ingredient ghost_batch_norm: the network has {what}; omit ghost_batch_norm")
        return network

    def _make_ghost(self, norm: nn.Module) -> nn.Module:
        assert isinstance(norm, nn.BatchNorm2d)
        ghost = _Ghost(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        ghost.size = self.size
        ghost.load_state_dict(norm.state_dict(keep_vars=True), assign=True)
        return ghost.train(norm.training)


class _Ghost(nn.BatchNorm2d):
    """A batch norm that in training normalises groups of at least `size` images."""

    size: int

    def forward(self, features: Tensor) -> Tensor:
        """Features [B, C, H, W] to the same shape."""
        if not self.training:
            return super().forward(features)
        groups = features.tensor_split(max(1, len(features) // self.size))
        return torch.cat([nn.BatchNorm2d.forward(self, group) for group in groups])
