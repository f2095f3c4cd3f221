"""Turn a request into a validated study definition, part of which is recorded as the study's settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from orchestrator import solvers
from orchestrator.pruners import NEVER, PrunerConfig
from orchestrator.spec import base_model, images, provenance
from orchestrator.spec import space as spaces
from orchestrator.spec.base_model import BaseModel
from orchestrator.spec.base_training import (
    absolute,
    dataset_of,
    describe_data,
    recipe_of,
    recorded_subject,
    recorded_training,
    scale_of,
    training_of,
)
from orchestrator.spec.command_options import BadOption, check
from orchestrator.spec.formulation import Formulation
from orchestrator.spec.names import check_name, name_data, name_data_by_kind
from orchestrator.spec.objective import Objective, default_objective
from orchestrator.spec.problem import VERSION as SOLVER_VERSION
from orchestrator.spec.problem import Problem, Training
from orchestrator.spec.search_options import DEFAULT_SPACE, HpoOptions, NasOptions, SearchOptions
from orchestrator.spec.trial_config import Choices, TrialTemplate
from orchestrator.trainer_client import NetworkInfo, TrainerClient
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
    _check_data(aim, None if request.is_script else named, training, base)
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


def _check_data(aim: Objective, named: Named | None, training: TrialTemplate, base: NetworkInfo) -> None:
    """Raise BadOption for data with too few classes for the score, or too few images for a batch.

    named: the space, if it is one of training settings of the trainer's own
    """
    check(
        base.classes >= aim.sought.fewest_classes,
        f"--metric {aim.sought.name} needs at least {aim.sought.fewest_classes} classes, but the data have "
        f"{base.classes}; omit it",
    )
    if named:
        spaces.check_batches(named, training.train_images)
    images.check_batch(training, base)


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
