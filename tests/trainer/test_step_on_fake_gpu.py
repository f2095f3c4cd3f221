"""Whole steps on fake tensors of a GPU that is not there.

They have shapes and devices and no values. So a step that mixes devices, or asks the host for a value, fails.
Everything is real but the backward pass and the fused optimizers' kernels, which have no fake forms.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch._subclasses.fake_tensor import DataDependentOutputException, unset_fake_temporarily

from tests.thinned import rest_slow
from tests.trainer.configs import trial
from trainer import config, data, images, models, recipes, train_state
from trainer.describe import compute_shape
from trainer.device import Device
from trainer.ingredients import Draw, Surgery, _mixing
from trainer.setup import TrialSetup, set_up
from trainer.train_state import TrainState

pytestmark = [
    pytest.mark.usefixtures("digits_drawn_once"),
    pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor"),  # in copies of networks
]

SMALL: dict[str, Any] = {"model": "resnet9", "scale": {"width": 0.25, "resolution": 0.5}}
FUSED = ("_fused_sgd_", "_fused_adam_", "_fused_adamw_")


class Fake:
    """What the fused optimizers' kernels were given, step by step: whether a scaler told them its scale."""

    def __init__(self) -> None:
        self.scaled: list[bool] = []
        self.weights: list[Tensor] = []

    def step(
        self, weights: list[Tensor], gradients: list[Tensor], *others: Any, lr: Any, **options: Any
    ) -> None:
        assert (lr.device.type, lr.ndim) == ("cuda", 0), "a captured step reads its rate on the device"
        for weight, gradient in zip(weights, gradients, strict=True):
            assert weight.stride() == gradient.stride()
        self.scaled.append(options.get("grad_scale") is not None and options.get("found_inf") is not None)

    def backward(self, loss: Tensor) -> None:
        assert (loss.device.type, loss.ndim) == ("cuda", 0)
        for weight in self.weights:
            weight.grad = torch.empty_like(weight)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    """Within, torch believes in a GPU, and tensors that are made have no values."""
    stands = Fake()
    for name in FUSED:
        monkeypatch.setattr(torch, name, stands.step)
    monkeypatch.setattr(torch.autograd, "backward", stands.backward)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(train_state, "draws_ahead", lambda objective: False)  # there are no streams
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *args: True)
    monkeypatch.setattr(torch, "Generator", _NoGenerator)
    monkeypatch.setattr(_mixing, "draw_beta", _draw_any)  # the real one has no fake form
    monkeypatch.setattr(TrialSetup, "network", _fake_network)
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield stands


def _draw_any(count: int, draw: Draw, alpha: float) -> Tensor:
    return torch.rand(count, device=draw.progress.device)


class _NoGenerator:
    def __init__(self, device: torch.device) -> None:
        pass

    def manual_seed(self, seed: int) -> None:
        """Fake tensors are drawn from no generator."""


def _fake_network(setup: TrialSetup, member: int = 0) -> nn.Module:
    """The network of a trial with weights that are on the GPU and have no values."""
    surgery = setup.objective.recipe.every(Surgery)
    with unset_fake_temporarily():
        shape = compute_shape(setup.config, setup.about)
        network = models.build(setup.config.model, shape, setup.decoded.classes, (s.apply for s in surgery))
    for module in network.modules():
        for name, weight in module.named_parameters(recurse=False):
            made = torch.empty(weight.shape, device="cuda")
            if weight.ndim == 4:
                made = made.contiguous(memory_format=torch.channels_last)
            setattr(module, name, nn.Parameter(made, requires_grad=weight.requires_grad))
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, torch.zeros(buffer.shape, dtype=buffer.dtype, device="cuda"))
    inputs = setup.objective.normalise(setup.objective.training.images)
    for one in surgery:
        one.fit(network, inputs)
    return network


def state_on(fake: Fake, recipe: str, precision: str, **settings: Any) -> TrainState:
    given = trial(recipe=recipe, hyperparameters={"batch_size": 20, **settings}, **SMALL)
    parsed = config.from_json(given)
    device = Device(torch.device("cuda"), precision)
    state = set_up(parsed, data.about(parsed.dataset), device).new_state()
    fake.weights = state.update.weights
    return state


QUICK = [("best", "bf16"), ("best", "fp16"), ("nomad_haet", "bf16"), ("resnet9_sam_ip", "fp16")]


@pytest.mark.parametrize(
    ("recipe", "precision"), rest_slow(itertools.product(recipes.names(), ["bf16", "fp16"]), QUICK)
)
def test_a_step_of_every_phase_stays_on_the_gpu(recipe: str, precision: str, fake: Fake) -> None:
    state = state_on(fake, recipe, precision)
    update, objective = state.update, state.objective
    phases = {objective.phase(part / 10) for part in range(10)}
    for phase in phases:
        update.images[phase.pixels] = images.resize(objective.training.images, phase.pixels)
        update(phase)
    assert state.engine.captured == "step"
    tensors = [*update.weights, *update.network.buffers(), update.loss_sum, update.progress]
    tensors += [value for kept in update.optimizer.state.values() for value in kept.values()]
    assert {tensor.device.type for tensor in tensors} == {"cuda"}
    assert fake.scaled == [precision == "fp16"] * len(fake.scaled)
    assert len(fake.scaled) >= len(phases)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_the_passes_of_an_optimizer_that_is_not_captured_stay_on_the_gpu(precision: str, fake: Fake) -> None:
    state = state_on(fake, "resnet9_sam_gc", precision, optimizer="adagrad")
    phase = state.objective.phase(0.5)
    state.update.images[phase.pixels] = state.objective.training.images
    state.update.compute_gradients(phase)
    assert state.engine.captured == "passes"
    assert {weight.device.type for weight in state.update.weights} == {"cuda"}


def test_a_step_that_asks_for_a_value_fails(fake: Fake) -> None:
    state = state_on(fake, "nomad_haet", "bf16")
    with pytest.raises(DataDependentOutputException):
        state.update.loss_sum.item()
