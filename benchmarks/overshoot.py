"""Whether short trainings end within their budget, with the schedule at its end: as a user's trials would.

    python benchmarks/overshoot.py [--trials 50] [--at-once 2] [--busy 1] [--out FILE.json]

Networks, recipes and budgets are drawn. Half of the trials run while `--busy` other processes compete for the
cores. A trial's clock is the trainer's own: training only, from after its warm-up to its last validation.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _setting import setting
from _training import NEWEST, Training, trained_all

DISTRIBUTIONS = ("nomad-nas", "torch", "torchvision", "timm", "numpy")
SHARE = 0.005  # of the budget, which an overshoot must keep to
NETWORKS = (
    ("resnet9", {"width": 0.125}),
    ("resnet9", {"width": 0.25}),
    ("resnet18", {"depth": 0.5, "width": 0.125}),
    ("senet18", {"depth": 0.5, "width": 0.125}),
    ("mobilenetv2", {"width": 0.25}),
)
CHANGES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("nomad_haet", {}),
    ("nomad_haet", {"sam": {"start": 0.5}}),
    ("nomad_haet", {"ema": {}}),
    ("nomad_haet", {"ensemble": {"members": 2}}),
    ("nomad_haet", {"progressive_resizing": {}}),
    ("resnet9_meta", {}),
    ("resnet9_sam_ip", {}),
    ("best", {}),
)
_BUSY = "while True: pass"

Json = dict[str, Any]


def main() -> None:
    asked = _arguments()
    configs = list(_configs(asked.trials, asked.data, asked.device, random.Random(asked.seed)))
    calm = len(configs) // 2
    report: Json = {**setting(DISTRIBUTIONS), "at_once": asked.at_once, "busy": asked.busy}
    rows = _rows(configs[:calm], asked.at_once, busy=0)
    rows += _rows(configs[calm:], asked.at_once, asked.busy)
    report["machine"] = rows[0].pop("machine") if rows else {}
    for row in rows:
        row.pop("machine", None)
    report["summary"] = {
        "all": _summary(rows),
        "alone": _summary([row for row in rows if not row["busy"]]),
        "beside others": _summary([row for row in rows if row["busy"]]),
    }
    report["load_average_after"] = list(os.getloadavg())
    report["trials"] = rows
    print(json.dumps(report["summary"], indent=1))
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written to {asked.out}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--busy", type=int, default=1, help="processes that compete with half of the trials")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "overshoot.json")
    return parser.parse_args()


def _configs(trials: int, data: str, device: str, rng: random.Random) -> Iterator[Json]:
    """Every change in turn, with what else is drawn."""
    for number in range(trials):
        recipe, ingredients = CHANGES[number % len(CHANGES)]
        model, scale = rng.choice(NETWORKS if recipe != "resnet9_sam_ip" else NETWORKS[:2])
        yield {
            "protocol": 1,
            "model": model,
            "scale": scale,
            "dataset": data,
            "subset": {"train": 900, "validation": 200, "seed": number},
            "recipe": recipe,
            "versions": NEWEST,
            "ingredients": ingredients,
            "hyperparameters": {"batch_size": rng.choice([16, 32, 64])},
            "budget": {"seconds": round(rng.uniform(1, 4), 2)},
            "seed": number,
            "device": device,
        }


def _rows(configs: Sequence[Json], at_once: int, busy: int) -> list[Json]:
    with _competition(busy):
        done = trained_all(configs, at_once, most_seconds=1e9)
        return [_row(configs[index], training, busy) for index, training in done]


@contextmanager
def _competition(busy: int) -> Iterator[None]:
    others = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(busy)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def _row(config: Json, training: Training, busy: int) -> Json:
    final, seconds = training.last("final"), config["budget"]["seconds"]
    last_of_members = {epoch["member"]: epoch["progress"] for epoch in training.named("epoch")}
    drawn = {key: config[key] for key in ("model", "scale", "recipe", "ingredients", "hyperparameters")}
    wanted = ("steps", "total_steps", "replans", "train_seconds", "overshoot_seconds", "engine")
    return {
        **drawn,
        "busy": busy,
        "budget_seconds": seconds,
        "exit_code": training.exit_code,
        "complaint": training.complaint if training.exit_code else "",
        "progress_at_end": sorted(last_of_members.values()),
        "plans": [plan["reason"] for plan in training.named("plan")],
        **{key: final.get(key) for key in wanted},
        "machine": training.last("machine"),
    }


def _summary(rows: Sequence[Json]) -> Json:
    """Seconds over the budget (below 0: ended before it), and the schedules that ended at progress 1."""
    ended = [row for row in rows if row["exit_code"] == 0]
    over = sorted(row["overshoot_seconds"] for row in ended)
    relative = [row["overshoot_seconds"] / row["budget_seconds"] for row in ended]
    return {
        "n": len(rows),
        "exit_codes": dict(Counter(str(row["exit_code"]) for row in rows)),
        "overshoot_seconds": _quantiles(over),
        "overshoot_share": _quantiles(sorted(relative)),
        "over_the_budget": sum(value > 0 for value in over),
        f"within_{SHARE}_of_the_budget_or_less": sum(share <= SHARE for share in relative),
        "ended_at_progress_1": sum(set(row["progress_at_end"]) == {1.0} for row in ended),
        "replans": dict(Counter(str(row["replans"]) for row in ended)),
        "reasons": dict(Counter(reason for row in ended for reason in row["plans"])),
    }


def _quantiles(values: Sequence[float]) -> Json:
    """values: in order."""
    if not values:
        return {}
    return {
        "least": values[0],
        "median": statistics.median(values),
        "p90": values[min(len(values) - 1, round(0.9 * (len(values) - 1)))],
        "most": values[-1],
    }


if __name__ == "__main__":
    main()
