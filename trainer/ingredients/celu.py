"""A smooth activation in place of ReLU (Barron 2017; Awad et al.'s ResNet-9, section 2.4.3, equation 3)."""

from dataclasses import dataclass

from torch import nn

from trainer.errors import InvalidConfig
from trainer.ingredients import Surgery
from trainer.ingredients._swapped import swap


@dataclass(frozen=True)
class Celu(Surgery):
    """x above 0, alpha (exp(x / alpha) - 1) below: the smaller alpha, the more like ReLU.

    alpha: above 0. Raises Refused for a network without ReLU
    """

    alpha: float = 0.3

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise ValueError(f"alpha must be above 0, not {self.alpha}")

    def apply(self, network: nn.Module) -> nn.Module:
        if not swap(network, nn.ReLU, self._in_place_of):
            raise InvalidConfig("ingredient celu: the network has no ReLU to replace; omit celu")
        return network

    def _in_place_of(self, relu: nn.Module) -> nn.Module:
        return nn.CELU(self.alpha, inplace=bool(relu.inplace))
