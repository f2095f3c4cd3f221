"""The options of the commands as typer reads them: names, help texts, and defaults in square brackets.

An option that is not given is None here; `spec/options.py` and `evaluation/options.py` fill in its default.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from orchestrator import executors, solvers

_SEARCH = "The search"
_EVALUATION = "The evaluation"
_STUDY = "The study"
_TRAINING = "Each training"
_MACHINE = "The machine"
_RECORD = "The results"


def _option(help_text: str, panel: str, *names: str, **settings: Any) -> Any:
    return typer.Option(*names, help=escape(help_text), rich_help_panel=panel, show_default=False, **settings)


Base = Annotated[
    str,
    _option("Base network: one that `trainer models` lists, or a saved model.", _SEARCH),
]
Model = Annotated[
    str, _option("Model to tune: saved by a study, built in (nomad_senet18), or a base network.", _SEARCH)
]
SearchSpace = Annotated[
    str | None,
    _option(
        "What to tune. training: optimizer, learning rate, weight decay and batch size; recipe: which "
        "ingredients, and how strong; resnet_budget: the architecture of that network. [training]",
        _SEARCH,
        "--space",
    ),
]
Minimise = Annotated[
    str | None,
    _option(
        "What to minimise: macs, params, latency (measured) or energy (of a training). [macs]",
        _SEARCH,
        "--minimise",
    ),
]
Maximise = Annotated[
    str | None,
    _option(
        "Give accuracy to maximise it, without a baseline. Together with --minimise: the Pareto front.",
        _SEARCH,
        "--maximise",
    ),
]
MaxMacs = Annotated[str | None, _option("Most MACs a network may have: 5000000, 5e6 or 5M.", _SEARCH)]
MaxParams = Annotated[
    str | None, _option("Most parameters a network may have. [5M for --space resnet_budget]", _SEARCH)
]
MaxLatency = Annotated[
    float | None,
    _option(
        "Most milliseconds a network may take for one image, measured on a worker.",
        _SEARCH,
        "--max-latency-ms",
    ),
]
MaxEnergy = Annotated[
    float | None,
    _option(
        "Most joules that the GPU may use for a training, known only after it.",
        _SEARCH,
        "--max-energy-joules",
    ),
]
Trials = Annotated[int | None, _option("Most trainings, repeats included. [100]", _SEARCH)]
MaxGpuHours = Annotated[
    float | None,
    _option(
        "Most device-hours: the search starts no training once they run out. Failed trainings and resumes "
        "count. [no limit]",
        _SEARCH,
        "--max-gpu-hours",
    ),
]
Solver = Annotated[
    str | None,
    _option(f"Solver that proposes the candidates: {', '.join(solvers.names())}. [nomad]", _SEARCH),
]
Block = Annotated[int | None, _option("Candidates per iteration. [number of workers]", _SEARCH)]
WarmStart = Annotated[
    str | None,
    _option(
        "Earlier study in this results database whose best candidates are tried first.",
        _SEARCH,
        "--warm-start",
    ),
]
Seed = Annotated[
    int | None, _option("Seed of the image sample, the initial weights and the solver. [0]", _STUDY)
]
Replicates = Annotated[
    int | None,
    _option("Trainings of the base network that measure the baseline. [3]", _SEARCH, "--replicates"),
]
Confirm = Annotated[
    int | None,
    _option(
        "Most confirmation trainings per candidate; 0 turns confirmation off. [6]",
        _SEARCH,
        "--confirm",
    ),
]
Confidence = Annotated[
    float | None,
    _option(
        "Confidence c in the final answer. A single candidate is held to more: 1 - (1 - c) / 3. [.95]",
        _SEARCH,
    ),
]
EarlyStop = Annotated[
    float | None,
    _option(
        "Stop a training once its learning curve cannot reach the required accuracy. The value is "
        "the tolerated "
        "fraction of wrong stops; 0 turns early stopping off. [.05]",
        _SEARCH,
        "--early-stop",
    ),
]
Audit = Annotated[
    float | None,
    _option("Fraction of trials exempt from early stopping, to estimate its error rate. [.1]", _SEARCH),
]
MinAccuracy = Annotated[
    float | None, _option("Required accuracy, a fraction such as .87. No baseline is trained then.", _SEARCH)
]
Tolerance = Annotated[
    float | None,
    _option(
        "Accuracy that may be lost against the baseline, a fraction: .005 is half a percentage point. [0]",
        _SEARCH,
    ),
]
Span = Annotated[
    str | None, _option("Multipliers to search, LOW:HIGH. [depth .5:1.5, width .25:1.25]", _SEARCH)
]
PixelSpan = Annotated[str | None, _option("Resolution multipliers to search, LOW:HIGH. [.5:1.5]", _SEARCH)]
BaseScale = Annotated[float | None, _option("Multiplier of the base network itself. [1]", _STUDY)]
SaveAs = Annotated[
    str | None, _option("Name to save the best network under. [nomad_BASE, tuned_MODEL]", _SEARCH)
]
Demo = Annotated[
    bool, _option("Run a small study on built-in data: minutes on two CPU cores.", _STUDY, "--demo")
]
Plan = Annotated[
    bool,
    _option("Show what the study would cost, then exit. Nothing is trained or downloaded.", _STUDY, "--plan"),
]

Models = Annotated[
    list[str] | None,
    _option("Model to evaluate, as for hpo-search --model. Repeatable.", _EVALUATION, "--model"),
]
ModelList = Annotated[
    str | None,
    _option(
        "A predefined list of networks. table1: the candidates for a baseline in the NOMAD paper.",
        _EVALUATION,
        "--models",
    ),
]
Recipes = Annotated[
    list[str] | None,
    _option("Recipe to train every model with. Repeatable. [each model's own]", _EVALUATION, "--recipe"),
]
RunsOfEach = Annotated[
    int | None, _option("Runs (trainings) of each model with each recipe. [10]", _EVALUATION, "--runs")
]
NoTest = Annotated[
    bool, _option("Rank by validation accuracy and leave the test images unread.", _EVALUATION, "--no-test")
]
Ensemble = Annotated[
    int | None, _option("Train an ensemble of this many members in every run.", _EVALUATION, "--ensemble")
]
Vote = Annotated[str | None, _option("How an ensemble votes: soft or hard. [soft]", _EVALUATION, "--vote")]
Csv = Annotated[Path | None, _option("Also write the ranking to this CSV file.", _EVALUATION, "--csv")]
ValidationImagesOfEach = Annotated[
    int | None,
    _option("Validation images per run. [0, or 1000 with --no-test]", _TRAINING, "--validation-images"),
]

Dataset = Annotated[
    str | None, _option("Data set: digits, cifar10, npz:PATH or folder:PATH. [cifar10]", _TRAINING, "--data")
]
ImageSize = Annotated[
    int | None, _option("Image size in pixels, before scaling. [the data set's own]", _TRAINING)
]
Fit = Annotated[
    str | None,
    _option(
        "How to make images square: crop, pad or squash. [as for the saved model, or crop]",
        _TRAINING,
    ),
]
TrainImages = Annotated[int | None, _option("Training images to sample. [5000]", _TRAINING)]
ValidationImages = Annotated[
    int | None, _option("Validation images to sample from the training set. [1000]", _TRAINING)
]
Budget = Annotated[str | None, _option("Budget of one training: 600s, 10m or 500steps. [600s]", _TRAINING)]
Clock = Annotated[
    str | None,
    _option(
        "What a budget in seconds covers. train: training only; strict: everything from process "
        "start. [train]",
        _TRAINING,
    ),
]
Recipe = Annotated[str | None, _option("Training recipe. [as for the saved model, or nomad_haet]", _TRAINING)]
Optimizer = Annotated[str | None, _option("Optimizer. [the recipe's]", _TRAINING)]
LearningRate = Annotated[float | None, _option("Learning rate. [the recipe's]", _TRAINING)]
WeightDecay = Annotated[float | None, _option("Weight decay. [the recipe's]", _TRAINING)]
BatchSize = Annotated[int | None, _option("Batch size. [the recipe's]", _TRAINING)]
Ingredient = Annotated[
    list[str] | None,
    _option(
        "Ingredient to add to the recipe (NAME), change (NAME=JSON of its settings) or remove (NAME=null). "
        "Repeatable. [the recipe's]",
        _TRAINING,
    ),
]
Precision = Annotated[str | None, _option("Numeric precision: auto, fp32, bf16 or fp16. [auto]", _TRAINING)]

Device = Annotated[str | None, _option("Device: auto, cpu or cuda. [auto: GPUs if there are any]", _MACHINE)]
Slots = Annotated[
    int | None, _option("Workers: trainings that run at a time. [one per GPU, or one per CPU core]", _MACHINE)
]
Stack = Annotated[
    int | None, typer.Option("--stack", hidden=True)
]  # removed; commands of earlier versions have it
Executor = Annotated[
    str | None, _option(f"Where the trainings run: {', '.join(executors.names())}. [local]", _MACHINE)
]
Address = Annotated[
    str | None,
    _option("Ray cluster: HOST:PORT, or auto for the one that this machine belongs to.", _MACHINE),
]
GpuFraction = Annotated[
    float | None,
    _option("Fraction of a GPU per training on a Ray cluster. Needs a budget in steps. [1]", _MACHINE),
]
Partition = Annotated[str | None, _option("SLURM partition.", _MACHINE)]
Account = Annotated[str | None, _option("SLURM account.", _MACHINE)]
Timeout = Annotated[
    float | None,
    _option("Seconds of wall time after which a training counts as hung. [budget + 10% + 180]", _MACHINE),
]
MaxMemory = Annotated[
    str | None,
    _option(
        "Most host memory of one training and all its processes: 8GB, or none for no limit. [.9 of "
        "the machine's]",
        _MACHINE,
    ),
]
Retries = Annotated[
    int | None,
    _option(
        "Retries after a failure of the machine: the training was killed, or its GPU lost. [2]", _MACHINE
    ),
]
Trainer = Annotated[
    str | None, _option("Command of a trainer of your own (docs/trainer-protocol.md).", _MACHINE, "--trainer")
]

StudyName = Annotated[
    str | None,
    _option("Name of the study. The same name resumes it. [made from the options above]", _RECORD, "--study"),
]
Database = Annotated[
    str | None,
    _option(
        "Results database: an SQLite file or an SQLAlchemy URL. [RUNS/results.db]",
        _RECORD,
        "--db",
        envvar="NAS_DB",
    ),
]
Runs = Annotated[Path | None, _option("Folder for the trials' files. [runs]", _RECORD, "--runs")]
Folder = Annotated[Path | None, _option("Folder for the trials' files. [runs]", _RECORD, "--folder")]
Server = Annotated[
    str | None,
    _option(
        "Queue the search at this nas-serve instead (http://HOST:8420), and print where to watch it.", _RECORD
    ),
]
TokenFile = Annotated[
    Path | None, _option("File with the token for --server. [the variable NAS_TOKEN]", _RECORD)
]
DataFolder = Annotated[Path | None, _option("Folder for downloaded data sets. [the user's cache]", _RECORD)]
