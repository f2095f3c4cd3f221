"""The commands: their options, and what each does with them."""

from __future__ import annotations

from typing import Any

import typer

from orchestrator.cli import client, main
from orchestrator.cli import options as flags
from orchestrator.evaluation import options as evaluate_options
from orchestrator.evaluation import run as evaluate
from orchestrator.spec import options
from orchestrator.study import plan
from orchestrator.study.run import run_study
from results import terminal


def _nas(
    base: flags.Base,
    minimise: flags.Minimise = None,
    maximise: flags.Maximise = None,
    min_accuracy: flags.MinAccuracy = None,
    max_macs: flags.MaxMacs = None,
    max_params: flags.MaxParams = None,
    max_latency_ms: flags.MaxLatency = None,
    max_energy_joules: flags.MaxEnergy = None,
    data: flags.Dataset = None,
    budget: flags.Budget = None,
    trials: flags.Trials = None,
    max_gpu_hours: flags.MaxGpuHours = None,
    demo: flags.Demo = False,
    plan: flags.Plan = False,
    solver: flags.Solver = None,
    seed: flags.Seed = None,
    block: flags.Block = None,
    warm_start: flags.WarmStart = None,
    replicates: flags.Replicates = None,
    confirm: flags.Confirm = None,
    confidence: flags.Confidence = None,
    early_stop: flags.EarlyStop = None,
    audit: flags.Audit = None,
    tolerance: flags.Tolerance = None,
    depth: flags.Span = None,
    width: flags.Span = None,
    resolution: flags.PixelSpan = None,
    base_depth: flags.BaseScale = None,
    base_width: flags.BaseScale = None,
    base_resolution: flags.BaseScale = None,
    save_as: flags.SaveAs = None,
    image_size: flags.ImageSize = None,
    fit: flags.Fit = None,
    train_images: flags.TrainImages = None,
    validation_images: flags.ValidationImages = None,
    clock: flags.Clock = None,
    recipe: flags.Recipe = None,
    ingredient: flags.Ingredient = None,
    optimizer: flags.Optimizer = None,
    learning_rate: flags.LearningRate = None,
    weight_decay: flags.WeightDecay = None,
    batch_size: flags.BatchSize = None,
    precision: flags.Precision = None,
    device: flags.Device = None,
    slots: flags.Slots = None,
    stack: flags.Stack = None,
    executor: flags.Executor = None,
    address: flags.Address = None,
    gpu_fraction: flags.GpuFraction = None,
    partition: flags.Partition = None,
    account: flags.Account = None,
    timeout: flags.Timeout = None,
    max_memory: flags.MaxMemory = None,
    retries: flags.Retries = None,
    trainer: flags.Trainer = None,
    study: flags.StudyName = None,
    db: flags.Database = None,
    runs: flags.Runs = None,
    data_folder: flags.DataFolder = None,
    server: flags.Server = None,
    token_file: flags.TokenFile = None,
) -> None:
    """Find the smallest variant of a base network that is still as accurate.

    The search varies depth, width and resolution multipliers. It minimises MACs subject to a
    required accuracy, unless --minimise and --maximise say otherwise. To resume, run the same
    command again.
    """
    _run("nas", base, locals())


def _hpo(
    model: flags.Model,
    space: flags.SearchSpace = None,
    minimise: flags.Minimise = None,
    maximise: flags.Maximise = None,
    min_accuracy: flags.MinAccuracy = None,
    max_macs: flags.MaxMacs = None,
    max_params: flags.MaxParams = None,
    max_latency_ms: flags.MaxLatency = None,
    max_energy_joules: flags.MaxEnergy = None,
    data: flags.Dataset = None,
    budget: flags.Budget = None,
    trials: flags.Trials = None,
    max_gpu_hours: flags.MaxGpuHours = None,
    demo: flags.Demo = False,
    plan: flags.Plan = False,
    solver: flags.Solver = None,
    seed: flags.Seed = None,
    block: flags.Block = None,
    warm_start: flags.WarmStart = None,
    replicates: flags.Replicates = None,
    confirm: flags.Confirm = None,
    confidence: flags.Confidence = None,
    tolerance: flags.Tolerance = None,
    early_stop: flags.EarlyStop = None,
    audit: flags.Audit = None,
    base_depth: flags.BaseScale = None,
    base_width: flags.BaseScale = None,
    base_resolution: flags.BaseScale = None,
    save_as: flags.SaveAs = None,
    image_size: flags.ImageSize = None,
    fit: flags.Fit = None,
    train_images: flags.TrainImages = None,
    validation_images: flags.ValidationImages = None,
    clock: flags.Clock = None,
    recipe: flags.Recipe = None,
    ingredient: flags.Ingredient = None,
    optimizer: flags.Optimizer = None,
    learning_rate: flags.LearningRate = None,
    weight_decay: flags.WeightDecay = None,
    batch_size: flags.BatchSize = None,
    precision: flags.Precision = None,
    device: flags.Device = None,
    slots: flags.Slots = None,
    stack: flags.Stack = None,
    executor: flags.Executor = None,
    address: flags.Address = None,
    gpu_fraction: flags.GpuFraction = None,
    partition: flags.Partition = None,
    account: flags.Account = None,
    timeout: flags.Timeout = None,
    max_memory: flags.MaxMemory = None,
    retries: flags.Retries = None,
    trainer: flags.Trainer = None,
    study: flags.StudyName = None,
    db: flags.Database = None,
    runs: flags.Runs = None,
    data_folder: flags.DataFolder = None,
    server: flags.Server = None,
    token_file: flags.TokenFile = None,
) -> None:
    """Tune how a network is trained: its hyperparameters, its recipe or its architecture (--space).

    The search maximises accuracy, unless --minimise and --maximise say otherwise. To resume, run
    the same command again.
    """
    _run("hpo", model, locals())


def _evaluate(
    model: flags.Models = None,
    models: flags.ModelList = None,
    recipe: flags.Recipes = None,
    runs_of_each: flags.RunsOfEach = None,
    data: flags.Dataset = None,
    budget: flags.Budget = None,
    demo: flags.Demo = False,
    plan: flags.Plan = False,
    no_test: flags.NoTest = False,
    ensemble: flags.Ensemble = None,
    vote: flags.Vote = None,
    csv: flags.Csv = None,
    seed: flags.Seed = None,
    base_depth: flags.BaseScale = None,
    base_width: flags.BaseScale = None,
    base_resolution: flags.BaseScale = None,
    image_size: flags.ImageSize = None,
    fit: flags.Fit = None,
    train_images: flags.TrainImages = None,
    validation_images: flags.ValidationImagesOfEach = None,
    clock: flags.Clock = None,
    optimizer: flags.Optimizer = None,
    learning_rate: flags.LearningRate = None,
    weight_decay: flags.WeightDecay = None,
    batch_size: flags.BatchSize = None,
    ingredient: flags.Ingredient = None,
    precision: flags.Precision = None,
    device: flags.Device = None,
    slots: flags.Slots = None,
    stack: flags.Stack = None,
    executor: flags.Executor = None,
    address: flags.Address = None,
    gpu_fraction: flags.GpuFraction = None,
    partition: flags.Partition = None,
    account: flags.Account = None,
    timeout: flags.Timeout = None,
    max_memory: flags.MaxMemory = None,
    retries: flags.Retries = None,
    trainer: flags.Trainer = None,
    study: flags.StudyName = None,
    db: flags.Database = None,
    runs: flags.Folder = None,
    data_folder: flags.DataFolder = None,
) -> None:
    """Train models several times each, on disjoint images, and rank them by test accuracy.

    Every model is trained with every recipe. Run r of each pair sees the same images, so that pairs
    can be compared. To resume, run the same command again; a larger --runs adds to the study.
    """
    given = locals()
    main.say_removed("nas-evaluate", given)
    main.answer(
        "nas-evaluate",
        lambda: evaluate_options.resolve_options(given),
        evaluate.run_evaluation,
        evaluate.show_plan,
    )


def _run(kind: str, subject: str, given: dict[str, Any]) -> None:
    main.say_removed(f"{kind}-search", given)
    if given["server"] is not None:
        main.report_errors(f"{kind}-search", lambda: client.start(kind, given, terminal.SafeConsole()))
        return
    main.answer(
        f"{kind}-search",
        lambda: options.resolve_options(kind, subject, given),
        run_study,
        plan.show_plan,
    )


def nas_search() -> None:
    """The entry point `nas-search`."""
    _start(_nas)


def hpo_search() -> None:
    """The entry point `hpo-search`."""
    _start(_hpo)


def nas_evaluate() -> None:
    """The entry point `nas-evaluate`."""
    _start(_evaluate)


def _start(command: Any) -> None:
    terminal.prepare()
    _app(command)()


def _app(command: Any) -> typer.Typer:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    return app
