"""Train a grid of real networks, as a table that benchmarks can search without training.

    python benchmarks/real_grid.py make --data npz:cifar10.npz --out real_grid.jsonl
    python benchmarks/real_grid.py pack --data npz:cifar10.npz --out real_grid.jsonl --table real_grid.npz

The networks are points of the scaling space of senet18 at width .125 on 16 pixels: those with at most the
MACs of the base network, since a search trains no others. Four replicates of each, twelve of the base. A
replicate has the images and seeds of a search's replicate of that number. All run in one process, with the
trainer's own functions. Each finished training is a line of the file, and the same command goes on where it
was stopped.
"""

import argparse
import io
import itertools
import json
import random
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _setting import setting

from orchestrator.spec.trial_config import Choices, TrialBudget, TrialTemplate
from search_spaces import Point, Real, Space, scaling
from trainer import config, data, trial
from trainer.describe import model_fields
from trainer.report import Report

DISTRIBUTIONS = ("nomad-nas", "torch", "torchvision", "numpy")
BASE = {"width": 0.125}  # scale of the base network, as a fraction of senet18
REPLICATES, BASE_REPLICATES = 4, 12
STEPS, BATCH = 200, 128
TRAIN, VALIDATION = 5000, 5000  # images
# In 250 steps the base reached 40% with the strong augmentation of the recipe, and 45% without.
WITHOUT: dict[str, Any] = {"auto_augment": None, "cutout": None}

Job = tuple[Point, int]  # a network's multipliers and the replicate


def space() -> Space:
    """The grid: 4 depths, 8 widths and 3 resolutions of the scaling space of the base network."""
    return Space(
        (
            Real("depth", 0.5, 1.25, granularity=0.25),
            Real("width", 0.25, 1.125, granularity=0.125),
            Real("resolution", 0.5, 1.0, granularity=0.25),
        )
    )


def main() -> int:
    asked = _arguments()
    template = _template(asked.data)
    if asked.step == "pack":
        pack(asked.out, asked.table, template)
        return 0
    sizes = _describe_all(template)
    done = {(tuple(line["multipliers"]), line["replicate"]) for line in _read(asked.out)}
    write(asked.out, {"event": "setting", **setting(DISTRIBUTIONS)})
    for point, replicate in _jobs(sizes):
        if (tuple(point.values()), replicate) not in done:
            line = {"event": "training", "multipliers": list(point.values()), "replicate": replicate}
            write(asked.out, line | sizes[point] | _train(template, point, replicate))
    return 0


def write(path: Path, line: dict[str, Any]) -> None:
    """Append a line to the file."""
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def pack(lines: Path, table: Path, template: TrialTemplate) -> None:
    """Write the table. What was not trained is NaN. Raise ValueError where the base was never trained."""
    points = list(space())
    rows = {tuple(point.values()): row for row, point in enumerate(points)}
    base = rows[tuple(scaling.start(space()).values())]
    read = list(_read(lines))
    if not any(rows[tuple(line["multipliers"])] == base for line in read):
        raise ValueError(f"{lines} has no training of the base network; run `make` first")
    steps = sorted({step for line in read for step in line["curve"]["steps"]})
    replicates = 1 + max(line["replicate"] for line in read)
    accuracies = np.full((len(points), replicates), np.nan)
    curves = np.full((len(points), replicates, len(steps)), np.nan)
    for line in read:
        place = rows[tuple(line["multipliers"])], line["replicate"]
        accuracies[place] = line["val_accuracy"]
        curves[place][np.searchsorted(steps, line["curve"]["steps"])] = line["curve"]["val_accuracies"]
    settings = [line for line in _events(lines) if line["event"] == "setting"]
    sizes = _describe_all(template)
    np.savez_compressed(
        table,
        multipliers=np.array([list(point.values()) for point in points]),
        macs=np.array([sizes[point]["macs"] for point in points]),
        parameters=np.array([sizes[point]["parameters"] for point in points]),
        accuracies=accuracies.astype(np.float32),
        curve_steps=np.array(steps),
        curves=curves.astype(np.float32),
        about=np.array(_without_folders(json.dumps({"training": template.question(), "settings": settings}))),
    )


def _without_folders(text: str) -> str:
    """Return a text with the names of files alone, since the folders are those of one machine."""
    return re.sub(r"(?:/[\w.-]+)+/", "", text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("make", "pack"))
    parser.add_argument("--data", default="cifar10", help="as --data of nas-search")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.jsonl", help="of trainings")
    parser.add_argument("--table", type=Path, metavar="FILE.npz", help="to write")
    asked = parser.parse_args()
    if asked.step == "pack" and asked.table is None:
        parser.error("pack needs --table FILE.npz")
    return asked


def _template(dataset: str) -> TrialTemplate:
    return TrialTemplate(
        "senet18",
        dataset,
        TRAIN,
        VALIDATION,
        TrialBudget(steps=STEPS),
        hyperparameters={"batch_size": BATCH},
        ingredients=WITHOUT,
        image_size=16,
    )


def _config(template: TrialTemplate, point: Point, replicate: int) -> dict[str, Any]:
    return template.config(Choices(scaling.absolute(BASE, point)), replicate)


def _describe_all(template: TrialTemplate) -> dict[Point, dict[str, Any]]:
    """Return MACs and parameters of every network of the grid."""
    configs = {point: config.from_json(_config(template, point, 0)) for point in space()}
    about = data.about(next(iter(configs.values())).dataset)
    fields = {point: model_fields(parsed, about, layers=False) for point, parsed in configs.items()}
    return {point: {"macs": its["macs"], "parameters": its["parameters"]} for point, its in fields.items()}


def _jobs(sizes: dict[Point, dict[str, Any]]) -> Iterator[Job]:
    """Yield what to train: replicate by replicate, each with three of the base's twelve first."""
    base = scaling.start(space())
    others = [point for point in sizes if point != base and sizes[point]["macs"] <= sizes[base]["macs"]]
    random.Random(0).shuffle(others)  # so that networks are missing evenly if it is stopped
    for replicate in range(REPLICATES):
        more = range(REPLICATES + replicate, BASE_REPLICATES, REPLICATES)
        yield from ((base, number) for number in itertools.chain((replicate,), more))
        yield from ((point, replicate) for point in others)


def _train(template: TrialTemplate, point: Point, replicate: int) -> dict[str, Any]:
    """Train as `python -P -m trainer train` does, and return what is kept of its report."""
    lines, began = io.StringIO(), time.monotonic()
    trial.run(config.from_json(_config(template, point, replicate)), Report(lines), began)
    events = [json.loads(line) for line in lines.getvalue().splitlines()]
    epochs, final = [event for event in events if event["event"] == "epoch"], events[-1]
    curve = {
        "steps": [event["step"] for event in epochs],
        "val_accuracies": [event["val_accuracy"] for event in epochs],
    }
    kept = {name: final[name] for name in ("val_accuracy", "val_loss", "train_seconds")}
    return kept | {"seconds": time.monotonic() - began, "curve": curve}


def _read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the trainings of a file; none where there is no file yet."""
    yield from (line for line in _events(path) if line["event"] == "training")


def _events(path: Path) -> Iterator[dict[str, Any]]:
    yield from map(json.loads, path.read_text().splitlines() if path.exists() else ())


if __name__ == "__main__":
    sys.exit(main())
