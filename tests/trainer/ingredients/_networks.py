"""A network of a few hundred weights, a batch for it, and steps as a training takes them."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.ingredients import Perturbation


def network(affine: bool = True) -> nn.Module:
    """A convolution, its norm and a classifier of images [N, 3, 6, 6], always with the same weights.

    affine: with biases and the norm's own weights, so that some have one dimension
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3, bias=affine),
            nn.BatchNorm2d(4, affine=affine),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64, 3, bias=affine),
        )


def batch(seed: int) -> tuple[Tensor, Tensor]:
    """Inputs [8, 3, 6, 6] and labels [8]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(8, 3, 6, 6, generator=generator), torch.randint(3, (8,), generator=generator)


def backward(learner: nn.Module, seed: int) -> float:
    """The loss of a batch, and in `.grad` its gradient."""
    inputs, labels = batch(seed)
    learner.zero_grad()
    loss = F.cross_entropy(learner(inputs), labels)
    torch.autograd.backward(loss)
    return loss.item()


def perturbed_steps(learner: nn.Module, perturbation: Perturbation, optimizer: torch.optim.Optimizer) -> None:
    """Three steps whose second gradient is taken where `perturbation` goes."""
    names, weights = zip(*learner.named_parameters(), strict=True)
    for seed in range(3):
        backward(learner, seed)
        kept = perturbation.ascend(weights, names)
        backward(learner, seed)
        with torch.no_grad():
            torch._foreach_copy_(list(weights), list(kept))
        optimizer.step()


def closure_steps(learner: nn.Module, step: Callable[[Callable[[], float]], object]) -> None:
    """The same three, for a reference whose `step` takes the second gradient by itself."""
    for seed in range(3):
        backward(learner, seed)
        step(lambda seed=seed: backward(learner, seed))  # type: ignore[misc]


def assert_same(one: Sequence[Tensor], other: Sequence[Tensor]) -> None:
    """Within a few roundings."""
    torch.testing.assert_close(list(one), list(other), rtol=1e-5, atol=1e-6)
