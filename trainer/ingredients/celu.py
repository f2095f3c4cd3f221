"""CELU, a smooth activation, in place of ReLU (Barron 2017; Awad et al.'s ResNet-9, section 2.4.3, eq. 3)."""

from dataclasses import dataclass

from torch import nn

from trainer.errors import InvalidConfig
from trainer.ingredients import Surgery, within
from trainer.ingredients._swapped import swap


@dataclass(frozen=True)
class Celu(Surgery):
    """x above 0, alpha (exp(x / alpha) - 1) below. Raises InvalidConfig for a network without ReLU."""

    alpha: float = within(0.3, above=0)

    def apply(self, network: nn.Module) -> nn.Module:
        if not swap(network, nn.ReLU, lambda relu: nn.CELU(self.alpha, inplace=bool(relu.inplace))):
            raise InvalidConfig("ingredient celu: the network has no ReLU to replace; omit celu")
        return network
