"""One trial: trial.json as frozen dataclasses.

An unknown key, a wrong type or a value out of range raises InvalidConfig, whose message lists what is
accepted. Names are compared with the files that implement them, so this module needs no torch.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from trainer import data, ingredients, models, optimizers, recipes
from trainer._json import Fields
from trainer.errors import InvalidConfig
from trainer.recipes import Hyperparameters

PROTOCOL = 1
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Engine = Literal["auto", "graph", "compiled_graph", "eager", "compile"]
GRAPH_ENGINES = ("graph", "compiled_graph")  # which are refused where no step can be captured
COMPILED_ENGINES = ("compile", "compiled_graph")  # whose passes torch.compile compiles


@dataclass(frozen=True)
class Scale:
    """Multipliers of the named network and of the data set's image size."""

    depth: float = 1.0
    width: float = 1.0
    resolution: float = 1.0


@dataclass(frozen=True)
class Versions:
    """The rules by which a configuration is trained, by default the first ones that could be asked for.

    recipes: of ingredients and optimizers (trainer/recipes); images: of decoding files (docs/data.md)
    """

    recipes: int = recipes.FIRST_VERSION
    images: int = data.FIRST_RULES


NEWEST = Versions(recipes.VERSION, data.RULES)


@dataclass(frozen=True)
class Subset:
    """Numbers of images, disjoint and drawn from the training set by `seed`.

    part: which of the seed's disjoint draws, from 0
    draw: whether the classes keep their shares, or have equally many images
    folds: into which the whole training set is split; None: it is drawn from instead
    fold: which of them is held out for validation, from 0
    curve: validation images that learning curves use; all are read once, after training. None: all each time
    """

    train: int
    validation: int
    seed: int
    part: int = 0
    draw: Literal["balanced", "proportional"] = "balanced"
    folds: int | None = None
    fold: int = 0
    curve: int | None = None


@dataclass(frozen=True)
class Budget:
    """Either seconds or steps. plan: that of another training, which a budget in steps may repeat."""

    seconds: float | None = None
    steps: int | None = None
    plan: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Init:
    """The weights that a training starts from.

    folder: of a trained network, which it kept there
    sha256: of its weights, so that other ones are not taken for them
    new_head: whether what depends on the classes is drawn anew
    """

    folder: Path
    sha256: str
    new_head: bool = False


@dataclass(frozen=True)
class TrialConfig:
    """The complete configuration of one training. Units and defaults: docs/trainer-protocol.md."""

    model: str
    dataset: data.Source
    subset: Subset
    budget: Budget
    seed: int
    scale: Scale = Scale()
    versions: Versions = Versions()
    recipe: str = "nomad_haet"
    hyperparameters: Hyperparameters = field(default_factory=Hyperparameters)
    clock: Literal["train", "strict"] = "train"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Precision = "auto"
    engine: Engine = "auto"
    test: bool = False
    architecture: Mapping[str, Any] = field(default_factory=dict)  # the network's own settings, unchecked
    ingredients: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)  # changes to the recipe
    init: Init | None = None
    keep_weights: bool = False
    provenance: Mapping[str, Any] = field(default_factory=dict)  # copied to model.json, unchecked


def read(path: Path) -> TrialConfig:
    """The configuration in a file. Raises InvalidConfig."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig(f"cannot read configuration {path}: {error}; give --config FILE.json") from error


def parse(text: str) -> TrialConfig:
    """The configuration in a JSON text. Raises InvalidConfig."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        what = f"the configuration is not JSON ({error})"
        raise InvalidConfig(f"{what}; see docs/trainer-protocol.md") from error
    return from_json(value)


def from_json(value: Any) -> TrialConfig:
    """The configuration in a decoded JSON value. Raises InvalidConfig."""
    top = Fields(value, "the configuration")
    protocol = top.integer("protocol", 0, 10**6)
    if protocol != PROTOCOL:
        raise InvalidConfig(f"protocol {protocol} is not known; this trainer speaks protocol {PROTOCOL}")
    versions = top.object("versions", _read_versions, default={})
    config = TrialConfig(
        model=_read_model(top),
        dataset=_read_source(top, versions.images),
        subset=top.object("subset", _read_subset),
        budget=top.object("budget", _read_budget),
        seed=top.integer("seed", 0, 2**63 - 1),
        scale=top.object("scale", _read_scale, default={}),
        versions=versions,
        recipe=top.choice("recipe", recipes.names(), default="nomad_haet"),
        hyperparameters=top.object("hyperparameters", _read_hyperparameters, default={}),
        clock=top.choice("clock", ["train", "strict"], default="train"),
        device=top.choice("device", ["auto", "cpu", "cuda"], default="auto"),
        precision=top.choice("precision", list(get_args(Precision)), default="auto"),
        engine=top.choice("engine", list(get_args(Engine)), default="auto"),
        test=top.boolean("test", default=False),
        architecture=top.mapping("architecture"),
        ingredients=top.objects_or_null("ingredients", ingredients.names()),
        init=_read_init(top),
        keep_weights=top.boolean("keep_weights", default=False),
        provenance=top.mapping("provenance"),
    )
    top.refuse_unknown()
    if config.subset.validation == 0 and not config.test:
        raise InvalidConfig('subset has no validation images and "test" is false: nothing would be measured')
    return config


def _read_model(top: Fields) -> str:
    """One of the trainer's networks, or the name of a file and a function in it."""
    name: str = top.text("model")
    return name if models.is_own(name) else top.choice("model", [*models.names(), "path/to/file.py:function"])


def _read_versions(fields: Fields) -> Versions:
    usual = Versions()
    return Versions(
        recipes=fields.integer("recipes", usual.recipes, NEWEST.recipes, default=usual.recipes),
        images=fields.integer("images", usual.images, NEWEST.images, default=usual.images),
    )


def _read_source(top: Fields, rules: int) -> data.Source:
    data_dir = top.text("data_dir", default=None)
    return data.source(
        top.text("dataset"),
        image_size=top.integer("image_size", 8, 1024, default=None),
        data_dir=None if data_dir is None else Path(data_dir),
        fit=top.choice("fit", list(get_args(data.Fit)), default=None),
        rules=rules,
    )


def _read_subset(fields: Fields) -> Subset:
    subset = Subset(
        train=fields.integer("train", 1, 10**9),
        validation=fields.integer("validation", 0, 10**9),
        seed=fields.integer("seed", 0, 2**63 - 1),
        part=fields.integer("part", 0, 10**6, default=0),
        draw=fields.choice("draw", ["balanced", "proportional"], default="balanced"),
        folds=fields.integer("folds", 2, 10**6, default=None),
        fold=fields.integer("fold", 0, 10**6, default=0),
        curve=fields.integer("curve", 1, 10**9, default=None),
    )
    if subset.curve and subset.curve > subset.validation:
        raise InvalidConfig(f"curve {subset.curve} is more than validation {subset.validation}; omit it")
    if subset.fold >= (subset.folds or 1):
        raise InvalidConfig(f"fold {subset.fold} needs folds, and counts from 0; give more folds than that")
    if subset.folds and subset.part:
        raise InvalidConfig("part is for draws without folds; omit one of them")
    return subset


def _read_budget(fields: Fields) -> Budget:
    budget = Budget(
        seconds=fields.number("seconds", 0, 1e7, default=None, above=True),
        steps=fields.integer("steps", 1, 10**9, default=None),
        plan=tuple(fields.pairs("plan")),
    )
    fields.refuse_unknown()  # first, so that a misspelt key is named
    if (budget.seconds is None) == (budget.steps is None):
        raise InvalidConfig('budget must have exactly one of "seconds" and "steps"')
    began = [step for step, _ in budget.plan]
    rises = began == sorted(set(began)) and all(step <= total for step, total in budget.plan)
    if budget.plan and (began[0] != 0 or not rises or budget.plan[-1][1] != budget.steps):
        raise InvalidConfig('plan must be the one of a final line, and "steps" its total_steps')
    return budget


def _read_init(top: Fields) -> Init | None:
    if not top.mapping("init"):
        return None
    return top.object(
        "init",
        lambda fields: Init(
            Path(fields.text("folder")),
            fields.text("sha256"),
            fields.boolean("new_head", default=False),
        ),
    )


def _read_scale(fields: Fields) -> Scale:
    names = ("depth", "width", "resolution")
    return Scale(*(fields.number(name, 0, 16, default=1.0, above=True) for name in names))


def _read_hyperparameters(fields: Fields) -> Hyperparameters:
    return Hyperparameters(
        optimizer=fields.choice("optimizer", optimizers.names(), default=None),
        learning_rate=fields.number("learning_rate", 0, 1000, default=None, above=True),
        weight_decay=fields.number("weight_decay", 0, 10, default=None),
        batch_size=fields.integer("batch_size", 2, 65536, default=None),
    )
