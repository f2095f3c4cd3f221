"""Captured steps without a GPU: on graphs that are recorded on the CPU (tests/trainer/_graphs.py)."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters

from tests.thinned import rest_slow
from tests.trainer import _graphs
from tests.trainer.configs import NETWORK_THAT_WAITS
from tests.trainer.test_update import prepared, stepped
from trainer import optimizers, recipes, train_state
from trainer.budget import Pace
from trainer.config import GRAPH_ENGINES
from trainer.device import Device
from trainer.engine import Captured, Graphed
from trainer.errors import InvalidConfig
from trainer.objective import Phase
from trainer.setup import TrialSetup
from trainer.train import measure
from trainer.train import train as train_within
from trainer.train_state import TrainState, choose_captured
from trainer.trial import name_device_errors

pytestmark = pytest.mark.usefixtures("digits_drawn_once")

SMALL: dict[str, Any] = {"model": "resnet9", "scale": {"width": 0.125, "resolution": 0.5}}
# progress that crosses into the phase of two passes and, as after a plan for more steps, goes back
NUMBERS = (*range(5), *range(5, 10), 4, 4, 9)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> _graphs.Gpu:
    return _graphs.stand_for_cuda(monkeypatch)


def capture_on_the_cpu(monkeypatch: pytest.MonkeyPatch, captured: Captured) -> None:
    monkeypatch.setattr(train_state, "choose_captured", lambda objective: (captured, "for a test"))


def captured_state(monkeypatch: pytest.MonkeyPatch, captured: Captured, optimizer: str) -> TrainState:
    """A network in training of whose steps graphs on the CPU hold a part."""
    capture_on_the_cpu(monkeypatch, captured)
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


def test_a_network_that_waits_is_found_before_any_capture_and_its_line_is_told(
    gpu: _graphs.Gpu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "waits.py").write_text(NETWORK_THAT_WAITS)
    capture_on_the_cpu(monkeypatch, "passes")
    state = prepared(model=f"{tmp_path / 'waits.py'}:build", scale={}).new_state()
    measure(state, most_seconds=0.0)
    assert (state.engine.captured, gpu.captures) == ("nothing", 0)
    assert state.engine.reason is not None
    assert "waits.py, line 6: return x / max(1.0, x.abs().max().item())" in state.engine.reason
    stepped(state, 5)
    assert gpu.modes == ["error", "default"], "only the rehearsal is checked"


def test_an_engine_that_was_asked_for_by_name_is_refused_where_a_network_waits(
    gpu: _graphs.Gpu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "waits.py").write_text(NETWORK_THAT_WAITS)
    capture_on_the_cpu(monkeypatch, "step")
    setup = prepared(model=f"{tmp_path / 'waits.py'}:build", scale={})
    state = ask_for_engine(setup, "graph").new_state()
    with pytest.raises(InvalidConfig, match=r'engine graph: a step waits .*; give "engine": "auto"'):
        measure(state, most_seconds=0.0)


@pytest.mark.parametrize("engine", GRAPH_ENGINES)
def test_an_engine_of_graphs_is_refused_on_a_cpu(engine: str) -> None:
    with pytest.raises(InvalidConfig, match=f'engine {engine} needs a GPU; give "engine": "auto" or "eager"'):
        prepared(engine=engine)


PHASE = Phase(perturbed=False, pixels=8)


def test_after_a_failed_capture_the_next_network_is_captured_and_memory_is_freed(
    gpu: _graphs.Gpu, caplog: pytest.LogCaptureFixture
) -> None:
    def fail_in_capture(phase: Phase) -> None:
        if gpu.is_capturing:
            raise RuntimeError("this layer cannot be captured")

    failing = Graphed(fail_in_capture, [], lambda: None)
    for _ in range(5):
        failing(PHASE)
    assert (failing.name, failing.captured) == ("eager", "nothing")
    assert failing.reason is not None
    assert failing.reason.startswith("a step cannot be captured: this layer cannot be captured (")
    assert _graphs.CAPTURE_FAILED not in failing.reason
    assert caplog.text.count("training eagerly") == 1
    torch.cuda.empty_cache()
    following = Graphed(lambda phase: None, [], lambda: None)
    for _ in range(5):
        following(PHASE)
    assert (following.captured, gpu.replays) == ("step", 2)


def test_all_phases_of_a_training_share_the_memory_of_their_graphs(gpu: _graphs.Gpu) -> None:
    engine = Graphed(lambda phase: None, [], lambda: None)
    for pixels in (8, 16, 32):
        for _ in range(4):
            engine(Phase(perturbed=False, pixels=pixels))
    assert len(gpu.pools) == 3
    assert all(pool is not None and pool is gpu.pools[0] for pool in gpu.pools)


def test_memory_that_is_used_up_in_a_checked_step_is_not_taken_for_a_wait(gpu: _graphs.Gpu) -> None:
    def run_out(phase: Phase) -> None:
        if gpu.modes:
            raise torch.OutOfMemoryError("CUDA out of memory")

    engine = Graphed(run_out, [], lambda: None)
    engine(PHASE)
    engine(PHASE)
    with pytest.raises(torch.OutOfMemoryError):
        engine(PHASE)
    assert gpu.modes == ["error", "default"]


SMALLEST = """
from torch import nn

def build(classes, channels=(8,)):
    [width] = channels
    start = [nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*start, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))
"""


@pytest.fixture
def compiled_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are compiled without a compiler: traced, and both passes made into graphs of operations."""
    torch._dynamo.reset()
    counters.clear()
    compile_network = torch.compile
    monkeypatch.setattr(torch, "compile", lambda network: compile_network(network, backend="aot_eager"))


def ask_for_engine(setup: TrialSetup, engine: str) -> TrialSetup:
    """The setup with an engine that a CPU may not have."""
    asked = replace(setup.objective, device=replace(setup.objective.device, engine=engine))
    return replace(setup, objective=asked)


def train_whole(setup: TrialSetup, steps: int = 24) -> TrainState:
    """Train as a trial does, and go on from a checkpoint. After the rehearsal nothing may be compiled."""
    state = setup.new_state()
    timings = measure(state, most_seconds=0.0)
    compiled = counters["stats"]["unique_graphs"]
    with torch._dynamo.config.patch(error_on_recompile=True):
        train_within(state, Pace(timings, steps=steps), lambda *reported: None)
        other = setup.new_state()
        other.load_state_dict(state.state_dict())
        other.step(0, steps - 1, steps)
    assert counters["stats"]["unique_graphs"] == compiled
    return state


@pytest.mark.usefixtures("compiled_on_the_cpu")
def test_compiled_passes_are_captured_and_train_as_eager_ones_do(
    gpu: _graphs.Gpu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With batches that do not divide the images, SAM and mixtures in a part, averages, and validations."""
    (tmp_path / "smallest.py").write_text(SMALLEST)
    subset = {"train": 100, "validation": 50, "seed": 0, "curve": 20}
    settings: dict[str, Any] = {"hyperparameters": {"batch_size": 16}, "subset": subset, "recipe": "best"}
    setup = prepared(model=f"{tmp_path / 'smallest.py'}:build", scale={}, **settings)
    eager = train_whole(setup)
    assert counters["stats"]["unique_graphs"] == 0
    capture_on_the_cpu(monkeypatch, "passes")
    state = train_whole(ask_for_engine(setup, "compiled_graph"))
    assert (state.engine.name, state.engine.captured) == ("compiled_graph", "passes")
    assert counters["stats"]["unique_graphs"] == 2, (
        "with statistics of batch norms that are updated, and frozen"
    )
    assert gpu.captures == 4, "of two phases, in the rehearsal and in the training"
    assert gpu.replays > 24
    for name, value in eager.eval_network.state_dict().items():
        torch.testing.assert_close(state.eval_network.state_dict()[name], value)


@pytest.mark.slow
@pytest.mark.timeout(600)  # compiling is all that it does
@pytest.mark.usefixtures("compiled_on_the_cpu")
@pytest.mark.parametrize("engine", ["compile", "compiled_graph"])
@pytest.mark.parametrize(
    ("recipe", "added"), [*((name, {}) for name in recipes.names()), ("best", {"progressive_resizing": {}})]
)
def test_no_recipe_compiles_anything_within_the_budget(
    recipe: str, added: dict[str, Any], engine: str, gpu: _graphs.Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"batch_size": 16, "optimizer": "sgd"}
    setup = prepared(**SMALL, recipe=recipe, ingredients=added, hyperparameters=sizes)
    if engine == "compiled_graph":
        capture_on_the_cpu(monkeypatch, "passes")
    state = train_whole(ask_for_engine(setup, engine))
    assert state.engine.name == engine
    assert counters["stats"]["unique_graphs"] > 0


def test_a_graph_of_compiled_passes_that_cannot_be_captured_leaves_compiled_passes() -> None:
    engine = Graphed(lambda phase: None, [], lambda: None, compiled=True)
    engine.fall_back_to_eager("for a test")
    assert (engine.name, engine.captured) == ("compile", "nothing")


@pytest.mark.usefixtures("gpu")
def test_a_network_that_cannot_be_compiled_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(graph: object, inputs: object) -> None:
        raise ValueError("no such operation on this GPU")

    torch._dynamo.reset()
    compile_network = torch.compile
    monkeypatch.setattr(torch, "compile", lambda network: compile_network(network, backend=refuse))
    capture_on_the_cpu(monkeypatch, "step")
    state = ask_for_engine(prepared(), "compiled_graph").new_state()
    with pytest.raises(InvalidConfig, match=r"cannot be compiled: .*; give .*auto"), name_device_errors():
        measure(state, most_seconds=0.0)
