"""A network's multiply-accumulates (MACs) and parameters, counted without training it.

torch's formulas count a forward pass whose convolutions are skipped. The meta device would skip everything,
but its first operation imports torch's compiler, which takes seconds in every trial; so does torch's own
FlopCounterMode. The formulas count convolutions and matrix products. Other counters (fvcore, thop) add batch
norms and give 0.2% to 0.5% more, so the counter's name is reported with every count.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from trainer import models
from trainer.errors import InvalidConfig
from trainer.ingredients import Surgery
from trainer.models import Shape

_TRANSPOSED = 6  # the index of that argument of a convolution
MACS_COUNTER = "torch.utils.flop_counter/2"


@dataclass(frozen=True)
class ModelCost:
    """Of one image's forward pass, and of the network."""

    macs: int
    parameters: int


@dataclass(frozen=True)
class Layer:
    """One call of a module without submodules."""

    name: str  # the path in the network
    kind: str  # the module's class
    output: tuple[int, ...]  # of one image, such as channels, height, width
    parameters: int  # shared weights are counted once
    macs: int


@lru_cache(maxsize=4096)
def cost(name: str, shape: Shape, classes: int, operations: tuple[Surgery, ...] = ()) -> ModelCost:
    """MACs of one image and the number of parameters, after a recipe's changes to the network.

    Raises InvalidConfig if a user's own network fails or does not return one logit per class.
    """
    network = _for_any_resolution(name, replace(shape, resolution=0), classes, operations)
    return _count(network or build_without_weights(name, shape, classes, operations), name, shape, classes)


def cost_and_layers(
    name: str, shape: Shape, classes: int, operations: tuple[Surgery, ...] = ()
) -> tuple[ModelCost, list[Layer]]:
    """The cost, and the network's layers in the order of an image's pass. Raises InvalidConfig as `cost`.

    What a module with submodules computes or holds by itself belongs to no layer, so the layers' sums may be
    less than the network's.
    """
    layers: list[Layer] = []
    return _count(
        build_without_weights(name, shape, classes, operations), name, shape, classes, layers
    ), layers


def _count(
    network: nn.Module, name: str, shape: Shape, classes: int, layers: list[Layer] | None = None
) -> ModelCost:
    """Pass an image through the network, and append its layers to `layers`. Raises InvalidConfig."""
    counter = _Counter()
    if layers is not None:
        _record_layers(network, counter, layers)
    with torch.no_grad(), counter, models.refuse_errors(name):
        logits = network(torch.zeros(1, 3, shape.resolution, shape.resolution))
    if not isinstance(logits, Tensor) or logits.shape != (1, classes):
        given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise InvalidConfig(f"{name} returns {given} for an image, not {(1, classes)}: one logit per class")
    return ModelCost(
        macs=counter.flops // 2,
        parameters=sum(weights.numel() for weights in network.parameters()),
    )


def _record_layers(network: nn.Module, counter: "_Counter", layers: list[Layer]) -> None:
    """Add hooks that append a Layer after each call of a module without submodules."""
    known: set[int] = set()
    before: list[int] = []  # only one layer is entered at a time, as none has submodules

    def enter(module: nn.Module, images: Any) -> None:
        before[:] = [counter.flops]

    def leave(path: str, module: nn.Module, output: Any) -> None:
        weights = [one for one in module.parameters() if id(one) not in known]
        known.update(map(id, weights))
        sizes = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()
        macs = (counter.flops - before[0]) // 2
        layers.append(Layer(path, type(module).__name__, sizes, sum(one.numel() for one in weights), macs))

    for path, module in network.named_modules():
        if next(module.children(), None) is None:
            module.register_forward_pre_hook(enter)
            module.register_forward_hook(lambda module, _, output, path=path: leave(path, module, output))


@lru_cache(maxsize=1)
def _for_any_resolution(
    name: str, shape: Shape, classes: int, operations: tuple[Surgery, ...]
) -> nn.Module | None:
    """The network of all shapes that differ from `shape` in their resolution alone, without weights.

    None if its layers depend on the resolution, and for a user's own, which may keep state from a pass.
    """
    if models.is_own(name):
        return None
    try:
        return build_without_weights(name, _AnyResolution(**vars(shape)), classes, operations)
    except _ResolutionRead:
        return None


class _ResolutionRead(Exception):
    """The build of a network asked for the resolution."""


class _AnyResolution(Shape):
    """A shape whose resolution cannot be read."""

    def __getattribute__(self, name: str) -> Any:
        if name == "resolution":
            raise _ResolutionRead
        return super().__getattribute__(name)


def build_without_weights(
    name: str, shape: Shape, classes: int, operations: tuple[Surgery, ...]
) -> nn.Module:
    """The network as it would be trained, built on the meta device.

    A user's own network may compute with its weights while it is built, so it has some.
    """
    changes = [one.apply for one in operations]
    if models.is_own(name):
        with torch.random.fork_rng(devices=[]):
            network = models.build(name, shape, classes, changes)
    else:
        with torch.device("meta"), _Unfilled():
            network = models.build(name, shape, classes, changes)
    for module in network.modules():
        if not isinstance(module, nn.Conv2d):  # a convolution is skipped, so its weights need no memory
            _allocate(module)
    return network.eval()


class _Unfilled(TorchFunctionMode):
    """Leaves tensors as they are where a network's build fills them: half the time of a build without it."""

    _FILLING = (Tensor.uniform_, Tensor.normal_, Tensor.fill_, Tensor.zero_)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == nn.init.__name__:
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return args[0] if func in self._FILLING else func(*args, **kwargs)


def _allocate(module: nn.Module) -> None:
    """As `to_empty` does, whose question for the meta tensors' memory layout imports modules for a second."""
    for name, weights in list(module.named_parameters(recurse=False)):
        empty = torch.empty(weights.shape, dtype=weights.dtype)
        setattr(module, name, nn.Parameter(empty, requires_grad=False))
    for name, kept in list(module.named_buffers(recurse=False)):
        setattr(module, name, torch.empty(kept.shape, dtype=kept.dtype))


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call, unused-ignore]
    """Adds up the FLOPs of the operations that torch has a formula for.

    A convolution returns uninitialised memory of the right shape. Transposed ones, whose weights are
    allocated, and all other operations are computed.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self.flops = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: otherwise torch imports its compiler to hide this mode from it."""
        return False

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        skipped = func is torch.ops.aten.convolution.default and not args[_TRANSPOSED]
        answer = _empty_output(*args) if skipped else func(*args, **(kwargs or {}))
        formula = flop_registry.get(getattr(func, "overloadpacket", None))
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=answer)
        return answer


def _empty_output(
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    *_: Any,
) -> Tensor:
    """The output of a convolution that is not transposed, uninitialised."""
    sizes = [
        (size + 2 * pad - spread * (kernel - 1) - 1) // step + 1
        for size, kernel, step, pad, spread in zip(
            images.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True
        )
    ]
    return images.new_empty(len(images), weight.shape[0], *sizes)
