"""Delete a study: find what belongs to it, refuse where others need it, and remove it.

Rows go first, in one transaction, and files after them. A deletion that is cut off in between leaves a folder
without a study, which a second one removes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results.db import connection, study_files
from results.db.search_queue import SearchQueue
from results.db.tables import Study
from results.errors import DeletionRefused, NotOnRecord, StoreUnavailable
from results.format import quantity
from results.weights import read_checksum


@dataclass(frozen=True)
class Deletion:
    """What goes with a study. `left`: folders that stay, and why."""

    study: str
    is_recorded: bool
    trials: int
    measurements: int
    events: int
    models: tuple[str, ...]
    weights: int  # trained networks
    warm_starts: tuple[str, ...]  # studies that began with its best candidates, of which they have a copy
    folders: tuple[Path, ...]
    files: int
    bytes: int
    left: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """Yield what goes, for people."""
        if self.is_recorded:
            yield (
                f"the study {self.study}: {quantity(self.trials, 'trial')}, "
                f"{quantity(self.measurements, 'measurement')}, {quantity(self.events, 'event')}"
            )
        else:
            yield f"the study {self.study} is not in the results database any more, but its files are there"
        if self.models:
            yield f"models: {', '.join(self.models)}"
        if self.weights:
            yield f"the weights of {quantity(self.weights, 'trained network')}"
        for folder in self.folders:
            yield f"the folder {folder}"
        yield f"{quantity(self.files, 'file')}, {quantity(self.bytes, 'byte')}"
        for name in self.warm_starts:
            yield f"{name} began with its best candidates; it has a copy of them and stays as it is"
        yield from self.left


def examine(queue: SearchQueue, name: str, runs: Path | None, force: bool = False) -> Deletion:
    """Return what goes with the study. Hold its lock.

    runs: the folder for the trials' files; None: that of the database's file, or `runs`
    Raise NotOnRecord, or DeletionRefused if it waits in the queue or, unless `force`, if others need it.
    """
    study, request = queue.study(name), queue.request(name)
    if request is not None and request.state != "ended":
        raise DeletionRefused(
            f"{name} waits in the queue of nas-serve, or is being started; stop it there, and delete it then"
        )
    others = [other for other in queue.studies() if other.name != name]
    folders, left = _folders(queue, study, name, runs)
    if study is None and request is None and not folders:
        there_are = ", ".join(other.name for other in others)
        raise NotOnRecord(f"there is no study {name!r}; there are: {there_are or 'none'}")
    models = [model.name for model in queue.models() if study and model.study_id == study.id]
    if study is not None and not force:
        _refuse_needed(study, others, models, _checksums(queue, study))
    counts = queue.count_rows(study.id if study else 0)
    sizes = [study_files.measure(folder) for folder in folders]
    return Deletion(
        study=name,
        is_recorded=study is not None or request is not None,
        **counts,
        models=tuple(models),
        weights=len(queue.trials_with_weights(study.id)) if study else 0,
        warm_starts=tuple(other.name for other in others if _warm_start_of(other.question) == name),
        folders=tuple(folders),
        files=sum(files for files, _ in sizes),
        bytes=sum(size for _, size in sizes),
        left=tuple(left),
    )


def carry_out(queue: SearchQueue, found: Deletion, runs: Path | None) -> None:
    """Delete the rows and remove the files. Hold the study's lock.

    Raise StudyLost if another process has taken the lock, and StoreUnavailable for a file that cannot be
    removed; the rows are gone then.
    """
    queue.keep_lock(found.study)  # which may have been lost while somebody was asked
    queue.delete_study(found.study)
    try:
        for folder in found.folders:
            study_files.remove(folder)
        for suffix in ("log", "lock"):
            place = _runs(queue, runs)
            study_files.service_file(place, found.study, suffix).unlink(missing_ok=True)
    except OSError as error:
        raise StoreUnavailable(
            f"{found.study} is deleted from the database, but {error.filename} is left: {error.strerror}; "
            "fix that and run the same command again"
        ) from error


def _runs(queue: SearchQueue, runs: Path | None) -> Path:
    path = connection.sqlite_path(queue.url)
    return (runs or (path.parent if path else Path("runs"))).resolve()


def _folders(
    queue: SearchQueue, study: Study | None, name: str, runs: Path | None
) -> tuple[list[Path], list[str]]:
    """Return the study's folders that may be removed, and which ones are left, and why.

    They are where its trials were, and where a deletion that was cut off may have left one.
    """
    kept = {Path(trial.folder).parent for trial in queue.trials(study.id) if trial.folder} if study else set()
    usual = {_runs(queue, runs) / name} if re.fullmatch(r"\w[\w .+-]*", name) else set()
    there = {path.resolve(): path for path in sorted(kept | usual) if path.is_dir()}
    own = [path for path in there.values() if study_files.is_own(path, queue.url)]
    left = [
        f"{path} stays: it belongs to {study_files.read_owner(path) or 'no results database'}"
        for path in there.values()
        if path not in own
    ]
    if kept and not there:
        left.append(f"its files are not in {', '.join(map(str, sorted(kept)))} any more; give their --runs")
    return own, left


def _refuse_needed(study: Study, others: list[Study], models: list[str], checksums: set[str]) -> None:
    """Raise DeletionRefused if another study began with a model of this one, or with its weights.

    It keeps a copy of the model, but `--model NAME@STUDY` would be refused, and version 0.1 kept none. Of
    weights it has the checksum alone.
    """
    by_model = [
        other.name
        for other in others
        if study.name in _models_of(other.question)
        or (other.id > study.id and _names_without_copy(other.question) & set(models))
    ]
    by_weights = [other.name for other in others if _initial_weights_of(other.question) in checksums]
    for names, what, it in (
        (by_model, "a model", "it"),
        (by_weights, "weights", "them"),
    ):
        if names:
            raise DeletionRefused(
                f"{', '.join(names)} began with {what} of {study.name}, and may not resume without {it}; "
                "delete the former first, or give --force"
            )


def _checksums(queue: SearchQueue, study: Study) -> set[str]:
    """Return the checksums of the weights that a study keeps, of those whose files can be read."""
    found = set[str]()
    for row in queue.trials_with_weights(study.id):
        with suppress(OSError, ValueError, LookupError, TypeError):
            found.add(read_checksum(Path(row.folder or "")))
    return found


def _initial_weights_of(question: Mapping[str, Any]) -> str | None:
    """Return the checksum of the weights that a study began with (`nas-train --init`)."""
    return ((question.get("training") or {}).get("init") or {}).get("sha256")


def _models_of(question: Mapping[str, Any]) -> set[str]:
    """Return the studies whose saved models a study began with, as it recorded them."""
    kept = [question.get("model"), *(pair.get("model") for pair in question.get("pairs", {}).values())]
    return {model["study"] for model in kept if model}


def _names_without_copy(question: Mapping[str, Any]) -> set[str]:
    """Return the networks or models that a study began with and of which it has no copy."""
    pairs = {pair.partition(" with ")[0]: its for pair, its in question.get("pairs", {}).items()}
    began = {question.get("subject", ""): question, **pairs}
    return {name for name, its in began.items() if name and "model" not in its}


def _warm_start_of(question: Mapping[str, Any]) -> str | None:
    return (question.get("warm_start") or {}).get("study")
