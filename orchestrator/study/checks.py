"""Checks before a study runs that need more than its options: the database, its folder, the trainer."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from orchestrator import pruners
from orchestrator.pruners import PrunerConfig
from orchestrator.search.budget import search_budget, study_budget
from orchestrator.spec import feasibility, warm_start
from orchestrator.spec.options import BadOption
from orchestrator.spec.study_spec import StudySpec
from orchestrator.trainer_client import NetworkDescriber
from orchestrator.trial.folder import study_folder
from results import file_names
from results.db import connection
from results.db.rows import refuse_another_question
from results.db.store import Store
from results.db.tables import Study


@dataclass(frozen=True)
class CheckedStudy:
    """A study that may run: a new one, or a recorded one that resumes."""

    spec: StudySpec
    question: dict[str, Any]
    recorded: Study | None


def check_study(
    spec: StudySpec, store: Store | None, slots: int, trainer_client: NetworkDescriber
) -> CheckedStudy:
    """Check a study against the database, if there is one. The commands and the service both call this.

    Nothing is written. Raise BadOption if nothing is left to search or to start from, or if the folder holds
    another study's trials. Raise QuestionChanged if the recorded study has other settings.
    """
    request = spec.request
    refuse_folder(study_folder(request.runs, spec.study_name), connection.address(request.database))
    recorded = store.study(spec.study_name) if store else None
    if recorded is not None and recorded.kind != spec.request.kind:
        refuse_another_question(recorded, spec.request.kind, recorded.question)
    spec = warm_start.add_warm_start(spec, store)
    check_budget(spec)
    feasibility.check_limits(spec, trainer_client)
    if recorded is None and spec.space.size == 1:
        raise BadOption(
            "the ranges contain only the start, so there is nothing to search; give wider ones, such as "
            "--width .25:1.25"
        )
    block = request.block or (recorded.question["solver"]["block"] if recorded else slots)
    before = recorded.question if recorded else None
    policy = PrunerConfig.resolve(request.pruner, request.early_stop, request.audit, before)
    if request.early_stop is not None and not pruners.load(policy.pruner).USES_LEVEL:
        raise BadOption(
            f"--early-stop {request.early_stop} has no effect with --pruner {policy.pruner}; omit it"
        )
    question = spec.question(block, policy)
    if recorded is not None:
        if "model" not in recorded.question:  # of an older version
            question.pop("model", None)
        if "version" not in recorded.question.get("confirmation", {}):  # it goes on by the older rule
            question.get("confirmation", {}).pop("version", None)
        refuse_another_question(recorded, request.kind, question)
    return CheckedStudy(spec, question, recorded)


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


def read_owner(folder: Path) -> str:
    """Return the database that a study's folder names; empty if it names none, or after a power cut."""
    path = folder / file_names.OWNER
    return path.read_text(errors="replace").strip("\0 \n") if path.is_file() else ""


def is_own(folder: Path, url: URL) -> bool:
    """Whether a study's folder holds the trials of this database and of no other."""
    named = read_owner(folder)
    path = connection.sqlite_file(url)
    if path is None or not named:
        return named == url.render_as_string(hide_password=True)
    # relative to where the folder is, or to where it was before a link took its place
    places = (str(folder / named), os.path.normpath(folder / named))
    return "://" not in named and any(os.path.realpath(place) == str(path) for place in places)


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
            f"--max-gpu-hours {whole.slot_hours:g} is enough for {enough} trainings, but the search needs "
            f"{before} of the base network and one more; give more"
        )
