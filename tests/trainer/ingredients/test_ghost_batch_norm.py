"""Batch norm in groups, against batch norm of each group."""

import pytest
import torch
from torch import Tensor, nn

from trainer.errors import InvalidConfig
from trainer.ingredients.ghost_batch_norm import GhostBatchNorm


def norm() -> nn.BatchNorm2d:
    made = nn.BatchNorm2d(3)
    nn.init.uniform_(made.weight, generator=torch.Generator().manual_seed(0))
    nn.init.uniform_(made.bias, generator=torch.Generator().manual_seed(1))
    return made


def ghost_of(made: nn.Module, size: int) -> nn.BatchNorm2d:
    ghost = next(GhostBatchNorm(size).apply(nn.Sequential(made)).children())
    assert isinstance(ghost, nn.BatchNorm2d)
    return ghost


def features(count: int) -> Tensor:
    return torch.randn(count, 3, 4, 4, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(("count", "groups"), [(8, [4, 4]), (11, [6, 5]), (3, [3])])
def test_each_group_is_normalised_as_a_batch_of_its_own(count: int, groups: list[int]) -> None:
    plain, ghost = norm(), ghost_of(norm(), size=4)
    expected = torch.cat([plain(group) for group in torch.split(features(count), groups)])
    torch.testing.assert_close(ghost(features(count)), expected)
    torch.testing.assert_close(ghost.running_mean, plain.running_mean)  # one group after the other
    torch.testing.assert_close(ghost.running_var, plain.running_var)


def test_evaluation_is_that_of_batch_norm() -> None:
    ghost = ghost_of(norm(), size=2)
    ghost(features(8))
    plain = norm()
    plain.load_state_dict(ghost.state_dict())
    torch.testing.assert_close(ghost.eval()(features(5)), plain.eval()(features(5)))


def test_the_weights_stay_the_same_ones_and_statistics_are_frozen_as_any_norms() -> None:
    plain = norm()
    ghost = ghost_of(plain, size=4)
    assert ghost.weight is plain.weight
    ghost.track_running_stats = False
    ghost(features(8))
    assert ghost.state_dict()["running_mean"].tolist() == [0, 0, 0]


def test_features_in_channels_last_memory_stay_there() -> None:
    ghost = ghost_of(norm(), size=4)
    out = ghost(features(8).contiguous(memory_format=torch.channels_last))
    assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("network", [nn.ReLU(), nn.BatchNorm1d(2)])
def test_a_network_whose_norms_it_cannot_replace_is_refused(network: nn.Module) -> None:
    with pytest.raises(InvalidConfig, match="omit ghost_batch_norm"):
        GhostBatchNorm().apply(nn.Sequential(network))


def test_a_group_of_one_image_is_refused() -> None:
    with pytest.raises(ValueError, match="size must be at least 2"):
        GhostBatchNorm(size=1)
