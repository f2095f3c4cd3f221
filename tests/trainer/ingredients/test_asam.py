"""ASAM against its authors' code, pytorch_optimizer's, which is the case eta = 0, and the paper's equation.

pytorch_optimizer scales biases by their size, too, so the two are held together on a network that has none.
It takes seconds to import: not while the tests are collected, which each of their processes does.
"""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.trainer.ingredients._networks import assert_same, backward, closure_steps, network, perturbed_steps
from trainer.ingredients.asam import Asam


@pytest.mark.parametrize("rho", [0.5, 2.0])
def test_steps_end_where_the_reference_ends(rho: float) -> None:
    from pytorch_optimizer import SAM

    ours, theirs = network(affine=False), network(affine=False)
    perturbed_steps(ours, Asam(rho, eta=0.0), torch.optim.SGD(ours.parameters(), lr=0.1, momentum=0.9))
    reference = SAM(theirs.parameters(), torch.optim.SGD, rho=rho, adaptive=True, lr=0.1, momentum=0.9)
    closure_steps(theirs, reference.step)
    assert_same([*ours.parameters()], [*theirs.parameters()])


def test_the_way_up_is_that_of_its_authors_code() -> None:
    learner, theirs = network(), network()
    backward(learner, 0)
    backward(theirs, 0)
    _authors_ascent(theirs, rho=0.7, eta=0.1)
    names, weights = zip(*learner.named_parameters(), strict=True)
    Asam(rho=0.7, eta=0.1).ascend(weights, names)
    assert_same(weights, [*theirs.parameters()])


def test_the_way_up_without_norms_is_the_papers() -> None:
    learner = network()
    backward(learner, 0)
    names, weights = zip(*learner.named_parameters(), strict=True)
    expected = _papers_way(weights, rho=0.7, eta=0.1)
    before = Asam(rho=0.7, eta=0.1, norms=False).ascend(weights, names)
    moved = torch.cat([(now.detach() - was).flatten() for now, was in zip(weights, before, strict=True)])
    torch.testing.assert_close(moved, expected, rtol=1e-4, atol=1e-6)


def test_scaling_a_layer_up_and_the_next_one_down_changes_nothing() -> None:
    def gain(scale: float) -> float:
        first = torch.tensor([[scale * 2.0]], requires_grad=True)
        second = torch.tensor([[3.0 / scale]], requires_grad=True)
        torch.autograd.backward((first * second).sum())
        Asam(rho=0.5, eta=0.0).ascend([first, second], ["0.weight", "1.weight"])
        return (first * second).item()

    assert gain(10.0) == pytest.approx(gain(1.0))
    assert gain(1.0) > 6.0


@pytest.mark.parametrize("strengths", [{"rho": -1.0}, {"eta": -0.1}, {"start": -0.5}])
def test_a_strength_out_of_range_is_refused(strengths: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Asam(**strengths)


@torch.no_grad()
def _authors_ascent(model: nn.Module, rho: float, eta: float) -> None:
    """`ascent_step` of github.com/SamsungLabs/ASAM (asam.py), without the state that it keeps."""
    sizes = {
        weight: weight.abs().add(eta) if "weight" in name else torch.ones_like(weight)
        for name, weight in model.named_parameters()
    }
    for weight, size in sizes.items():
        assert weight.grad is not None
        weight.grad.mul_(size)
    norm = torch.norm(torch.stack([torch.norm(weight.grad, p=2) for weight in sizes])) + 1e-16
    for weight, size in sizes.items():
        assert weight.grad is not None
        weight.add_(weight.grad.mul(size).mul(rho / norm))


def _papers_way(weights: Sequence[Tensor], rho: float, eta: float) -> Tensor:
    """rho T²g / |Tg| as one vector, with T written out as one diagonal."""
    vector = torch.cat([weight.detach().flatten() for weight in weights])
    gradient = torch.cat([weight.grad.flatten() for weight in weights if weight.grad is not None])
    plain = torch.cat([torch.full_like(weight.detach().flatten(), weight.ndim <= 1) for weight in weights])
    diagonal = torch.diag(torch.where(plain.bool(), torch.ones_like(vector), vector.abs() + eta))
    length: Tensor = torch.linalg.vector_norm(diagonal @ gradient)
    return rho * (diagonal @ diagonal @ gradient) / length
