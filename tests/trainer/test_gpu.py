"""What only a GPU can show. Run by `make test-gpu`."""

from typing import Any

import pytest
import torch

from tests.trainer.test_train import Lines, trained
from trainer.errors import OutOfMemory
from trainer.ingredients import _operations

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]


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
    assert machine["precision"] == ("bf16" if torch.cuda.is_bf16_supported(False) else "fp32")
    assert machine["driver"]


def test_a_budget_in_steps_gives_nearly_the_same_training_twice() -> None:
    once, again = trained_on_gpu(), trained_on_gpu()
    assert once.events[-1]["val_loss"] == pytest.approx(again.events[-1]["val_loss"], rel=0.05)


def test_fp32_is_kept_where_it_is_asked_for() -> None:
    assert trained_on_gpu(precision="fp32").named("machine")[0]["precision"] == "fp32"


def test_more_memory_than_the_gpu_has_is_out_of_memory() -> None:
    with pytest.raises(OutOfMemory):
        trained_on_gpu(
            scale={"width": 16, "resolution": 8},
            subset={"train": 4000, "validation": 10, "seed": 0},
            hyperparameters={"batch_size": 4000},
        )


def test_an_operation_gives_the_same_pixels_as_on_the_cpu() -> None:
    images = torch.randint(0, 256, (500, 3, 32, 32), dtype=torch.uint8)
    for name, operation in _operations.OPERATIONS.items():
        strength = torch.full((500,), 0.3 if name != "posterize" else 4.0)
        on_gpu = operation(images.cuda(), strength.cuda()).cpu()
        assert (on_gpu == operation(images, strength)).float().mean() > 0.999
