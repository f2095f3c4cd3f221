"""Whole trainings in this process, on networks that take milliseconds a step."""

import io
import json
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.thinned import rest_slow
from tests.trainer.configs import trial
from trainer import config, models, optimizers
from trainer import trial as trials
from trainer.config import Budget
from trainer.device import resolve_device
from trainer.errors import DeviceLost, Diverged, InvalidConfig, OutOfMemory, TooShort
from trainer.report import Report

pytestmark = pytest.mark.usefixtures("digits_drawn_once")


class Lines:
    """The events of a training."""

    def __init__(self, text: str) -> None:
        self.events: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == name]


def trained(began_seconds_ago: float = 0.0, **changes: Any) -> Lines:
    stream = io.StringIO()
    trials.run(config.from_json(trial(**changes)), Report(stream), time.monotonic() - began_seconds_ago)
    return Lines(stream.getvalue())


def trained_for(seconds: float, **changes: Any) -> tuple[float, Lines]:
    """With the first budget that this machine, however busy, does not find too short; and that budget."""
    for budget in (seconds, 5 * seconds):
        with suppress(TooShort):
            return budget, trained(budget={"seconds": budget}, **changes)
    return 25 * seconds, trained(budget={"seconds": 25 * seconds}, **changes)


@cache
def as_usual() -> Lines:
    """Of the configuration as it is, trained once for all tests."""
    return trained()


def test_a_training_reports_every_event_of_the_protocol_in_order() -> None:
    lines = trained(test=True)
    names = [event["event"] for event in lines.events]
    assert names[:4] == ["model", "machine", "engine", "plan"]
    assert names[-2:] == ["epoch", "final"]
    assert lines.events[0]["channels"] == [8, 16, 32, 64]
    assert lines.events[0]["resolution"] == 8
    last, final = lines.events[-2:]
    assert (last["step"], last["progress"], last["learning_rate"]) == (7, 1.0, 0.0)
    for name in ("accuracy", "loss", "balanced_accuracy", "macro_f1", "top5_accuracy"):
        assert last[f"val_{name}"] == final[f"val_{name}"] is not None
    by_class = final["val_class_accuracies"]  # of 5 validation images each, so their mean is the accuracy
    assert sum(by_class) / 10 == pytest.approx(final["val_accuracy"]) == final["val_balanced_accuracy"]
    assert final["class_names"] is None
    assert (final["steps"], final["total_steps"], final["replans"]) == (7, 7, 0)
    assert final["epochs"] == 7 / 5
    assert final["val_most_frequent"] == 0.1, "5 of 50 images are of each class"
    assert 0 <= final["test_accuracy"] <= 1
    assert final["peak_memory_bytes"] is None


def test_the_most_frequent_class_is_counted_on_the_validation_images() -> None:
    lines = trained(budget={"steps": 1}, subset={"train": 100, "validation": 12, "seed": 0})
    assert lines.events[-1]["val_most_frequent"] == 2 / 12, "two classes have one image more than others"


def test_a_budget_in_steps_is_repeated_bit_by_bit() -> None:
    once, again = as_usual(), trained()
    assert [e["train_loss"] for e in once.named("epoch")] == [e["train_loss"] for e in again.named("epoch")]
    assert once.events[-1]["val_loss"] == again.events[-1]["val_loss"]
    assert trained(seed=1).events[-1]["val_loss"] != once.events[-1]["val_loss"]


@pytest.mark.parametrize("changes", [{"clock": "strict"}, {"test": True}, {"precision": "fp32"}])
def test_what_is_only_measured_or_read_leaves_the_training_as_it_was(changes: dict[str, Any]) -> None:
    assert trained(**changes).events[-1]["val_loss"] == as_usual().events[-1]["val_loss"]


def test_test_images_are_left_alone_unless_asked_for() -> None:
    final = as_usual().events[-1]
    assert (final["test_accuracy"], final["test_accuracy_1000"], final["test_loss"]) == (None, None, None)


def test_all_validation_images_are_read_at_the_end_and_learning_curves_use_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = {"train": 100, "validation": 1000, "seed": 0}
    usual = trained(subset=asked)
    monkeypatch.setattr(trials, "VALIDATION_SHARE", 1e9)
    lines = trained(subset={**asked, "curve": 10})
    *curve, last = [event["val_accuracy"] for event in lines.named("epoch")]
    assert curve
    assert all(accuracy * 10 == pytest.approx(round(accuracy * 10)) for accuracy in curve)
    assert last == lines.events[-1]["val_accuracy"] == usual.events[-1]["val_accuracy"]
    assert lines.events[-1]["val_loss"] == usual.events[-1]["val_loss"]
    voting = trained(subset={**asked, "curve": 10}, ingredients={"ensemble": {"members": 2}})
    members = [event["val_accuracy"] for event in voting.named("epoch")]
    assert all(accuracy * 10 == pytest.approx(round(accuracy * 10)) for accuracy in members)


def test_a_last_validation_that_takes_much_of_the_training_is_refused_before_it() -> None:
    asked = {"train": 100, "validation": 4000, "seed": 0, "curve": 10}
    with pytest.raises(
        TooShort, match=r"validating on 4000 images takes .*, more than 5% of .* s of training"
    ):
        trained(subset=asked, budget={"steps": 1}, hyperparameters={"batch_size": 2})


def test_a_check_tells_what_a_training_would_be_refused_for_and_takes_no_step_of_it() -> None:
    asked = {"train": 100, "validation": 4000, "seed": 0, "curve": 10}
    stream = io.StringIO()
    trials.check(config.from_json(trial(subset=asked, budget={"seconds": 600})), Report(stream))
    (event,) = Lines(stream.getvalue()).events
    assert event["event"] == "check"
    assert 0 < event["last_validation_seconds"] < 30
    assert 0 < event["step_seconds"] < 30
    with pytest.raises(TooShort, match=r"validating on 4000 images takes .*, more than 5% of 0\.01 s"):
        trials.check(config.from_json(trial(subset=asked, budget={"seconds": 0.01})), Report(stream))


def test_without_validation_images_only_the_test_is_measured() -> None:
    lines = trained(subset={"train": 100, "validation": 0, "seed": 0}, test=True)
    assert lines.events[-1]["val_most_frequent"] is None
    assert {event["val_accuracy"] for event in lines.named("epoch")} == {None}
    assert lines.events[-1]["val_accuracy"] is None
    assert lines.events[-1]["test_accuracy"] is not None


def test_the_final_accuracy_is_that_of_the_last_weights_not_of_the_best() -> None:
    lines = trained(hyperparameters={"batch_size": 20, "learning_rate": 1.0}, budget={"steps": 40})
    seen = [event["val_accuracy"] for event in lines.named("epoch")]
    assert lines.events[-1]["val_accuracy"] == seen[-1]
    assert seen[-1] < max(seen), "a rate this high must make accuracies go up and down"


def test_several_networks_share_one_budget_and_vote() -> None:
    one = trained(budget={"steps": 4})
    lines = trained(budget={"steps": 9}, ingredients={"ensemble": {"members": 2}}, test=True)
    assert [event["member"] for event in lines.named("epoch")][-1] == 1
    ends = [event for event in lines.named("epoch") if event["progress"] == 1.0]
    assert [event["step"] for event in ends] == [5, 4]
    final = lines.events[-1]
    assert (final["steps"], final["total_steps"]) == (9, 9)
    assert lines.events[0]["parameters"] == 2 * one.events[0]["parameters"]
    assert final["val_loss"] < sum(event["val_loss"] for event in ends) / 2, "a mean is never worse"


def test_several_networks_share_a_budget_in_seconds() -> None:
    _, lines = trained_for(1.5, ingredients={"ensemble": {"members": 3}})
    ends = [event["member"] for event in lines.named("epoch") if event["progress"] == 1.0]
    assert ends == [0, 1, 2]
    ends_at = [trials._share_budget(Budget(seconds=10.0), member, 3, closing=1.0) for member in range(3)]
    assert [share.seconds for share in ends_at] == [3.0, 6.0, 10.0]


def test_fewer_steps_than_networks_are_too_short() -> None:
    with pytest.raises(TooShort, match="2 steps do not go round 3 networks"):
        trained(budget={"steps": 2}, ingredients={"ensemble": {"members": 3}})


def test_a_budget_in_seconds_is_kept() -> None:
    budget, lines = trained_for(1)
    final = lines.events[-1]
    assert (
        0.5 * budget < final["train_seconds"] < 10 * budget
    )  # other tests run on the same cores; test_budget.py is exact
    assert lines.events[-2]["progress"] == 1.0
    assert len(lines.named("epoch")) <= 25


def test_a_training_of_seconds_is_repeated_step_by_step_from_its_plan() -> None:
    few: dict[str, Any] = {"ingredients": {"ema": {}, "sam": {"start": 0.5}}}
    once = trained_for(1, **few)[1].events[-1]
    given = {"steps": once["total_steps"], "plan": once["plan"]}
    again = trained(budget=given, **few).events[-1]
    assert again["val_loss"] == once["val_loss"]
    assert (again["steps"], again["replans"], again["plan"]) == (once["steps"], once["replans"], once["plan"])


def test_a_plan_that_was_made_otherwise_is_another_training() -> None:
    straight = as_usual().events[-1]
    bent = trained(budget={"steps": 7, "plan": [[0, 30], [3, 7]]}).events[-1]
    assert bent["steps"] == straight["steps"]
    assert bent["val_loss"] != straight["val_loss"]


def test_a_strict_clock_counts_from_the_start_of_the_process() -> None:
    lines = trained(began_seconds_ago=1000, clock="strict", budget={"steps": 2})
    assert lines.named("plan")[0]["elapsed_seconds"] > 1000
    assert lines.events[-1]["train_seconds"] > 1000
    with pytest.raises(TooShort, match="too short"):
        trained(began_seconds_ago=1000, clock="strict", budget={"seconds": 999})


def test_a_budget_too_short_to_train_is_told() -> None:
    with pytest.raises(TooShort, match="is too short"):
        trained(budget={"seconds": 0.001})


@pytest.mark.parametrize("optimizer", rest_slow(optimizers.names(), ["sgd", "asgd", "muon"]))
def test_every_optimizer_of_the_paper_trains(optimizer: str) -> None:
    lines = trained(hyperparameters={"optimizer": optimizer, "batch_size": 50}, budget={"steps": 2})
    assert lines.events[-1]["steps"] == 2


@pytest.mark.parametrize("model", rest_slow(models.names(), ["senet18", "resnet_budget"]))
def test_every_network_in_the_folder_trains(model: str) -> None:
    small = {"depth": 1.0, "width": 0.125, "resolution": 0.5}
    scale = {name: small[name] for name in models.scales(model)}
    assert trained(model=model, scale=scale, budget={"steps": 2}).events[-1]["steps"] == 2


@pytest.mark.slow  # compiling takes a minute
def test_passes_are_compiled_where_that_is_asked_for() -> None:
    plain, compiled = trained(), trained(engine="compile")
    assert compiled.named("engine")[0]["name"] == compiled.events[-1]["engine"] == "compile"
    assert compiled.events[-1]["val_loss"] == pytest.approx(plain.events[-1]["val_loss"], rel=0.05)


def test_a_network_learns_the_digits() -> None:
    final = trained(
        scale={"depth": 0.5, "width": 0.125},
        subset={"train": 2000, "validation": 300, "seed": 0},
        hyperparameters={"optimizer": "adam", "learning_rate": 0.01, "batch_size": 32},
        budget={"steps": 150},
    ).events[-1]
    assert final["val_accuracy"] > 0.25  # guessing gives .1


def test_a_rate_that_makes_weights_infinite_diverges() -> None:
    with pytest.raises(Diverged, match="give a lower learning_rate"):
        trained(hyperparameters={"learning_rate": 1000.0, "weight_decay": 10.0, "batch_size": 20})


def test_a_batch_larger_than_the_training_set_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="batch_size 128 is more than the 100 training images"):
        trained(hyperparameters={})


def test_more_memory_than_the_machine_has_is_told_from_other_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "measure", lambda *_: torch.empty(2**60))
    with pytest.raises(OutOfMemory, match="give a smaller batch_size"):
        trained()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(InvalidConfig, match="torch sees no GPU"):
        trained(device="cuda")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_pinned_gpu_that_is_gone_is_lost_and_nobody_s_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1234")
    with pytest.raises(DeviceLost, match="the GPU GPU-1234 that CUDA_VISIBLE_DEVICES names is gone"):
        trained(device="cuda")


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("CUDA error: uncorrectable ECC error encountered\nCompile with ...", DeviceLost),
        ("CUDA error: CUDA-capable device(s) is/are busy or unavailable", DeviceLost),
        ("No CUDA GPUs are available: CUDA driver initialization failed", DeviceLost),
        ("CUDA error: unknown error", DeviceLost),
        ("CUDA error: out of memory", OutOfMemory),
        ("CUDA error: no kernel image is available for execution on the device", InvalidConfig),
        ("CUDA error: device-side assert triggered", RuntimeError),
        ("unknown error in a table of contents", RuntimeError),
    ],
)
def test_a_gpu_that_is_lost_is_told_from_a_fault_of_the_training(said: str, kind: type[Exception]) -> None:
    with pytest.raises(kind) as told, trials.name_device_errors():
        raise RuntimeError(said)
    assert type(told.value) is kind


@pytest.mark.parametrize(
    "said",
    [
        "FIND was unable to find an engine to execute this computation",
        "GET was unable to find an engine to execute this computation",
        "cuDNN Frontend error: [cudnn_frontend] Error: No execution plans support the graph.",
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
    ],
)
@pytest.mark.parametrize(
    ("free", "most", "kind"), [(2, 0, OutOfMemory), (50, 50, OutOfMemory), (50, 0, RuntimeError)]
)
def test_what_libraries_say_means_memory_where_the_gpu_was_full(
    said: str, free: int, most: int, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free, 100))
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: most)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 0)
    with pytest.raises(kind) as told, trials.name_device_errors():
        raise RuntimeError(said)
    assert type(told.value) is kind


V100, TORCH_FOR_CUDA_13 = (7, 0), ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]


def stand_for_gpu(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], built: list[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: built)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    for name in ("benchmark", "allow_tf32"):  # to be restored
        monkeypatch.setattr(torch.backends.cudnn, name, getattr(torch.backends.cudnn, name))


@pytest.mark.parametrize(
    ("capability", "built"),
    [
        ((7, 5), TORCH_FOR_CUDA_13),
        ((8, 9), TORCH_FOR_CUDA_13),
        ((10, 3), TORCH_FOR_CUDA_13),
        ((9, 0), ["sm_90a"]),
        ((12, 1), ["sm_80", "compute_90"]),
        (V100, ["sm_50", "sm_70"]),
        (V100, ["gfx90a"]),
        (V100, []),
    ],
)
def test_a_gpu_that_torch_has_kernels_for_is_taken(
    capability: tuple[int, int], built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_for_gpu(monkeypatch, capability, built)
    assert resolve_device(config.from_json(trial(device="auto"))).cuda
    assert torch.backends.cudnn.benchmark
    assert not torch.backends.cudnn.allow_tf32, "fp32 is fp32"


@pytest.mark.parametrize(
    ("capability", "built", "advice"),
    [
        (V100, TORCH_FOR_CUDA_13, r"pip install .*/whl/cu126"),
        ((6, 1), TORCH_FOR_CUDA_13, r"pip install .*/whl/cu126"),
        ((13, 0), TORCH_FOR_CUDA_13, "a newer torch"),
        ((10, 3), ["sm_90a", "sm_100a"], "a newer torch"),
    ],
)
def test_a_gpu_that_torch_has_no_kernels_for_is_refused_with_what_to_install(
    capability: tuple[int, int], built: list[str], advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_for_gpu(monkeypatch, capability, built)
    with pytest.raises(InvalidConfig, match=rf"no kernels for a GPU \(sm_\d+\), only for sm_.*: {advice}"):
        resolve_device(config.from_json(trial(device="auto")))


def test_images_are_stored_at_image_size_before_they_are_scaled(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (160, 20, 30, 3), np.uint8), np.arange(160) % 2
    np.savez(tmp_path / "wide.npz", allow_pickle=False, train_images=images, train_labels=labels)
    lines = trained(dataset=f"npz:{tmp_path}/wide.npz", image_size=24)
    assert (lines.events[0]["image_size"], lines.events[0]["resolution"]) == (24, 12)
    assert lines.events[0]["classes"] == 2


def test_a_test_that_the_data_set_lacks_is_refused_before_training(tmp_path: Path) -> None:
    images, labels = np.zeros((160, 16, 16, 3), np.uint8), np.arange(160) % 2
    np.savez(tmp_path / "images.npz", allow_pickle=False, train_images=images, train_labels=labels)
    with pytest.raises(InvalidConfig, match="lacks the array test_images"):
        trained(dataset=f"npz:{tmp_path}/images.npz", test=True)
