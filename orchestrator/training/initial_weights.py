"""Find the weights that a final training starts from (`--init`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from orchestrator.spec.command_options import BadOption
from results import file_names, queries
from results.db.transactions import patient
from results.errors import NotOnRecord, StoreError, WeightsMissing
from results.weights import read_checksum


class WeightsGone(BadOption):
    """The weights that a study began with are not there any more."""


def find(database: str, model: str, checksum: str | None) -> dict[str, str]:
    """Return the folder and the SHA-256 of a model's weights. Raise BadOption or StoreError.

    model: as `queries.weights` takes it
    checksum: of the weights that the study started from, if it resumes. Of several models of that name the
        one with these weights is meant, since a newer one may have been saved since. Raise WeightsGone if
        nothing has this name any more.
    """
    newest, problem = None, None
    try:
        newest = _read(patient(queries.weights)(database, model))
    except (NotOnRecord, WeightsMissing, BadOption) as error:
        if checksum is None:
            raise
        problem = error
    if newest is not None and checksum in (None, newest["sha256"]):
        return newest
    found = next((held for held in _others(database, model) if held["sha256"] == checksum), newest)
    if found is None:
        raise WeightsGone(
            f"the weights that this study began with (SHA-256 {checksum}) are gone, and its unfinished "
            f"trainings need them: {str(problem).partition(';')[0]}; put them back, or give --init the "
            "folder of a copy, and this --study"
        ) from problem
    return found


def _others(database: str, model: str) -> Iterator[dict[str, str]]:
    """Yield the weights of all models of this name."""
    saved = patient(queries.models)(database)
    for study in saved.loc[saved["name"] == model, "study"]:
        with suppress(StoreError, BadOption):
            yield _read(queries.weights(database, f"{model}@{study}"))


def _read(folder: Path) -> dict[str, str]:
    folder = folder.resolve()
    try:
        return {"folder": str(folder), "sha256": read_checksum(folder)}
    except (OSError, ValueError, LookupError, TypeError) as error:
        path = folder / file_names.MODEL
        raise BadOption(f"--init: {path} cannot be read: {error!r}; copy it again, or train again") from error
