"""Turn a request into a validated study definition, part of which is recorded as the study's settings."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator import solvers
from orchestrator.pruners import NEVER, PrunerConfig
from orchestrator.spec import base_model, images, provenance
from orchestrator.spec import space as spaces
from orchestrator.spec.base_model import BaseModel
from orchestrator.spec.command_options import BadOption, check
from orchestrator.spec.formulation import Formulation
from orchestrator.spec.names import PATHS, check_name, name_data, name_data_by_kind
from orchestrator.spec.objective import Objective, default_objective
from orchestrator.spec.options import SCRIPT, RunOptions
from orchestrator.spec.problem import VERSION as SOLVER_VERSION
from orchestrator.spec.problem import Problem, Training
from orchestrator.spec.recipe_overrides import merge_ingredients
from orchestrator.spec.search_options import DEFAULT_SPACE, HpoOptions, NasOptions, SearchOptions
from orchestrator.spec.trial_config import Choices, TrialBudget, TrialTemplate
from orchestrator.trainer_client import NetworkDescriber, NetworkInfo, TrainerClient, TrainerRefused
from results.analysis.posterior import BY_MODEL, VERSION
from results.db.store import Store
from results.db.tables import Trial
from results.metrics import METRICS
from results.scores import ACCURACY, effective_validation_images
from search_spaces import Named, Point, Space, Value, scaling


@dataclass(frozen=True)
class WarmStart:
    """The points that a search tries first after its start, and where they come from.

    trainings: of the earlier study, of which the solver makes a model; none in studies of older versions
    unlike: how the earlier study differs, in words; not recorded
    """

    study: str
    hints: tuple[Point, ...]
    trainings: tuple[Training, ...] = ()
    unlike: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what is recorded of it."""
        trainings = [training.to_json() for training in self.trainings]
        rare = {"trainings": trainings} if trainings else {}
        return {"study": self.study, "hints": [dict(hint) for hint in self.hints], **rare}


@dataclass(frozen=True)
class StudySpec:
    """A request, completed with what the machine, the data and the trainer told."""

    request: SearchOptions
    subject: BaseModel
    scale: Mapping[str, float]  # the base network's, or the model's
    training: TrialTemplate
    aim: Objective
    base: NetworkInfo  # the base network or the model, untrained
    first: NetworkInfo  # the network at the search's start, which is the baseline if one is trained
    space: Space
    named: Named | None  # the space, if it is one of training settings and not of multipliers
    study_name: str
    save_as: str
    warm_start: WarmStart | None = None
    notes: tuple[str, ...] = ()  # for the user, such as a similar study that is not resumed

    def question(self, block: int, policy: PrunerConfig = NEVER.config) -> dict[str, Any]:
        """Return the study's settings, as JSON values. A resume must have exactly the same."""
        asked: dict[str, Any] = {
            "subject": self.subject.name,
            "scale": dict(self.scale),
            "training": self.training.question() | {"fingerprint": self.base.dataset.get("fingerprint")},
            "space": self.space.to_json(),
            "solver": {
                "name": self.request.solver,
                "block": block,
                "versions": provenance.versions(solvers.requirements(self.request.solver)),
                "version": SOLVER_VERSION,
            },
            "trainer": self.request.trainer or "built in",
            **policy.question(),
        }
        if self.named and self.named.name != DEFAULT_SPACE:
            asked["searched"] = self.named.name
        if self.named and self.named.is_own:
            asked["start"] = dict(self.named.start)
        if self.named and self.named.checksum:
            asked["space_program"] = self.named.checksum
        if self.request.is_script:
            asked["config_as"] = self.request.script_config
        if self.named and self.named.most_parameters is not None:
            asked["most_parameters"] = self.named.most_parameters
        if self.subject.study:
            asked["model"] = self.subject.to_json()
        if self.request.latency_command is not None:
            asked["latency_command"] = self.request.latency_command
        if self.base.source:
            asked["source"] = self.base.source
        if self.warm_start:
            asked["warm_start"] = self.warm_start.to_json()
        return asked | self._asked_of_aim()

    def _asked_of_aim(self) -> dict[str, Any]:
        """Return the part of the settings about the objective; the default objective has no `aim`."""
        request, asked = self.request, dict[str, Any]()
        sought, usual = self.aim.sought, default_objective(request.kind).under(self._own_limits)
        if self.aim != usual or sought.is_number:
            asked["aim"] = self.aim.to_json()
        if sought != ACCURACY and not sought.is_number:
            asked["metric"] = self.aim.sought.name
            asked["effective_images"] = self._effective_images
        if self.aim.minimise is not None:
            asked["baseline"] = {
                "replicates": self.replicates,
                "min_accuracy": request.min_accuracy,
                "tolerance": request.tolerance if self.aim.needs_bound else 0.0,
            }
        if (
            self.aim.minimise is not None or request.confirm
        ):  # older searches for accuracy had no confirmation, and no such entry
            version = BY_MODEL if self._plans_replicates else VERSION
            asked["confirmation"] = {"most": request.confirm, "level": request.confidence, "version": version}
        return asked

    @property
    def _effective_images(self) -> int | None:
        """The validation images that count for the noise of the sought score; None: all of them."""
        drawn = self.base.dataset.get("drawn") or {}
        by_class = [validation for _, validation in drawn.values()]
        if not by_class or len(by_class) < self.base.classes:  # of many classes only some are told
            return None
        return round(effective_validation_images(self.aim.sought, by_class))

    def repeatable(self) -> dict[str, Any]:
        """Return the options, as JSON values, that start the same search again, also with another database.

        They are those that the user gave: no defaults, and none of a demo's, some of which cannot be given.
        """
        request = self.request
        fields = type(request).model_fields
        presets = {**request.presets(vars(request)), "study": request.study, "demo": False}
        usual = {
            name: presets.get(name, fields[name].default)
            for name in request.options("user")
            if name != request.subject_option
        }
        given = {
            name: value for name in usual if (value := getattr(request, name)) not in (None, usual[name])
        }
        if "data" in given:
            given["data"] = absolute(given["data"])
        return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}

    @property
    def _own_limits(self) -> dict[str, float]:
        """Return the limits that the space itself has; they are recorded with the space."""
        most = self.named.most_parameters if self.named else None
        return {} if most is None else {"params": most}

    @property
    def start(self) -> Point | None:
        """The start of a search over a named space; None for one that starts at its base network."""
        return self.named.start if self.named else None

    @property
    def replicates(self) -> int:
        """Trainings of the base network before the search."""
        is_measured = self.aim.needs_bound and self.request.min_accuracy is None
        return self.request.replicates if is_measured else 0

    def choice(self, point: Mapping[str, Value]) -> Choices:
        """Return the training settings that a point chooses."""
        return choice(point, self.scale, self.named)

    def config(self, point: Mapping[str, Any], replicate: int = 0) -> dict[str, Any]:
        """Return the trial.json of one training of a point."""
        return self.training.config(self.choice(point), replicate)

    def formulation(self, min_accuracy: float | None, measured: Trial | None = None) -> Formulation:
        """Return the formulation. `measured`: the first training of the base network, if it has ended."""
        start = self.start or scaling.start(self.space)
        base = (measured or self.first) if self.replicates else None
        return Formulation(self.space, start, self.choice, self.aim, min_accuracy, base)

    @property
    def _plans_replicates(self) -> bool:
        """Whether the solver plans replicates by its model of accuracy, and the loop confirms nothing.

        It does so in spaces of multipliers, for the fewest of what is counted without training.
        """
        minimise = METRICS.get(self.aim.minimise or "")
        return (
            solvers.plans_replicates(self.request.solver)
            and self.aim.needs_bound
            and self.aim.objectives == 1
            and minimise is not None
            and minimise.is_count
            and self.request.confirm > 0
            and self.space.has_multipliers
        )

    def problem(self, formulation: Formulation, block: int, version: int = SOLVER_VERSION) -> Problem:
        problem = replace(formulation.problem(block, self.request.seed), version=version)
        if self.warm_start is None:
            return problem
        return replace(problem, hints=self.warm_start.hints, earlier=self.warm_start.trainings)


def resolve_spec(
    request: SearchOptions,
    subject: BaseModel,
    device: str,
    trainer_client: TrainerClient,
    store: Store | None = None,
) -> StudySpec:
    """Return the study of `request` for trials on `device`. Raise BadOption or TrainerRefused.

    store: the database in which the study may be recorded
    """
    _check_solver(request)
    aim = request.aim
    named = spaces.load_named(request, subject, aim) if isinstance(request, HpoOptions) else None
    if named and named.most_parameters is not None:
        aim = aim.under({"params": named.most_parameters})
    scale = scale_of(request, subject)
    dataset, recipe = dataset_of(request, subject), recipe_of(request, subject)
    name, save_as = study_name(request, subject), request.save_as or f"{_found_by(named, aim)}_{subject.name}"
    check_name(name, "--study")
    check_name(save_as, "--save-as")
    training = training_of(request, subject, recipe, dataset, device)
    training, base = describe_data(
        training, scale, request, trainer_client, subject, recorded_training(store, name)
    )
    check(
        base.classes >= aim.sought.fewest_classes,
        f"--metric {aim.sought.name} needs at least {aim.sought.fewest_classes} classes, but the data have "
        f"{base.classes}; omit it",
    )
    if named and not request.is_script:
        spaces.check_batches(named, training.train_images)
    images.check_batch(training, base)
    space = named.space if named else _multipliers(request, training, scale, trainer_client)
    return StudySpec(
        request,
        subject,
        scale,
        training,
        aim,
        base,
        trainer_client.describe(training.config(choice(named.start, scale, named))) if named else base,
        space,
        named,
        name,
        save_as,
    )


def choice(point: Mapping[str, Value], scale: Mapping[str, float], named: Named | None) -> Choices:
    """Return what a point chooses: multipliers on top of `scale`, or the settings of the named space."""
    if named is None:
        return Choices(scaling.absolute(scale, point))
    return Choices(scale, **named.parts(point))


def _multipliers(
    request: SearchOptions, training: TrialTemplate, scale: Mapping[str, float], trainer_client: TrainerClient
) -> Space:
    assert isinstance(request, NasOptions)
    whole = trainer_client.describe(training.config(Choices(spaces.WHOLE)))
    return spaces.multipliers(request, whole, scale)


def _found_by(named: Named | None, aim: Objective) -> str:
    if aim.objectives > 1:
        return "front"
    return "tuned" if named else "nomad"


def _check_solver(request: SearchOptions) -> None:
    asked = request.aim.objectives
    try:
        most = solvers.most_objectives(request.solver)
    except ValueError as error:
        raise BadOption(str(error)) from error
    if asked > most:
        able = [name for name in solvers.names() if solvers.most_objectives(name) >= asked]
        raise BadOption(
            f"--solver {request.solver} handles one objective, not {asked}; give one of {', '.join(able)}"
        )


# the part of a study's settings that its model determines, together with the given options
_OF_THE_MODEL = (
    *("network", "scale", "image_size", "recipe", "hyperparameters", "ingredients", "architecture"),
)


def subject_of(request: SearchOptions, store: Store | None) -> BaseModel:
    """Return the model that the user names: of several, that with which the recorded study started, if any.

    Another study may have saved a model under that name since, or the same study a better one.
    """
    found = base_model.candidates(request.subject, store)
    for subject in found if store else ():
        recorded = store.study(study_name(request, subject)) if store else None
        if recorded is None or recorded.question.get("subject") != subject.name:
            continue
        question = recorded.question
        asked = {**question.get("training", {}), "scale": question.get("scale")}
        if kept := recorded_subject(found, {**asked, "model": question.get("model")}, request):
            return kept
    return found[0]


def settle_demo(request: SearchOptions, subject: BaseModel, store: Store | None) -> SearchOptions:
    """Return a demo's request with the defaults that depend on its model and on its recorded study.

    A model that a study saved keeps its width; only a base network is made narrower. A study that version
    0.1 began goes on with the defaults of that version's demo.
    """
    presets = request.presets(vars(request))
    if not presets:
        return request
    others: dict[str, Any] = {"base_width": 1.0} if subject.study else {}
    recorded = store.study(study_name(request, subject)) if store else None
    if recorded is not None and recorded.kind == request.kind:
        others |= {"block": None, "pruner": None}  # those of the recorded study
        if "seconds" in recorded.question["training"]["budget"]:
            others |= request.demo_of_0_1
    changed = {name: value for name, value in others.items() if getattr(request, name) == presets.get(name)}
    return request.model_copy(update=changed)


def recorded_subject(
    found: Sequence[BaseModel], asked: Mapping[str, Any], request: RunOptions, recipe: str | None = None
) -> BaseModel | None:
    """Return that of `found` with which a recorded study started, as it was then; None if it is not there.

    asked: the recorded training settings, scale and, in newer studies, model
    """
    kept = asked.get("model")
    if kept and (len(found) > 1 or found[0].study in (None, kept["study"])):
        return base_model.as_kept(kept, found[0])
    return None if kept else next((one for one in found if _fits(one, asked, request, recipe)), None)


def _fits(subject: BaseModel, asked: Mapping[str, Any], request: RunOptions, recipe: str | None) -> bool:
    """Whether this model, with the options given now, has the recorded settings."""
    recipe = recipe or recipe_of(request, subject)
    try:
        training = training_of(request, subject, recipe, dataset_of(request, subject), "cpu")
    except BadOption:
        return False
    own = json.loads(json.dumps({**training.question(), "scale": scale_of(request, subject)}))
    if own["image_size"] is None:
        own["image_size"] = asked.get("image_size")  # which followed from the images
    return all(own.get(name) == asked.get(name) for name in _OF_THE_MODEL)


def recipe_of(request: RunOptions, subject: BaseModel) -> str:
    """Return the recipe: the user's, that with which the model was saved, or the default."""
    given: str | None = getattr(request, "recipe", None)
    return given or subject.recipe or TrialTemplate.recipe


def scale_of(request: RunOptions, subject: BaseModel) -> dict[str, float]:
    """Return the scale of the network with which a study starts."""
    return {name: factor * subject.scale[name] for name, factor in request.scale.items()}


def training_of(
    request: RunOptions, subject: BaseModel, recipe: str, dataset: str, device: str
) -> TrialTemplate:
    """Return how `subject` is trained: with the user's options, and else as it was saved.

    The ingredients with which it was saved belong to its recipe, and are dropped if the user gives another
    one. The numbers of images are placeholders until the data set is known (`images.with_images`).
    Raise BadOption for a model that a script trains.
    """
    settings = ", ".join(f"{name} {value}" for name, value in subject.hyperparameters.items())
    check(
        subject.dataset != SCRIPT or request.data == SCRIPT,
        f"the model {subject.name} is what the study {subject.study} found for a script ({settings}), and "
        "only that script can train it; give another model",
    )
    ingredients = subject.ingredients if recipe == subject.recipe else {}
    is_same = dataset == subject.dataset
    image_size = subject.image_size if request.image_size is None and is_same else request.image_size
    return TrialTemplate(
        network=subject.network,
        dataset=dataset,
        train_images=1,
        validation_images=1,
        budget=TrialBudget.parse(request.budget),
        seed=request.seed,
        recipe=recipe,
        hyperparameters=_hyperparameters(request, subject),
        ingredients=merge_ingredients(ingredients, request.ingredients),
        architecture=subject.architecture,
        image_size=image_size,
        fit=subject.fit if request.fit is None and is_same else request.fit,
        clock=request.clock,
        precision=request.precision,
        device=device,
        data_folder=str(request.data_folder.resolve()) if request.data_folder else None,
    )


def recorded_training(store: Store | None, name: str) -> Mapping[str, Any] | None:
    """Return how a recorded study trains; None for a new one, and for one that is asked anew."""
    recorded = store.study(name) if store else None
    if store is None or recorded is None or not store.has_result(recorded.id):
        return None
    training: Mapping[str, Any] = recorded.question.get("training", {})
    return training


def describe_data(
    training: TrialTemplate,
    scale: Mapping[str, float],
    request: RunOptions,
    trainer_client: NetworkDescriber,
    subject: BaseModel,
    recorded: Mapping[str, Any] | None,
    parts: int = 1,
) -> tuple[TrialTemplate, NetworkInfo]:
    """Return the training with what depends on its data and on the trainer, and its network.

    These are the size, the numbers and the fit of its images, and the versions of the trainer's rules.

    recorded, parts: see `images.with_images`. Raise BadOption or TrainerRefused.
    """
    told = trainer_client.describe(training.config(Choices(scale)))
    training = replace(training, image_size=_image_size(training, told, subject, recorded))
    training = images.with_images(training, request, told, recorded, parts)
    training = replace(training, versions=_versions(training, told, subject, recorded))
    try:
        base = trainer_client.describe(training.config(Choices(scale), replicate=parts - 1))
    except TrainerRefused as error:
        if training.folds or not request.usual_images:  # then `with_images` has checked the draw
            raise
        pool = images.Pool.of(told, training.draw, parts)
        remedies = pool.remedies(training.train_images, training.validation_images, training.test)
        raise TrainerRefused(f"{error}; give {remedies}") from error
    check(
        base.keeps_weights or request.keep_weights in (None, "none"),
        f"--keep-weights {request.keep_weights} needs a trainer that keeps weights, which this one "
        "does not tell (keeps_weights in docs/trainer-protocol.md); omit it",
    )
    return replace(training, fit=base.dataset.get("fit", training.fit)), base


def _image_size(
    training: TrialTemplate, told: NetworkInfo, subject: BaseModel, recorded: Mapping[str, Any] | None
) -> int | None:
    """Return the image size: the given one, a recorded study's own, or that which follows from the images.

    A model that an older version saved has none, which is the trainer's default, and keeps it on its images.
    """
    if training.image_size is not None or recorded is not None:
        return training.image_size or (recorded or {}).get("image_size")
    is_as_found = subject.study is not None and subject.dataset == training.dataset
    return None if is_as_found else images.default_size(told)


def _versions(
    training: TrialTemplate, told: NetworkInfo, subject: BaseModel, recorded: Mapping[str, Any] | None
) -> dict[str, int]:
    """Return the versions of the trainer's rules: a recorded study's own, else the newest ones.

    A saved model is trained by the version of its recipe, unless the user gives another recipe. A trainer is
    asked only for versions that it tells.
    """
    asked = dict(told.versions)
    if subject.recipe_version is not None and training.recipe == subject.recipe:
        asked["recipes"] = subject.recipe_version
    if recorded is not None:
        asked = dict(recorded.get("versions", {}))
    return {name: version for name, version in asked.items() if name in told.versions}


def _hyperparameters(request: RunOptions, subject: BaseModel) -> dict[str, Any]:
    """Return the hyperparameters: those with which `subject` was saved, overridden by the user's.

    A learning rate belongs to its optimizer: it is dropped if the user gives another optimizer.
    """
    kept, given = dict(subject.hyperparameters), request.hyperparameters
    if given.get("optimizer", kept.get("optimizer")) != kept.get("optimizer"):
        kept.pop("learning_rate", None)
    return {**kept, **given}


def study_name(
    request: SearchOptions, subject: BaseModel, data_name: Callable[[str], str] = name_data
) -> str:
    """Return the study's name: the user's, or one made from the kind, the model, the space and the data."""
    if request.study:
        return request.study
    searched = [request.named_space] if request.named_space != DEFAULT_SPACE else []
    data = "demo" if request.demo else data_name(dataset_of(request, subject))
    return "-".join([request.kind, subject.name, *searched, data])


def earlier_names(request: SearchOptions, store: Store) -> Iterator[str]:
    """Yield the default names that earlier versions gave, where they are others than now."""
    for subject in base_model.candidates(request.subject, store):
        name = study_name(request, subject, name_data_by_kind)
        if name != study_name(request, subject):
            yield name


def dataset_of(request: RunOptions, subject: BaseModel) -> str:
    """Return the data set: the user's, or that on which the model was found."""
    return absolute(request.data or subject.dataset or "cifar10")


def absolute(dataset: str) -> str:
    """Return a data set's name with an absolute path, if it has a path: trials run in other folders."""
    kind, _, path = dataset.partition(":")
    return f"{kind}:{os.path.abspath(os.path.expanduser(path))}" if has_path(dataset) else dataset


def has_path(dataset: str) -> bool:
    """Whether a data set is named by where it is on this machine."""
    kind, colon, _ = dataset.partition(":")
    return kind in PATHS and bool(colon)
