"""Captured steps without a GPU: on graphs that are recorded on the CPU (tests/trainer/_graphs.py)."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.thinned import rest_slow
from tests.trainer import _graphs
from tests.trainer.test_update import prepared
from trainer import optimizers, train_state
from trainer.device import Device
from trainer.engine import Captured
from trainer.train_state import TrainState, choose_captured

pytestmark = pytest.mark.usefixtures("digits_drawn_once")

SMALL: dict[str, Any] = {"model": "resnet9", "scale": {"width": 0.125, "resolution": 0.5}}
# progress that crosses into the phase of two passes and, as after a plan for more steps, goes back
NUMBERS = (*range(5), *range(5, 10), 4, 4, 9)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> _graphs.Gpu:
    return _graphs.stand_for_cuda(monkeypatch)


def captured_state(monkeypatch: pytest.MonkeyPatch, captured: Captured, optimizer: str) -> TrainState:
    """A network in training of whose steps graphs on the CPU hold a part."""
    monkeypatch.setattr(train_state, "choose_captured", lambda objective: (captured, "for a test"))
    recipe = {"sam": {"start": 0.5}, "ema": {}, "gradient_centralization": {}}
    settings = {"batch_size": 20, "optimizer": optimizer}
    state = prepared(**SMALL, ingredients=recipe, hyperparameters=settings).new_state()
    if captured == "step":  # as on a GPU, where SGD has one kernel for its whole step
        groups = [{"params": state.update.weights}]
        state.update.optimizer = optimizers.build(optimizer, groups, 0.1, 5e-4, cuda=True, graphed=True)
    return state


def train(state: TrainState) -> dict[str, torch.Tensor]:
    state.start_epoch(0.0)
    for number in NUMBERS:
        state.step(number % state.objective.steps_per_epoch, number, 10)
    return {**state.network.state_dict(), "loss": torch.tensor(state.read_loss())}


@pytest.mark.parametrize(
    ("captured", "optimizer"),
    rest_slow(
        [("step", "sgd"), *itertools.product(["passes"], optimizers.names())],
        [("step", "sgd"), ("passes", "adagrad")],
    ),
)
def test_captured_steps_train_as_eager_ones_with_every_optimizer(
    captured: Captured, optimizer: str, gpu: _graphs.Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphed, eager = (captured_state(monkeypatch, captured, optimizer) for _ in range(2))
    eager.engine.fall_back_to_eager("for comparison")  # type: ignore[union-attr]
    found, expected = train(graphed), train(eager)
    assert (graphed.engine.name, graphed.engine.captured, eager.engine.name) == (
        "cuda_graph",
        captured,
        "eager",
    )
    assert (gpu.captures, gpu.replays) == (2, len(NUMBERS) - 6)
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("optimizer", optimizers.names())
def test_on_a_gpu_the_passes_are_captured_with_every_optimizer(optimizer: str, precision: str) -> None:
    objective = prepared(**SMALL, hyperparameters={"batch_size": 20, "optimizer": optimizer}).objective
    gpu = replace(objective, device=Device(torch.device("cuda"), precision))
    captured, reason = choose_captured(gpu)
    assert captured in ("passes", "step")
    assert optimizer in reason if captured == "passes" else not reason
