"""The MACs counted without convolving are those of the real pass, on every network and kind of layer."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.trainer.test_models import smallest
from trainer import models
from trainer.model_cost import cost, cost_and_layers


@pytest.mark.parametrize("name", models.names())
def test_macs_counted_without_convolving_are_those_of_the_real_pass(name: str) -> None:
    shape = smallest(name, 12)
    network = models.build(name, shape, 10).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, 12, 12))
    counted, layers = cost_and_layers(name, shape, 10)
    assert counted.macs == counter.get_total_flops() // 2
    assert counted.parameters == sum(weights.numel() for weights in network.parameters())
    assert sum(layer.macs for layer in layers) == counted.macs
    assert sum(layer.parameters for layer in layers) == counted.parameters


def test_a_layer_that_an_image_passes_twice_is_told_twice_and_has_its_weights_once(tmp_path: Path) -> None:
    text = """
from torch import nn

def build(classes):
    twice = nn.Conv2d(3, 3, 1, bias=False)
    return nn.Sequential(twice, twice, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, classes))
"""
    (tmp_path / "own.py").write_text(text)
    name = f"{tmp_path}/own.py:build"
    _, layers = cost_and_layers(name, models.realise(name, 1.0, 1.0, 1.0, 8), 10)
    assert [(layer.kind, layer.output, layer.parameters, layer.macs) for layer in layers] == [
        ("Conv2d", (3, 8, 8), 9, 9 * 64),
        ("Conv2d", (3, 8, 8), 0, 9 * 64),
        ("AdaptiveAvgPool2d", (3, 1, 1), 0, 0),
        ("Flatten", (3,), 0, 0),
        ("Linear", (10,), 40, 30),
    ]


def test_a_convolution_s_macs_are_those_of_the_formula() -> None:
    shape = models.realise("resnet_budget", 1.0, 1.0, 1.0, 32, {"layers": 1, "blocks": [1], "channels": 8})
    stem, block, linear = 3 * 8 * 9 * 32**2, 2 * 8 * 8 * 9 * 32**2, 8 * 10
    assert cost("resnet_budget", shape, 10).macs == stem + block + linear


def test_counting_leaves_the_random_state_alone() -> None:
    before = torch.get_rng_state()
    cost.__wrapped__("resnet9", smallest("resnet9", 8), 10)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
def test_a_network_without_libraries_is_counted_without_importing_any() -> None:
    """An import of torchvision takes seconds, in every trial of a network that does not need it."""
    program = (
        "import sys; from trainer import models; from trainer.model_cost import cost\n"
        "cost('resnet9', models.realise('resnet9', 1.0, 1.0, 1.0, 8), 10)\n"
        "print([name for name in ('torchvision', 'torch._inductor', 'sympy') if name in sys.modules])"
    )
    command = [sys.executable, "-P", "-c", program]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_grouped_and_dilated_convolutions_are_skipped_with_the_right_sizes(tmp_path: Path) -> None:
    text = """
from torch import nn

def build(classes):
    layers = [
        nn.Conv2d(3, 12, 3, stride=2, padding=2, dilation=2, bias=True),
        nn.Conv2d(12, 8, (1, 3), groups=4, padding="same"),
        nn.ConvTranspose2d(8, 4, 2, stride=2),
        nn.AdaptiveMaxPool2d(1),
    ]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4, classes))
"""
    (tmp_path / "odd.py").write_text(text)
    name = f"{tmp_path}/odd.py:build"
    shape = models.realise(name, 1.0, 1.0, 1.0, 16)
    network = models.build(name, shape, 5).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, 16, 16))
    assert cost(name, shape, 5).macs == counter.get_total_flops() // 2


@pytest.mark.parametrize("name", models.names())
def test_a_network_is_counted_at_one_resolution_after_another_as_if_it_were_the_first(name: str) -> None:
    for resolution in (16, 24, 16):
        shape = smallest(name, resolution)
        network = models.build(name, shape, 10).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.zeros(1, 3, resolution, resolution))
        counted = cost.__wrapped__(name, shape, 10)
        assert counted.macs == counter.get_total_flops() // 2
        assert counted.parameters == sum(weights.numel() for weights in network.parameters())
