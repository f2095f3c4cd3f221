"""The training techniques. A recipe or a configuration names each by its file's name.

A file holds one class named after it (`label_smoothing.py`: `LabelSmoothing`). The class is a frozen
dataclass of one of the kinds below, which say where in a training a technique acts. Its fields are its
settings, with defaults.

A captured CUDA graph may hold what runs within a step. Such code must not wait for the device or branch on
values in tensors, and it gets the progress as a tensor. Listing the names imports no torch.
"""

import dataclasses
import importlib
import operator
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

from trainer.errors import InvalidConfig

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

_COMPARE = {"at least": operator.ge, "above": operator.gt, "at most": operator.le, "below": operator.lt}
_TYPE_WORDS = {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}


@dataclass(frozen=True)
class Draw:
    """What an augmentation may depend on besides the images.

    progress: 0-d float tensor on the images' device, in [0, 1]
    mirrored: whether a mirrored image keeps its class
    epoch: from 0; always 0 for batches, because a captured step cannot follow it
    seed: of the training, for what must be the same in every epoch
    """

    generator: "Generator"
    progress: "Tensor"
    mirrored: bool
    epoch: int = 0
    seed: int = 0


def within(
    default: float,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
) -> Any:
    """A dataclass field for a number in a range. `Ingredient` checks the range."""
    limits = {"at least": at_least, "above": above, "at most": at_most, "below": below}
    return dataclasses.field(default=default, metadata={k: v for k, v in limits.items() if v is not None})


@dataclass(frozen=True)
class Ingredient(ABC):  # noqa: B024  its subclasses have the methods
    """A technique and its settings. Raises ValueError for a number outside of its field's range."""

    alone: ClassVar[bool] = False  # a recipe has at most one of this kind; adding another replaces it

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, limits = getattr(self, field.name), field.metadata
            if not all(_COMPARE[word](value, limit) for word, limit in limits.items()):
                words = " and ".join(f"{word} {limit:g}" for word, limit in limits.items())
                raise ValueError(f"{field.name} must be {words}, not {value}")


@dataclass(frozen=True)
class EpochImages(Ingredient):
    """Changes all training images once per epoch. It may wait for the device."""

    @abstractmethod
    def __call__(self, images: "Tensor", draw: Draw) -> "Tensor":
        """uint8 [N, 3, S, S], always in the same order, to a new tensor of the same shape."""


@dataclass(frozen=True)
class Policy(EpochImages):
    """Draws image operations for each image."""

    alone = True


@dataclass(frozen=True)
class BatchImages(Ingredient):
    """Changes the pixels of a batch."""

    @abstractmethod
    def __call__(self, images: "Tensor", draw: Draw) -> "Tensor":
        """uint8 [B, 3, S, S] to the same."""


@dataclass(frozen=True)
class BatchInputs(Ingredient):
    """Changes a batch whose pixels are normalised to mean 0 and standard deviation 1."""

    @abstractmethod
    def __call__(self, inputs: "Tensor", draw: Draw) -> "Tensor":
        """float [B, 3, S, S] to the same."""


@dataclass(frozen=True)
class Mixing(Ingredient):
    """Blends the images of a batch, and their targets."""

    @abstractmethod
    def __call__(self, inputs: "Tensor", targets: "Tensor", draw: Draw) -> "tuple[Tensor, Tensor]":
        """float [B, 3, S, S] and probabilities [B, K] to the same."""


@dataclass(frozen=True)
class Targets(Ingredient):
    """Changes the targets, after mixing."""

    @abstractmethod
    def __call__(self, targets: "Tensor") -> "Tensor":
        """Probabilities [B, K] to the same."""


@dataclass(frozen=True)
class Weights(Ingredient):
    """Weighs the classes in cross-entropy, as torch's `cross_entropy(weight=...)` does."""

    alone = True

    @abstractmethod
    def __call__(self, counts: "Tensor") -> "Tensor":
        """How many training images each class has, float [K], to the weights of the classes [K]."""


@dataclass(frozen=True)
class Loss(Ingredient):
    """What is minimised. Without one it is cross-entropy."""

    alone = True

    @abstractmethod
    def __call__(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Logits float [B, K] and probabilities [B, K] to a scalar, the mean over the batch."""


@dataclass(frozen=True)
class Surgery(Ingredient):
    """Changes the network before training. MACs and parameters are counted after the change."""

    @abstractmethod
    def apply(self, network: "nn.Module") -> "nn.Module":
        """Return the changed network on its own device; it may be changed in place."""

    def fit(self, network: "nn.Module", inputs: "Tensor") -> None:
        """Set what depends on the training images, float [n, 3, S, S], normalised."""
        return


@dataclass(frozen=True)
class Groups(Ingredient):
    """Sets the weight decay by parameter. Without one it is the same for all."""

    alone = True

    @abstractmethod
    def __call__(self, network: "nn.Module", weight_decay: float) -> list[dict[str, Any]]:
        """Return the optimizer's groups, each with `params` and `weight_decay`, with every weight once."""


@dataclass(frozen=True)
class Gradients(Ingredient):
    """Changes the gradients before the optimizer's step."""

    @abstractmethod
    def __call__(self, weights: "Sequence[Tensor]") -> None:
        """Change `.grad` of each weight in place. All of them have one."""


@dataclass(frozen=True)
class Perturbation(Ingredient):
    """Moves the weights to where a second pass takes the gradient, as sharpness-aware methods do.

    The second pass leaves the running statistics of batch norms as they are.
    """

    alone = True

    @abstractmethod
    def active(self, progress: float) -> bool:
        """Whether a step at this progress has a second pass."""

    @abstractmethod
    def ascend(self, weights: "Sequence[Tensor]", names: Sequence[str]) -> "Sequence[Tensor]":
        """Move the weights in place along their `.grad`; return copies of what they were.

        names: those that the network has for them, such as `stages.0.1.weight`
        """


@dataclass(frozen=True)
class Average(Ingredient):
    """A running average of the weights, which is evaluated in their place."""

    alone = True

    @abstractmethod
    def share(self, step: int, total_steps: int) -> float:
        """How far the average moves towards the weights after this step, in [0, 1]. Steps count from 1."""


@dataclass(frozen=True)
class Schedule(Ingredient):
    """The learning rate over the training. Without one it is constant."""

    alone = True

    @abstractmethod
    def rate(self, progress: float) -> float:
        """The fraction of the base rate at a progress in [0, 1]."""


@dataclass(frozen=True)
class Resolution(Ingredient):
    """The size of the training images over the training. Without one it is the network's."""

    alone = True

    @abstractmethod
    def pixels(self, progress: float, full: int) -> int:
        """Pixels a side at a progress in [0, 1]: few distinct values up to `full`, and `full` at the end."""


@dataclass(frozen=True)
class Views(Ingredient):
    """Test-time augmentation. Without one an image is evaluated as it is."""

    alone = True

    @abstractmethod
    def __call__(self, images: "Tensor", mirrored: bool) -> "list[Tensor]":
        """uint8 [B, 3, S, S] to views of the same shape, whose probabilities are averaged.

        mirrored: whether a mirrored image keeps its class
        """


class OuterLoop(ABC):
    """The state of one meta-learning in progress."""

    @abstractmethod
    def order(self, generator: "Generator") -> "Tensor":
        """int64 [N]: the order in which one epoch takes the training images."""

    @abstractmethod
    def after(self, step: int) -> None:
        """Called after each step, counted from 1. It may change the weights in place."""

    @abstractmethod
    def finish(self) -> None:
        """Called once after the last step: bring the weights to what is evaluated."""

    @abstractmethod
    def state_dict(self) -> "dict[str, Tensor]":
        """What a checkpoint must keep, tensors by name."""

    @abstractmethod
    def load_state_dict(self, state: "dict[str, Tensor]") -> None:
        """Go on from what `state_dict` returned."""


@dataclass(frozen=True)
class Meta(Ingredient):
    """Splits the training set into tasks and learns from all of them."""

    alone = True

    @abstractmethod
    def begin(
        self, weights: "Sequence[Tensor]", labels: "Tensor", batch_size: int, generator: "Generator"
    ) -> OuterLoop:
        """labels: int64 [N] of the training images, on the device."""


@dataclass(frozen=True)
class Vote(Ingredient):
    """Trains several networks in turn within the budget and combines their predictions."""

    alone = True

    @property
    @abstractmethod
    def count(self) -> int:
        """How many networks share the budget."""

    @abstractmethod
    def combine(self, probabilities: "Tensor") -> "Tensor":
        """Combine the networks' probabilities, float [M, B, K], to probabilities or vote shares [B, K]."""


def names() -> list[str]:
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def load(name: str) -> type[Ingredient]:
    """The class of an ingredient in `names()`."""
    module = importlib.import_module(f"{__name__}.{name}")
    return cast("type[Ingredient]", getattr(module, "".join(word.capitalize() for word in name.split("_"))))


def name_of(ingredient: Ingredient) -> str:
    """The ingredient's name, which is its file's."""
    return type(ingredient).__module__.rpartition(".")[2]


def build(name: str, settings: Mapping[str, Any]) -> Ingredient:
    """An ingredient with these settings, and defaults for the rest. Raises InvalidConfig."""
    return _make(name, load(name), settings)


def change(ingredient: Ingredient, settings: Mapping[str, Any]) -> Ingredient:
    """A copy of the ingredient with these settings changed. Raises InvalidConfig."""
    return _make(name_of(ingredient), lambda **given: dataclasses.replace(ingredient, **given), settings)


def _make(name: str, make: Callable[..., Ingredient], settings: Mapping[str, Any]) -> Ingredient:
    """Check names and types of the settings, which are numbers, booleans or strings; then make it."""
    fields = {field.name: field for field in dataclasses.fields(load(name))}
    for key, value in settings.items():
        if key not in fields:
            known = ", ".join(fields) or "none"
            raise InvalidConfig(f"ingredient {name} has no setting {key!r}; known: {known}")
        wanted = type(fields[key].default)
        fits = isinstance(value, int | float) if wanted is float else isinstance(value, wanted)
        if not fits or (isinstance(value, bool) and wanted is not bool):
            raise InvalidConfig(f"ingredient {name}: {key} must be {_TYPE_WORDS[wanted]}, not {value!r}")
    try:
        return make(**settings)
    except ValueError as error:
        raise InvalidConfig(f"ingredient {name}: {error}") from error
