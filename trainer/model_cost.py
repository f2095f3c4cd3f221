"""What a network costs, without training it: multiply-accumulates and parameters.

Counted by torch's formulas on a forward pass whose convolutions are skipped.
(The meta device would skip everything, but its first operation imports a
compiler's worth of modules, seconds in every trial, and so does torch's own
counting mode.) The formulas see convolutions and matrix products; others
(fvcore, thop) add batch norms and give 0.2% to 0.5% more, so the counter's name
stands beside every count.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._device import DeviceContext
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from trainer import models
from trainer.errors import InvalidConfig
from trainer.ingredients import Surgery
from trainer.models import Shape

_TRANSPOSED = 6  # the place of that argument of a convolution
MACS_COUNTER = "torch.utils.flop_counter/2"


@dataclass(frozen=True)
class ModelCost:
    """Of one image's forward pass, and of the weights."""

    macs: int
    parameters: int


@dataclass(frozen=True)
class Layer:
    """A module without modules in it, at one of the times that an image passes it."""

    name: str  # the path in the network
    kind: str  # the module's class
    output: tuple[int, ...]  # of one image: channels, height, width, or what else the layer gives
    parameters: int  # weights that an earlier layer has already are not counted again
    macs: int


@lru_cache(maxsize=4096)
def cost(name: str, shape: Shape, classes: int, operations: tuple[Surgery, ...] = ()) -> ModelCost:
    """MACs of one image and the number of parameters, after a recipe's operations on the network.

    Raises Refused where a network of the user's own fails, or gives other than one logit a class.
    """
    network = _for_any_resolution(name, replace(shape, resolution=0), classes, operations)
    if network is None:
        network = _weightless(name, shape, classes, operations)
    return _counted(network, name, shape, classes)


def cost_and_layers(
    name: str, shape: Shape, classes: int, operations: tuple[Surgery, ...] = ()
) -> tuple[ModelCost, list[Layer]]:
    """The cost, and the layers of the network in the order in which an image passes them.

    What a module with others in it computes or holds by itself is no layer's, so the sums may be less than
    the network's. Raises Refused as `cost`.
    """
    passed: list[Layer] = []
    spent = _counted(_weightless(name, shape, classes, operations), name, shape, classes, passed)
    return spent, passed


def _counted(
    network: nn.Module, name: str, shape: Shape, classes: int, passed: list[Layer] | None = None
) -> ModelCost:
    """Send an image through. Raises Refused. `passed`: to be filled with the layers."""
    counter = _Counter()
    if passed is not None:
        _follow(network, counter, passed)
    with torch.no_grad(), counter:
        _check(name, network, shape.resolution, classes)
    return ModelCost(
        macs=counter.flops // 2,
        parameters=sum(weights.numel() for weights in network.parameters()),
    )


def _follow(network: nn.Module, counter: "_Counter", passed: list[Layer]) -> None:
    """Have every layer write itself down when the image leaves it."""
    known: set[int] = set()
    before: list[int] = []  # layers have no layers in them, so one is entered at a time

    def enter(module: nn.Module, images: Any) -> None:
        before[:] = [counter.flops]

    def leave(path: str, module: nn.Module, output: Any) -> None:
        weights = [one for one in module.parameters() if id(one) not in known]
        known.update(map(id, weights))
        sizes = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()
        macs = (counter.flops - before[0]) // 2
        passed.append(Layer(path, type(module).__name__, sizes, sum(one.numel() for one in weights), macs))

    for path, module in network.named_modules():
        if next(module.children(), None) is None:
            module.register_forward_pre_hook(enter)
            module.register_forward_hook(lambda module, _, output, path=path: leave(path, module, output))


@lru_cache(maxsize=1)
def _for_any_resolution(
    name: str, shape: Shape, classes: int, operations: tuple[Surgery, ...]
) -> nn.Module | None:
    """The network of all shapes that differ from `shape` in their resolution alone, without weights.

    None if it depends on the resolution, and for one of the user's own, which may keep state from a pass.
    """
    if models.is_own(name):
        return None
    try:
        return _weightless(name, _AnyResolution(**vars(shape)), classes, operations)
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


def _weightless(name: str, shape: Shape, classes: int, operations: tuple[Surgery, ...]) -> nn.Module:
    """The network as it would be trained, on the meta device so that no weights are drawn.

    A network of the user's own may compute with its weights while it is built, so it has some.
    """
    with torch.random.fork_rng(devices=[]), torch.device("cpu") if models.is_own(name) else _Unfilled():
        network = models.build(name, shape, classes)
        for operation in operations:
            network = operation.apply(network)
    for module in network.modules():
        if not isinstance(module, nn.Conv2d):  # a convolution is skipped, so its weights need no memory
            _give_memory(module)
    return network.eval()


class _Unfilled(DeviceContext):  # type: ignore[misc, unused-ignore]
    """The meta device, where weights are not filled either: that took half the time of a build."""

    _FILLING = (Tensor.uniform_, Tensor.normal_, Tensor.fill_, Tensor.zero_)

    def __init__(self) -> None:
        super().__init__("meta")  # type: ignore[no-untyped-call, unused-ignore]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", None) == nn.init.__name__:
            return kwargs["tensor"]
        if func in self._FILLING:
            return args[0]
        return super().__torch_function__(func, types, args, kwargs)  # type: ignore[no-untyped-call, unused-ignore]


def _give_memory(module: nn.Module) -> None:
    """What `to_empty` does, which asks the meta device how its tensors lie in memory: a second of imports."""
    for name, weights in list(module.named_parameters(recurse=False)):
        empty = torch.empty(weights.shape, dtype=weights.dtype)
        setattr(module, name, nn.Parameter(empty, requires_grad=False))
    for name, kept in list(module.named_buffers(recurse=False)):
        setattr(module, name, torch.empty(kept.shape, dtype=kept.dtype))


def _check(name: str, network: nn.Module, resolution: int, classes: int) -> None:
    """Send an image through. Raises Refused."""
    with models.blamed(name):
        logits = network(torch.zeros(1, 3, resolution, resolution))
    if not isinstance(logits, Tensor) or logits.shape != (1, classes):
        given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise InvalidConfig(
            f"{name} answers an image with {given}, not with {(1, classes)}; give one logit a class"
        )


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call, unused-ignore]
    """Adds up the operations that torch has a formula for.

    A convolution is answered with memory of the right shape; all else is computed, and so is a
    transposed one, whose weights are there.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self.flops = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: torch would import its compiler to hide this mode from it."""
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
        if formula is None:
            return answer
        on_shapes = getattr(formula, "__wrapped__", None)
        if on_shapes is None or kwargs:
            self.flops += formula(*args, **(kwargs or {}), out_val=answer)
        else:  # as torch would call it, which looks for tensors within lists first: twice the time of a pass
            self.flops += on_shapes(*map(_shape, args), out_shape=_shape(answer))
        return answer


def _shape(value: Any) -> Any:
    return value.shape if isinstance(value, Tensor) else value


def _empty_output(
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    *_: Any,
) -> Tensor:
    """What a convolution that is not transposed would fill."""
    sizes = [
        (size + 2 * pad - spread * (kernel - 1) - 1) // step + 1
        for size, kernel, step, pad, spread in zip(
            images.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True
        )
    ]
    return images.new_empty(len(images), weight.shape[0], *sizes)
