"""A trial to be trained, before it has a row in the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.trainer_client import NetworkInfo
from orchestrator.trial.outcome import TrialOutcome
from results.db.tables import Trial


@dataclass(frozen=True)
class TrialRequest:
    """A trial to be trained; `row` is its row if an earlier run left it unfinished."""

    number: int
    purpose: str
    point: Mapping[str, Any]
    replicate: int
    config: Mapping[str, Any]
    description: NetworkInfo
    key: str
    row: Trial | None = None
    of_trial_number: int | None = None  # the trial that this one repeats
    losses: int = 0  # how often it was killed from outside in this run of the study

    def columns(self) -> dict[str, Any]:
        budget = self.config["budget"]
        return self.description.columns() | {
            "purpose": self.purpose,
            "point": dict(self.point),
            "replicate": self.replicate,
            "of_trial_number": self.of_trial_number,
            "config": dict(self.config),
            "network_key": self.key,
            "seed": self.config["seed"],
            "subset_seed": self.config["subset"]["seed"],
            "budget_seconds": budget.get("seconds"),
            "budget_steps": budget.get("steps"),
        }

    def test_reading(self, found: TrialOutcome) -> dict[str, Any]:
        """Return the event of reading the test images: all of them, and of those perhaps 1,000 on
        their own.
        """
        images = self.description.dataset.get("test_images")
        protocols = ["all", "1000"] if found.columns.get("test_accuracy_1000") is not None else ["all"]
        return {"number": self.number, "images": images, "protocols": protocols}
