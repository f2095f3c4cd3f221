"""Start a training from the weights of an earlier one: `init` in trial.json.

Both must train the same network. The images, their size, the recipe and, with `new_head`, the classes may
differ. The weights come after all changes to the network, in the place of what is fitted to the training
images, such as whitening filters.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import nn

from trainer import data, models, recipes, saved_model
from trainer.config import Init, TrialConfig
from trainer.data import About
from trainer.errors import InvalidConfig, InvalidModel
from trainer.ingredients import Surgery, Vote
from trainer.model_cost import build_without_weights
from trainer.models import Shape
from trainer.recipes import Recipe

_NEW_HEAD = 'give --new-head ("new_head": true in init) to train a new last layer'


@dataclass(frozen=True)
class InitialWeights:
    """The weights with which the networks of one training start.

    file: its tensors are named `members.0.NAME`, `members.1.NAME`, …
    fresh: names of the tensors that each network draws anew, because they depend on the classes
    """

    file: Path
    fresh: tuple[str, ...]

    def load_into(self, network: nn.Module, member: int) -> None:
        """Replace all tensors of a network but the fresh ones."""
        names = network.state_dict().keys() - set(self.fresh)
        with safe_open(self.file, framework="pt") as file:
            held = {name: file.get_tensor(f"members.{member}.{name}") for name in names}
        network.load_state_dict(held, strict=False)


def open_weights(
    config: TrialConfig, about: About, shape: Shape, names: Sequence[object] = ()
) -> InitialWeights | None:
    """The weights that a configuration starts from, checked; None if it starts from none.

    shape: of the network to train; names: of the classes, where `about` does not have them
    Raises InvalidConfig if they do not fit, and InvalidModel if they cannot be read.
    """
    init = config.init
    if init is None:
        return None
    recipe = recipes.load(config.recipe, config.ingredients, config.versions.recipes)
    description = _read_description(init)
    _check_network(config, shape, recipe, description)
    _check_classes(init, description.get("classes"), [str(name) for name in about.class_images or names])
    sizes = _sizes(config, shape, about.classes, recipe)
    more = _sizes(config, shape, about.classes + 1, recipe) if init.new_head else sizes
    fresh = tuple(name for name in sizes if sizes[name] != more[name])
    _check_sizes(init, {name: size for name, size in sizes.items() if name not in fresh}, _count(recipe))
    return InitialWeights(init.folder / saved_model.WEIGHTS, fresh)


def _read_description(init: Init) -> Mapping[str, Any]:
    """The content of model.json. Raises InvalidModel if its weights are not those that were asked for."""
    description = saved_model.read_description(init.folder)
    file = init.folder / saved_model.WEIGHTS
    try:
        _, digest = data.hash_file(file)
    except OSError as error:
        raise InvalidModel(f"cannot read {file}: {error.strerror}; copy it there, or train again") from error
    if digest.hex() != init.sha256:
        raise InvalidModel(
            f"{file} is not the file that the training was to start from: its SHA-256 begins with "
            f"{digest.hex()[:12]}, not {init.sha256[:12]}; copy that file back, or start another study"
        )
    return description


def _check_network(config: TrialConfig, shape: Shape, recipe: Recipe, held: Mapping[str, Any]) -> None:
    """Raise InvalidConfig unless the same network was trained."""
    assert config.init is not None
    made = json.loads(json.dumps(asdict(shape)))  # as model.json has it, with lists for tuples
    asked = {
        "model": _name(config.model),
        **{key: made[key] for key in ("channels", "blocks", "architecture", "source")},
        "members": _count(recipe),
        "changes": recipe.every(Surgery),
    }
    found = {
        **held,
        "model": _name(str(held.get("model"))),
        "changes": saved_model.read_recipe(held).every(Surgery),
    }
    for key, value in asked.items():
        if found.get(key) != value:
            raise InvalidConfig(
                f"init: the network in {config.init.folder} has {key} {found.get(key)!r:.100}, this one has "
                f"{value!r:.100}; give the same network, scales and ingredients, or omit init"
            )


def _name(model: str) -> str:
    """A network's name; of a user's own that of its function, since its file may have moved."""
    return model.rpartition(":")[2] if models.is_own(model) else model


def _count(recipe: Recipe) -> int:
    vote = recipe.one(Vote)
    return vote.count if vote else 1


def _check_classes(init: Init, held: Any, asked: list[str]) -> None:
    """Raise InvalidConfig if the classes are others, unless their layer is new. asked: empty if unknown."""
    if not init.new_head and asked and held != asked:
        raise InvalidConfig(
            f"init: the network in {init.folder} tells apart {held!r:.100}, the data have {asked!r:.100}; "
            f"{_NEW_HEAD}"
        )


def _sizes(config: TrialConfig, shape: Shape, classes: int, recipe: Recipe) -> dict[str, list[int]]:
    """The sizes of a network's tensors by name."""
    network = build_without_weights(config.model, shape, classes, recipe.every(Surgery))
    return {name: list(tensor.shape) for name, tensor in network.state_dict().items()}


def _check_sizes(init: Init, wanted: Mapping[str, list[int]], members: int) -> None:
    """Raise InvalidModel unless the tensors of every network are in the file, with these sizes."""
    path = init.folder / saved_model.WEIGHTS
    try:
        with safe_open(path, framework="pt") as file:
            held = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InvalidModel(f"cannot read {path}: {error}; copy it again, or train again") from error
    for name, size in wanted.items():
        for member in range(members):
            if (found := held.get(f"members.{member}.{name}")) != size:
                raise InvalidModel(
                    f"init: {name} has the size {found} in {path}, and {size} in this network; give the same "
                    f"network and image size; for other classes {_NEW_HEAD}"
                )
