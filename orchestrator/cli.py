"""The two commands. Whatever a user can mend ends in one line on stderr and exit code 2."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import Any

import typer
from rich.console import Console

from orchestrator import environment, launch, options, plan
from orchestrator.baseline import BaselineFailed
from orchestrator.describe import Refused, Stopped, TrainerBroken
from orchestrator.executors import ExecutorError
from orchestrator.proposals import NotReproducible, SolverFailed
from results.errors import StoreError

_MENDABLE = (
    options.BadOption,
    Refused,
    OSError,  # a folder or a disk
    StoreError,
    ExecutorError,
    BaselineFailed,
    NotReproducible,
    SolverFailed,
    TrainerBroken,
    environment.Clash,
)
_INTERRUPTED = 130


def _nas(
    base: options.Base,
    data: options.Dataset = None,
    budget: options.Budget = None,
    trials: options.Trials = None,
    demo: options.Demo = False,
    plan: options.Plan = False,
    solver: options.Solver = None,
    seed: options.Seed = None,
    block: options.Block = None,
    replicates: options.Replicates = None,
    confirm: options.Confirm = None,
    min_accuracy: options.MinAccuracy = None,
    tolerance: options.Tolerance = None,
    depth: options.Span = None,
    width: options.Span = None,
    resolution: options.PixelSpan = None,
    base_depth: options.BaseScale = None,
    base_width: options.BaseScale = None,
    base_resolution: options.BaseScale = None,
    save_as: options.SaveAs = None,
    image_size: options.ImageSize = None,
    train_images: options.TrainImages = None,
    validation_images: options.ValidationImages = None,
    clock: options.Clock = None,
    recipe: options.Recipe = None,
    optimizer: options.Optimizer = None,
    learning_rate: options.LearningRate = None,
    weight_decay: options.WeightDecay = None,
    batch_size: options.BatchSize = None,
    precision: options.Precision = None,
    device: options.Device = None,
    slots: options.Slots = None,
    executor: options.Executor = None,
    timeout: options.Timeout = None,
    trainer: options.Trainer = None,
    study: options.StudyName = None,
    db: options.Database = None,
    runs: options.Runs = None,
    data_folder: options.DataFolder = None,
) -> None:
    """Find the smallest variant of a base network that is still as accurate.

    NOMAD searches depth, width and resolution multipliers: fewest MACs subject to accuracy. The
    same command again resumes.
    """
    _run("nas", base, locals())


def _hpo(
    model: options.Model,
    data: options.Dataset = None,
    budget: options.Budget = None,
    trials: options.Trials = None,
    demo: options.Demo = False,
    plan: options.Plan = False,
    solver: options.Solver = None,
    seed: options.Seed = None,
    block: options.Block = None,
    save_as: options.SaveAs = None,
    image_size: options.ImageSize = None,
    train_images: options.TrainImages = None,
    validation_images: options.ValidationImages = None,
    clock: options.Clock = None,
    recipe: options.Recipe = None,
    precision: options.Precision = None,
    device: options.Device = None,
    slots: options.Slots = None,
    executor: options.Executor = None,
    timeout: options.Timeout = None,
    trainer: options.Trainer = None,
    study: options.StudyName = None,
    db: options.Database = None,
    runs: options.Runs = None,
    data_folder: options.DataFolder = None,
) -> None:
    """Tune learning rate, weight decay, optimizer and batch size of a network for accuracy.

    The same command again resumes.
    """
    _run("hpo", model, locals())


def _run(kind: str, subject: str, given: dict[str, Any]) -> None:
    console = Console()
    stop = threading.Event()
    try:
        environment.refuse_clashes()
        request = options.settle(kind, subject, given)
        if request.plan:
            plan.show(request, console)
            return
        _stop_on_signals(stop)
        launch.run(request, console, stop)
    except Stopped:
        raise typer.Exit(_INTERRUPTED) from None
    except _MENDABLE as error:
        print(f"{kind}-search: {_one_line(error)}", file=sys.stderr)  # noqa: T201
        raise typer.Exit(2) from None


def _stop_on_signals(stop: threading.Event) -> None:
    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return (
            f"{where}{error.strerror}; mend that and run the same command again, nothing that ended is lost"
        )
    return " ".join(str(error).split())


def nas_search() -> None:
    """The entry point `nas-search`."""
    _app(_nas)()


def hpo_search() -> None:
    """The entry point `hpo-search`."""
    _app(_hpo)()


def _app(command: Any) -> typer.Typer:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    return app
