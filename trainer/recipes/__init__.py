"""How a network is trained: one file each, named on the command line by its file's name.

A file holds one `RECIPE`: hyperparameters and ingredients. A configuration may add ingredients,
take them out or change their strengths, so a recipe is where a search starts, not where it ends.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from trainer import ingredients as shelf
from trainer import optimizers
from trainer.errors import InvalidConfig
from trainer.hyperparameters import Hyperparameters
from trainer.ingredients import Average, Ingredient, Meta

Changes = Mapping[str, Mapping[str, Any] | None]  # ingredients by name; None takes one out
_Kind = TypeVar("_Kind", bound=Ingredient)


@dataclass(frozen=True)
class Defaults:
    """Hyperparameters a configuration leaves open."""

    optimizer: str
    learning_rate: float
    weight_decay: float
    batch_size: int


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters and techniques; those of one kind are applied in this order."""

    defaults: Defaults
    ingredients: tuple[Ingredient, ...]

    def every(self, kind: type[_Kind]) -> tuple[_Kind, ...]:
        """The ingredients of a kind."""
        return tuple(found for found in self.ingredients if isinstance(found, kind))

    def one(self, kind: type[_Kind]) -> _Kind | None:
        """The ingredient of a kind of which a recipe has at most one."""
        return next(iter(self.every(kind)), None)

    def to_json(self) -> dict[str, Any]:
        """As a configuration would write it."""
        return {
            "hyperparameters": asdict(self.defaults),
            "ingredients": {shelf.name_of(found): asdict(found) for found in self.ingredients},
        }


def names() -> list[str]:
    """The recipes that can be named."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def load(name: str, changes: Changes | None = None) -> Recipe:
    """The recipe of a name in `names()`, changed. Raises Refused for a strength that is not allowed."""
    recipe: Recipe = importlib.import_module(f"{__name__}.{name}").RECIPE
    chosen = recipe.ingredients
    for changed, strengths in (changes or {}).items():
        chosen = _changed(chosen, changed, strengths)
    _check_together(chosen)
    return Recipe(recipe.defaults, chosen)


def _check_together(chosen: tuple[Ingredient, ...]) -> None:
    meta = next((found for found in chosen if isinstance(found, Meta)), None)
    average = next((found for found in chosen if isinstance(found, Average)), None)
    if meta and average:
        raise InvalidConfig(
            f"ingredients {shelf.name_of(meta)} and {shelf.name_of(average)} do not go together: the "
            "average would run through weights that only one task has seen; take one of them out"
        )


def _changed(
    chosen: tuple[Ingredient, ...], name: str, strengths: Mapping[str, Any] | None
) -> tuple[Ingredient, ...]:
    held = next((found for found in chosen if shelf.name_of(found) == name), None)
    if strengths is None:
        return tuple(found for found in chosen if found is not held)
    if held is not None:
        new = shelf.changed(held, strengths)
        return tuple(new if found is held else found for found in chosen)
    added = shelf.build(name, strengths)
    return (*(found for found in chosen if not _excludes(added, found)), added)


def _excludes(added: Ingredient, held: Ingredient) -> bool:
    """Whether both are of a kind of which a recipe has one."""
    shared = set(type(added).__mro__) & set(type(held).__mro__)
    return any(issubclass(kind, Ingredient) and kind.__dict__.get("alone") for kind in shared)


def settled(defaults: Defaults, given: Hyperparameters) -> Defaults:
    """The hyperparameters of a training: the given ones, else the recipe's.

    An optimizer given without a rate takes its own usual one, for the recipe's
    is another optimizer's. Raises Refused for an optimizer that is not known.
    """
    optimizer = given.optimizer or defaults.optimizer
    if optimizer not in optimizers.names():
        raise InvalidConfig(f"optimizer {optimizer!r} is not known; known: {', '.join(optimizers.names())}")
    usual = (
        defaults.learning_rate
        if optimizer == defaults.optimizer
        else optimizers.USUAL_LEARNING_RATE[optimizer]
    )
    return Defaults(
        optimizer=optimizer,
        learning_rate=usual if given.learning_rate is None else given.learning_rate,
        weight_decay=defaults.weight_decay if given.weight_decay is None else given.weight_decay,
        batch_size=given.batch_size or defaults.batch_size,
    )
