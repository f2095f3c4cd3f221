"""One study, read once from the database, for plots and reports.

Its rows are plain dicts with None for a missing value. Pandas would have NaN, NaT or NA there, depending on
the column's type.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from results import queries
from results.analysis.networks import Network, eligible, networks
from results.analysis.pareto import members
from results.analysis.posterior import VerdictSettings
from results.format import BELOW, MET_ONCE, REPEAT, SKIPPED, STOPPED_EARLY, TOO_LARGE, plain_rows, shown_point
from results.metrics import Metric, minimised_metric, shown_metric
from results.packages import pandas as pd
from results.scores import Score, sought_score

Row = dict[str, Any]
OUTCOMES = (
    *("confirmed", MET_ONCE, "trained", BELOW, TOO_LARGE, "undecided", "rejected", "baseline", REPEAT),
    *(STOPPED_EARLY, "failed", SKIPPED, "duplicate", "running"),
)
STATE_LABELS = {"pruned": STOPPED_EARLY, "screened": SKIPPED}  # for people; the database keeps its own names
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
        """The required accuracy, a fraction; None if the study has none (yet)."""
        bound: float | None = self.study["min_accuracy"]
        return bound

    @property
    def settings(self) -> VerdictSettings:
        """How it decides whether a network is as accurate as it must be."""
        return VerdictSettings.read(self.study["question"])

    @property
    def minimised(self) -> str | None:
        """The name of the metric that it minimises; None for a study that seeks only a score."""
        return minimised_metric(self.study["minimise"])

    @property
    def metric(self) -> Metric:
        """The metric that is shown of its networks."""
        return shown_metric(self.minimised)

    @property
    def sought(self) -> Score:
        """The score that it seeks and requires; the accuracy unless its settings name another."""
        return sought_score(self.study["question"])

    @property
    def is_script(self) -> bool:
        """Whether it trains by a script of the user's, of whose networks and data nothing is known."""
        return "config_as" in self.study["question"]

    @property
    def has_two_aims(self) -> bool:
        """Whether it also maximises the accuracy, so that its result is a Pareto front."""
        return self.minimised is not None and self.study["maximise"] is not None

    def size(self, row: Mapping[str, Any]) -> float | None:
        """Return the amount of `metric` of a trial in the metric's unit; None if it is not known."""
        amount = row[self.metric.column]
        return None if amount is None else float(amount) / self.metric.scale

    @cached_property
    def rows(self) -> list[Row]:
        """The trials by number, each with its `outcome` (of OUTCOMES), `accuracy`, `seconds`, `candidate`.

        The accuracy, or the score that is sought in its place, is that on validation images, or on test
        images in a study without validation images. `noun` is its name, `reached` its text, and `label` the
        outcome in its words. The seconds are those for which its attempts held a worker. The candidate is the
        `shown_point`.
        """
        configs = [config if isinstance(config, Mapping) else {} for config in self.trials["config"]]
        found = plain_rows(self.trials.drop(columns=[name for name in _BULKY if name in self.trials]))
        tested = bool(found) and all(row[self.sought.column] is None for row in found)
        eligible_numbers = set(eligible(self.trials, self.study)["number"])
        for row, config in zip(found, configs, strict=True):
            row["candidate"] = shown_point(row["point"], config)
            row["accuracy"] = row["test_accuracy"] if tested else row[self.sought.column]
            row["seconds"] = row["slot_seconds"] or row["wall_seconds"] or row["train_seconds"] or 0.0
            row["outcome"] = _outcome(row, self.bound, row["number"] in eligible_numbers)
            row["noun"], row["label"] = self.sought.noun, self.sought.reword(row["outcome"])
            row["reached"] = None if row["accuracy"] is None else self.sought.text(row["accuracy"])
        return found

    @cached_property
    def by_number(self) -> dict[int, Row]:
        return {row["number"]: row for row in self.rows}

    @cached_property
    def trained(self) -> list[Row]:
        """The finished trials that count against the budget, in the order in which they ended."""
        ended = [row for row in self.rows if row["attempts"] and row["finished_at"] is not None]
        return sorted(ended, key=lambda row: (row["finished_at"], row["number"]))

    @property
    def seconds(self) -> float:
        """The seconds of all its trainings together."""
        return math.fsum(row["seconds"] for row in self.trained)

    @cached_property
    def model(self) -> Row | None:
        """Its saved model; of a Pareto front one of them."""
        return next(iter(plain_rows(self.models)), None)

    @property
    def winner(self) -> Row | None:
        """The trial of its saved model, or else its best trial."""
        number = self.model["trial"] if self.model else self.study["best_trial"]
        return self.by_number.get(number) if number is not None else None

    @property
    def base(self) -> Row | None:
        """The first training of its base network, if it has a baseline."""
        return next((row for row in self.rows if row["purpose"] == "baseline"), None)

    @cached_property
    def networks(self) -> list[Network]:
        """The networks trained to the end, with the posterior of their accuracy."""
        known = [row["accuracy"] for row in self.rows if row["accuracy"] is not None]
        usual = statistics.median(known) if known else 0.5
        near = usual if self.bound is None else self.bound
        return networks(eligible(self.trials, self.study), near, self.settings)

    @cached_property
    def front(self) -> pd.DataFrame:
        """The networks on the Pareto front of a study with two objectives, the smallest first."""
        return members(self.trials, self.study)

    @property
    def slot_kind(self) -> str:
        """What a worker is: a GPU or a CPU worker."""
        return "GPU" if any(row["device"] == "cuda" for row in self.rows) else "CPU worker"


def read_study(db: queries.Database, study: str) -> StudyRecord:
    """Read a study. Raises StoreError; NotOnRecord, one of its kinds, for an unknown study."""
    models = queries.models(db)
    return StudyRecord(
        study=plain_rows(queries.studies(db, study))[0],
        trials=queries.trials(db, study),
        curves=queries.learning_curves(db, study),
        events=queries.events(db, study),
        models=models[models["study"] == study],
        early_stops=next(iter(plain_rows(queries.early_stops(db, study))), None),
        request=next(iter(plain_rows(queries.request(db, study))), None),
    )


def _outcome(row: Row, bound: float | None, is_eligible: bool) -> str:
    if row["state"] != "completed":
        return STATE_LABELS.get(row["state"], str(row["state"]))
    if row["verdict"]:
        return str(row["verdict"])
    if row["purpose"] in ("baseline", "confirmation"):
        return "baseline" if row["purpose"] == "baseline" else REPEAT
    if not is_eligible:
        return TOO_LARGE
    if bound is None or row["accuracy"] is None:
        return "trained"
    return MET_ONCE if row["accuracy"] >= bound else BELOW
