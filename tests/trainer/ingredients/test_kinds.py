"""What the kind of an ingredient asks of it: shapes, types, what is drawn from where."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from tests.trainer.ingredients._networks import backward, network
from trainer import ingredients
from trainer.ingredients import (
    Average,
    BatchImages,
    BatchInputs,
    Draw,
    EpochImages,
    Gradients,
    Groups,
    Ingredient,
    Loss,
    Meta,
    Mixing,
    Perturbation,
    Resolution,
    Schedule,
    Surgery,
    Targets,
    Views,
    Vote,
)

SIZE, CLASSES = 32, 4
PROGRESS = [step / 20 for step in range(21)]


def of_kind(*kinds: type[Ingredient]) -> list[str]:
    return [name for name in ingredients.names() if issubclass(ingredients.load(name), kinds)]


def draw(seed: int = 0, **changes: Any) -> Draw:
    return replace(Draw(Generator().manual_seed(seed), torch.tensor(0.25), mirrored=True), **changes)


def pixels(count: int) -> Tensor:
    """One image, so many times: uint8 [count, 3, SIZE, SIZE]."""
    one = torch.randint(256, (1, 3, SIZE, SIZE), generator=Generator().manual_seed(1), dtype=torch.uint8)
    return one.repeat(count, 1, 1, 1)


def mixture(count: int) -> tuple[Tensor, Tensor]:
    """Different inputs and their targets."""
    generator = Generator().manual_seed(2)
    labels = torch.randint(CLASSES, (count,), generator=generator)
    return torch.randn(count, 3, SIZE, SIZE, generator=generator), F.one_hot(labels, CLASSES).float()


def augmented(name: str, count: int = 32, **changes: Any) -> Tensor:
    """What an augmentation makes of one image, so many times."""
    made = ingredients.load(name)()
    if isinstance(made, BatchInputs):
        return made(pixels(count).float() / 128 - 1, draw(**changes))
    assert isinstance(made, BatchImages | EpochImages)
    return made(pixels(count), draw(**changes))


AUGMENTATIONS = of_kind(EpochImages, BatchImages, BatchInputs)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_an_augmentation_keeps_shape_and_type_and_leaves_its_input_alone(name: str) -> None:
    made = ingredients.load(name)()
    given = pixels(5).float() if isinstance(made, BatchInputs) else pixels(5)
    before = given.clone()
    out = made(given, draw())  # type: ignore[operator]
    assert (out.shape, out.dtype) == (given.shape, given.dtype)
    assert torch.equal(given, before)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_an_augmentation_draws_for_each_image_by_itself(name: str) -> None:
    images = augmented(name, 256).flatten(1)
    distinct = len(torch.unique(images, dim=0))
    fewest = 2 if name in ("flip", "alternating_flip", "grayscale") else 25  # a coin has two sides
    assert distinct >= fewest


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_an_augmentation_follows_its_generator_and_leaves_torchs_alone(name: str) -> None:
    before = torch.get_rng_state()
    once, again, other = augmented(name), augmented(name), augmented(name, seed=1)
    assert torch.equal(once, again)
    assert torch.equal(torch.get_rng_state(), before)
    if name != "alternating_flip":  # which follows the training's seed alone
        assert not torch.equal(once, other)
    else:
        seeds = [augmented(name, generator=Generator(), seed=seed) for seed in (0, 0)]
        assert torch.equal(*seeds)


@pytest.mark.parametrize("name", of_kind(Mixing))
def test_mixing_keeps_probabilities_and_follows_its_generator(name: str) -> None:
    made = ingredients.load(name)()
    assert isinstance(made, Mixing)
    inputs, targets = mixture(64)
    before = torch.get_rng_state()
    out, said = made(inputs, targets, draw())
    assert (out.shape, out.dtype, said.shape) == (inputs.shape, inputs.dtype, targets.shape)
    torch.testing.assert_close(said.sum(1), torch.ones(64))
    assert bool((said >= 0).all())
    assert torch.equal(out, made(inputs, targets, draw())[0])
    assert not torch.equal(out, made(inputs, targets, draw(seed=1))[0])
    assert torch.equal(torch.get_rng_state(), before)
    shares = said.amax(1)[said.amax(1) < 1]
    assert len(torch.unique(shares)) > 10, "a share for each image"


@pytest.mark.parametrize("name", of_kind(Targets))
def test_targets_stay_probabilities_of_each_class(name: str) -> None:
    made = ingredients.load(name)()
    assert isinstance(made, Targets)
    said = made(mixture(8)[1])
    assert bool((said >= 0).all())
    torch.testing.assert_close(said.sum(1), torch.ones(8))


@pytest.mark.parametrize("name", of_kind(Loss))
def test_a_loss_is_a_mean_that_is_lowest_at_the_target(name: str) -> None:
    made = ingredients.load(name)()
    assert isinstance(made, Loss)
    targets = mixture(8)[1]
    right, wrong = 3 * targets, 3 * targets.roll(1, dims=1)
    assert made(right, targets).shape == ()
    assert made(right, targets).item() < made(wrong, targets).item()
    torch.testing.assert_close(made(right.repeat(2, 1), targets.repeat(2, 1)), made(right, targets))


@pytest.mark.parametrize("name", of_kind(Surgery))
def test_surgery_leaves_a_network_that_learns(name: str) -> None:
    made = ingredients.load(name)()
    assert isinstance(made, Surgery)
    stem = nn.Conv2d(3, 4, 3, padding=1, bias=False)
    changed = made.apply(
        nn.Sequential(stem, nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * SIZE**2, 2))
    )
    made.fit(changed, mixture(20)[0])
    logits = changed(mixture(6)[0])
    assert logits.shape == (6, 2)
    torch.autograd.backward(logits.square().sum())
    assert all(weight.grad is not None for weight in changed.parameters())


@pytest.mark.parametrize("name", of_kind(Groups))
def test_groups_take_every_weight_once(name: str) -> None:
    made = ingredients.load(name)()
    assert isinstance(made, Groups)
    learner = network()
    taken = [id(weight) for group in made(learner, 0.1) for weight in group["params"]]
    assert sorted(taken) == sorted(id(weight) for weight in learner.parameters())
    assert all("weight_decay" in group for group in made(learner, 0.1))


@pytest.mark.parametrize("name", of_kind(Gradients))
def test_gradients_are_changed_where_they_lie(name: str) -> None:
    made = ingredients.load(name)()
    assert isinstance(made, Gradients)
    learner = network()
    backward(learner, 0)
    weights: list[Tensor] = [*learner.parameters()]
    addresses = [weight.grad.data_ptr() for weight in weights if weight.grad is not None]
    made(weights)
    assert [weight.grad.data_ptr() for weight in weights if weight.grad is not None] == addresses


@pytest.mark.parametrize("name", of_kind(Perturbation))
def test_a_perturbation_goes_uphill_in_place_and_gives_the_way_back(name: str) -> None:
    made = ingredients.load(name)()
    assert isinstance(made, Perturbation)
    learner = network()
    names, weights = zip(*learner.named_parameters(), strict=True)
    addresses, before = [w.data_ptr() for w in weights], [w.detach().clone() for w in weights]
    loss = backward(learner, 0)
    kept = made.ascend(weights, names)
    assert backward(learner, 0) > loss
    assert [weight.data_ptr() for weight in weights] == addresses
    assert all(torch.equal(held, was) for held, was in zip(kept, before, strict=True))


@pytest.mark.parametrize("name", of_kind(Schedule))
def test_a_schedule_gives_shares_of_the_base_rate(name: str) -> None:
    made = ingredients.load(name)()
    assert isinstance(made, Schedule)
    rates = [made.rate(progress) for progress in PROGRESS]
    assert all(0 <= rate <= 1 for rate in rates)
    assert max(rates) == pytest.approx(1.0)


@pytest.mark.parametrize("name", of_kind(Average))
def test_an_average_forgets_a_share_of_itself(name: str) -> None:
    made = ingredients.load(name)()
    assert isinstance(made, Average)
    assert all(0 <= made.share(step, total) <= 1 for total in (1, 10, 1000) for step in range(1, total + 1))


@pytest.mark.parametrize("name", of_kind(Resolution))
def test_a_resolution_ends_at_the_full_one_by_few_steps(name: str) -> None:
    made = ingredients.load(name)()
    assert isinstance(made, Resolution)
    sides = [made.pixels(progress, 32) for progress in PROGRESS]
    assert sides == sorted(sides)
    assert sides[-1] == 32
    assert len(set(sides)) <= 4


@pytest.mark.parametrize("name", of_kind(Views))
def test_views_are_of_the_images_shape(name: str) -> None:
    made = ingredients.load(name)()
    assert isinstance(made, Views)
    for mirrored in (True, False):
        views = made(pixels(3), mirrored)
        assert all((view.shape, view.dtype) == ((3, 3, SIZE, SIZE), torch.uint8) for view in views)


@pytest.mark.parametrize("name", of_kind(Vote))
def test_a_vote_gives_shares(name: str) -> None:
    made = ingredients.load(name)()
    assert isinstance(made, Vote)
    said = torch.rand(made.count, 5, CLASSES, generator=Generator().manual_seed(0)).softmax(2)
    torch.testing.assert_close(made.combine(said).sum(1), torch.ones(5))


@pytest.mark.parametrize("name", of_kind(Meta))
def test_an_outer_loop_orders_every_step_and_takes_up_its_state(name: str) -> None:
    made = ingredients.load(name)()
    assert isinstance(made, Meta)
    weights, labels = [torch.ones(3)], torch.arange(40) % CLASSES
    loop = made.begin(weights, labels, 4, Generator().manual_seed(0))
    order = loop.order(Generator().manual_seed(0))
    assert (len(order), order.dtype) == (40, torch.int64)
    assert bool(((order >= 0) & (order < 40)).all())
    loop.after(1)
    again = made.begin(weights, labels, 4, Generator().manual_seed(1))
    again.load_state_dict(loop.state_dict())
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in loop.state_dict().items())
