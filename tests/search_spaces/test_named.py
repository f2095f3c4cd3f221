"""What a space that can be searched by its name offers."""

import importlib
import random

import pytest

import search_spaces


def meant() -> list[str]:
    modules = {name: importlib.import_module(f"search_spaces.{name}") for name in search_spaces.names()}
    return [name for name, module in modules.items() if hasattr(module, "parts")]


@pytest.mark.parametrize("name", meant())
def test_every_point_of_a_named_space_settles_parts_of_a_configuration(name: str) -> None:
    found = search_spaces.load(name)
    assert found.space.point(found.start) == found.start
    settled = [set(found.parts(found.start)), *(set(found.parts(point)) for point in drawn(found))]
    assert all(parts == settled[0] for parts in settled)
    assert settled[0] <= set(search_spaces.PARTS)


def drawn(found: search_spaces.Named) -> list[search_spaces.Point]:
    rng = random.Random(0)
    return [found.space.sample(rng) for _ in range(20)]


def test_a_space_without_a_meaning_of_its_own_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(ValueError, match=f"no space 'scaling' .*choose one of {', '.join(meant())}"):
        search_spaces.load("scaling")


def test_a_limit_is_for_spaces_of_networks() -> None:
    assert search_spaces.load("resnet_budget").most_parameters == 5_000_000
    assert search_spaces.load("resnet_budget", 9_000).most_parameters == 9_000
    with pytest.raises(ValueError, match="the space training has networks of one size only"):
        search_spaces.load("training", 9_000)
