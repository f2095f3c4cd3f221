"""The files of a trained network: `model.safetensors` and `model.json` (docs/trained-networks.md).

They are written after the `final` line. `model.json` comes last and has the checksum of the weights, so a
kill or a full disk leaves either both or nothing that is taken for a network. Nothing in them is code. A
network of the user's own is code: `network.py` beside them is run only by a caller who trusts it.
"""

import hashlib
import json
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from trainer import ingredients, models, recipes
from trainer._files import new_path, replace_file
from trainer._json import Fields
from trainer.data import FIRST_RULES, RULES, Fit, Storage, name_without_folders
from trainer.errors import InvalidConfig, InvalidModel, to_one_line
from trainer.images import Normalisation
from trainer.ingredients import Surgery, Views, Vote
from trainer.models import Shape
from trainer.preprocess import Preprocess
from trainer.recipes import Defaults, Recipe
from trainer.report import Report
from trainer.trained_network import TrainedNetwork

if TYPE_CHECKING:
    from trainer.trial import Trained

FORMAT = 1
WEIGHTS, DESCRIPTION, CODE = "model.safetensors", "model.json", "network.py"

_SCORES = (
    *("val_accuracy", "val_loss", "val_balanced_accuracy", "val_macro_f1", "val_top5_accuracy"),
    *("test_accuracy", "test_accuracy_1000", "test_loss"),
)
_NO_RECIPE = Recipe(Defaults("sgd", 1.0, 0.0, 2))  # to which the saved ingredients are added


@dataclass(frozen=True)
class SavedModel:
    """A trained network, how its images are made, and all of `model.json`."""

    network: TrainedNetwork
    preprocess: Preprocess
    description: Mapping[str, Any]


def keep(trained: "Trained", folder: Path, report: Report) -> None:
    """Save a training that has reported its result, and report that. A failure costs only the weights."""
    began = time.monotonic()
    try:
        size = save(trained, folder)
    except Exception as error:  # whatever it is: the result is out, so this training has not failed
        _remove(folder)
        event: dict[str, Any] = {
            "event": "warning",
            "message": to_one_line(f"the weights are not kept: {error}"),
        }
    else:
        seconds = time.monotonic() - began
        event = {"event": "weights", "bytes": size, "seconds": seconds}
    with suppress(OSError):  # the disk may have no room for this line either
        report.event(**event)


def save(trained: "Trained", folder: Path) -> int:
    """Write the files; return their size in bytes. Raises OSError, and InvalidConfig for changed code."""
    _remove(folder)
    code = _read_code(trained)
    networks = nn.ModuleList(trained.networks)
    state = {f"members.{name}": _copy(tensor) for name, tensor in networks.state_dict().items()}
    weights = safetensors.torch.save(state, {"format": "pt"})
    described = _describe(trained) | {"weights": {"file": WEIGHTS, **_checksum(weights)}}
    text = json.dumps(described, indent=1, allow_nan=False).encode() + b"\n"
    contents = {WEIGHTS: weights, **({CODE: code} if code else {}), DESCRIPTION: text}
    for name, content in contents.items():
        with replace_file(folder / name) as file:
            file.write(content)
    return sum(map(len, contents.values()))


def load(folder: Path, *, views: bool = True, trust_code: bool = False) -> SavedModel:
    """Read a network from its folder, on the CPU in evaluation mode. Raises InvalidModel.

    views: with the recipe's test-time views; trust_code: run `network.py` for a network of the user's own
    """
    description = read_description(folder)
    try:
        found = _build(description, folder, views, trust_code)
    except InvalidModel:
        raise
    except InvalidConfig as error:
        raise InvalidModel(f"{folder / DESCRIPTION}: {error}") from error
    weights = _read_weights(folder, description)
    try:
        found.network.load_state_dict(weights)
    except RuntimeError as error:
        why = to_one_line(str(error).partition(":\n")[2])[:200]
        raise InvalidModel(f"{folder / WEIGHTS} does not fit the network in {DESCRIPTION}: {why}") from error
    found.network.eval().requires_grad_(False)
    return found


def read_recipe(description: Mapping[str, Any]) -> Recipe:
    """The ingredients of a training, without its hyperparameters. Raises InvalidConfig."""
    fields = Fields(dict(description), DESCRIPTION)
    version = fields.integer("recipe_version", 1, recipes.VERSION, default=recipes.FIRST_VERSION)
    return _NO_RECIPE.of_version(version).change(fields.objects_or_null("ingredients", ingredients.names()))


def _remove(folder: Path) -> None:
    """Remove an earlier network's files, and unfinished ones; the description first."""
    for name in (DESCRIPTION, WEIGHTS, CODE):
        for path in (folder / name, new_path(folder / name)):
            with suppress(OSError):
                path.unlink()


def _copy(tensor: Tensor) -> Tensor:
    """On the CPU, in one piece and sharing no memory, as the format needs it."""
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format).contiguous()


def _checksum(weights: bytes) -> dict[str, Any]:
    return {"bytes": len(weights), "sha256": hashlib.sha256(weights).hexdigest()}


def _read_code(trained: "Trained") -> bytes | None:
    """The file of a network of the user's own. Raises InvalidConfig if it changed during the training."""
    name = trained.setup.config.model
    if not models.is_own(name):
        return None
    content = models.read_own(name)
    if models.fingerprint(content) != trained.model["source"]:
        raise InvalidConfig(f"{name} has changed since the training began; train again to have the weights")
    return content


def _describe(trained: "Trained") -> dict[str, Any]:
    """The content of `model.json`, but for the weights' checksum. It names no place of this machine."""
    setup, model = trained.setup, trained.model
    config, objective = setup.config, setup.objective
    names = setup.about.class_images or setup.decoded.names or range(objective.classes)
    return {
        "format": FORMAT,
        "model": Path(config.model).name,  # without the folders of a file of the user's own
        "scale": asdict(config.scale),
        **{key: model[key] for key in ("architecture", "channels", "blocks", "source")},
        **{key: model[key] for key in ("parameters", "macs", "macs_counter")},
        "members": len(trained.networks),
        "classes": [str(name) for name in names],
        "input": {
            "storage": setup.about.storage,
            "fit": config.dataset.fitting,
            "rules": config.dataset.rules,
            "image_size": model["image_size"],
            "resolution": model["resolution"],
            "channels": 3,
            "mean": objective.normalise.mean.flatten().tolist(),
            "std": objective.normalise.deviation.flatten().tolist(),
            "mirrored": objective.mirrored,
        },
        "recipe": config.recipe,
        "recipe_version": config.versions.recipes,
        "ingredients": objective.recipe.to_json()["ingredients"],
        "hyperparameters": asdict(objective.settings),
        "scores": {key: trained.final[key] for key in _SCORES},
        "validation_images": len(objective.validation or ()),
        "training": {
            "dataset": name_without_folders(str(config.dataset)),
            "subset": asdict(config.subset),
            "budget": asdict(config.budget),
            "seed": config.seed,
            **{key: trained.final[key] for key in ("steps", "epochs", "train_seconds")},
            **{key: trained.machine[key] for key in ("device_name", "precision", "versions")},
            "init": config.init and {"sha256": config.init.sha256, "new_head": config.init.new_head},
        },
        "provenance": dict(config.provenance),
    }


def read_description(folder: Path) -> dict[str, Any]:
    path = folder / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InvalidModel(
            f"no {DESCRIPTION} in {folder}; give the folder of a training that kept its weights "
            '("keep_weights": true in trial.json)'
        ) from error
    except OSError as error:
        raise InvalidModel(f"cannot read {path}: {error.strerror}; give a folder that can be read") from error
    except (ValueError, RecursionError) as error:
        raise InvalidModel(f"{path} is not JSON ({error}); train again, or copy the files again") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        found = description.get("format") if isinstance(description, dict) else None
        raise InvalidModel(
            f"{path} has format {found!r:.40}, but this version reads format {FORMAT}; use the version that "
            "wrote it"
        )
    return description


def _build(description: dict[str, Any], folder: Path, views: bool, trust_code: bool) -> SavedModel:
    """The network with weights of its own, from a description that may hold anything."""
    top = Fields(description, DESCRIPTION)
    classes = _read_classes(description.get("classes"))
    recipe = read_recipe(description)
    vote = recipe.one(Vote)
    members = vote.count if vote else 1
    preprocess, normalise, mirrored = top.object("input", _read_input)
    name, shape = _read_shape(top, folder, preprocess, trust_code)
    with torch.random.fork_rng(devices=[]), models.refuse_errors(name):
        networks = [
            models.build(name, shape, len(classes), (one.apply for one in recipe.every(Surgery)))
            for _ in range(members)
        ]
    for network in networks:
        network.to(memory_format=torch.channels_last)
    chosen = recipe.one(Views) if views else None
    network = TrainedNetwork(networks, classes, normalise, vote, chosen, mirrored)
    return SavedModel(network, preprocess, description)


def _read_classes(value: Any) -> tuple[str, ...]:
    names = isinstance(value, list) and len(value) >= 2 and all(isinstance(name, str) for name in value)
    if not names or len(set(value)) < len(value):
        raise InvalidConfig(f"classes must be a list of two names or more, all different, not {value!r:.60}")
    return tuple(value)


def _read_input(fields: Fields) -> tuple[Preprocess, Normalisation, bool]:
    rules = fields.integer("rules", 1, 10**6)
    storage: Storage = fields.choice("storage", list(get_args(Storage)))
    if storage == "files" and not FIRST_RULES <= rules <= RULES:
        raise InvalidConfig(
            f"its images were decoded by rules {rules}, this version has rules {FIRST_RULES} to {RULES}; "
            "use the version that trained it"
        )
    fields.integer("channels", 3, 3)
    preprocess = Preprocess(
        storage,
        fields.choice("fit", list(get_args(Fit))),
        fields.integer("image_size", 1, 1 << 16),
        fields.integer("resolution", 1, 1 << 16),
        rules,
    )
    mean, deviation = (_read_channels(fields.value(key), key) for key in ("mean", "std"))
    return preprocess, Normalisation(mean, deviation), fields.boolean("mirrored")


def _read_channels(value: Any, key: str) -> Tensor:
    """Three numbers as [1, 3, 1, 1]."""
    numbers = isinstance(value, list) and len(value) == 3 and all(type(n) in (int, float) for n in value)
    if not numbers or not all(math.isfinite(n) for n in value) or (key == "std" and min(value) <= 0):
        raise InvalidConfig(f"{key} must be three numbers, one a channel, not {value!r:.60}")
    return torch.tensor(value, dtype=torch.float32).view(1, 3, 1, 1)


def _read_shape(top: Fields, folder: Path, preprocess: Preprocess, trust_code: bool) -> tuple[str, Shape]:
    """The network's name, and its shape as this version makes it. Raises InvalidConfig if that differs."""
    name: str = top.text("model")
    if models.is_own(name):
        if not trust_code:
            raise InvalidConfig(
                f"the network is code of its own, {folder / CODE}, which is run only if you trust it; "
                "read it, then give --trust-code (trust_code=True)"
            )
        name = f"{folder / CODE}:{name.rpartition(':')[2]}"
    elif name not in models.names():
        raise InvalidConfig(f"this version has no network {name!r:.60}; use the version that trained it")
    depth, width, resolution = top.object(
        "scale", lambda fields: [fields.number(key, 0, 16, above=True) for key in models.SCALES]
    )
    architecture = top.mapping("architecture") if top.value("architecture") is not None else None
    shape = models.realise(name, depth, width, resolution, preprocess.image_size, architecture)
    made = (list(shape.channels), list(shape.blocks), shape.resolution, shape.source)
    saved = (*(top.value(key) for key in ("channels", "blocks")), preprocess.resolution)
    if made != (*saved, top.text("source", default=None)):
        raise InvalidConfig(
            f"this version makes another network of {name}, with channels {made[0]}, blocks {made[1]} and "
            f"{made[2]} pixels; use the version that trained it"
        )
    return name, shape


def _read_weights(folder: Path, description: Mapping[str, Any]) -> dict[str, Tensor]:
    path, held = folder / WEIGHTS, description.get("weights")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidModel(f"cannot read {path}: {error.strerror}; copy it there, or train again") from error
    found = _checksum(content)
    if not isinstance(held, dict) or {key: held.get(key) for key in found} != found:
        size = held.get("bytes") if isinstance(held, dict) else None
        raise InvalidModel(
            f"{path} has {len(content)} bytes and is not the file that {DESCRIPTION} was written for, of "
            f"{size!r:.20} bytes; copy both again, or train again"
        )
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        raise InvalidModel(f"cannot read {path}: {error}; copy it again, or train again") from error
