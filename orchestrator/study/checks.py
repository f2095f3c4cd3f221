"""Checks before a study runs that need more than its options: the database, its folder, the trainer."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from orchestrator import pruners
from orchestrator.executors import Executor
from orchestrator.pruners import NEVER, PrunerConfig
from orchestrator.search.budget import search_budget, study_budget
from orchestrator.spec import base_model, feasibility, warm_start
from orchestrator.spec.base_model import BaseModel
from orchestrator.spec.command_options import BadOption, check
from orchestrator.spec.search_options import SearchOptions
from orchestrator.spec.study_spec import StudySpec, earlier_names, resolve_spec, settle_demo, subject_of
from orchestrator.trainer_client import NetworkDescriber, TrainerClient, TrainerRefused
from orchestrator.trial.folder import study_folder
from results import file_names
from results.analysis.posterior import VerdictSettings
from results.db import connection
from results.db.rows import changed_settings, refuse_another_question
from results.db.spec_diff import in_words
from results.db.store import Store
from results.db.study_files import is_own, read_owner
from results.db.tables import Study
from results.format import quantity


@dataclass(frozen=True)
class CheckedStudy:
    """A study that may run: a new one, or a recorded one that resumes."""

    spec: StudySpec
    question: dict[str, Any]
    recorded: Study | None
    replaced: Study | None = None  # a study of that name, without a result, that is asked anew


def resolve_study(
    request: SearchOptions, store: Store | None, executor: Executor, trainer_client: TrainerClient
) -> StudySpec:
    """Return the study of `request`, with the name and the model of the recorded one that it resumes, if any.

    Raise as `resolve_spec`.
    """

    def resolve(request: SearchOptions, subject: BaseModel) -> StudySpec:
        settled = settle_demo(request, subject, store)
        try:
            return resolve_spec(settled, subject, executor.device, trainer_client, store)
        except TrainerRefused as error:
            raise TrainerRefused(base_model.add_saved_models(str(error), subject, store)) from error

    if store is None:
        return resolve(request, subject_of(request, None))
    notes = list[str]()
    for name in earlier_names(request, store):
        if (recorded := store.study(name)) is None:
            continue
        earlier = request.model_copy(update={"study": name})
        with suppress(BadOption, TrainerRefused):  # then those are not its settings
            spec = resolve(earlier, subject_of(earlier, store))
            changed = _changed_settings(spec, store, recorded, executor.slots)
            if not changed:
                return spec
            notes += unlike_lines(store, recorded, spec.training.dataset, changed)
    spec = resolve(request, subject_of(request, store))
    recorded = store.study(spec.study_name)
    if _is_replaced(spec, store, recorded, executor.slots):
        spec = resolve(request, base_model.find(request.subject, store))  # as if it were not recorded
    return replace(spec, notes=() if recorded else tuple(notes))


def check_study(
    spec: StudySpec, store: Store | None, slots: int, trainer_client: NetworkDescriber
) -> CheckedStudy:
    """Check a study against the database, if there is one. The commands and the service both call this.

    Nothing is written. Raise BadOption if nothing is left to search or to start from, or if the folder holds
    another study's trials. Raise QuestionChanged if the recorded study has other settings and a result.
    """
    request = spec.request
    refuse_folder(study_folder(request.runs, spec.study_name), connection.address(request.database))
    recorded, replaced = store.study(spec.study_name) if store else None, None
    if store and _is_replaced(spec, store, recorded, slots):
        recorded, replaced = None, recorded
    if recorded is not None and recorded.kind != spec.request.kind:
        refuse_another_question(recorded, spec.request.kind, recorded.question)
    spec = warm_start.add_warm_start(spec, store, recorded)
    check_budget(spec)
    feasibility.check_limits(spec, trainer_client)
    if recorded is None and spec.space.size == 1:
        raise BadOption(
            "the ranges contain only the start, so there is nothing to search; give wider ones, such as "
            "--width .25:1.25"
        )
    policy = pruner_of(request, recorded)
    if request.early_stop is not None and not pruners.load(policy.pruner).USES_LEVEL:
        raise BadOption(
            f"--early-stop {request.early_stop} has no effect with --pruner {policy.pruner}; omit it"
        )
    question = _question(spec, recorded, slots)
    _check_saving(spec, question)
    if store and recorded is not None:
        why = other_data(store, recorded, question, spec.training.dataset)
        refuse_another_question(recorded, request.kind, question, why)
    return CheckedStudy(spec, question, recorded, replaced)


def _check_saving(spec: StudySpec, question: Mapping[str, Any]) -> None:
    """Raise BadOption if the user asks for an expected saving, and the solver cannot tell it."""
    asked = spec.request.until_saving
    check(
        asked is None or VerdictSettings.read(question).by_model,
        f"--until-saving {asked} needs the solver's model of accuracy, which this search does not have; omit "
        "it, or start a nas-search with --solver nomad, --minimise macs or params, and --confirm above 0",
    )


def _question(spec: StudySpec, recorded: Study | None, slots: int) -> dict[str, Any]:
    """Return the study's settings; those that are not given are the recorded ones if it resumes."""
    block = spec.request.block or (recorded.question["solver"]["block"] if recorded else slots)
    question = spec.question(block, pruner_of(spec.request, recorded))
    if recorded is not None and "model" not in recorded.question:  # of an older version
        question.pop("model", None)
    if recorded is not None:
        for part in ("confirmation", "solver"):
            _keep_version(question.get(part, {}), recorded.question.get(part, {}))
    return question


def _keep_version(asked: dict[str, Any], recorded: Mapping[str, Any]) -> None:
    """Put the version of a recorded study's rule into `asked`, so that it goes on by that rule."""
    asked.pop("version", None)
    if "version" in recorded:
        asked["version"] = recorded["version"]


def pruner_of(request: SearchOptions, recorded: Study | None) -> PrunerConfig:
    """Return the early stopping of a study: what is given, what is recorded, or the defaults of a new one.

    Nothing is stopped by any number of a script's: the rules are about shares.
    """
    if request.aim.sought.is_number:
        return NEVER.config
    before = recorded.question if recorded else None
    return PrunerConfig.resolve(request.pruner, request.early_stop, request.audit, before)


def _changed_settings(spec: StudySpec, store: Store, recorded: Study, slots: int) -> list[str]:
    """Return how a study differs from a recorded one, one phrase each; nothing if it would resume it."""
    kind = spec.request.kind
    if recorded.kind != kind:
        return changed_settings(recorded, kind, recorded.question)
    spec = warm_start.add_warm_start(spec, store, recorded)
    return changed_settings(recorded, kind, _question(spec, recorded, slots))


def _is_replaced(spec: StudySpec, store: Store, recorded: Study | None, slots: int) -> bool:
    """Whether the recorded study is asked anew: it is without a result, and has other settings."""
    if recorded is None or store.has_result(recorded.id):
        return False
    return bool(_changed_settings(spec, store, recorded, slots))


def _dataset_of(store: Store, recorded: Study) -> str | None:
    """Return the data set of a recorded study, with its path; None before its first trial."""
    configs = (row.config for row in store.trials(recorded.id) if row.config)
    return next((config["dataset"] for config in configs), None)


def anew_text(replaced: Study) -> str:
    """Return that a study is asked anew, for people."""
    return f"the study {replaced.name} has other settings and no result, so it starts anew"


def unlike_lines(store: Store, recorded: Study, dataset: str, changed: Sequence[str]) -> Iterator[str]:
    """Yield why a study with an earlier version's name is not resumed, if it is of the same data set."""
    if _dataset_of(store, recorded) == dataset:
        yield (
            f"the study {recorded.name} of the same data has other settings, so it is not resumed: "
            f"{'; '.join(map(in_words, changed))}; to go on with it, give its settings and "
            f"--study {recorded.name}"
        )


def other_data(store: Store, recorded: Study, question: Mapping[str, Any], dataset: str) -> str:
    """Return what to do if the recorded study is of other images than `dataset`; nothing if it is not."""
    before, now = (asked.get("training", {}).get("fingerprint") for asked in (recorded.question, question))
    path = _dataset_of(store, recorded)
    if before == now or path in (None, dataset):
        return ""
    return f"another data set, {path}, was searched under that name, and not {dataset}; give another --study"


def refuse_folder(folder: Path, url: URL) -> None:
    """Raise BadOption for a path that is not a folder, and for one with the trials of another database."""
    path = connection.sqlite_file(url)
    if path and folder.parent == path.parent and re.fullmatch(re.escape(path.name) + "(-.*)?", folder.name):
        raise BadOption(f"the name {folder.name!r} belongs to a file of the database; give another --study")
    if folder.exists() and not folder.is_dir():
        raise BadOption(f"{folder} is a file, so a study cannot keep its trials there; give another --study")
    named = read_owner(folder)
    if named and not is_own(folder, url):
        raise BadOption(
            f"{folder} holds trials of another results database, {named}; give another --runs or --study"
        )


def claim_folder(folder: Path, url: URL) -> None:
    """Create a study's folder, and record in it which database its trials are in. Raise as `refuse_folder`.

    An SQLite file is named relative to the folder, so that both can move together.
    """
    folder.mkdir(parents=True, exist_ok=True)
    refuse_folder(folder, url)
    if not read_owner(folder):
        path = connection.sqlite_file(url)
        named = os.path.relpath(path, folder.resolve()) if path else url.render_as_string(hide_password=True)
        (folder / file_names.OWNER).write_text(named + "\n")


def check_budget(spec: StudySpec) -> None:
    """Raise BadOption if the baseline leaves no training, or no hours for one, to the search."""
    before = spec.replicates
    if spec.request.trials <= before:
        raise BadOption(
            f"--trials {spec.request.trials} leaves no training for the search after {before} of the base "
            f"network; give at least {before + 1}"
        )
    whole = study_budget(spec)
    enough = search_budget(whole, spec.request, ()).count_by_hours(())
    if enough is not None and enough <= before:
        raise BadOption(
            f"--max-gpu-hours {whole.slot_hours:g} is enough for {quantity(enough, 'training')}, but the "
            f"search needs {before} of the base network and one more; give more"
        )
