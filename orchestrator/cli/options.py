"""The options of the commands as typer reads them: names, help and the defaults that the help tells.

An option that is not given is None here; `options.py` settles what stands in for it.
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
_RECORD = "The record"


def _option(help_text: str, panel: str, *names: str, **settings: Any) -> Any:
    return typer.Option(*names, help=escape(help_text), rich_help_panel=panel, show_default=False, **settings)


Base = Annotated[str, _option("Base network, as `trainer models` lists them, or a saved model.", _SEARCH)]
Model = Annotated[
    str, _option("Model to tune: saved by a study, built in (nomad_senet18), or a network.", _SEARCH)
]
SearchSpace = Annotated[
    str | None,
    _option(
        "training: its four hyperparameters; recipe: which ingredients, how strong; resnet_budget: "
        "that network's architecture. [training]",
        _SEARCH,
        "--space",
    ),
]
Minimise = Annotated[
    str | None,
    _option(
        "macs, params or latency (measured): the least that is as accurate. [macs]", _SEARCH, "--minimise"
    ),
]
Maximise = Annotated[
    str | None,
    _option(
        "accuracy, without a baseline. With --minimise: all that nothing betters in both.",
        _SEARCH,
        "--maximise",
    ),
]
MaxMacs = Annotated[str | None, _option("The most MACs of a network: 5000000, 5e6, 5M.", _SEARCH)]
MaxParams = Annotated[
    str | None, _option("The most parameters of a network. [of --space resnet_budget 5M]", _SEARCH)
]
MaxLatency = Annotated[
    float | None,
    _option(
        "The most ms of one image's way through a network, measured on a slot.", _SEARCH, "--max-latency-ms"
    ),
]
Trials = Annotated[int | None, _option("Trainings to spend, replicates included. [100]", _SEARCH)]
MaxGpuHours = Annotated[
    float | None,
    _option(
        "Hours of a GPU or CPU slot to spend at most, failed trainings and resumes included. [no limit]",
        _SEARCH,
        "--max-gpu-hours",
    ),
]
Solver = Annotated[str | None, _option(f"One of {', '.join(solvers.names())}. [nomad]", _SEARCH)]
Block = Annotated[int | None, _option("Points asked of the solver at once. [number of slots]", _SEARCH)]
WarmStart = Annotated[
    str | None,
    _option("Earlier study on this record whose best points are asked first.", _SEARCH, "--warm-start"),
]
Seed = Annotated[
    int | None, _option("Seed of the images drawn and the weights, and of the solver. [0]", _STUDY)
]
Replicates = Annotated[int | None, _option("Trainings of the base network. [3]", _SEARCH, "--replicates")]
Confirm = Annotated[
    int | None,
    _option(
        "The most trainings more of a network that may be named, until it is believed or not; 0: none. [6]",
        _SEARCH,
        "--confirm",
    ),
]
Confidence = Annotated[
    float | None,
    _option(
        "Probability with which the network named must be true; each one that is looked at must reach more, "
        "1 - (1 - it) / 3. [.95]",
        _SEARCH,
    ),
]
EarlyStop = Annotated[
    float | None,
    _option(
        "Stop a training once its curve is hopeless; of those stopped, the share that may be wrongly so. "
        "0: none is stopped. [.05]",
        _SEARCH,
        "--early-stop",
    ),
]
Audit = Annotated[
    float | None,
    _option("Share of the trials that is never stopped early, to tell false stops. [.1]", _SEARCH),
]
MinAccuracy = Annotated[
    float | None, _option("Accuracy to keep, a fraction; no baseline is trained then.", _SEARCH)
]
Tolerance = Annotated[
    float | None, _option("Accuracy that may be given up, a fraction: .005 is half a point. [0]", _SEARCH)
]
Span = Annotated[str | None, _option("Multipliers LOW:HIGH. [depth .5:1.5, width .25:1.25]", _SEARCH)]
PixelSpan = Annotated[str | None, _option("Multipliers LOW:HIGH of the resolution. [.5:1.5]", _SEARCH)]
BaseScale = Annotated[float | None, _option("Scale of the network itself. [1]", _STUDY)]
SaveAs = Annotated[str | None, _option("Name to save the winner under. [nomad_BASE, tuned_MODEL]", _SEARCH)]
Demo = Annotated[bool, _option("A small study on embedded data: minutes on two CPU cores.", _STUDY, "--demo")]
Plan = Annotated[bool, _option("Say what it would cost, and do nothing.", _STUDY, "--plan")]

Models = Annotated[
    list[str] | None,
    _option(
        "Model to evaluate, as --model of hpo-search; give it as often as wanted.", _EVALUATION, "--model"
    ),
]
ModelList = Annotated[
    str | None,
    _option("A list of networks: table1, the NOMAD paper's search for a baseline.", _EVALUATION, "--models"),
]
Recipes = Annotated[
    list[str] | None,
    _option(
        "Recipe to train every model with; may be given often. [each model's own]", _EVALUATION, "--recipe"
    ),
]
RunsOfEach = Annotated[
    int | None, _option("Trainings of each model with each recipe. [10]", _EVALUATION, "--runs")
]
NoTest = Annotated[
    bool, _option("Read no test image: rank by validation accuracy.", _EVALUATION, "--no-test")
]
Ensemble = Annotated[
    int | None, _option("Members of an ensemble that each training trains.", _EVALUATION, "--ensemble")
]
Vote = Annotated[str | None, _option("How an ensemble votes: soft or hard. [soft]", _EVALUATION, "--vote")]
Csv = Annotated[
    Path | None, _option("Write the ranked table to this CSV file as well.", _EVALUATION, "--csv")
]
ValidationImagesOfEach = Annotated[
    int | None,
    _option("Validation images of a run. [0, or 1000 with --no-test]", _TRAINING, "--validation-images"),
]

Dataset = Annotated[
    str | None, _option("digits, cifar10, npz:PATH or folder:PATH. [cifar10]", _TRAINING, "--data")
]
ImageSize = Annotated[
    int | None, _option("Pixels a side that images are stored at. [the data set's own]", _TRAINING)
]
Fit = Annotated[
    str | None,
    _option(
        "How images that are not square become so: crop, pad or squash. [a saved model's own, or crop]",
        _TRAINING,
    ),
]
TrainImages = Annotated[int | None, _option("Training images drawn. [5000]", _TRAINING)]
ValidationImages = Annotated[
    int | None, _option("Validation images, out of the training set. [1000]", _TRAINING)
]
Budget = Annotated[str | None, _option("Of one training: 600s, 10m, 500steps. [600s]", _TRAINING)]
Clock = Annotated[str | None, _option("train, or strict: from the process's start. [train]", _TRAINING)]
Recipe = Annotated[
    str | None, _option("How a network is trained. [a saved model's own, or nomad_haet]", _TRAINING)
]
Optimizer = Annotated[str | None, _option("Optimizer of all trainings. [the recipe's]", _TRAINING)]
LearningRate = Annotated[float | None, _option("Learning rate of all trainings. [the recipe's]", _TRAINING)]
WeightDecay = Annotated[float | None, _option("Weight decay of all trainings. [the recipe's]", _TRAINING)]
BatchSize = Annotated[int | None, _option("Images a step. [the recipe's]", _TRAINING)]
Ingredient = Annotated[
    list[str] | None,
    _option(
        "Ingredient of all trainings: NAME, NAME=JSON of its settings, NAME=null to leave it out. [recipe's]",
        _TRAINING,
    ),
]
Precision = Annotated[str | None, _option("auto, fp32, bf16 or fp16. [auto]", _TRAINING)]

Device = Annotated[str | None, _option("auto, cpu or cuda. [auto: GPUs where there are any]", _MACHINE)]
Slots = Annotated[int | None, _option("Trainings at a time. [one a GPU, or one a CPU core]", _MACHINE)]
Stack = Annotated[
    int | None, typer.Option("--stack", hidden=True)
]  # gone; commands of earlier versions have it
Executor = Annotated[
    str | None, _option(f"What runs the trainings: {' or '.join(executors.names())}. [local]", _MACHINE)
]
Address = Annotated[
    str | None,
    _option("Cluster of --executor ray: HOST:PORT, or auto for the one this machine is in.", _MACHINE),
]
GpuFraction = Annotated[
    float | None,
    _option("Share of a GPU that a training takes on a Ray cluster, with a budget in steps. [1]", _MACHINE),
]
Partition = Annotated[
    str | None, _option("Machines of the cluster that --executor slurm asks for.", _MACHINE)
]
Account = Annotated[str | None, _option("Whom the cluster of --executor slurm charges.", _MACHINE)]
Timeout = Annotated[
    float | None,
    _option("Wall seconds after which a training counts as hung. [budget + 10% + 180]", _MACHINE),
]
MaxMemory = Annotated[
    str | None,
    _option("Host memory of a training, all its processes: 8GB, or none. [.9 of the machine's]", _MACHINE),
]
Retries = Annotated[
    int | None,
    _option("How often a training is tried again that its machine failed: killed, GPU lost. [2]", _MACHINE),
]
Trainer = Annotated[
    str | None, _option("Another trainer's command (docs/trainer-protocol.md).", _MACHINE, "--trainer")
]

StudyName = Annotated[
    str | None, _option("Name on record; the same name resumes. [made of the above]", _RECORD, "--study")
]
Database = Annotated[
    str | None,
    _option("SQLAlchemy URL or SQLite file. [FOLDER/results.db]", _RECORD, "--db", envvar="NAS_DB"),
]
Runs = Annotated[Path | None, _option("Folder of trials' files. [runs]", _RECORD, "--runs")]
Folder = Annotated[Path | None, _option("Folder of trials' files. [runs]", _RECORD, "--folder")]
Server = Annotated[
    str | None,
    _option(
        "Start the search at this nas-serve instead, http://HOST:8420, and say where to watch it.", _RECORD
    ),
]
TokenFile = Annotated[
    Path | None, _option("File with the token that the --server asks for. [NAS_TOKEN]", _RECORD)
]
DataFolder = Annotated[Path | None, _option("Where downloads are kept. [the user's cache]", _RECORD)]
