"""Studies of the fake trainer, run in this process or as the command a user runs."""

from __future__ import annotations

import io
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from orchestrator.evaluation import run as evaluation
from orchestrator.evaluation.options import EvaluationOptions, RepeatedOptions
from orchestrator.spec.search_options import SearchOptions, resolve_options
from orchestrator.study.run import run_study
from orchestrator.training.options import TrainingOptions
from orchestrator.training.run import run_training
from results.db.store import Store
from results.db.tables import Trial
from tests import inline
from tests.orchestrator._processes import FAKE_TRAINER

TRAINER = shlex.join([sys.executable, str(FAKE_TRAINER)])
RUN_COMMAND = "import sys; from orchestrator.cli import commands; sys.argv = sys.argv[1:]; commands.{}()"

# what must be equal in two records of one question; times, folders and attempts may differ
COMPARED = (
    "number",
    "purpose",
    "state",
    "reason",
    "point",
    "network_key",
    "replicate",
    "of_trial_number",
    "macs",
    "parameters",
    "channels",
    "blocks",
    "resolution_pixels",
    "val_accuracy",
    "score",
    "val_loss",
    "test_accuracy",
    "test_accuracy_1000",
    "objective",
    "constraints",
    "verdict",
    "probability",
    "difference",
    "pairs",
    "audited",
    "stop_progress",
    "predicted_accuracy",
    "stop_bound",
    "seed",
    "subset_seed",
    "exit_code",
)


def settled(folder: Path, kind: str = "nas", subject: str = "senet18", **given: Any) -> SearchOptions:
    """A request for a small study of the fake trainer with its record in `folder`."""
    usual: dict[str, Any] = {
        "data": "fake:",
        "budget": "10steps",
        "solver": "random",
        "trials": 8,
        "confirm": 0,
        "replicates": 2,
        "tolerance": 0.01,
        "device": "cpu",
        "slots": 1,
        "executor": "inline",
        "trainer": TRAINER,
        "study": "s",
        "runs": folder,
    }
    if given.get("min_accuracy") is not None:
        del usual["replicates"], usual["tolerance"]
    if given.get("maximise") or (kind == "hpo" and not given.get("minimise")):
        for of_a_baseline in ("tolerance", "replicates", "confirm"):
            usual.pop(of_a_baseline, None)
    return resolve_options(kind, subject, {**usual, **given})


def run(folder: Path, stop: threading.Event | None = None, **given: Any) -> str:
    """Run a study here to its end, and return what it printed."""
    printed = io.StringIO()
    with inline.offered():
        run_study(settled(folder, **given), Console(file=printed, width=200), stop or threading.Event())
    return printed.getvalue()


def evaluate(folder: Path, /, **given: Any) -> str:
    """Run a small evaluation of the fake trainer here to its end, and return what it printed."""
    return _run_by_run(EvaluationOptions, evaluation.run_evaluation, folder, {"model": ["senet18"], **given})


def train(folder: Path, /, model: str = "senet18", **given: Any) -> str:
    """Run a small final training with the fake trainer here to its end, and return what it printed."""
    return _run_by_run(TrainingOptions, run_training, folder, {"model": model, "runs": 1, **given})


def _run_by_run(
    options: type[RepeatedOptions], run: Callable[..., str], folder: Path, given: dict[str, Any]
) -> str:
    usual: dict[str, Any] = {
        "data": "fake:",
        "budget": "10steps",
        "runs": 2,
        "device": "cpu",
        "slots": 1,
        "executor": "inline",
        "trainer": TRAINER,
        "study": "s",
        "folder": folder,
    }
    printed = io.StringIO()
    request = options.resolve({**usual, **given})
    act = evaluation.show_plan if request.plan else partial(run, stop=threading.Event())
    with inline.offered():
        act(request, Console(file=printed, width=200))
    return printed.getvalue()


def trials(folder: Path, study: str = "s") -> list[Trial]:
    with Store(folder / "results.db", read_only=True) as store:
        found = store.study(study)
        assert found is not None
        return store.trials(found.id)


def record(folder: Path, study: str = "s") -> list[dict[str, Any]]:
    """The study's trials, as far as two runs of one question must agree on them."""
    return [{name: getattr(row, name) for name in COMPARED} for row in trials(folder, study)]


def command(folder: Path, *arguments: str, program: str = "nas_search") -> list[str]:
    """The command line of a study with its record in `folder`, as its user would type it."""
    return [
        sys.executable,
        "-P",
        "-c",
        RUN_COMMAND.format(program),
        program.replace("_", "-"),
        *("--trainer", TRAINER),
        *("--folder" if program in ("nas_evaluate", "nas_train") else "--runs", str(folder)),
        *("--device", "cpu"),
        *arguments,
    ]


def typed(folder: Path, *arguments: str, program: str = "nas_search") -> subprocess.CompletedProcess[str]:
    """Run the command to its end, with its output captured."""
    return subprocess.run(
        command(folder, *arguments, program=program), capture_output=True, text=True, timeout=100, check=False
    )
