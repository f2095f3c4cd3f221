"""Which training of a network its weights are from, and which weights they are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from results import file_names
from results.db.tables import Trial


def first_with_weights(rows: Iterable[Trial], of: Trial) -> Trial | None:
    """Return the training whose weights stand for the network of `of`; None if none of it has weights.

    It is the first repeat by number: repeats selected nothing, so their accuracies are not those of lucky
    trainings. A network without repeats has its own training, and the base network or the model of an
    evaluation its first one. Rows of other networks are left out: those of one network have one point.
    """
    kept = [row for row in rows if is_of_one_network(row, of) and row.weights_bytes is not None]
    return min(kept, key=lambda row: (row.of_trial_number is None, row.number), default=None)


def is_of_one_network(row: Trial, other: Trial) -> bool:
    """Whether two trials of one study train the same network in the same way, but for images and seed."""
    return (row.study_id, row.point) == (other.study_id, other.point)


def read_checksum(folder: Path) -> str:
    """Return the SHA-256 of a network's weights, by its model.json.

    Raise OSError, ValueError, LookupError or TypeError if that cannot be read.
    """
    return str(json.loads((folder / file_names.MODEL).read_text(encoding="utf-8"))["weights"]["sha256"])
