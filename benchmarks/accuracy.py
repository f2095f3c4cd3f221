"""What a recipe reaches on disjoint subsets, and what each of its ingredients gives.

    python benchmarks/accuracy.py --data cifar10 --model resnet9 --recipe best --seconds 90 --runs 10 \\
        [--drop each] [--add NAME=JSON] --out FILE.jsonl
    python benchmarks/accuracy.py --validation 1000 --grid learning_rate=.05,.1 --grid sam.rho=.05,.1 ...

Every finished run is a line of the file at once, and the same command goes on where it was stopped. Run r of
every variant has the same images, weights and test draw, so differences are taken in pairs. A grid is judged
on images held from training, never on the test images.
"""

import argparse
import itertools
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _pairs import WHOLE, show, table
from _setting import setting
from _training import TRAINER, Training, trained_all

from trainer import recipes

DISTRIBUTIONS = ("nomad-nas", "torch", "torchvision", "timm", "numpy")
HYPERPARAMETERS = ("optimizer", "learning_rate", "weight_decay", "batch_size")
KEPT = ("model", "machine", "engine", "final", "error")  # events on file
ENDED = (0, 3, 4, 5)  # exit codes of a trainer that would end so again
REFUSED, UNFINISHED = 2, 3  # our own exit codes: the trainer's, and that --most-seconds were over

Json = dict[str, Any]
Key = tuple[str, int]  # variant, run


def main() -> int:
    asked = _arguments()
    variants = {WHOLE: {}, **_dropped(asked), **_added(asked.add), **_grid(asked.grid)}
    runs, names = range(asked.runs), list(variants)
    configs = {(name, run): _config(asked, variants[name], run) for run in runs for name in names}
    found = _on_file(asked.out, configs)
    missing = [key for key in configs if key not in found]
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    if missing:
        _write(asked.out, {"event": "setting", **setting(DISTRIBUTIONS)})
    started = [configs[key] for key in missing]
    program = shlex.split(asked.trainer) if asked.trainer else TRAINER
    for index, training in trained_all(started, asked.at_once, asked.most_seconds, program, asked.threads):
        key = missing[index]
        found[key] = _line(key, configs[key], training)
        _write(asked.out, found[key])
        print(f"{key[0]}, run {key[1]}: {_said(found[key])}", flush=True)
        if training.exit_code == REFUSED:
            return REFUSED
    metrics = ["val_accuracy"] if asked.validation else ["test_accuracy", "test_accuracy_1000"]
    tables = {metric: table(list(found.values()), names, metric) for metric in metrics}
    summary = {**setting(DISTRIBUTIONS), "machine": _machine(found), "runs": asked.runs, "percent": tables}
    asked.out.with_suffix(".summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    for metric, rows in tables.items():
        show(metric, rows)
    return 0 if len(found) == len(configs) else UNFINISHED


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", default="cifar10", help="as --data of nas-search")
    parser.add_argument("--model", default="resnet9")
    for name in ("depth", "width", "resolution"):
        parser.add_argument(f"--{name}", type=float, help="multiplier of the network's")
    parser.add_argument("--recipe", default="best")
    parser.add_argument(
        "--recipe-version", type=int, default=recipes.VERSION, help="of their rules; 1 is not sent"
    )
    parser.add_argument("--learning-rate", type=float, help="the recipe's own where it is not given")
    parser.add_argument("--weight-decay", type=float, help="likewise")
    parser.add_argument("--batch-size", type=int, help="likewise")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--seconds", type=float, help="of training")
    budget.add_argument("--steps", type=int, help="of training, instead of seconds")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--train", type=int, default=5000, help="images a run")
    parser.add_argument("--validation", type=int, default=0, help="images held from training; no test then")
    parser.add_argument("--parts", type=int, default=10, help="disjoint parts that the training set has")
    parser.add_argument("--drop", nargs="*", default=[], metavar="NAME", help="ingredients, or `each`")
    parser.add_argument("--add", action="append", default=[], metavar="NAME=JSON", help="an ingredient")
    parser.add_argument("--grid", action="append", default=[], metavar="NAME=V,V", help="or INGREDIENT.NAME")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--engine", help="graph, compiled_graph, eager or compile")
    parser.add_argument("--threads", type=int, default=1, help="a run, on a CPU")
    parser.add_argument("--at-once", type=int, default=1, help="runs")
    parser.add_argument("--most-seconds", type=float, default=1e9, help="after which no run is started")
    parser.add_argument("--trainer", help="another trainer's command")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.jsonl")
    asked = parser.parse_args()
    if asked.grid and not asked.validation:
        parser.error("a grid needs --validation N: it must not be chosen on the test images")
    return asked


def _config(asked: argparse.Namespace, changes: Json, run: int) -> Json:
    """Of one run: the trial.json. Runs beyond the parts of one seed take those of the next."""
    seed, part = asked.seed + run // asked.parts, run % asked.parts
    subset = {"train": asked.train, "validation": asked.validation, "seed": seed, "part": part}
    given = {name: getattr(asked, name) for name in HYPERPARAMETERS[1:]}
    hyperparameters = {name: value for name, value in given.items() if value is not None}
    scale = {name: getattr(asked, name) for name in ("depth", "width", "resolution")}
    return {
        "protocol": 1,
        "model": asked.model,
        "scale": {name: value for name, value in scale.items() if value is not None},
        "dataset": asked.data,
        "subset": subset,
        "recipe": asked.recipe,
        "hyperparameters": hyperparameters | changes.get("hyperparameters", {}),
        "ingredients": changes.get("ingredients", {}),
        "budget": {"seconds": asked.seconds} if asked.steps is None else {"steps": asked.steps},
        "seed": asked.seed + run,
        "device": asked.device,
        "precision": asked.precision,
        "test": asked.validation == 0,
        **({"versions": {"recipes": asked.recipe_version}} if asked.recipe_version > 1 else {}),
    } | ({"engine": asked.engine} if asked.engine else {})


def _dropped(asked: argparse.Namespace) -> dict[str, Json]:
    names = asked.drop
    if names == ["each"]:
        from trainer import ingredients  # may import torch, so only where it must

        names = [ingredients.name_of(found) for found in recipes.load(asked.recipe).ingredients]
    return {f"without {name}": {"ingredients": {name: None}} for name in names}


def _added(texts: Sequence[str]) -> dict[str, Json]:
    parted = [text.partition("=") for text in texts]
    return {
        f"with {text}": {"ingredients": {name: json.loads(strengths or "{}")}}
        for text, (name, _, strengths) in zip(texts, parted, strict=True)
    }


def _grid(texts: Sequence[str]) -> dict[str, Json]:
    """Every combination of the values of all names."""
    axes = []
    for text in texts:
        name, _, values = text.partition("=")
        axes.append([(name, json.loads(value)) for value in values.split(",")])
    return {
        ", ".join(f"{name}={value}" for name, value in point): _changes(point)
        for point in itertools.product(*axes)
        if point
    }


def _changes(point: Sequence[tuple[str, Any]]) -> Json:
    changes: Json = {"hyperparameters": {}, "ingredients": {}}
    for name, value in point:
        ingredient, dot, strength = name.partition(".")
        if dot:
            changes["ingredients"].setdefault(ingredient, {})[strength] = value
        else:
            changes["hyperparameters"][name] = value
    return changes


def _on_file(path: Path, configs: dict[Key, Json]) -> dict[Key, Json]:
    """The runs that were finished before, with the same configuration."""
    if not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    runs = {
        (line["variant"], line["run"]): line
        for line in lines
        if line["event"] == "run" and line["exit_code"] in ENDED
    }
    return {key: line for key, line in runs.items() if configs.get(key) == line["config"]}


def _line(key: Key, config: Json, training: Training) -> Json:
    kept = {name: training.last(name) for name in KEPT if training.last(name)}
    seconds = {"wall_seconds": training.wall_seconds, "seconds_to_plan": training.seconds_to("plan")}
    costs = {**seconds, "host_bytes": training.host_bytes, "load_average": list(os.getloadavg())}
    ended = {"exit_code": training.exit_code, "complaint": training.complaint}
    return {"event": "run", "variant": key[0], "run": key[1], "config": config, **kept, **costs, **ended}


def _write(path: Path, line: Json) -> None:
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _machine(found: dict[Key, Json]) -> Json:
    return next((line["machine"] for line in found.values() if "machine" in line), {})


def _said(line: Json) -> str:
    final = line.get("final")
    if line["exit_code"] or not final:
        return f"exit {line['exit_code']}: {line['complaint']}"
    accuracy = final["test_accuracy"] if final.get("test_accuracy") is not None else final["val_accuracy"]
    return f"{100 * accuracy:.2f}% in {final['train_seconds']:.1f} s, {final['steps']} steps"


if __name__ == "__main__":
    sys.exit(main())
