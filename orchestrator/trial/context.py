"""What the parts of a running study share, and the one place where trials are requested."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from orchestrator.executors import Executor
from orchestrator.spec.options import RunOptions
from orchestrator.trainer_client import NetworkDescriber, NetworkInfo
from orchestrator.trial.folder import study_folder
from orchestrator.trial.request import RunningTrial, TrialRequest
from results.db.store import Store
from results.db.tables import Study, Trial
from results.scores import Score, sought_score


class ProgressReporter:
    """Shows the events of a study to a person; this one shows nothing. It changes nothing."""

    def note(self, text: str) -> None: ...
    def show_start(self, trial: RunningTrial) -> None: ...
    def show_end(self, row: Trial) -> None: ...
    def show_untrained(self, row: Trial) -> None: ...
    def show_best(self, row: Trial) -> None: ...
    def tick(self, running: Sequence[RunningTrial]) -> None: ...
    def skip_seconds(self, seconds: float) -> None:
        """This process was suspended for so long; that time does not count in forecasts."""

    def close(self) -> None: ...


class TrialSpec(Protocol):
    """A study definition, as far as its trials need it."""

    @property
    def request(self) -> RunOptions: ...

    def config(self, point: Mapping[str, Any], replicate: int = 0) -> dict[str, Any]:
        """Return the trial.json of one training of a point."""


Spec = TypeVar("Spec", bound=TrialSpec, covariant=True)


@dataclass(frozen=True)
class StudyContext(Generic[Spec]):
    """What the parts of one run of a study share. It is built once."""

    store: Store
    study: Study
    spec: Spec
    trainer: NetworkDescriber
    executor: Executor
    reporter: ProgressReporter
    stop: threading.Event

    @property
    def sought(self) -> Score:
        return sought_score(self.study.question)

    @property
    def folder(self) -> Path:
        return study_folder(self.spec.request.runs, self.study.name)

    def request(
        self,
        number: int,
        purpose: str,
        point: Mapping[str, Any],
        replicate: int = 0,
        row: Trial | None = None,
        of_trial_number: int | None = None,
        description: NetworkInfo | None = None,
    ) -> TrialRequest:
        """Return the request of a trial. Raise as `NetworkDescriber.describe`.

        row: its row, if an earlier run left it unfinished. of_trial_number: the trial that it repeats.
        description: of its network, if it is known already.
        """
        config = self.spec.config(point, replicate)
        described = description or self.trainer.describe(config)
        return TrialRequest(number, purpose, dict(point), replicate, config, described, row, of_trial_number)
