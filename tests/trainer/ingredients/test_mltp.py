"""MLTP against a loop that does the same in plain sight."""

import copy

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from trainer.errors import InvalidConfig
from trainer.ingredients import OuterLoop
from trainer.ingredients.mltp import Mltp

COUNT, BATCH, CLASSES = 96, 8, 3  # 12 steps an epoch
LABELS = torch.arange(COUNT) % CLASSES
INPUTS = torch.randn(COUNT, 5, generator=torch.Generator().manual_seed(0))


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, CLASSES))


def optimizer(learner: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(learner.parameters(), lr=0.1, momentum=0.9)


def begin(strengths: Mltp, learner: nn.Module) -> OuterLoop:
    return strengths.begin(list(learner.parameters()), LABELS, BATCH, Generator().manual_seed(1))


def step(learner: nn.Module, by: torch.optim.Optimizer, chosen: Tensor) -> None:
    by.zero_grad()
    F.cross_entropy(learner(INPUTS[chosen]), LABELS[chosen]).backward()  # type: ignore[no-untyped-call]
    by.step()


def batches(loop: OuterLoop, steps: int) -> list[Tensor]:
    """As a training takes them, epoch by epoch."""
    generator, per_epoch, taken = Generator().manual_seed(2), COUNT // BATCH, []
    for number in range(1, steps + 1):
        if (number - 1) % per_epoch == 0:
            order = loop.order(generator)
        place = (number - 1) % per_epoch * BATCH
        taken.append(order[place : place + BATCH])
        loop.after(number)
    return taken


def train(learner: nn.Module, loop: OuterLoop, taken: list[Tensor]) -> None:
    by = optimizer(learner)
    for number, chosen in enumerate(taken, 1):
        step(learner, by, chosen)
        loop.after(number)
    loop.finish()


def train_in_plain_sight(learner: nn.Module, taken: list[Tensor], strengths: Mltp) -> None:
    by, shared, results = optimizer(learner), copy.deepcopy(learner.state_dict()), []
    for number, chosen in enumerate(taken, 1):
        step(learner, by, chosen)
        if number % strengths.inner_steps == 0 or number == len(taken):
            results.append(copy.deepcopy(learner.state_dict()))
            if len(results) == strengths.tasks or number == len(taken):
                for name, weight in shared.items():
                    mean = torch.stack([result[name] for result in results]).mean(0)
                    weight += strengths.outer_rate * (mean - weight)
                results = []
            learner.load_state_dict(shared)


# the end: of a cycle, of a cycle's first task, within a second task, within the very first
@pytest.mark.parametrize("steps", [24, 15, 17, 2])
@pytest.mark.parametrize("strengths", [Mltp(inner_steps=3, outer_rate=0.5), Mltp(tasks=3, inner_steps=2)])
def test_the_weights_are_those_of_a_plain_loop_over_tasks(strengths: Mltp, steps: int) -> None:
    taken = batches(begin(strengths, network()), steps)
    ours, theirs = network(), network()
    train(ours, begin(strengths, ours), taken)
    train_in_plain_sight(theirs, taken, strengths)
    for our_weight, weight in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(our_weight, weight, atol=1e-6, rtol=1e-6)


def test_a_block_of_batches_is_of_one_task_and_the_tasks_take_turns() -> None:
    seen = [{int(image) for image in chosen} for chosen in batches(begin(Mltp(inner_steps=3), network()), 36)]
    tasks = [set().union(*(seen[i] for i in range(36) if i // 3 % 2 == task)) for task in (0, 1)]
    assert not tasks[0] & tasks[1]
    assert len(tasks[0]) == len(tasks[1]) == COUNT // 2
    for task in tasks:
        assert torch.bincount(LABELS[list(task)]).tolist() == [COUNT // 2 // CLASSES] * CLASSES


@pytest.mark.parametrize("inner_steps", [1, 2, 4, 5, 7, 100])
def test_an_epoch_of_any_length_ends_with_the_shared_weights(inner_steps: int) -> None:
    learner = network()
    loop = begin(Mltp(inner_steps=inner_steps), learner)
    by = optimizer(learner)
    for number in range(1, 25):
        step(learner, by, torch.arange(BATCH))
        loop.after(number)
        if number % 12 == 0:
            epoch_end = [weight.clone() for weight in learner.parameters()]
            loop.finish()
            assert all(torch.equal(*pair) for pair in zip(epoch_end, learner.parameters(), strict=True))


def test_an_epoch_repeats_an_image_only_where_a_task_has_run_out() -> None:
    loop = Mltp(inner_steps=1).begin([], LABELS[:-1], 32, Generator().manual_seed(1))
    assert sorted(begin(Mltp(), network()).order(Generator()).tolist()) == list(range(COUNT))
    order = loop.order(Generator().manual_seed(2))  # two batches, of tasks of 48 and 47, and 31 left over
    assert len(order) == COUNT - 1
    assert len(set(order[:64].tolist())) == 64


def test_training_goes_on_from_a_saved_state_as_if_undisturbed() -> None:
    strengths = Mltp(inner_steps=3)
    taken = batches(begin(strengths, network()), 20)
    whole, first, second = network(), network(), network()
    train(whole, begin(strengths, whole), taken)
    by, loop = optimizer(first), begin(strengths, first)
    for number, chosen in enumerate(taken[:10], 1):
        step(first, by, chosen)
        loop.after(number)
    second.load_state_dict(first.state_dict())
    resumed = strengths.begin(list(second.parameters()), LABELS, BATCH, Generator().manual_seed(9))
    resumed.load_state_dict({name: tensor.clone() for name, tensor in loop.state_dict().items()})
    again = optimizer(second)
    again.load_state_dict(by.state_dict())
    for number, chosen in enumerate(taken[10:], 11):
        step(second, again, chosen)
        resumed.after(number)
    resumed.finish()
    for ours, theirs in zip(second.parameters(), whole.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    for fresh in (
        begin(strengths, network()),
        loop,
    ):  # neither the steps done nor the weights change an order
        assert torch.equal(fresh.order(Generator().manual_seed(3)), resumed.order(Generator().manual_seed(3)))


def test_settling_twice_changes_nothing_more() -> None:
    learner = network()
    loop = begin(Mltp(inner_steps=3), learner)
    by = optimizer(learner)
    for number in range(1, 6):
        step(learner, by, torch.arange(BATCH))
        loop.after(number)
    loop.finish()
    once = [weight.clone() for weight in learner.parameters()]
    loop.finish()
    assert all(torch.equal(*pair) for pair in zip(once, learner.parameters(), strict=True))


def test_a_batch_larger_than_a_task_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="a batch of 8 is more than the 6 images of each of 16 tasks"):
        begin(Mltp(tasks=16), network())


@pytest.mark.parametrize(("strength", "value"), [("tasks", 1), ("inner_steps", 0), ("outer_rate", 0.0)])
def test_a_strength_out_of_range_is_refused_by_name(strength: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{strength} must .* not {value}"):
        Mltp(**{strength: value})  # type: ignore[arg-type]
