"""Which weights are decayed."""

import torch
from torch import nn

from tests.trainer.ingredients._networks import network
from trainer.ingredients.decay_split import DecaySplit


def test_biases_and_norms_are_not_decayed_and_every_weight_is_taken_once() -> None:
    learner = network()
    decayed, kept = DecaySplit()(learner, 0.3)
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.3, 0.0)
    assert [weight.ndim for weight in decayed["params"]] == [4, 2]
    assert [weight.ndim for weight in kept["params"]] == [1, 1, 1, 1]
    ids = {id(weight) for group in (decayed, kept) for weight in group["params"]}
    assert ids == {id(weight) for weight in learner.parameters()}


def test_a_step_without_gradients_shrinks_only_what_is_decayed() -> None:
    learner = network()
    before = {name: weight.detach().clone() for name, weight in learner.named_parameters()}
    for weight in learner.parameters():
        weight.grad = torch.zeros_like(weight)
    torch.optim.SGD(DecaySplit()(learner, 0.1), lr=0.5).step()
    for name, weight in learner.named_parameters():
        torch.testing.assert_close(weight.detach(), before[name] * (0.95 if weight.ndim > 1 else 1.0))


def test_weights_that_are_not_learned_and_groups_without_weights_are_left_out() -> None:
    learner = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2).requires_grad_(False))
    (group,) = DecaySplit()(learner, 0.1)
    assert [id(weight) for weight in group["params"]] == [id(learner[0].weight)]
