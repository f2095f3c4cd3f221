"""What every ingredient in the folder must keep to, whatever it does; a new file is tested by existing.

What its kind asks of it is in test_kinds.py.
"""

import dataclasses
import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from trainer import ingredients, optimizers, recipes
from trainer.errors import InvalidConfig
from trainer.ingredients import Ingredient

TESTS = Path(__file__).parent
TABLE = TESTS.parents[2] / "docs" / "ingredients.md"
NAMES = ingredients.names()


def rows(pattern: str) -> dict[str, list[str]]:
    """The table rows whose first cell is a name, by name."""
    cells = (line.strip("| \n").split(" | ") for line in TABLE.read_text().splitlines())
    return {cell[0].strip("`"): cell for cell in cells if re.fullmatch(pattern, cell[0])}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_holds_a_final_frozen_class_of_one_kind_with_its_source(name: str) -> None:
    found = ingredients.load(name)
    assert issubclass(found, Ingredient)
    assert not inspect.isabstract(found)
    assert vars(found)["__dataclass_params__"].frozen
    module = importlib.import_module(f"trainer.ingredients.{name}")
    said = f"{module.__doc__} {found.__doc__}"
    assert re.search(r"\b(19|20)\d\d\b|section [\dIV]", said), "name the source, with its year or section"
    assert ingredients.name_of(found()) == name


@pytest.mark.parametrize("name", NAMES)
def test_strengths_are_plain_values_that_a_configuration_can_give(name: str) -> None:
    strengths = dataclasses.asdict(ingredients.load(name)())
    assert {type(value) for value in strengths.values()} <= {float, int, bool, str}
    assert ingredients.build(name, json.loads(json.dumps(strengths))) == ingredients.build(name, {})


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_strength_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(InvalidConfig, match=rf"ingredient {name} has no setting 'colour'; known: "):
        ingredients.build(name, {"colour": 1})


@pytest.mark.parametrize("name", NAMES)
def test_a_strength_of_another_type_or_that_is_no_number_is_refused(name: str) -> None:
    for key, usual in dataclasses.asdict(ingredients.load(name)()).items():
        with pytest.raises(InvalidConfig, match=rf"ingredient {name}: {key} must be"):
            ingredients.build(name, {key: [usual]})
        if type(usual) is float:
            with pytest.raises(InvalidConfig, match=rf"ingredient {name}: "):
                ingredients.build(name, {key: float("nan")})


@pytest.mark.parametrize("name", NAMES)
def test_an_ingredient_has_tests_of_its_own(name: str) -> None:
    assert (TESTS / f"test_{name}.py").exists()


def test_the_table_has_a_line_for_every_ingredient_that_is_true() -> None:
    found = rows(r"`\w+`")
    assert sorted(found) == sorted([*NAMES, *recipes.names()])
    for name in NAMES:
        _, kind, _, _, strengths = found[name]
        loaded = ingredients.load(name)
        base = next(each.__name__ for each in loaded.__mro__ if each.__module__ == "trainer.ingredients")
        words = re.sub(r"(?<=.)([A-Z])", r" \1", base).lower()
        assert kind == words + "*" * loaded.alone
        assert json.loads(strengths.strip("`")) == dataclasses.asdict(loaded())


def test_the_table_has_a_line_for_every_recipe_that_is_true() -> None:
    found = rows(r"`\w+`")
    for name in recipes.names():
        made = recipes.load(name)
        _, _, hyperparameters, listed = found[name]
        assert hyperparameters == ", ".join(str(value) for value in dataclasses.astuple(made.defaults))
        assert listed == ", ".join(ingredients.name_of(one) for one in made.ingredients)
    assert all(f"`{name}`" in TABLE.read_text() for name in optimizers.names())


def test_listing_the_names_imports_no_torch() -> None:
    program = (
        "import sys; from trainer import ingredients; ingredients.names(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
