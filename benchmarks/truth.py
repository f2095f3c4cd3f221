"""Whether the networks that a search names are what it says: whole searches answered from a table.

The table is NAS-Bench-Macro's (Su et al. 2021): eight layers of three kinds, three trainings a network.
A search of it is the project's own, solver, confirmations and record, but for two things: MACs are looked up,
and a training is one of the network's three, drawn by the search's seed. The truth is the mean of the three.

    python -m benchmarks.truth --table nas-bench-macro_cifar10.json --seeds 50 --solver local
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from orchestrator.console.progress import PlainProgress, ProgressMeter
from orchestrator.pruners.learning_curve import NEVER, LearningCurvePruner
from orchestrator.search.budget import StudyBudget
from orchestrator.search.confirmation import ConfidenceTarget, Winner
from orchestrator.search.loop import SearchLoop
from orchestrator.search.solver_session import Incarnation, SolverSession
from orchestrator.solvers import SolverProcess
from orchestrator.spec.formulation import Formulation
from orchestrator.spec.objective import Objective
from orchestrator.spec.problem import Evaluation
from orchestrator.spec.trial_config import Choices, TrialBudget, TrialTemplate
from orchestrator.trainer_client import NetworkInfo, TrainerClient
from orchestrator.trial.request import TrialRequest
from orchestrator.trial.runner import Runner
from results.db.store import Store
from results.db.tables import Trial
from search_spaces import Choice, Point, Space

LAYERS = tuple(f"layer{n}" for n in range(1, 9))
SPACE = Space(tuple(Choice(name, (0, 1, 2), ordered=True) for name in LAYERS))
START = SPACE.point(dict.fromkeys(LAYERS, 2))  # the largest network
TRAINING = TrialTemplate(
    "cells", "table", 1, 10_000, TrialBudget(steps=1)
)  # as the table's: on 10,000 images


@dataclass(frozen=True)
class Cell:
    """A network of the table; accuracies are fractions."""

    macs: int
    trained: tuple[float, ...]

    @property
    def truth(self) -> float:
        return statistics.fmean(self.trained)


Table = Mapping[str, Cell]


@dataclass(frozen=True)
class Found:
    """What one search named, and what that is worth. `ratio`: its MACs over the optimum's."""

    seed: int
    status: str  # 'confirmed', 'provisional' or 'none'
    is_true: bool
    ratio: float | None
    trained: int  # trainings of the search's own
    replicates: int


def _cells(point: Point) -> Choices:
    return Choices({}, architecture=dict(point))


class _Lookup(TrainerClient):
    """Describes the networks of the table without a process."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def describe(self, config: Mapping[str, Any]) -> NetworkInfo:
        name = _name(config)
        macs = self._table[name].macs
        dataset = {"name": "table"}
        return NetworkInfo(name, macs, "table", 0, (), (), 32, 32, 10, dataset, architecture={"cells": name})


class _Draw(Runner):
    """Answers a training with one of the network's own, without a process."""

    def __init__(self, store: Store, study_id: int, table: Table, seed: int) -> None:
        self._of, self._id, self._table, self._seed = store, study_id, table, seed

    def run(
        self,
        orders: Sequence[TrialRequest],
        hear: Callable[[Trial, float], Evaluation] | None = None,
        rule: LearningCurvePruner = NEVER,
    ) -> list[Trial]:
        return [self._trained(order, hear) for order in orders]

    def _trained(self, order: TrialRequest, hear: Callable[[Trial, float], Evaluation] | None) -> Trial:
        name = _name(order.config)
        rng = random.Random(f"{self._seed} {name} {order.replicate}")
        columns: dict[str, Any] = {"val_accuracy": rng.choice(self._table[name].trained)}
        row = self._of.start_trial(self._id, order.number, **order.columns())
        if hear is not None:
            heard = hear(row, columns["val_accuracy"])
            columns |= {"objective": heard.objective, "constraints": list(heard.constraints)}
        return self._of.finish_trial(row.id, "completed", **columns)


def main(arguments: argparse.Namespace) -> None:
    table = read(arguments.table)
    for bound in arguments.bounds:
        ask = partial(search, table, bound, arguments.solver, arguments.trials, trust_of(arguments))
        began = time.monotonic()
        found = [ask(seed) for seed in range(arguments.seeds)]
        print(summary(bound, arguments.solver, found, time.monotonic() - began), flush=True)
        if arguments.out:
            with arguments.out.open("a") as file:
                asked = {"bound": bound, "solver": arguments.solver, "trials": arguments.trials}
                asked |= asdict(trust_of(arguments))
                file.writelines(json.dumps(asked | asdict(one)) + "\n" for one in found)


def read(path: Path) -> Table:
    """Return the table's networks by name: a digit a layer."""
    return {
        name: Cell(cell["flops"], tuple(accuracy / 100 for accuracy in cell["test_acc"]))
        for name, cell in json.loads(path.read_text()).items()
    }


def trust_of(arguments: argparse.Namespace) -> ConfidenceTarget:
    return ConfidenceTarget(arguments.confidence, arguments.confirm)


def search(table: Table, bound: float, solver: str, trials: int, trust: ConfidenceTarget, seed: int) -> Found:
    """Run one search and hold what it names against the table."""
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "results.db") as store:
        run = _search(table, bound, solver, trials, trust, seed, store)
        try:
            run.run()
            assert run.confirmer is not None
            return judged(table, bound, run.confirmer.winner(), seed, list(run.rows.values()))
        finally:
            run.close()


def _search(
    table: Table, bound: float, solver: str, trials: int, trust: ConfidenceTarget, seed: int, store: Store
) -> SearchLoop:
    formulation = Formulation(SPACE, START, _cells, Objective(minimise="macs"), bound)
    study = store.open_study("s", "nas", {}, trials, {}, None)
    problem = formulation.problem(1, seed)
    return SearchLoop(
        store,
        study.id,
        formulation,
        TRAINING,
        SolverSession(
            partial(SolverProcess, solver), Incarnation(0, 1, problem), lambda: START, lambda *_: None
        ),
        _Lookup(table),
        _Draw(store, study.id, table, seed),
        PlainProgress(Console(quiet=True), ProgressMeter(trials, None)),
        threading.Event(),
        StudyBudget(trials),
        trust=trust,
    )


def judged(table: Table, bound: float, winner: Winner | None, seed: int, rows: Sequence[Trial]) -> Found:
    """Hold a winner against the truth. Raise ValueError where no network of the table keeps the bound."""
    optimum = min((cell.macs for cell in table.values() if cell.truth >= bound), default=None)
    if optimum is None:
        raise ValueError(f"no network of the table has an accuracy of {bound}; give lower --bounds")
    replicates = sum(row.purpose == "confirmation" for row in rows)
    trained = sum(row.state == "completed" for row in rows) - replicates
    if winner is None:
        return Found(seed, "none", False, None, trained, replicates)
    cell = table[_name(winner.trial.config or {})]
    return Found(seed, winner.status, cell.truth >= bound, cell.macs / optimum, trained, replicates)


def _name(config: Mapping[str, Any]) -> str:
    return "".join(str(config["architecture"][layer]) for layer in LAYERS)


def summary(bound: float, solver: str, found: Sequence[Found], seconds: float) -> str:
    """Return one line: the share of the named that are true, and ratios to the optimum over all searches."""
    named = [one for one in found if one.ratio is not None]
    ratios = sorted(float("inf") if one.ratio is None else one.ratio for one in found)
    true = sum(one.is_true for one in named) / max(1, len(named))
    confirmed = sum(one.status == "confirmed" for one in found)
    return (
        f"{solver} at {bound:.2%}: {len(named)} of {len(found)} named, {confirmed} confirmed, {true:.1%} "
        f"true, MACs/optimum median {statistics.median(ratios):.3f}, "
        f"upper quartile {ratios[3 * len(ratios) // 4]:.3f}; "
        f"{statistics.fmean(one.trained for one in found):.0f} trainings and "
        f"{statistics.fmean(one.replicates for one in found):.0f} replicates a search, "
        f"{seconds / len(found):.1f} s each"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--bounds", type=float, nargs="+", default=[0.92, 0.925])
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--solver", default="local")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--confidence", type=float, default=ConfidenceTarget.level)
    parser.add_argument("--confirm", type=int, default=ConfidenceTarget.most)
    parser.add_argument("--out", type=Path, help="append each search as a JSON line")
    main(parser.parse_args(sys.argv[1:]))
