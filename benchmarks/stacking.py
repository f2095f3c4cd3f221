"""A step of several trainings stacked, beside as many steps one after the other.

    python benchmarks/stacking.py --out benchmarks/results/stacking.json
    python benchmarks/stacking.py --data cifar10 --width 1 .25 --count 2 4 8   # on a GPU

Networks are timed as `trainer train` times them: after warm-up, the median step of its recipe, augmentation
of the batch included. `speedup` is the time of so many steps alone, by the time of the one that stacks them;
above 1, replicates are trained stacked.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # of a CPU slot, which is what a trial gets

import torch
from _setting import setting as where_and_when

from trainer import config, data
from trainer.machine import machine
from trainer.setting import Setting, setting
from trainer.stack import Stack
from trainer.train import costs
from trainer.trainee import Trainee

DISTRIBUTIONS = ("nomad-nas", "torch", "torchvision", "timm", "numpy")
_ROUNDS = 3  # of all counts, of which the median is told: other work on the machine comes and goes


def main() -> None:
    asked = _arguments()
    held: dict[str, Any] = where_and_when(DISTRIBUTIONS) | {"rows": []}
    for network in asked.network:
        for width in asked.width:
            chosen = _setting(asked, network, width)
            held["machine"] = chosen.lesson.machine.describe()
            for row in _rows(chosen, asked.count, asked.seconds):
                held["rows"].append({"network": network, "width": width, **row})
                print(json.dumps(held["rows"][-1]), flush=True)
                if asked.out:
                    asked.out.write_text(json.dumps(held, indent=1) + "\n")


def _setting(asked: argparse.Namespace, network: str, width: float) -> Setting:
    parsed = config.from_json(
        {
            "protocol": 1,
            "model": network,
            "scale": {"width": width},
            "dataset": asked.data,
            "subset": {"train": 8 * asked.batch_size, "validation": 100, "seed": 0},
            "hyperparameters": {"batch_size": asked.batch_size},
            "budget": {"steps": 1},
            "seed": 0,
            "device": asked.device,
            "precision": asked.precision,
        }
    )
    return setting(parsed, data.about(parsed.dataset), machine(parsed))


def _rows(chosen: Setting, counts: list[int], seconds: float) -> list[dict[str, Any]]:
    """One for each count; milliseconds of a step."""
    rounds = [_round(chosen, counts, seconds) for _ in range(_ROUNDS)]
    return [_row(count, [each[count] for each in rounds], chosen) for count in counts]


def _round(chosen: Setting, counts: list[int], seconds: float) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for count in counts:
        alone = costs(Trainee(chosen.network(), chosen.lesson, seed=0), seconds)
        networks = [chosen.network() for _ in range(count)]
        stack = Stack(networks, [chosen.lesson] * count, list(range(count)))
        stacked = costs(stack, seconds)
        found[count] = {"alone": alone.step, "stacked": stacked.step, "engine": stack.engine.name}
    return found


def _row(count: int, rounds: list[dict[str, Any]], chosen: Setting) -> dict[str, Any]:
    alone, stacked = (
        torch.tensor([each[name] for each in rounds]).median().item() for name in ("alone", "stacked")
    )
    return {
        "pixels": chosen.lesson.pixels,
        "batch_size": chosen.lesson.settings.batch_size,
        "count": count,
        "alone_ms": round(1000 * alone, 3),
        "stacked_ms": round(1000 * stacked, 3),
        "speedup": round(count * alone / stacked, 3),
        "speedups": [round(count * each["alone"] / each["stacked"], 3) for each in rounds],
        "engine": rounds[-1]["engine"],
        "peak_memory_bytes": chosen.lesson.machine.peak_memory_bytes(),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time stacked steps beside separate ones.")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--network", nargs="+", default=["senet18", "resnet9"])
    parser.add_argument("--width", nargs="+", type=float, default=[0.125, 0.5])
    parser.add_argument("--count", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each timing")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
