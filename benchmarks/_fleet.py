"""A search whose trainings take no time on slots that do not exist, so that all it takes is our own.

Search, runner, threads, record and the files of trials are the project's own. A training writes what a
trainer would and waits for its turn to end, which comes when all slots are full and the one before it is on
record: so each end is met with all the others still in flight, as where trainings take minutes.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.executors import Exit, Job
from orchestrator.pruners import PrunerConfig
from orchestrator.search.context import SearchContext, TrialHistory
from orchestrator.search.loop import SearchLoop
from orchestrator.search.solver_session import Incarnation, SolverSession
from orchestrator.solvers import SolverProcess
from orchestrator.spec import search_options
from orchestrator.spec.base_model import BaseModel
from orchestrator.spec.problem import Problem
from orchestrator.spec.study_spec import StudySpec
from orchestrator.spec.trial_config import Choices, TrialBudget, TrialTemplate
from orchestrator.trainer_client import NetworkInfo
from orchestrator.trial.context import ProgressReporter, StudyContext
from orchestrator.trial.request import RunningTrial
from orchestrator.trial.runner import Runner
from results.db.store import Store
from results.db.tables import Study, Trial
from search_spaces import Named, Point, training

TRAINING = TrialTemplate("senet18", "digits", 5000, 1000, TrialBudget(seconds=600.0))
EPOCHS = 5
_LOOK_SECONDS = 30.0  # for a stop, which only a search that failed brings
NETWORK = NetworkInfo(
    "senet18", 555_000_000, "fake", 11_000_000, (64, 128), (2, 2), 32, 32, 10, {"name": "fake"}
)


class Fleet(ProgressReporter):
    """An executor of slots that do not exist, and the display that tells it when a trial is on record."""

    name, device = "fleet", "cpu"

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.most_threads = 0
        self._turns = threading.Semaphore(0)
        self._is_ending = False

    def run(self, job: Job, stop: threading.Event, started: Callable[[str], None] | None = None) -> Exit:
        begun = datetime.now(UTC)
        if started:
            started("fake")
        job.stdout.write_text(report(json.loads((job.folder / "trial.json").read_text())))
        while not self._turns.acquire(timeout=_LOOK_SECONDS):
            if stop.is_set():
                return Exit(143, "stopped", "fake", 600.0, begun, datetime.now(UTC))
        return Exit(0, "exited", "fake", 600.0, begun, datetime.now(UTC))

    def close(self) -> None:
        pass

    def tick(self, running: Sequence[RunningTrial]) -> None:
        self.most_threads = max(self.most_threads, threading.active_count())
        if running and not self._is_ending:
            self._is_ending = True
            self._turns.release()

    def show_end(self, row: Trial) -> None:
        self._is_ending = False


class _Same:
    """Every configuration is of one network."""

    def describe(self, config: Mapping[str, Any]) -> NetworkInfo:
        return NETWORK

    def describe_all(self, configs: Sequence[Mapping[str, Any]]) -> list[NetworkInfo]:
        return [NETWORK] * len(configs)


def report(config: Mapping[str, Any]) -> str:
    """Return what a trainer writes: its machine, a curve, its end."""
    events: list[dict[str, Any]] = [
        {"event": "machine", "host": "fake", "device": "cpu", "device_name": "fake", "versions": {}}
    ]
    reached = accuracy(config)
    events += [
        {"event": "epoch", "epoch": n, "step": 100 * n, "progress": n / EPOCHS, "elapsed_seconds": 120.0 * n}
        | {"learning_rate": 0.1, "train_loss": 1 / n, "val_accuracy": reached * n / EPOCHS, "val_loss": 1 / n}
        for n in range(1, EPOCHS + 1)
    ]
    final = {"val_accuracy": reached, "val_loss": 0.5, "epochs": EPOCHS, "steps": 500, "train_seconds": 600.0}
    return "".join(json.dumps(event) + "\n" for event in [*events, {"event": "final", **final}])


def accuracy(config: Mapping[str, Any]) -> float:
    """Return an accuracy that the hyperparameters draw."""
    return 0.5 + 0.4 * random.Random(json.dumps(config["hyperparameters"], sort_keys=True)).random()


def spec(runs: Path = Path("runs"), trials: int = 100) -> StudySpec:
    """Return a search for accuracy that trains each network once and reserves nothing."""
    request = search_options.resolve_options(
        "hpo", "senet18", {"runs": runs, "trials": trials, "confirm": 0, "solver": "random"}
    )
    scale = {"depth": 1.0, "width": 1.0, "resolution": 1.0}
    subject = BaseModel("senet18", "senet18", scale, "built in")
    named = Named("training", training.space(), training.start(), training.parts)
    return StudySpec(
        request, subject, scale, TRAINING, request.aim, NETWORK, NETWORK, named.space, named, "s", "s"
    )


def problem(block: int) -> Problem:
    return spec().problem(spec().formulation(None), block)


def chosen(point: Point) -> Choices:
    return spec().choice(point)


def opened(store: Store, trials: int, block: int = 8) -> Study:
    """Begin the study, or take it up."""
    asked = {"subject": "senet18", "training": TRAINING.question(), "space": training.space().to_json()}
    asked |= {"solver": {"block": block}, **PrunerConfig().question()}
    return store.open_study("s", "hpo", asked, trials, {}, None)


@contextmanager
def search(
    store: Store, study: Study, fleet: Fleet, runs: Path, trials: int, rows: Sequence[Trial]
) -> Iterator[tuple[SearchLoop, TrialHistory]]:
    """Open a search as `hpo-search` makes it, of blocks as large as the fleet."""
    sought = spec(runs, trials)
    formulation = sought.formulation(None)
    history = TrialHistory(rows, formulation)
    context = StudyContext(store, study, sought, _Same(), fleet, fleet, threading.Event())
    shared = SearchContext(**vars(context), formulation=formulation, runner=Runner(context), history=history)
    first = Incarnation(0, 1, sought.problem(formulation, fleet.slots))
    with closing(
        SolverSession(
            lambda begun: SolverProcess("random", begun.problem), first, training.start, lambda *_: None
        )
    ) as solver:
        yield SearchLoop(shared, solver), history
