"""Trainings whose passes are one, held to the same trainings alone."""

from dataclasses import replace
from functools import cache, partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from tests.thinned import rest_slow
from tests.trainer.configs import trial
from trainer import config, data, stack
from trainer.images import Normalisation
from trainer.machine import Machine, machine
from trainer.setting import Setting, setting
from trainer.stack import Stack
from trainer.trainee import Trainee

STEPS = 6
CPU = Machine(torch.device("cpu"), "fp32")
SMALL = {"batch_size": 20}
SEEDS_AND_IMAGES: list[dict[str, Any]] = [
    {"seed": number, "subset": {"train": 80, "validation": 50, "seed": 3, "part": number}}
    for number in range(3)
]
RATES = [
    {"learning_rate": 0.02, "weight_decay": 0.0},
    {"learning_rate": 0.05, "weight_decay": 1e-3},
    {"learning_rate": 0.1, "weight_decay": 5e-2},
]
TECHNIQUES: dict[str, dict[str, Any]] = {
    "resnet9": {"model": "resnet9", "scale": {"width": 0.125, "resolution": 0.5}},
    "adamw": {"hyperparameters": {**SMALL, "optimizer": "adamw"}},
    "muon": {"hyperparameters": {**SMALL, "optimizer": "muon"}},
    "sharpness": {"ingredients": {"sam": {"start": 0.5}, "gradient_centralization": {}}},
    "mixing": {"ingredients": {"cutmix": {}, "label_smoothing": {}, "ema": {}, "decay_split": {}}},
    "tasks": {"ingredients": {"mltp": {"inner_steps": 2}}, "hyperparameters": {"batch_size": 10}},
    "surgery": {"ingredients": {"ghost_batch_norm": {"size": 10}, "asymmetric_loss": {}}},
    "resizing": {"ingredients": {"progressive_resizing": {}}, "scale": {"width": 0.125, "depth": 0.5}},
}


@cache
def digits(source: data.Source) -> data.Images:
    return data.load(source, test=False)


def settings(changes: list[dict[str, Any]], double: bool = False, **common: Any) -> list[Setting]:
    parsed = [config.from_json(trial(**{"model": "senet18", **common, **one})) for one in changes]
    about = data.about(parsed[0].dataset)
    chosen = [setting(one, about, machine(one), digits(parsed[0].dataset)) for one in parsed]
    return [in_double(one) for one in chosen] if double else chosen


def in_double(chosen: Setting) -> Setting:
    """Inputs in double precision, so that a network of doubles amplifies no rounding."""
    known = chosen.lesson.normalise
    doubled = Normalisation(known.mean.double(), known.deviation.double())
    return replace(chosen, lesson=replace(chosen.lesson, normalise=doubled))


def network(chosen: Setting) -> nn.Module:
    """At its first weights, as precise as its inputs."""
    return chosen.network().to(chosen.lesson.normalise.mean.dtype)


def stacked(chosen: list[Setting]) -> Stack:
    networks = [network(one) for one in chosen]
    return Stack(networks, [one.lesson for one in chosen], [one.seed() for one in chosen])


def alone(chosen: Setting) -> Trainee:
    return Trainee(network(chosen), chosen.lesson, chosen.seed())


def train(learner: Stack | Trainee, steps: int = STEPS) -> None:
    for step in range(steps):
        batch = step % learner.lesson.steps_per_epoch
        if batch == 0:
            learner.start_epoch(step / steps)
        learner.step(batch, step, steps)


def states(trainee: Trainee) -> dict[str, torch.Tensor]:
    """Weights and running statistics of what is trained and of what is judged."""
    judged = {f"judged.{name}": held for name, held in trainee.judged.state_dict().items()}
    return {**trainee.network.state_dict(), **judged}


def assert_same(together: Trainee, separate: Trainee, relative: float) -> None:
    found = states(together)
    for name, wanted in states(separate).items():
        assert_close(found[name], wanted, rtol=relative, atol=relative, msg=partial("{}: {}".format, name))
    assert together.read_loss() == pytest.approx(separate.read_loss(), rel=relative)
    one, other = together.validate(), separate.validate()
    assert one is not None
    assert other is not None
    assert (one.accuracy, one.loss) == pytest.approx((other.accuracy, other.loss), rel=relative)


@pytest.mark.parametrize(
    "changes",
    [SEEDS_AND_IMAGES, [{"hyperparameters": {**SMALL, **one}} for one in RATES]],
    ids=["seeds", "rates"],
)
def test_a_stack_trains_as_alone_within_single_precision(changes: list[dict[str, Any]]) -> None:
    chosen = settings(changes)
    together = stacked(chosen)
    train(together, steps=3)  # the fewer the better: rounding is amplified from step to step, alone as well
    for trainee, one in zip(together.trainees, chosen, strict=True):
        separate = one.trainee()
        train(separate, steps=3)
        assert_same(trainee, separate, relative=1e-4)


@pytest.mark.parametrize("technique", rest_slow(TECHNIQUES, ["mixing", "tasks"]))
def test_trainings_in_a_stack_are_what_they_are_alone(technique: str) -> None:
    common = {"hyperparameters": SMALL, **TECHNIQUES[technique]}
    own = [
        {**images, "hyperparameters": {**common["hyperparameters"], **rates}}
        for images, rates in zip(SEEDS_AND_IMAGES, RATES, strict=True)
    ]
    chosen = settings(own, double=True, **common)
    together = stacked(chosen)
    train(together)
    for trainee, one in zip(together.trainees, chosen, strict=True):
        separate = alone(one)
        train(separate)
        assert_same(trainee, separate, relative=1e-6)


def test_a_member_that_diverges_spoils_no_other() -> None:
    doomed = {
        **SEEDS_AND_IMAGES[1],
        "hyperparameters": {**SMALL, "learning_rate": 1000.0, "weight_decay": 10.0},
    }
    chosen = settings([SEEDS_AND_IMAGES[0], doomed, SEEDS_AND_IMAGES[2]], double=True)
    together = stacked(chosen)
    train(together)
    assert not all(weights.isfinite().all() for weights in together.trainees[1].network.parameters())
    for sound in (0, 2):
        separate = alone(chosen[sound])
        train(separate)
        assert_same(together.trainees[sound], separate, relative=1e-6)


def test_a_layer_that_draws_cannot_be_stacked() -> None:
    networks: list[nn.Module] = [
        nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(12, 2)) for _ in range(2)
    ]
    why = stack.why_not(networks, torch.randn(2, 4, 3, 2, 2), CPU)
    assert why is not None
    assert "cannot be stacked" in why
    assert "random" in why


def test_networks_that_differ_in_more_than_tensors_are_noticed() -> None:
    networks: list[nn.Module] = [Scaled(factor) for factor in (1.0, 2.0)]
    why = stack.why_not(networks, torch.randn(2, 4, 3, 2, 2), CPU)
    assert why == "stacked, the network says something else than alone"


class Scaled(nn.Module):
    """Has a number of its own that no stacked tensor holds."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs.flatten(1) * self.weight * self.factor


@pytest.mark.parametrize(("model", "precision"), [("senet18", "fp32"), ("resnet9", "bf16")])
def test_asking_whether_networks_can_be_stacked_leaves_them_as_they_are(model: str, precision: str) -> None:
    networks = [network(one) for one in settings(SEEDS_AND_IMAGES, model=model, scale={"width": 0.125})]
    before = [{name: held.clone() for name, held in one.state_dict().items()} for one in networks]
    assert stack.why_not(networks, torch.randn(3, 4, 3, 16, 16), Machine(CPU.device, precision)) is None
    for one, states_before in zip(networks, before, strict=True):
        assert all(torch.equal(held, states_before[name]) for name, held in one.state_dict().items())


def test_a_stack_in_16_bits_learns_what_trainings_alone_learn() -> None:
    chosen = settings(SEEDS_AND_IMAGES, precision="bf16")
    together = stacked(chosen)
    train(together, steps=2)
    for trainee, one in zip(together.trainees, chosen, strict=True):
        separate = one.trainee()
        train(separate, steps=2)
        assert trainee.read_loss() == pytest.approx(separate.read_loss(), rel=0.02)
