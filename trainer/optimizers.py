"""The optimizers that can be named: the seven of the NOMAD paper's section 3.5, and five more.

An optimizer's library is imported only to build it, so that a configuration is refused before the
seconds torch's import takes. `nesterov` is SGD with Nesterov's momentum. `muon` turns every weight of
two dimensions or more into an orthogonal step whose size is AdamW's (Jordan et al. 2024; Liu et al.
2025, section 2.2), the classifier's too, and leaves biases and norms to AdamW at the same rate.
"""

import importlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.optim import Optimizer

# The paper's own values for its seven, relative to which it searches, and SGD's for `nesterov`; torch's
# default for ASGD and NAdam, and a tenth of it for RMSprop, whose first steps are ten times its rate; for
# Lion a tenth of AdamW's (Chen et al. 2023 advise that); for Muon AdamW's, as its steps are of that size.
USUAL_LEARNING_RATE = {
    "adadelta": 1.0,
    "adagrad": 0.01,
    "sgd": 0.1,
    "adam": 0.01,
    "adamw": 0.01,
    "adamax": 0.002,
    "asgd": 0.01,
    "nesterov": 0.1,
    "rmsprop": 0.001,
    "nadam": 0.002,
    "lion": 0.001,
    "muon": 0.01,
}
# Those whose step a CUDA graph may hold: torch's that count steps on the device, and fused SGD. Not
# Adagrad, which counts on the host; timm's two are left out because nobody has captured them here.
GRAPH_SAFE = frozenset(USUAL_LEARNING_RATE) - {"adagrad", "lion", "muon"}

_CLASS: Mapping[str, tuple[str, str, dict[str, Any]]] = {
    "adadelta": ("torch.optim", "Adadelta", {}),
    "adagrad": ("torch.optim", "Adagrad", {}),
    "sgd": ("torch.optim", "SGD", {"momentum": 0.9}),
    "adam": ("torch.optim", "Adam", {}),
    "adamw": ("torch.optim", "AdamW", {}),
    "adamax": ("torch.optim", "Adamax", {}),
    "asgd": ("torch.optim", "ASGD", {}),
    "nesterov": ("torch.optim", "SGD", {"momentum": 0.9, "nesterov": True}),
    "rmsprop": ("torch.optim", "RMSprop", {}),
    "nadam": ("torch.optim", "NAdam", {}),
    "lion": ("timm.optim.lion", "Lion", {}),
    "muon": ("timm.optim.muon", "Muon", {"nesterov": True}),
}
FUSED_ON_CUDA = ("sgd", "nesterov", "adam", "adamw")
_CAPTURABLE = GRAPH_SAFE - {"sgd", "nesterov"}  # SGD has no such option and needs none


def names() -> list[str]:
    """The optimizers that can be named."""
    return list(USUAL_LEARNING_RATE)


def build(
    name: str,
    groups: Iterable[Mapping[str, Any]],
    learning_rate: float,
    weight_decay: float,
    *,
    cuda: bool,
    graphed: bool,
) -> "Optimizer":
    """An optimizer over parameter groups as torch knows them.

    weight_decay: of the groups that say nothing of their own
    cuda: the weights are on a GPU
    graphed: its step will be captured, for names in GRAPH_SAFE only; every group's `lr` is then one
        0-d tensor on the weights' device, to be filled in place
    """
    assert not graphed or name in GRAPH_SAFE, f"{name} cannot be captured"
    module, kind, options = _CLASS[name]
    taken = [{**group, "params": list(group["params"])} for group in groups]
    if graphed:  # not for the class, which would ask the host whether it is above 0
        rate = _on_device(learning_rate, taken)
        taken = [{**group, "lr": rate} for group in taken]
    own = {**options, "lr": learning_rate, "weight_decay": weight_decay}
    if cuda and name in FUSED_ON_CUDA:
        own["fused"] = True
    elif cuda and graphed:
        own["foreach"] = True  # weight by weight some would ask the host for the rate
    if cuda and graphed and name in _CAPTURABLE:
        own["capturable"] = True
    optimizer: Optimizer = getattr(importlib.import_module(module), kind)(taken, **own)
    if "momentum" in own:
        _begin_momentum(optimizer)
    return optimizer


def set_rate(optimizer: "Optimizer", rate: float) -> None:
    """The learning rate of every group from now on, without waiting for the device."""
    for group in optimizer.param_groups:
        if hasattr(group["lr"], "fill_"):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def adopt_rate(optimizer: "Optimizer", *, graphed: bool) -> None:
    """After loading a state: give every group the one rate tensor that a captured step reads."""
    if graphed:
        rate = _on_device(float(optimizer.param_groups[0]["lr"]), optimizer.param_groups)
        for group in optimizer.param_groups:
            group["lr"] = rate


def _begin_momentum(optimizer: "Optimizer") -> None:
    """At 0, which gives SGD's steps exactly.

    Torch's fused SGD would begin at its first gradient; where a loss scaler skips that step, it keeps
    memory that nobody has written and goes on from there.
    """
    import torch

    for group in optimizer.param_groups:
        for weights in group["params"]:
            optimizer.state[weights]["momentum_buffer"] = torch.zeros_like(weights)


def _on_device(learning_rate: float, groups: list[dict[str, Any]]) -> Any:
    import torch

    device = next(weights.device for group in groups for weights in group["params"])
    return torch.tensor(learning_rate, dtype=torch.float32, device=device)
