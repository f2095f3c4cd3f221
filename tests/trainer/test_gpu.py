"""What only a GPU can show. Run by `make test-gpu`."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer._saved import train_and_save
from tests.trainer.configs import NETWORK_THAT_WAITS
from tests.trainer.test_latency import compare
from tests.trainer.test_program import config_file, run
from tests.trainer.test_train import Lines, trained
from tests.trainer.test_update import prepared, stepped
from trainer import load_model, optimizers
from trainer.epoch_images import EpochImages
from trainer.errors import OutOfMemory
from trainer.evaluate import evaluate
from trainer.ingredients import _operations
from trainer.train_state import TrainState, choose_captured

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]


DRAWN = ("auto_augment", "crop", "flip", "cutout")  # of nomad_haet


def trained_on_gpu(**changes: Any) -> Lines:
    return trained(**{"device": "cuda"} | changes)


def test_a_budget_in_seconds_is_kept_to_half_a_percent() -> None:
    lines = trained_on_gpu(
        scale={},
        image_size=32,
        subset={"train": 4000, "validation": 1000, "seed": 0},
        hyperparameters={},
        budget={"seconds": 10},
    )
    final = lines.events[-1]
    assert final["overshoot_seconds"] <= 0.05
    assert final["train_seconds"] > 9.5
    assert final["peak_memory_bytes"] > 2**20
    assert final["val_accuracy"] > 0.8
    machine = lines.named("machine")[0]
    assert machine["precision"] == ("bf16" if torch.cuda.is_bf16_supported(False) else "fp16")
    assert machine["driver"]


@pytest.mark.parametrize("precision", ["fp32", "auto"])
def test_a_network_trained_on_a_gpu_is_loaded_as_it_was(precision: str, tmp_path: Path) -> None:
    recipe: dict[str, Any] = {"ingredients": {"ema": {}, "test_views": {}}, "budget": {"steps": 40}}
    done = train_and_save(tmp_path, device="cuda", precision=precision, **recipe)
    validation = done.setup.objective.validation
    assert validation is not None
    network, _ = load_model(tmp_path)
    network.cuda()
    with done.setup.objective.device.autocast():
        score = evaluate([], network.predict, validation)
    assert score.accuracy == done.final["val_accuracy"]
    assert score.loss == pytest.approx(done.final["val_loss"], rel=1e-5)
    with torch.inference_mode():
        on_gpu = network.predict(validation.images).cpu()
        on_cpu = load_model(tmp_path)[0].predict(validation.images.cpu())
    torch.testing.assert_close(on_gpu, on_cpu, atol=2e-3, rtol=0)


def test_a_budget_in_steps_gives_nearly_the_same_training_twice() -> None:
    once, again = trained_on_gpu(), trained_on_gpu()
    assert once.events[-1]["val_loss"] == pytest.approx(again.events[-1]["val_loss"], rel=0.05)


def test_fp32_is_kept_where_it_is_asked_for() -> None:
    assert trained_on_gpu(precision="fp32").named("machine")[0]["precision"] == "fp32"
    inputs, weight = torch.rand(8, 64, 16, 16, device="cuda"), torch.rand(64, 64, 3, 3, device="cuda")
    exact = torch.nn.functional.conv2d(inputs.double(), weight.double())
    error = (torch.nn.functional.conv2d(inputs, weight) - exact).abs() / exact
    assert error.max() < 1e-5, "TF32 would be wrong by more than 1e-4"


@pytest.mark.parametrize("optimizer", optimizers.names())
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_steps_are_captured_with_every_optimizer(optimizer: str, precision: str) -> None:
    sizes = {"batch_size": 20, "optimizer": optimizer}
    state = stepped(on_gpu("graph", precision=precision, hyperparameters=sizes), 8)
    assert (state.engine.name, state.engine.captured) == ("cuda_graph", choose_captured(state.objective)[0])
    assert state.read_loss() > 0


def test_more_memory_than_the_gpu_has_is_out_of_memory() -> None:
    with pytest.raises(OutOfMemory):
        trained_on_gpu(
            scale={"width": 4, "resolution": 8},
            subset={"train": 4000, "validation": 10, "seed": 0},
            hyperparameters={"batch_size": 4000},
        )


def test_an_operation_gives_the_same_pixels_as_on_the_cpu() -> None:
    images = torch.randint(0, 256, (500, 3, 32, 32), dtype=torch.uint8)
    for name, operation in _operations.OPERATIONS.items():
        strength = torch.full((500,), 0.3 if name != "posterize" else 4.0)
        on_gpu = operation(images.cuda(), strength.cuda()).cpu()
        assert (on_gpu == operation(images, strength)).float().mean() > 0.999


def on_gpu(engine: str, **changes: Any) -> TrainState:
    """A state in full precision that draws nothing in its steps."""
    small = {"model": "resnet9", "scale": {"width": 0.25}, "device": "cuda", "precision": "fp32"}
    undrawn = {"ingredients": dict.fromkeys(DRAWN)}
    return prepared(**{**small, **undrawn, "engine": engine, **changes}).new_state()


def test_captured_steps_do_what_eager_steps_do() -> None:
    captured, eager = stepped(on_gpu("graph"), 10), stepped(on_gpu("eager"), 10)
    assert (captured.engine.name, eager.engine.name) == ("cuda_graph", "eager")
    assert captured.read_loss() == pytest.approx(eager.read_loss(), rel=0.01)
    for one, other in zip(captured.network.parameters(), eager.network.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.01)


@pytest.mark.parametrize(
    "name", ["sam", "asam", "ema", "cutmix", "mixup", "gradient_centralization", "class_weights"]
)
def test_a_step_with_an_ingredient_is_captured(name: str) -> None:
    state = stepped(on_gpu("graph", ingredients={name: {}}), 8)
    assert state.engine.reason is None
    assert state.read_loss() > 0


def test_each_phase_of_the_best_recipe_is_captured_on_its_own() -> None:
    lines = trained_on_gpu(recipe="best", budget={"steps": 40})
    assert lines.events[-1]["engine"] == "cuda_graph"
    assert lines.events[-1]["steps"] == 40


@pytest.mark.parametrize("recipe", ["nomad_haet", "best"])
def test_compiled_passes_are_captured(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a compiler, whose minutes `make gpu-session` spends once."""
    compile_network = torch.compile
    monkeypatch.setattr(torch, "compile", lambda network: compile_network(network, backend="aot_eager"))
    lines = trained_on_gpu(engine="compiled_graph", recipe=recipe, budget={"steps": 40})
    assert lines.events[-1]["engine"] == "compiled_graph"


def test_steps_are_taken_with_the_fastest_convolutions_that_cudnn_finds() -> None:
    torch.backends.cudnn.benchmark = False
    on_gpu("graph")
    assert torch.backends.cudnn.benchmark


def test_the_peak_of_memory_is_the_largest_batch_s_that_fits(tmp_path: Path) -> None:
    code, lines, _ = run("limits", "--config", config_file(tmp_path, device="cuda"))
    assert (code, lines[-1]["bound"]) == (0, "training images")
    assert lines[-1]["engine"] == "cuda_graph"
    assert 0 < lines[-1]["peak_memory_bytes"] < torch.cuda.get_device_properties(0).total_memory


@pytest.mark.parametrize("recipe", ["resnet9_sam", "best"])
def test_half_precision_takes_second_passes_through_overflows(recipe: str) -> None:
    lines = trained_on_gpu(recipe=recipe, precision="fp16", budget={"steps": 40})
    assert lines.events[-1]["val_loss"] < 10
    assert lines.events[-1]["engine"] == "cuda_graph"


def test_captured_steps_draw_other_numbers_each_time() -> None:
    state = stepped(on_gpu("graph", ingredients={"flip": {}, "crop": {}}), 5)
    before = state.generator.get_state().clone()
    state.step(0, 5, 10)
    assert not torch.equal(before, state.generator.get_state())


def test_a_network_that_waits_is_trained_eagerly_and_its_line_is_told(tmp_path: Path) -> None:
    (tmp_path / "waits.py").write_text(NETWORK_THAT_WAITS)
    model = f"{tmp_path / 'waits.py'}:build"
    config = config_file(tmp_path, device="cuda", model=model, scale={}, budget={"steps": 12})
    code, lines, stderr = run("train", "--config", config)
    assert (code, lines[-1]["engine"], lines[-1]["steps"]) == (0, "eager", 12)
    [engine] = [line for line in lines if line["event"] == "engine"]
    assert "waits.py, line 6: return x / max(1.0, x.abs().max().item())" in engine["reason"]
    assert stderr.count("training eagerly") == 1, "the training tries what its rehearsal could not"


FAILING_THEN_GOOD = """
import torch
from trainer.engine import Graphed
from trainer.objective import Phase

total = torch.zeros((), device="cuda")

def step(phase):
    total.add_((torch.rand(4, device="cuda") < 2).sum())

def fail(phase):
    if torch.cuda.is_current_stream_capturing():
        raise RuntimeError("this layer cannot be captured")
    step(phase)

for part in (fail, step):
    engine = Graphed(part, [], lambda: None)
    for _ in range(6):
        engine(Phase(False, 8))
    torch.cuda.empty_cache()
    back = torch.cuda.current_stream() == torch.cuda.default_stream()
    print(engine.name, engine.reason, total.item(), back)
"""


def test_after_a_failed_capture_the_next_network_is_captured() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAILING_THEN_GOOD], capture_output=True, text=True, check=True
    )
    first, second = done.stdout.splitlines()
    assert first.startswith("eager a step cannot be captured: this layer cannot be captured")
    assert first.endswith("24.0 True")
    assert second == "cuda_graph None 48.0 True"


def test_half_precision_with_a_scaler_trains_and_is_captured() -> None:
    lines = trained_on_gpu(precision="fp16", budget={"steps": 60})
    losses = [epoch["train_loss"] for epoch in lines.named("epoch")]
    assert lines.named("machine")[0]["precision"] == "fp16"
    assert losses[-1] < losses[0]
    assert lines.events[-1]["engine"] == "cuda_graph"


def test_weights_and_inputs_have_their_channels_last_in_memory() -> None:
    state = stepped(on_gpu("eager"), 1)
    convolutions = [weight for weight in state.network.parameters() if weight.dim() == 4]
    assert convolutions
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in convolutions)
    inputs, _ = state.update.batch(state.objective.phase(0.0))
    assert inputs.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("engine", ["graph", "eager"])
def test_a_training_taken_up_again_on_a_gpu_goes_on_as_it_was(engine: str) -> None:
    state, other = stepped(on_gpu(engine), 6), on_gpu(engine)
    held = state.state_dict()
    other.load_state_dict(held)
    for step in range(6, 9):
        for each in (state, other):
            each.step(step % each.objective.steps_per_epoch, step, 10)
    assert other.read_loss() == pytest.approx(state.read_loss(), rel=0.01)


def test_images_drawn_ahead_are_those_drawn_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = {"precision": "fp32", "ingredients": {"auto_augment": {}, "crop": {}, "flip": {}, "cutout": {}}}
    drawn = []
    for is_late in (False, True):
        if is_late:
            monkeypatch.setattr(EpochImages, "draw_ahead", lambda *given: None)
        state, images = on_gpu("graph", **plain), list[torch.Tensor]()
        for number in range(4 * state.objective.steps_per_epoch):
            batch = number % state.objective.steps_per_epoch
            if batch == 0:
                state.start_epoch(number / 1000)
                images += [held.clone() for held in state.update.images.values()]
            state.step(batch, number, 1000)
        drawn.append(images)
    for early, late in zip(*drawn, strict=True):
        assert torch.equal(early, late)


def test_a_batch_that_does_not_fit_makes_the_program_exit_4(tmp_path: Path) -> None:
    much = {"scale": {"width": 4, "resolution": 8}, "hyperparameters": {"batch_size": 4000}}
    subset = {"train": 4000, "validation": 10, "seed": 0}
    code, lines, _ = run("train", "--config", config_file(tmp_path, device="cuda", subset=subset, **much))
    assert (code, lines[-1]["reason"]) == (4, "out_of_memory")


def test_networks_are_timed_on_the_cpu_and_on_the_gpu() -> None:
    events = compare({"device": "cuda"}, {"device": "cuda", "scale": {"width": 0.5}}, seconds=60.0)
    assert {(event["device"], event["batch"], event["network"]) for event in events} == {
        (device, batch, network) for device in ("cpu", "cuda") for batch in (1, 256) for network in (0, 1)
    }
    on_gpu = [event for event in events if event["device"] == "cuda"]
    assert all(event["passes"] == 30 and event["milliseconds"] > 0 for event in on_gpu)
    assert {event["device_name"] for event in on_gpu} == {torch.cuda.get_device_name()}
    assert {event["precision"] for event in events if event["device"] == "cpu"} == {"fp32"}
