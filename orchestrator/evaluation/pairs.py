"""Turn options into pairs of model and recipe, and into the settings that are recorded.

Run r has the same images and the same seed in every pair, so that pairs do not differ by their images. In an
evaluation it trains on part r of one sample of images: the runs of a pair have no image in common. The runs
of a final training (nas-train), which has one pair, may all train on the whole data set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from orchestrator.evaluation.options import RECIPE, RepeatedOptions
from orchestrator.spec import base_model
from orchestrator.spec.base_model import BaseModel
from orchestrator.spec.base_training import (
    absolute,
    describe_data,
    recorded_subject,
    recorded_training,
    scale_of,
    training_of,
)
from orchestrator.spec.command_options import BadOption, check
from orchestrator.spec.images import check_batch, default_size
from orchestrator.spec.names import name_data_by_kind
from orchestrator.spec.trial_config import Choices, TrialTemplate
from orchestrator.study import checks
from orchestrator.trainer_client import NetworkInfo, TrainerClient, TrainerRefused
from orchestrator.trial.context import StudyContext
from orchestrator.trial.outcome import is_open
from orchestrator.trial.request import TrialRequest
from results.db.rows import changed_settings
from results.db.store import Store
from results.db.tables import Study, Trial
from results.format import quantity

_OWN = ("network", "recipe", "scale", "source", "model")  # recorded with each pair, even if they are the same


@dataclass(frozen=True)
class Pair:
    """A model and the recipe it is trained with."""

    subject: BaseModel
    scale: Mapping[str, float]
    training: TrialTemplate
    description: NetworkInfo

    @property
    def point(self) -> dict[str, str]:
        """The model and recipe in its trials' rows."""
        return {"model": self.subject.name, "recipe": self.training.recipe}


@dataclass(frozen=True)
class PairsSpec:
    """Options of trainings run by run, completed with what the machine, the data and the trainer told."""

    request: RepeatedOptions
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...] = ()  # for the user, such as a similar study that is not resumed

    @property
    def study_name(self) -> str:
        models = list(dict.fromkeys(pair.subject.name for pair in self.pairs))
        return self.request.study_name(models, self.pairs[0].training.dataset)

    @property
    def trainings(self) -> int:
        """How many there are in all."""
        return len(self.pairs) * self.request.runs_of_each

    def config(self, point: Mapping[str, Any], replicate: int = 0) -> dict[str, Any]:
        """Return the trial.json of one run of a pair, which its `point` names."""
        pair = next(pair for pair in self.pairs if pair.point == point)
        return pair.training.config(Choices(pair.scale), replicate)

    def question(self, recorded: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the settings that a resume must repeat exactly. The number of runs is not one; it may grow.

        recorded: the recorded settings; older versions did not record the models
        """
        keeps_models = recorded is None or any("model" in its for its in recorded.get("pairs", {}).values())
        questions = [_question_of(pair, keeps_models) for pair in self.pairs]
        common = {
            name: value
            for name, value in questions[0].items()
            if name not in _OWN and all(asked.get(name) == value for asked in questions)
        }
        own = [{name: asked[name] for name in asked if name not in common} for asked in questions]
        names = [" with ".join(pair.point.values()) for pair in self.pairs]
        return {
            "pairs": dict(zip(names, own, strict=True)),
            "training": common | {"fingerprint": self.pairs[0].description.dataset.get("fingerprint")},
            "trainer": self.request.trainer or "built in",
        }


def list_requests(context: StudyContext[PairsSpec], recorded: Sequence[Trial]) -> list[TrialRequest]:
    """Return the trials still to be trained, run by run, so that pairs can be compared at any time.

    An unfinished trial keeps its number; the others get the next free ones.
    """
    kind, requests = context.spec.request.kind, list[TrialRequest]()
    free = max((row.number for row in recorded), default=0) + 1
    for run, pair, row in list_missing(context.spec, recorded):
        number = row.number if row else free
        requests.append(context.request(number, kind, pair.point, run, row, description=pair.description))
        free += row is None
    return requests


def list_missing(spec: PairsSpec, recorded: Sequence[Trial]) -> list[tuple[int, Pair, Trial | None]]:
    """Return the run, the pair and the unfinished trial, if any, of each training that has not ended."""
    rows = {_place(row.point or {}, row.replicate): row for row in recorded}
    asked = product(range(spec.request.runs_of_each), spec.pairs)
    found = [(run, pair, rows.get(_place(pair.point, run))) for run, pair in asked]
    return [one for one in found if one[2] is None or is_open(one[2])]


def resolve_spec(
    request: RepeatedOptions, store: Store | None, device: str, trainer_client: TrainerClient
) -> PairsSpec:
    """Return every model with every recipe, described by the trainer. Raise BadOption or TrainerRefused.

    The name and the models are those of the recorded study that it resumes, if any.
    """
    newest = [base_model.candidates(name, store)[0] for name in request.names]
    if store is None:
        return _resolve(request, newest, device, trainer_client, store)
    names, dataset = [subject.name for subject in newest], _dataset(request, newest)
    earlier, notes = request.study_name(names, dataset, name_data_by_kind), list[str]()
    recorded = store.study(earlier)
    if earlier != request.study_name(names, dataset) and recorded and recorded.kind == request.kind:
        asked = request.model_copy(update={"study": earlier})
        with suppress(BadOption, TrainerRefused):  # then those are not its settings
            spec = _resolve(asked, _subjects(asked, store), device, trainer_client, store)
            changed = changed_settings(recorded, request.kind, spec.question(recorded.question))
            if not changed:
                return spec
            notes += checks.unlike_lines(store, recorded, dataset, changed)
    spec = _resolve(request, _subjects(request, store), device, trainer_client, store)
    if find_replaced(spec, store):
        spec = _resolve(request, newest, device, trainer_client, store)  # as if it were not recorded
    return replace(spec, notes=() if store.study(spec.study_name) else tuple(notes))


def find_replaced(spec: PairsSpec, store: Store) -> Study | None:
    """Return the recorded study that is asked anew: it is without a result, and has other settings."""
    recorded = store.study(spec.study_name)
    if recorded is None or store.has_result(recorded.id):
        return None
    asked = spec.question(recorded.question)
    return recorded if changed_settings(recorded, spec.request.kind, asked) else None


def _resolve(
    request: RepeatedOptions,
    subjects: Sequence[BaseModel],
    device: str,
    trainer_client: TrainerClient,
    store: Store | None,
) -> PairsSpec:
    names = [subject.name for subject in subjects]
    twice = next((name for name in names if names.count(name) > 1), None)
    check(
        twice is None,
        f"two of the models are called {twice}; evaluate them in two studies, or rename one's file",
    )
    request, dataset = request.with_model_defaults(subjects), _dataset(request, subjects)
    settings = _recorded_settings(store, request.study_name(list(dict.fromkeys(names)), dataset))
    pairs = list[Pair]()
    for subject in sorted(subjects, key=lambda subject: not _is_found_on(dataset, subject)):
        for recipe in dict.fromkeys(request.recipes or (subject.recipe or RECIPE,)):
            training = training_of(request, subject, recipe, dataset, device)
            try:
                recorded = settings(f"{subject.name} with {recipe}")
                if not _is_found_on(dataset, subject):
                    training = _as_beside(training, pairs, recorded)
                pairs.append(_pair(request, subject, training, trainer_client, recorded))
            except TrainerRefused as error:
                why = base_model.add_saved_models(str(error), subject, store)
                raise TrainerRefused(f"{subject.name} with {recipe}: {why}") from error
    pairs.sort(key=lambda pair: names.index(pair.subject.name))
    return PairsSpec(request, tuple(pairs))


def _is_found_on(dataset: str, subject: BaseModel) -> bool:
    """Whether a study has found the model on this data set, and so with images of some size and fit."""
    return subject.study is not None and subject.dataset == dataset


def _as_beside(
    training: TrialTemplate, pairs: Sequence[Pair], recorded: Mapping[str, Any] | None
) -> TrialTemplate:
    """Return a training with the size and the fit of images of the models found on them, if there are any.

    What the user gives is kept, and of a recorded study what it began with. Raise BadOption if those models
    differ.
    """
    found = [pair for pair in pairs if _is_found_on(training.dataset, pair.subject)]
    open_names = [name for name in ("image_size", "fit") if getattr(training, name) is None]
    images: dict[str, Any] = {
        name: _common(found, name, training.network) if recorded is None else recorded.get(name)
        for name in open_names
    }
    return replace(training, **images)


def _common(pairs: Sequence[Pair], name: str, network: str) -> Any:
    """Return the `image_size` or `fit` of all these pairs; None of none. Raise BadOption if they differ."""
    known = {pair.subject.name: _of_images(pair, name) for pair in pairs}
    flag = f"--{name.replace('_', '-')}"
    said = ", ".join(f"{model} {value}" for model, value in known.items())
    check(
        len(set(known.values())) <= 1,
        f"the models were found with different {flag} ({said}), so {network} beside them could have any of "
        f"these; give {flag}",
    )
    return next(iter(known.values()), None)


def _of_images(pair: Pair, name: str) -> Any:
    """Return a pair's `image_size` or `fit`. A model of an older version has the trainer's default size."""
    given = getattr(pair.training, name)
    follows = name == "image_size" and default_size(pair.description) is not None
    return pair.description.image_size if given is None and follows else given


def _recorded_settings(store: Store | None, name: str) -> Callable[[str], Mapping[str, Any] | None]:
    """Return a function from a pair's name to its recorded settings; to None if there is no such study."""
    training = recorded_training(store, name)
    recorded = store.study(name) if store else None
    pairs = recorded.question.get("pairs", {}) if recorded else {}
    return lambda pair: None if training is None else {**training, **pairs.get(pair, {})}


def _subjects(request: RepeatedOptions, store: Store | None) -> list[BaseModel]:
    """Return the models that the user names: those with which the recorded study started, if any."""
    found = [base_model.candidates(name, store) for name in request.names]
    newest = [subjects[0] for subjects in found]
    if store is None:
        return newest
    dataset = _dataset(request, newest)
    recorded = store.study(request.study_name([subject.name for subject in newest], dataset))
    if recorded is None or recorded.kind != request.kind:
        return newest
    asked = [_asked_of(recorded.question, subject.name) for subject in newest]
    return [
        (recorded_subject(subjects, of, request, of["recipe"]) if of else None) or subjects[0]
        for subjects, of in zip(found, asked, strict=True)
    ]


def _asked_of(recorded: Mapping[str, Any], model: str) -> dict[str, Any] | None:
    """Return the recorded settings of a model's first pair."""
    own = next((its for pair, its in recorded["pairs"].items() if pair.startswith(f"{model} with ")), None)
    return None if own is None else {**recorded["training"], **own}


def find_dataset(request: RepeatedOptions, store: Store | None) -> str:
    """Return the data set of all trainings. Raise BadOption."""
    return _dataset(request, _subjects(request, store))


def _dataset(request: RepeatedOptions, subjects: Sequence[BaseModel]) -> str:
    """Return the data set of all pairs: the user's, or that on which the saved models were found."""
    theirs = list(dict.fromkeys(subject.dataset for subject in subjects if subject.dataset))
    check(
        request.data is not None or len(theirs) <= 1,
        f"the models were found on several data sets ({', '.join(theirs)}); give --data",
    )
    return absolute(request.data or (theirs[0] if theirs else "cifar10"))


def _pair(
    request: RepeatedOptions,
    subject: BaseModel,
    training: TrialTemplate,
    trainer_client: TrainerClient,
    recorded: Mapping[str, Any] | None,
) -> Pair:
    scale = scale_of(request, subject)

    def describe(training: TrialTemplate) -> NetworkInfo:
        return trainer_client.describe(training.config(Choices(scale)))

    request, training = request.complete(training, describe, recorded)
    parts = request.runs_of_each if training.disjoint else 1
    training, description = describe_data(training, scale, request, trainer_client, subject, recorded, parts)
    check_batch(training, description)
    return Pair(subject, scale, training, description)


def _question_of(pair: Pair, keeps_models: bool) -> dict[str, Any]:
    source = pair.description.source
    own = {"scale": dict(pair.scale), **({"source": source} if source else {})}
    if pair.subject.study and keeps_models:
        own["model"] = pair.subject.to_json()
    return pair.training.question() | own


def _place(point: Mapping[str, Any], run: int) -> tuple[Any, ...]:
    return point.get("model"), point.get("recipe"), run


def count_text(rows: Iterable[Trial]) -> str:
    """Return how many of the runs completed and failed, in words."""
    states = [row.state for row in rows]
    failed = f", {states.count('failed')} failed" if "failed" in states else ""
    return f"{states.count('completed')} of {quantity(len(states), 'run')} completed{failed}"
