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
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from orchestrator.console.progress import PlainProgress, ProgressMeter
from orchestrator.pruners import NEVER, EarlyStopping
from orchestrator.search.confirmation import Winner
from orchestrator.search.context import SearchContext, TrialHistory
from orchestrator.search.loop import SearchLoop
from orchestrator.search.solver_session import Incarnation, SolverSession
from orchestrator.solvers import SolverProcess
from orchestrator.spec import options
from orchestrator.spec.base_model import BaseModel
from orchestrator.spec.options import SearchOptions
from orchestrator.spec.study_spec import StudySpec
from orchestrator.spec.trial_config import TrialBudget, TrialTemplate
from orchestrator.trainer_client import NetworkInfo, TrainerClient
from orchestrator.trial.context import StudyContext
from orchestrator.trial.request import TrialRequest
from orchestrator.trial.runner import Evaluate, Runner
from results.db.store import Store
from results.db.tables import Trial
from search_spaces import Choice, Named, Parts, Space
from tests.inline import Inline

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


def _cells(point: Mapping[str, Any]) -> Parts:
    return {"architecture": dict(point)}


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

    def __init__(self, context: StudyContext[StudySpec], table: Table) -> None:
        super().__init__(context)
        self._table, self._seed = table, context.spec.request.seed

    def run(
        self,
        requests: Sequence[TrialRequest],
        evaluate: Evaluate | None = None,
        pruner: EarlyStopping = NEVER,
    ) -> list[Trial]:
        return [self._trained(request, evaluate) for request in requests]

    def _trained(self, request: TrialRequest, evaluate: Evaluate | None) -> Trial:
        name = _name(request.config)
        rng = random.Random(f"{self._seed} {name} {request.replicate}")
        columns: dict[str, Any] = {"val_accuracy": rng.choice(self._table[name].trained)}
        row = self._store.start_trial(self._study_id, request.number, **request.columns())
        if evaluate is not None:
            columns |= evaluate(row, columns["val_accuracy"]).columns()
        return self._store.finish_trial(row.id, "completed", **columns)


def main(arguments: argparse.Namespace) -> None:
    table = read(arguments.table)
    for bound in arguments.bounds:
        given = {name: getattr(arguments, name) for name in ("solver", "trials", "confidence", "confirm")}
        ask = partial(search, table, {**given, "min_accuracy": bound})
        began = time.monotonic()
        found = [ask(seed) for seed in range(arguments.seeds)]
        print(summary(bound, arguments.solver, found, time.monotonic() - began), flush=True)
        if arguments.out:
            with arguments.out.open("a") as file:
                asked = {"bound": bound, "solver": arguments.solver, "trials": arguments.trials}
                asked |= {"level": arguments.confidence, "most": arguments.confirm, "at_a_time": 1}
                file.writelines(json.dumps(asked | asdict(one)) + "\n" for one in found)


def read(path: Path) -> Table:
    """Return the table's networks by name: a digit a layer."""
    return {
        name: Cell(cell["flops"], tuple(accuracy / 100 for accuracy in cell["test_acc"]))
        for name, cell in json.loads(path.read_text()).items()
    }


def search(table: Table, given: Mapping[str, Any], seed: int) -> Found:
    """Run one search and hold what it names against the table. `given`: its options."""
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "results.db") as store:
        request = options.resolve_options("nas", "cells", {**given, "seed": seed, "runs": Path(folder)})
        shared = _context(table, request, store)
        problem = shared.spec.problem(shared.formulation, 1)
        start = partial(SolverProcess, request.solver)
        with closing(SolverSession(start, Incarnation(0, 1, problem), lambda: START, _ignore)) as solver:
            loop = SearchLoop(shared, solver)
            loop.run()
            assert loop.confirmation is not None
            rows = list(shared.history.rows.values())
            return judged(
                table, shared.formulation.min_accuracy or 0.0, loop.confirmation.winner(), seed, rows
            )


def _context(table: Table, request: SearchOptions, store: Store) -> SearchContext:
    trainer, named = _Lookup(table), Named("cells", SPACE, START, _cells)
    base = trainer.describe({"architecture": START})
    subject = BaseModel("cells", "cells", {}, "the largest network of the table")
    spec = StudySpec(request, subject, {}, TRAINING, request.aim, base, base, SPACE, named, "s", "s")
    study = store.open_study("s", "nas", {"solver": {"block": 1}}, request.trials, {}, None)
    reporter = PlainProgress(Console(quiet=True), ProgressMeter(request.trials, None))
    context = StudyContext(store, study, spec, trainer, Inline(), reporter, threading.Event())
    formulation = spec.formulation(request.min_accuracy)
    runner, history = _Draw(context, table), TrialHistory([], formulation)
    return SearchContext(**vars(context), formulation=formulation, runner=runner, history=history)


def _ignore(incarnation: Incarnation, why: str) -> None:
    """Keep no record of a restart."""


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
    parser.add_argument("--confidence", type=float, default=SearchOptions.model_fields["confidence"].default)
    parser.add_argument("--confirm", type=int, default=SearchOptions.model_fields["confirm"].default)
    parser.add_argument("--out", type=Path, help="append each search as a JSON line")
    main(parser.parse_args(sys.argv[1:]))
