"""The optimizers by name: the seven of the NOMAD paper's section 3.5, and five more.

An optimizer's library is imported only to build it, so that a configuration can be refused before torch is
imported, which takes seconds. `nesterov` is SGD with Nesterov momentum. `muon` makes the step of each
convolution orthogonal, with AdamW's step size (Jordan et al. 2024; Liu et al. 2025, section 2.2). It leaves
the classifier, biases and norms to AdamW at the same rate, as airbench leaves them to SGD.
"""

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.optim import Optimizer


@dataclass(frozen=True)
class _Kind:
    """An optimizer's class, its usual learning rate and fixed options.

    graph_safe: whether a CUDA graph may hold its step
    fused: whether it has one kernel for its whole step on a GPU
    """

    module: str
    name: str
    learning_rate: float
    options: Mapping[str, Any] = field(default_factory=dict)
    graph_safe: bool = True
    fused: bool = False


_CONVOLUTION = 4  # dimensions of its weight

# Learning rates: the paper's for its seven; torch's default for ASGD and NAdam; a tenth of it for RMSprop,
# whose first steps are ten times its rate; a tenth of AdamW's for Lion, as Chen et al. (2023) advise; AdamW's
# for Muon. Adagrad counts its steps, and Lion reads its rate, on the host, so no graph may hold them.
_OPTIM = "torch.optim"
_KINDS = {
    "adadelta": _Kind(_OPTIM, "Adadelta", 1.0),
    "adagrad": _Kind(_OPTIM, "Adagrad", 0.01, graph_safe=False),
    "sgd": _Kind(_OPTIM, "SGD", 0.1, {"momentum": 0.9}, fused=True),
    "adam": _Kind(_OPTIM, "Adam", 0.01, fused=True),
    "adamw": _Kind(_OPTIM, "AdamW", 0.01, fused=True),
    "adamax": _Kind(_OPTIM, "Adamax", 0.002),
    "asgd": _Kind(_OPTIM, "ASGD", 0.01),
    "nesterov": _Kind(_OPTIM, "SGD", 0.1, {"momentum": 0.9, "nesterov": True}, fused=True),
    "rmsprop": _Kind(_OPTIM, "RMSprop", 0.001),
    "nadam": _Kind(_OPTIM, "NAdam", 0.002),
    "lion": _Kind("timm.optim.lion", "Lion", 0.001, graph_safe=False),
    "muon": _Kind("timm.optim.muon", "Muon", 0.01, {"nesterov": True}),
}
USUAL_LEARNING_RATE = {name: kind.learning_rate for name, kind in _KINDS.items()}
GRAPH_SAFE = frozenset(name for name, kind in _KINDS.items() if kind.graph_safe)
FUSED_ON_CUDA = frozenset(name for name, kind in _KINDS.items() if kind.fused)


def names() -> list[str]:
    return list(_KINDS)


def build(
    name: str,
    groups: Iterable[Mapping[str, Any]],
    learning_rate: float,
    weight_decay: float,
    *,
    cuda: bool,
    graphed: bool,
) -> "Optimizer":
    """An optimizer over torch's parameter groups.

    weight_decay: of the groups that give none
    cuda: the weights are on a GPU
    graphed: a CUDA graph will hold its step, for names in GRAPH_SAFE only; every group's `lr` is then one
        0-d tensor on the weights' device, to be filled in place
    """
    assert not graphed or name in GRAPH_SAFE, f"{name} cannot be captured"
    kind = _KINDS[name]
    taken = [{**group, "params": list(group["params"])} for group in groups]
    if graphed:  # given per group: the class would wait for the device to check that it is above 0
        rate = _make_rate_tensor(learning_rate, taken)
        taken = [{**group, "lr": rate} for group in taken]
    options = {**kind.options, "lr": learning_rate, "weight_decay": weight_decay}
    if cuda and kind.fused:
        options["fused"] = True
    elif cuda and graphed and kind.module == _OPTIM:
        options["foreach"] = True  # some would wait for the device to read the rate, weight by weight
    if cuda and graphed and kind.name != "SGD":  # which needs no such option
        options["capturable"] = True
    optimizer: Optimizer = getattr(importlib.import_module(kind.module), kind.name)(taken, **options)
    if "momentum" in options:
        _zero_momentum(optimizer)
    return optimizer


def split_for_muon(groups: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The groups, with all weights that are not convolutions' in groups of their own for AdamW."""
    split = []
    for group in groups:
        for fallback in (False, True):
            weights = [weight for weight in group["params"] if (weight.ndim != _CONVOLUTION) is fallback]
            split.append({**group, "params": weights, **({"use_fallback": True} if fallback else {})})
    return [group for group in split if group["params"]]


def set_rate(optimizer: "Optimizer", rate: float) -> None:
    """Set the learning rate of every group without waiting for the device."""
    for group in optimizer.param_groups:
        if hasattr(group["lr"], "fill_"):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def adopt_rate(optimizer: "Optimizer", *, graphed: bool) -> None:
    """After loading a state: give every group the one rate tensor that a captured step reads."""
    if graphed:
        rate = _make_rate_tensor(float(optimizer.param_groups[0]["lr"]), optimizer.param_groups)
        for group in optimizer.param_groups:
            group["lr"] = rate


def _zero_momentum(optimizer: "Optimizer") -> None:
    """Start the momentum at 0, which gives the same steps as SGD's own start.

    torch's fused SGD would start with the first gradient. If a loss scaler skips that step, its momentum
    stays uninitialised memory.
    """
    import torch

    for group in optimizer.param_groups:
        for weights in group["params"]:
            optimizer.state[weights]["momentum_buffer"] = torch.zeros_like(weights)


def _make_rate_tensor(learning_rate: float, groups: list[dict[str, Any]]) -> Any:
    import torch

    device = next(weights.device for group in groups for weights in group["params"])
    return torch.tensor(learning_rate, dtype=torch.float32, device=device)
