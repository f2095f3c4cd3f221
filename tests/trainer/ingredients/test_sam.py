"""SAM against pytorch_optimizer's, step by step (imported where it is used: see test_asam.py)."""

import pytest
import torch

from tests.trainer.ingredients._networks import assert_same, backward, closure_steps, network, perturbed_steps
from trainer.ingredients.sam import Sam


@pytest.mark.parametrize("rho", [0.05, 0.5])
def test_steps_end_where_the_reference_ends(rho: float) -> None:
    from pytorch_optimizer import SAM

    ours, theirs = network(), network()
    perturbed_steps(ours, Sam(rho), torch.optim.SGD(ours.parameters(), lr=0.1, momentum=0.9))
    reference = SAM(theirs.parameters(), torch.optim.SGD, rho=rho, lr=0.1, momentum=0.9)
    closure_steps(theirs, reference.step)
    assert_same([*ours.parameters()], [*theirs.parameters()])
    plain = network()
    perturbed_steps(plain, Sam(1e-9), torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.9))
    with pytest.raises(AssertionError):
        assert_same([*ours.parameters()], [*plain.parameters()])


def test_the_way_up_is_rho_long_and_the_way_back_is_exact() -> None:
    learner = network()
    backward(learner, 0)
    names, weights = zip(*learner.named_parameters(), strict=True)
    before = [weight.detach().clone() for weight in weights]
    kept = Sam(rho=0.3).ascend(weights, names)
    way = torch.cat([(now.detach() - was).flatten() for now, was in zip(weights, before, strict=True)])
    assert float(way.norm()) == pytest.approx(0.3, rel=1e-4)
    assert all(torch.equal(held, was) for held, was in zip(kept, before, strict=True))


def test_a_gradient_of_zero_moves_nothing() -> None:
    weight = torch.ones(3, requires_grad=True)
    weight.grad = torch.zeros(3)
    Sam().ascend([weight], ["weight"])
    assert weight.tolist() == [1, 1, 1]


def test_weights_move_where_they_lie_for_a_graph_knows_their_addresses() -> None:
    learner = network()
    backward(learner, 0)
    addresses = [weight.data_ptr() for weight in learner.parameters()]
    names, weights = zip(*learner.named_parameters(), strict=True)
    Sam().ascend(weights, names)
    assert [weight.data_ptr() for weight in learner.parameters()] == addresses


def test_it_is_active_from_its_start_on() -> None:
    assert [Sam(start=0.5).active(progress) for progress in (0.0, 0.49, 0.5, 1.0)] == [
        False,
        False,
        True,
        True,
    ]
    assert Sam().active(0.0)


@pytest.mark.parametrize("strengths", [{"rho": 0.0}, {"rho": float("nan")}, {"start": 1.5}])
def test_a_strength_out_of_range_is_refused(strengths: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Sam(**strengths)
