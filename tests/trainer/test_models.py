import pytest
import torch

from trainer import models
from trainer.cost import cost
from trainer.models import Shape

REFERENCE = {"resnet18": (11.17e6, 0.555e9), "senet18": (11.26e6, 0.5555e9)}


@pytest.mark.parametrize("name", models.names())
def test_a_network_has_its_reference_size(name: str) -> None:
    counted = cost(name, models.realise(name, 1.0, 1.0, 1.0, 32), 10)
    parameters, macs = REFERENCE[name]
    assert counted.parameters == pytest.approx(parameters, rel=0.02)
    assert counted.macs == pytest.approx(macs, rel=0.02)


@pytest.mark.parametrize("name", models.names())
@pytest.mark.parametrize(
    "shape",
    [
        Shape((8, 8, 8, 8), (1, 1, 1, 1), 8),
        Shape((8, 24, 16, 40), (1, 3, 2, 1), 13),
        Shape((16, 16, 16, 16), (2, 1, 1, 1), 128),
    ],
)
def test_any_channels_blocks_and_resolution_make_a_network_that_learns(name: str, shape: Shape) -> None:
    network = models.build(name, shape, 3)
    logits = network(torch.rand(2, 3, shape.resolution, shape.resolution))
    assert logits.shape == (2, 3)
    logits.sum().backward()
    assert all(weights.grad is not None for weights in network.parameters())


@pytest.mark.parametrize("name", models.names())
def test_macs_counted_without_convolving_are_those_of_the_real_pass(name: str) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    shape = Shape((8, 24, 16, 40), (1, 2, 1, 1), 12)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        models.build(name, shape, 10).eval()(torch.zeros(1, 3, 12, 12))
    assert cost(name, shape, 10).macs == counter.get_total_flops() // 2


@pytest.mark.parametrize("name", models.names())
def test_each_way_to_scale_up_costs_more(name: str) -> None:
    scales = [(1.0, 0.5, 0.5), (1.25, 0.5, 0.5), (1.0, 0.6, 0.5), (1.0, 0.5, 0.75)]
    base, *greater = (cost(name, models.realise(name, *scale, 32), 10).macs for scale in scales)
    assert all(macs > base for macs in greater)


@pytest.mark.parametrize("name", models.names())
def test_a_network_has_a_summary_of_one_line(name: str) -> None:
    assert models.summary(name).endswith(".")
    assert models.summary(name) != name
