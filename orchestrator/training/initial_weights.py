"""Find the weights that a final training starts from (`--init`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from orchestrator.spec.command_options import BadOption
from results import file_names, queries
from results.db.transactions import patient
from results.errors import StoreError
from results.weights import read_checksum


def find(database: str, model: str, checksum: str | None) -> dict[str, str]:
    """Return the folder and the SHA-256 of a model's weights. Raise BadOption or StoreError.

    model: as `queries.weights` takes it
    checksum: of the weights that the study started from, if it resumes. Of several models of that name the
        one with these weights is meant, since a newer one may have been saved since.
    """
    newest = _read(patient(queries.weights)(database, model))
    if checksum in (None, newest["sha256"]):
        return newest
    return next((held for held in _others(database, model) if held["sha256"] == checksum), newest)


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
