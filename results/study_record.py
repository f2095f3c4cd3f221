"""One study as it stands on record, read once, for plots and reports that look at it from several sides.

The rows are plain dicts with None for what is missing; a surprise saved from every reader: pandas says
NaN, NaT or NA for it, by the column's type.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from results import queries
from results.analysis.networks import SIZES, Network, networks
from results.analysis.pareto import members
from results.analysis.posterior import level_of
from results.queries import plain_rows as plain_rows

Row = dict[str, Any]
OUTCOMES = (
    *("confirmed", "passed", "trained", "below bound", "undecided", "rejected", "baseline", "replicate"),
    *("pruned", "failed", "screened", "duplicate", "running"),
)
UNITS = {  # of what a study may minimise: the axis, the unit and its size
    "macs": ("MACs (millions)", "M MACs", 1e6),
    "params": ("parameters (millions)", "M parameters", 1e6),
    "latency": ("latency (ms)", "ms", 1.0),
}
_BULKY = ("config", "versions", "network_key")  # columns that no row needs


@dataclass(frozen=True)
class StudyRecord:
    """A study with its frames of `results.queries`: `trials`, `curves` (learning curves), `events`, `models`.

    `study`, `early_stops` and `request` are its rows of those queries, with None for what is missing.
    """

    study: Mapping[str, Any]
    trials: pd.DataFrame
    curves: pd.DataFrame
    events: pd.DataFrame
    models: pd.DataFrame
    early_stops: Mapping[str, Any] | None = None
    request: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        return str(self.study["name"])

    @property
    def bound(self) -> float | None:
        """The least accuracy of a network, a fraction; None where the study has none (yet)."""
        bound: float | None = self.study["min_accuracy"]
        return bound

    @property
    def minimised(self) -> str | None:
        """Which of `results.analysis.networks.SIZES` it minimises; None for a study for accuracy alone."""
        minimised: str | None = self.study["minimise"]
        return minimised

    @property
    def has_two_aims(self) -> bool:
        """Whether it also maximises the accuracy, so that its answer is a front."""
        return self.minimised is not None and self.study["maximise"] is not None

    @property
    def size_axis(self) -> str:
        return UNITS[self.minimised or "macs"][0]

    @property
    def size_unit(self) -> str:
        return UNITS[self.minimised or "macs"][1]

    def size(self, row: Mapping[str, Any]) -> float | None:
        """What a trial's network comes to, in the axis's unit."""
        minimised = self.minimised or "macs"
        value = row[SIZES[minimised]]
        return None if value is None else float(value) / UNITS[minimised][2]

    @cached_property
    def rows(self) -> list[Row]:
        """The trials by number, each with its `outcome` (one of OUTCOMES) and its `accuracy`.

        The accuracy is that on validation images, or on test images in a study that holds none out.
        """
        found = plain_rows(self.trials.drop(columns=[name for name in _BULKY if name in self.trials]))
        tested = bool(found) and all(row["val_accuracy"] is None for row in found)
        for row in found:
            row["accuracy"] = row["test_accuracy"] if tested else row["val_accuracy"]
            row["outcome"] = _outcome(row, self.bound)
        return found

    @cached_property
    def by_number(self) -> dict[int, Row]:
        return {row["number"]: row for row in self.rows}

    @cached_property
    def trained(self) -> list[Row]:
        """The trials that cost of the budget and have ended, in the order they ended."""
        ended = [row for row in self.rows if row["attempts"] and row["finished_at"] is not None]
        return sorted(ended, key=lambda row: (row["finished_at"], row["number"]))

    @cached_property
    def networks(self) -> list[Network]:
        """The networks trained to the end, with what their trainings say of their accuracy."""
        known = [row["accuracy"] for row in self.rows if row["accuracy"] is not None]
        usual = statistics.median(known) if known else 0.5
        return networks(self.trials, usual if self.bound is None else self.bound)

    @cached_property
    def front(self) -> pd.DataFrame:
        """The networks of the front of a study of two aims, the smallest first."""
        level = level_of(self.study["question"])
        return members(self.trials, self.minimised or "macs", level, self.bound or 0.0)

    @property
    def slot_kind(self) -> str:
        """What a slot is: GPU or CPU slot."""
        return "GPU" if any(row["device"] == "cuda" for row in self.rows) else "CPU slot"


def read_study(db: queries.Database, study: str) -> StudyRecord:
    """Read a study. Raises StoreError, and its NotOnRecord for a study there is not."""
    trials = queries.trials(db, study)  # first, for it knows what to say of a study there is not
    studies = queries.studies(db)
    models = queries.models(db)
    return StudyRecord(
        study=plain_rows(studies[studies["name"] == study])[0],
        trials=trials,
        curves=queries.learning_curves(db, study),
        events=queries.events(db, study),
        models=models[models["study"] == study],
        early_stops=next(iter(plain_rows(queries.early_stops(db, study))), None),
        request=next(iter(plain_rows(queries.request(db, study))), None),
    )


def _outcome(row: Row, bound: float | None) -> str:
    if row["state"] != "completed":
        return str(row["state"])
    if row["verdict"]:
        return str(row["verdict"])
    if row["purpose"] in ("baseline", "confirmation"):
        return "baseline" if row["purpose"] == "baseline" else "replicate"
    if bound is None or row["accuracy"] is None:
        return "trained"
    return "passed" if row["accuracy"] >= bound else "below bound"
