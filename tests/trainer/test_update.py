"""A step, seen from outside: it waits for nothing, and does what the recipe says to the weights."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from tests.thinned import rest_slow
from tests.trainer.configs import trial
from trainer import config, data, ingredients, recipes
from trainer.device import resolve_device
from trainer.engine import Eager, Graphed, share_capture_result
from trainer.errors import InvalidConfig
from trainer.ingredients import Average
from trainer.objective import Phase
from trainer.setup import TrialSetup, set_up
from trainer.train import measure
from trainer.train_state import TrainState

WAITING = (
    "_local_scalar_dense",
    "nonzero",
    "masked_select",
    "unique",
    "is_nonzero",
    "equal.default",
    "bincount",
)

pytestmark = pytest.mark.usefixtures("digits_drawn_once")


class Waits(TorchDispatchMode):  # type: ignore[no-untyped-call, unused-ignore]
    """Counts operations and collects those for which a GPU's host would have to wait."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self.seen: list[str] = []
        self.operations = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.operations += 1
        if any(word in str(func) for word in WAITING):
            self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


def prepared(**changes: Any) -> TrialSetup:
    parsed = config.from_json(trial(**changes))
    return set_up(parsed, data.about(parsed.dataset), resolve_device(parsed))


def stepped(state: TrainState, steps: int, total: int = 10) -> TrainState:
    state.start_epoch(0.0)
    for step in range(steps):
        state.step(step % state.objective.steps_per_epoch, step, total)
    return state


@pytest.mark.parametrize("name", recipes.names())
def test_a_step_of_every_recipe_waits_for_nothing(name: str) -> None:
    changes: dict[str, Any] = {"model": "resnet9", "scale": {"width": 0.125, "resolution": 0.5}}
    # Adam counts its steps in a number on the host, unless it is captured
    chosen = prepared(recipe=name, hyperparameters={"batch_size": 20, "optimizer": "sgd"}, **changes)
    state = stepped(chosen.new_state(), 2)
    with Waits() as waits:
        state.step(2, 9, 10)  # at the end, when everything is switched on
    assert waits.seen == []


def test_a_validation_waits_for_nothing_but_the_list_of_its_scores() -> None:
    state = prepared().new_state()
    with Waits() as waits:  # which does not see `tolist`
        state.validate()
    assert waits.seen == []


def test_an_operation_that_waits_is_seen() -> None:
    with Waits() as waits:
        float(torch.ones(()))
        torch.ones(3).nonzero()
    assert len(waits.seen) == 2


@pytest.mark.parametrize("name", ["sam", "asam"])
def test_a_perturbed_step_keeps_the_weights_where_they_are_in_memory(name: str) -> None:
    state = prepared(ingredients={name: {}}).new_state()
    before = [weight.data_ptr() for weight in state.network.parameters()]
    stepped(state, 3)
    assert [weight.data_ptr() for weight in state.network.parameters()] == before


def test_the_second_pass_leaves_the_statistics_of_batch_norms_alone() -> None:
    plain = stepped(prepared().new_state(), 1).network
    twice = stepped(prepared(ingredients={"sam": {}}).new_state(), 1).network
    for (name, once), again in zip(plain.state_dict().items(), twice.state_dict().values(), strict=True):
        if "running" in name:
            assert torch.equal(once, again)
    assert any(not torch.equal(a, b) for a, b in zip(plain.parameters(), twice.parameters(), strict=True))


def test_an_infinite_gradient_leaves_no_trace_in_the_statistics_of_batch_norms() -> None:
    state = prepared(ingredients={"sam": {}}).new_state()
    first = next(state.network.parameters())
    too_much = torch.full_like(first, float("inf"))  # as fp16's gradients often are
    first.register_hook(lambda gradient: too_much)  # type: ignore[no-untyped-call, unused-ignore]
    stepped(state, 1)
    statistics = [tensor for name, tensor in state.network.named_buffers() if "running" in name]
    assert all(bool(tensor.isfinite().all()) for tensor in statistics)


def test_a_second_pass_that_fails_leaves_batch_norms_learning() -> None:
    state = prepared(ingredients={"sam": {}}).new_state()
    stepped(state, 1)
    with pytest.raises(RuntimeError, match="captured"), state.update.perturbed():
        raise RuntimeError("a step cannot be captured")
    norms = [module for module in state.network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert all(norm.track_running_stats for norm in norms)


NETWORK_WITH_AN_UNUSED_LAYER = """
from torch import nn

class Network(nn.Module):
    def __init__(self, classes, width):
        super().__init__()
        self.convolution, self.spare = nn.Conv2d(3, width, 3), nn.Linear(4, 4)
        self.last = nn.Linear(width, classes)

    def forward(self, x):
        return self.last(self.convolution(x).relu().mean((2, 3)))

def build(classes, channels=(16,)):
    return Network(classes, *channels)
"""


@pytest.mark.parametrize("name", ["sam", "asam", "gradient_centralization"])
def test_a_layer_that_no_output_depends_on_stays_as_it_is_and_the_others_learn(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "unused.py").write_text(NETWORK_WITH_AN_UNUSED_LAYER)
    state = prepared(model=f"{tmp_path / 'unused.py'}:build", scale={}, ingredients={name: {}}).new_state()
    before = copy.deepcopy(state.network.state_dict())
    stepped(state, 2)
    for key, now in state.network.state_dict().items():
        assert torch.equal(before[key], now) == key.startswith("spare"), key


def test_a_second_pass_is_taken_only_when_it_is_active() -> None:
    late = prepared(ingredients={"sam": {"start": 0.5}})
    assert [late.objective.phase(p).perturbed for p in (0.0, 0.49, 0.5, 1.0)] == [False, False, True, True]


def test_gradients_are_centred_before_the_optimizer_sees_them() -> None:
    state = stepped(prepared(ingredients={"gradient_centralization": {}}).new_state(), 1)
    convolutions = [weight for weight in state.network.parameters() if weight.dim() == 4]
    assert all(weight.grad is not None for weight in convolutions)
    for weight in convolutions:
        assert weight.grad is not None
        assert weight.grad.mean((1, 2, 3)).abs().max() < 1e-6


def test_the_average_follows_the_weights_and_is_what_is_judged() -> None:
    state = prepared(ingredients={"ema": {"half_life": 0.2}}).new_state()
    reference = copy.deepcopy(state.network)
    average = state.objective.recipe.one(Average)
    assert average is not None
    state.start_epoch(0.0)
    for step in range(4):
        state.step(step, step, 10)
        share = average.share(step + 1, 10)
        with torch.no_grad():
            for mean, now in zip(reference.parameters(), state.network.parameters(), strict=True):
                mean.lerp_(now, share)
    for mean, judged in zip(reference.parameters(), state.eval_network.parameters(), strict=True):
        torch.testing.assert_close(mean, judged)
    assert state.eval_network is not state.network


def test_early_epochs_are_trained_on_fewer_pixels_and_the_last_on_all() -> None:
    chosen = prepared(
        scale={"depth": 0.5, "width": 0.125},
        ingredients={"progressive_resizing": {}},
    )
    pixels = [chosen.objective.phase(p / 20).pixels for p in range(21)]
    assert pixels[0] < 16
    assert pixels[-1] == 16
    assert pixels == sorted(pixels)
    stepped(chosen.new_state(), 2)


@pytest.mark.parametrize("name", rest_slow(recipes.names(), ["best", "nomad_haet", "resnet9_sam_ip"]))
def test_a_training_taken_up_again_goes_on_bit_by_bit(name: str) -> None:
    changes: dict[str, Any] = {"model": "resnet9", "scale": {"width": 0.125, "resolution": 0.5}}
    optimizer = recipes.load(name).defaults.optimizer
    chosen = prepared(recipe=name, hyperparameters={"batch_size": 20, "optimizer": optimizer}, **changes)
    state = stepped(chosen.new_state(), 3)
    held = state.state_dict()
    other = chosen.new_state(member=1)  # other weights, other draws
    other.load_state_dict(held)
    for step in (3, 4):
        state.step(step, step, 10)
        other.step(step, step, 10)
    for once, again in zip(state.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(once, again)
    assert state.read_loss() == other.read_loss()


def test_an_ingredient_is_added_changed_and_taken_out_by_a_configuration() -> None:
    base = recipes.load("nomad_haet").ingredients
    names = {ingredients.name_of(found) for found in base}
    more = recipes.load("nomad_haet", {"label_smoothing": {"alpha": 0.2}, "cutout": None, "linear": {}})
    found = {ingredients.name_of(each): each for each in more.ingredients}
    assert set(found) == names - {"cutout", "cosine"} | {"label_smoothing", "linear"}
    assert found["label_smoothing"] == replace(ingredients.build("label_smoothing", {}), alpha=0.2)  # type: ignore[call-arg]


def test_a_training_that_has_ended_gives_back_what_its_steps_needed() -> None:
    state = stepped(prepared().new_state(), 2)
    score = state.validate()
    state.finish()
    assert not state.update.images
    assert all(weight.grad is None for weight in state.network.parameters())
    assert state.validate() == score


def test_timing_a_network_that_draws_leaves_its_draws_alone() -> None:
    state = prepared().new_state()
    state.network.append(nn.Dropout(0.5))  # type: ignore[operator]
    before = torch.get_rng_state()
    measure(state, most_seconds=0.0)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_cannot_be_captured_once_is_not_tried_again() -> None:
    taken: list[Phase] = []
    engine = Graphed(taken.append, [], lambda: None)
    share_capture_result(engine, Eager(taken.append, "its layers ask the host"))
    engine(Phase(perturbed=False, pixels=8))
    assert (engine.name, engine.reason, engine.is_steady) == ("eager", "its layers ask the host", True)
    assert len(taken) == 1


def operations(batch_size: int, **changes: Any) -> int:
    """That one step takes."""
    small = {"model": "resnet9", "scale": {"width": 0.125, "resolution": 0.5}}
    sizes = {"batch_size": batch_size, "optimizer": "sgd"}
    state = stepped(prepared(**small, **changes, hyperparameters=sizes).new_state(), 1)
    with Waits() as waits:
        state.step(1, 9, 10)
    count: int = waits.operations
    return count


# operations of an epoch's preparation and of a step, with those that only make views; counted on torch 2.14
MOST_OPERATIONS = {
    "best": (504, 529),
    "budget5m_mixup": (2, 318),
    "ensemble6": (2, 288),
    "nomad_haet": (697, 301),
    "resnet18_asam": (2, 556),
    "resnet9_baseline": (2, 261),
    "resnet9_meta": (16, 267),
    "resnet9_sam": (2, 462),
    "resnet9_sam_gc": (2, 480),
    "resnet9_sam_ip": (2, 491),
}
LISTS = {"best": 1, "nomad_haet": 2}  # one a pass of a policy


@pytest.mark.parametrize("name", recipes.names())
def test_an_epoch_waits_once_a_pass_of_its_policy_and_launches_no_more_than_it_did(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small: dict[str, Any] = {"model": "resnet9", "scale": {"width": 0.125, "resolution": 0.5}}
    chosen = prepared(recipe=name, hyperparameters={"batch_size": 20, "optimizer": "sgd"}, **small)
    state = stepped(chosen.new_state(), 1)
    lists: list[Any] = []  # which Waits does not see
    make_list = Tensor.tolist

    def to_list(tensor: Tensor) -> list[Any]:
        lists.append(make_list(tensor))
        return lists[-1]  # type: ignore[no-any-return]

    monkeypatch.setattr(Tensor, "tolist", to_list)
    with Waits() as epoch:
        state.start_epoch(0.9)
    with Waits() as step:
        state.step(1, 9, 10)
    assert (epoch.seen, len(lists)) == ([], LISTS.get(name, 0))
    in_epoch, in_step = MOST_OPERATIONS[name]
    assert epoch.operations <= 1.05 * in_epoch
    assert step.operations <= 1.05 * in_step


@pytest.mark.parametrize("name", recipes.names())
def test_a_step_takes_as_many_operations_whatever_the_batch(name: str) -> None:
    assert operations(8, recipe=name) == operations(16, recipe=name), "something is done image by image"


def test_an_operation_for_each_few_images_is_seen() -> None:
    groups = {"ghost_batch_norm": {"size": 4}}
    assert operations(8, ingredients=groups) < operations(16, ingredients=groups)


def test_averaging_over_tasks_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="mltp and ema do not go together"):
        recipes.load("nomad_haet", {"mltp": {}, "ema": {}})
