"""The networks of the parameter budget, to the digit of the paper's tables 1 and 3."""

from typing import Any

import pytest
import torch

from tests.trainer import configs
from trainer import config, data, describe, models
from trainer.errors import InvalidConfig
from trainer.model_cost import cost
from trainer.models import resnet_budget

TABLES = [
    ({"channels": 16}, 701_466),
    ({}, 2_797_610),
    ({"channels": 40}, 4_368_690),
    ({"blocks": [3, 3, 3, 3]}, 4_366_250),
    ({"blocks": [2, 4, 8, 2], "channels": 16}, 1_182_490),
    ({"blocks": [2, 4, 8, 2]}, 4_718_122),
    ({"blocks": [2, 4, 8, 2], "stem_kernel": 5}, 4_719_658),
    ({"blocks": [4, 6, 8, 2], "channels": 16}, 1_228_954),
    ({"blocks": [4, 6, 8, 2]}, 4_903_210),
    ({"blocks": [4, 6, 8, 2], "stem_kernel": 5}, 4_904_746),
]


def compute_shape(architecture: dict[str, Any], **scale: float) -> models.Shape:
    asked = {"depth": 1.0, "width": 1.0, "resolution": 1.0} | scale
    return models.realise(
        "resnet_budget", asked["depth"], asked["width"], asked["resolution"], 32, architecture
    )


@pytest.mark.parametrize(("architecture", "parameters"), TABLES)
def test_a_network_has_the_paper_s_parameters(architecture: dict[str, Any], parameters: int) -> None:
    assert cost("resnet_budget", compute_shape(architecture), 10).parameters == parameters


def test_the_base_is_that_of_the_default_settings() -> None:
    assert resnet_budget.Architecture().base == resnet_budget.BASE


@pytest.mark.parametrize("pooling", [1, 2, 3, 9])
@pytest.mark.parametrize("resolution", [8, 13])
def test_any_pooling_size_makes_a_network_of_the_same_parameters(pooling: int, resolution: int) -> None:
    shape = compute_shape({"pooling": pooling, "channels": 8}, resolution=resolution / 32)
    network = models.build("resnet_budget", shape, 3)
    assert network(torch.rand(2, 3, resolution, resolution)).shape == (2, 3)
    assert (
        cost("resnet_budget", shape, 3).parameters
        == cost("resnet_budget", compute_shape({"channels": 8}), 3).parameters
    )


def test_fewer_layers_and_other_kernels_make_a_network() -> None:
    shape = compute_shape({"layers": 2, "blocks": [1, 2], "channels": 8, "stem_kernel": 7, "kernel": 5})
    assert (shape.channels, shape.blocks) == ((8, 16), (1, 2))
    network = models.build("resnet_budget", shape, 3)
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 3)


def test_multipliers_scale_the_chosen_architecture() -> None:
    shape = compute_shape({"blocks": [4, 6, 8, 2]}, depth=0.5, width=1.25)
    assert (shape.channels, sum(shape.blocks)) == ((40, 80, 160, 320), 10)


def test_a_configuration_s_architecture_is_described() -> None:
    settled = config.from_json(
        configs.trial(
            model="resnet_budget", scale={}, architecture={"layers": 1, "blocks": [1], "channels": 8}
        )
    )
    fields = describe.model_fields(settled, data.about(settled.dataset))
    assert (fields["channels"], fields["blocks"]) == ((8,), (1,))
    assert fields["architecture"]["layers"] == 1


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"depth": 3}, "unknown key 'depth' in the architecture of resnet_budget; known: layers, blocks"),
        ({"layers": 3}, r"blocks \(2, 2, 2, 2\) must be a list of 3 numbers"),
        ({"layers": 5}, "layers must be a whole number from 1 to 4, not 5"),
        ({"blocks": 3}, "blocks 3 must be a list of 4 numbers"),
        ({"blocks": [2, 2, 2, 0]}, "a number of blocks must be a whole number from 1 to 64, not 0"),
        ({"blocks": [2, 2, 2, [1]]}, "a number of blocks must be a whole number"),
        ({"channels": 20}, "channels 20 must be a multiple of 8"),
        ({"kernel": 4}, "kernel 4 must be odd"),
        ({"kernel": 3.0}, "kernel must be a whole number from 1 to 9, not 3.0"),
        ({"stem_kernel": True}, "stem_kernel must be a whole number"),
        ({"pooling": "4"}, "pooling must be a whole number from 1 to 128, not '4'"),
    ],
)
def test_settings_that_make_no_network_are_refused(architecture: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        compute_shape(architecture)


def test_a_family_without_settings_refuses_an_architecture() -> None:
    with pytest.raises(
        InvalidConfig, match="resnet18 has no settings of its own, so leave architecture empty"
    ):
        models.realise("resnet18", 1.0, 1.0, 1.0, 32, {"layers": 3})
