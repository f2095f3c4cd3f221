"""The seven optimizers of the NOMAD paper's section 3.5, by name.

torch is imported only to build one, so that a configuration is refused before
the seconds its import takes.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

# The paper's own values, relative to which it searches; ASGD's is torch's default.
USUAL_LEARNING_RATE = {
    "adadelta": 1.0,
    "adagrad": 0.01,
    "sgd": 0.1,
    "adam": 0.01,
    "adamw": 0.01,
    "adamax": 0.002,
    "asgd": 0.01,
}
_CLASS = {
    "adadelta": "Adadelta",
    "adagrad": "Adagrad",
    "sgd": "SGD",
    "adam": "Adam",
    "adamw": "AdamW",
    "adamax": "Adamax",
    "asgd": "ASGD",
}
_FUSED_ON_CUDA = ("sgd", "adam", "adamw")
_MOMENTUM = 0.9  # of SGD


def names() -> list[str]:
    """The optimizers that can be named."""
    return list(USUAL_LEARNING_RATE)


def build(
    name: str, weights: "Iterable[Tensor]", learning_rate: float, weight_decay: float, cuda: bool
) -> "Optimizer":
    """An optimizer over all weights, every one of them decayed, as in the paper."""
    from torch import optim

    options: dict[str, Any] = {"lr": learning_rate, "weight_decay": weight_decay}
    if name == "sgd":
        options["momentum"] = _MOMENTUM
    if cuda and name in _FUSED_ON_CUDA:
        options["fused"] = True
    optimizer: Optimizer = getattr(optim, _CLASS[name])(weights, **options)
    return optimizer
