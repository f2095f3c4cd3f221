"""What an ingredient may be: one kind for each place of a training where a technique acts.

A kind is abstract; an ingredient is a frozen dataclass of one kind and final. What runs within a
step may be captured as a CUDA graph, so it never waits for the device, never branches on values,
and follows progress through the tensor it is given, not through a number.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn


@dataclass(frozen=True)
class Draw:
    """What an augmentation may depend on besides the images.

    progress: 0-d float tensor on the images' device, in [0, 1]
    mirrored: a mirrored image is still one of its class
    epoch: from 0; 0 for all batches, for a captured step cannot follow it
    seed: of the training, for what must be the same in every epoch
    """

    generator: "Generator"
    progress: "Tensor"
    mirrored: bool
    epoch: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Ingredient(ABC):  # noqa: B024  the kinds below say what it does
    """A technique and its strengths. Raises ValueError at birth for a strength out of range."""

    alone: ClassVar[bool] = False  # a recipe has at most one of this kind; another one takes its place


@dataclass(frozen=True)
class EpochImages(Ingredient):
    """Changes all training images once an epoch; the host may wait."""

    @abstractmethod
    def __call__(self, images: "Tensor", draw: Draw) -> "Tensor":
        """uint8 [N, 3, S, S], always in the same order, to a new tensor of the same shape."""


@dataclass(frozen=True)
class Policy(EpochImages):
    """A policy of image operations drawn for each image."""

    alone = True


@dataclass(frozen=True)
class BatchImages(Ingredient):
    """Changes the pixels of a batch."""

    @abstractmethod
    def __call__(self, images: "Tensor", draw: Draw) -> "Tensor":
        """uint8 [B, 3, S, S] to the same."""


@dataclass(frozen=True)
class BatchInputs(Ingredient):
    """Changes a batch whose pixels are normalised to mean 0 and deviation 1."""

    @abstractmethod
    def __call__(self, inputs: "Tensor", draw: Draw) -> "Tensor":
        """float [B, 3, S, S] to the same."""


@dataclass(frozen=True)
class Mixing(Ingredient):
    """Blends images of a batch, and their targets."""

    @abstractmethod
    def __call__(self, inputs: "Tensor", targets: "Tensor", draw: Draw) -> "tuple[Tensor, Tensor]":
        """float [B, 3, S, S] and probabilities [B, K] to the same."""


@dataclass(frozen=True)
class Targets(Ingredient):
    """Changes what the network is to say, after mixing."""

    @abstractmethod
    def __call__(self, targets: "Tensor") -> "Tensor":
        """Probabilities [B, K] to the same."""


@dataclass(frozen=True)
class Loss(Ingredient):
    """What is minimised; cross-entropy where a recipe has none."""

    alone = True

    @abstractmethod
    def __call__(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Logits float [B, K] and probabilities [B, K] to a scalar, the mean over the batch."""


@dataclass(frozen=True)
class Surgery(Ingredient):
    """Changes the network before its training; its costs are counted after it."""

    @abstractmethod
    def apply(self, network: "nn.Module") -> "nn.Module":
        """The changed network, on whatever device it is; it may be changed in place."""

    def fit(self, network: "nn.Module", inputs: "Tensor") -> None:
        """Set what depends on the training images, float [n, 3, S, S], normalised."""
        return


@dataclass(frozen=True)
class Groups(Ingredient):
    """Which weights are decayed, and by how much; all alike where a recipe has none."""

    alone = True

    @abstractmethod
    def __call__(self, network: "nn.Module", weight_decay: float) -> list[dict[str, Any]]:
        """The optimizer's parameter groups, each with `params` and `weight_decay`; every weight once."""


@dataclass(frozen=True)
class Gradients(Ingredient):
    """Changes the gradients before the optimizer sees them."""

    @abstractmethod
    def __call__(self, weights: "Sequence[Tensor]") -> None:
        """Change `.grad` of each of the weights in place, all of which have one."""


@dataclass(frozen=True)
class Perturbation(Ingredient):
    """Moves the weights to where a second pass takes the gradient, as sharpness-aware methods do.

    Batch norm's statistics are frozen in the second pass.
    """

    alone = True

    @abstractmethod
    def active(self, progress: float) -> bool:
        """Whether a step at this progress has the second pass."""

    @abstractmethod
    def ascend(self, weights: "Sequence[Tensor]") -> "Sequence[Tensor]":
        """Move the weights in place along their `.grad`; returns what they were, for the way back."""


@dataclass(frozen=True)
class Average(Ingredient):
    """An average of the weights over the steps, which is what is evaluated."""

    alone = True

    @abstractmethod
    def share(self, step: int, total_steps: int) -> float:
        """In [0, 1]: how far the average goes to the weights after this step, counted from 1."""


@dataclass(frozen=True)
class Schedule(Ingredient):
    """The learning rate over the training; constant where a recipe has none."""

    alone = True

    @abstractmethod
    def rate(self, progress: float) -> float:
        """The share of the base rate at a progress in [0, 1]."""


@dataclass(frozen=True)
class Resolution(Ingredient):
    """The pixels that are trained on over the training; those of the network where a recipe has none."""

    alone = True

    @abstractmethod
    def pixels(self, progress: float, full: int) -> int:
        """Pixels a side at a progress in [0, 1], at most `full` and `full` at the end. Few different ones."""


@dataclass(frozen=True)
class Views(Ingredient):
    """What is looked at to judge an image at the end; the image itself where a recipe has none."""

    alone = True

    @abstractmethod
    def __call__(self, images: "Tensor", mirrored: bool) -> "list[Tensor]":
        """uint8 [B, 3, S, S] to views of the same shape, whose probabilities are averaged."""


class OuterLoop(ABC):
    """The state of one meta-learning in progress."""

    @abstractmethod
    def order(self, generator: "Generator") -> "Tensor":
        """int64 [N]: the order in which one epoch takes the training images."""

    @abstractmethod
    def after(self, step: int) -> None:
        """Called after each step, counted from 1, and may change the weights in place."""

    @abstractmethod
    def finish(self) -> None:
        """Called before every evaluation after which training does not go on: settle what is under way."""

    @abstractmethod
    def state(self) -> "dict[str, Tensor]":
        """What a checkpoint must keep, tensors by name; `restore` takes it back."""

    @abstractmethod
    def restore(self, state: "dict[str, Tensor]") -> None:
        """Take up where `state` was taken."""


@dataclass(frozen=True)
class Meta(Ingredient):
    """Learns from several tasks that the training set is split into."""

    alone = True

    @abstractmethod
    def begin(
        self, weights: "Sequence[Tensor]", labels: "Tensor", batch_size: int, generator: "Generator"
    ) -> OuterLoop:
        """labels: int64 [N] of the training images, on the device."""


@dataclass(frozen=True)
class Vote(Ingredient):
    """Several networks trained one after the other within the budget, judged together."""

    alone = True

    @property
    @abstractmethod
    def count(self) -> int:
        """How many networks share the budget."""

    @abstractmethod
    def together(self, probabilities: "Tensor") -> "Tensor":
        """Of the members, float [M, B, K], to probabilities or shares of votes [B, K]."""
