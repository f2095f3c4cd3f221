"""How a network is trained. The command line names each recipe by its file's name.

A file holds one `RECIPE`: hyperparameters, and the settings of its ingredients by name. A configuration may
add ingredients, remove them or change their settings.

VERSION is that of the rules by which recipes are trained. A configuration says its version, and one that does
not is of version 1, so that studies go on by the rules with which they began.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from trainer import ingredients, optimizers
from trainer.errors import InvalidConfig
from trainer.ingredients import Average, Ingredient, Loss, Meta, Weights

VERSION, FIRST_VERSION = 2, 1

# of each version, the settings whose defaults were others then
_DEFAULTS_THEN: Mapping[int, Mapping[str, Mapping[str, Any]]] = {
    1: {
        "asymmetric_loss": {"positive": 1.0},
        "asam": {"norms": False},
        "patch_whitening": {"eps": 5e-4, "fp32": False},
    }
}

Changes = Mapping[str, Mapping[str, Any] | None]  # settings by ingredient; None removes it
_Kind = TypeVar("_Kind", bound=Ingredient)
_APART: tuple[tuple[type[Ingredient], type[Ingredient], str], ...] = (
    (Meta, Average, "the average would include weights trained on a single task"),
    (Weights, Loss, "only cross-entropy takes class weights"),
)


@dataclass(frozen=True)
class Hyperparameters:
    """What a configuration gives. None: the recipe's own."""

    optimizer: str | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    batch_size: int | None = None


@dataclass(frozen=True)
class Defaults:
    """Hyperparameters of a recipe."""

    optimizer: str
    learning_rate: float
    weight_decay: float
    batch_size: int


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters and ingredients. Ingredients of one kind act in this order."""

    defaults: Defaults
    ingredients: tuple[Ingredient, ...] = ()
    version: int = VERSION

    @property
    def muon_on_convolutions(self) -> bool:
        """Whether the optimizer `muon` is for convolutions only; in version 1 the classifier had it too."""
        return self.version > 1

    def of_version(self, version: int) -> "Recipe":
        """The recipe as it was in a version. Settings other than today's defaults stay."""
        then = _DEFAULTS_THEN.get(version, {})
        chosen = []
        for one in self.ingredients:
            settings, today = then.get(ingredients.name_of(one), {}), type(one)()
            usual = {key: old for key, old in settings.items() if getattr(one, key) == getattr(today, key)}
            chosen.append(ingredients.change(one, usual))
        return replace(self, ingredients=tuple(chosen), version=version)

    def change(self, changes: Changes) -> "Recipe":
        """Add, remove or change ingredients. Raises InvalidConfig.

        An ingredient of a kind of which a recipe has one replaces the other of that kind.
        """
        chosen = self.ingredients
        for name, settings in changes.items():
            held = next((one for one in chosen if ingredients.name_of(one) == name), None)
            if settings is None:
                chosen = tuple(one for one in chosen if one is not held)
            elif held is not None:
                new = ingredients.change(held, settings)
                chosen = tuple(new if one is held else one for one in chosen)
            else:
                usual = _DEFAULTS_THEN.get(self.version, {}).get(name, {})
                added = ingredients.build(name, {**usual, **settings})
                chosen = (*(one for one in chosen if not _exclude(added, one)), added)
        return replace(self, ingredients=chosen)

    def every(self, kind: type[_Kind]) -> tuple[_Kind, ...]:
        """The ingredients of a kind."""
        return tuple(one for one in self.ingredients if isinstance(one, kind))

    def one(self, kind: type[_Kind]) -> _Kind | None:
        """The ingredient of a kind of which a recipe has at most one."""
        return next(iter(self.every(kind)), None)

    def to_json(self) -> dict[str, Any]:
        """The recipe as a configuration would write it."""
        return {
            "hyperparameters": asdict(self.defaults),
            "ingredients": {ingredients.name_of(one): asdict(one) for one in self.ingredients},
        }


def names() -> list[str]:
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def load(name: str, changes: Changes | None = None, version: int = VERSION) -> Recipe:
    """The recipe of a name in `names()`, as it was in a version, with changes.

    Raises InvalidConfig for invalid changes.
    """
    recipe: Recipe = importlib.import_module(f"{__name__}.{name}").RECIPE
    recipe = recipe.of_version(version).change(changes or {})
    for one, other, why in _APART:
        pair = recipe.one(one), recipe.one(other)
        if pair[0] and pair[1]:
            raise InvalidConfig(
                f"ingredients {ingredients.name_of(pair[0])} and {ingredients.name_of(pair[1])} do not go "
                f"together: {why}; remove one of them"
            )
    return recipe


def resolve_hyperparameters(defaults: Defaults, given: Hyperparameters) -> Defaults:
    """The hyperparameters of a training: the given ones, else the recipe's.

    An optimizer given without a learning rate gets its own usual one, because the recipe's belongs to
    another optimizer.
    """
    changes = {name: value for name, value in asdict(given).items() if value is not None}
    if changes.get("optimizer", defaults.optimizer) != defaults.optimizer:
        changes.setdefault("learning_rate", optimizers.USUAL_LEARNING_RATE[changes["optimizer"]])
    return replace(defaults, **changes)


def _exclude(added: Ingredient, held: Ingredient) -> bool:
    """Whether both are of a kind of which a recipe has one."""
    shared = set(type(added).__mro__) & set(type(held).__mro__)
    return any(issubclass(kind, Ingredient) and kind.__dict__.get("alone") for kind in shared)
