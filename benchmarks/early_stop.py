"""What stopping hopeless trainings early would have saved of studies on record, and how often falsely.

    python benchmarks/early_stop.py runs/results.db... [--pruner NAME] [--levels .01,.05,.1] [--out FILE.json]

The studies must have been searched with `--early-stop 0`, so that every curve went on to its end. The rule
goes over each one's trials in order and knows, as it would have, only those before that it had not stopped. A
stop is false where the training reached in the end what it was held against. No trial is left to the audit;
what is saved in practice is less by its share. What the solver would have asked instead is not known here.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _setting import setting
from rich.console import Console
from rich.table import Table

from orchestrator import pruners
from orchestrator.pruners import EarlyStopping, Evidence, Finished, Prune, PrunerConfig
from results import export, queries

COLUMNS = (
    "study",
    "level",
    "searched",
    "reached",
    "stopped",
    "false",
    "saved",
    "share",
    "median_progress",
    "bias",
)


@dataclass(frozen=True)
class Trained:
    """A trial of the record that was trained to its end."""

    number: int
    purpose: str
    accuracy: float
    measurements: tuple[dict[str, Any], ...]
    validation_images: int

    @property
    def finished(self) -> Finished:
        points = ((m["progress"], m["val_accuracy"]) for m in self.measurements)
        return Finished(tuple(points), self.accuracy)


@dataclass(frozen=True)
class Judged:
    """A trial of a search, what it was held against, and where the rule gave it up, if it did."""

    trial: Trained
    bound: float | None
    stop: Prune | None

    @property
    def has_reached(self) -> bool:
        return self.bound is not None and self.trial.accuracy >= self.bound


def main() -> None:
    asked = _arguments()
    studies = [(db, name) for db in asked.databases for name in queries.studies(db)["name"]]
    rows = [
        counted(name, level, replayed(trained(db, name), bound(db, name), level, asked.pruner))
        for db, name in studies
        for level in map(float, asked.levels.split(","))
    ]
    table = Table()
    for column in COLUMNS:
        table.add_column(column.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()))
    Console(width=130).print(table)
    if asked.out:
        questions = {name: question(db, name) for db, name in studies}
        report = setting(("nomad-nas", "torch", "PyNomadBBO", "numpy", "scipy")) | {
            "studies": questions,
            "rows": rows,
        }
        report["command"] = "python benchmarks/early_stop.py DATABASE..."
        asked.out.write_text(json.dumps(report, indent=1) + "\n")


def replayed(trials: Sequence[Trained], least: float | None, level: float, pruner: str) -> list[Judged]:
    """Return the search's trials as the rule judges them; `least`: their bound, None for the best so far."""
    finished, judged = list[Finished](), list[Judged]()
    best: float | None = None
    for trial in trials:
        hopeless = None
        if trial.purpose == "search":
            held = best if least is None else least
            if held is not None:
                evidence = Evidence(tuple(finished), held, trial.validation_images, level)
                rule = EarlyStopping(PrunerConfig(level, 0.0, pruner), evidence, seed=0)
                hopeless = rule.find_stop(trial.measurements)
            judged.append(Judged(trial, held, hopeless))
            best = best if hopeless else max(best or 0.0, trial.accuracy)
        if hopeless is None:
            finished.append(trial.finished)
    return judged


def counted(study: str, level: float, judged: Sequence[Judged]) -> dict[str, Any]:
    """Return one row of the table. `saved` is in trainings, `bias` how far above the truth was expected."""
    stopped = [(one.trial, one.stop) for one in judged if one.stop is not None]
    saved = sum(1 - stop.progress for _, stop in stopped)
    progress = sorted(stop.progress for _, stop in stopped)
    values = (
        study,
        level,
        len(judged),
        sum(one.has_reached for one in judged),
        len(stopped),
        sum(one.stop is not None and one.has_reached for one in judged),
        saved,
        saved / len(judged) if judged else 0.0,
        progress[len(progress) // 2] if progress else None,
        sum(stop.predicted - trial.accuracy for trial, stop in stopped) / len(stopped) if stopped else None,
    )
    return dict(zip(COLUMNS, values, strict=True))


def trained(db: str, study: str) -> list[Trained]:
    """Return the study's completed trials by number."""
    curves = queries.learning_curves(db, study)
    rows = export.records(queries.trials(db, study))
    return [
        Trained(
            row["number"],
            row["purpose"],
            row["val_accuracy"],
            tuple(export.records(curves[curves["trial"] == row["number"]])),
            row["config"]["subset"]["validation"],
        )
        for row in rows
        if row["state"] == "completed"
    ]


def bound(db: str, study: str) -> float | None:
    """Return the least accuracy that the study allows, None where it looks for the greatest."""
    facts = _facts(db, study)
    return facts["min_accuracy"] if facts["kind"] == "nas" else None


def question(db: str, study: str) -> dict[str, Any]:
    """Return what was asked of the trainings, without where the data were."""
    facts = _facts(db, study)
    asked = {name: facts["question"][name] for name in ("subject", "scale", "training", "solver")}
    return asked | {"kind": facts["kind"], "budget_trials": facts["budget_trials"]}


def _facts(db: str, study: str) -> dict[str, Any]:
    return next(row for row in export.records(queries.studies(db)) if row["name"] == study)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("databases", nargs="+", metavar="DATABASE")
    parser.add_argument("--pruner", choices=pruners.names(), default=pruners.USUAL)
    parser.add_argument("--levels", default=".01,.02,.05,.1,.2", help="comma-separated")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
