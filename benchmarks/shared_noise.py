"""How much of a training's noise comes from its images and seed, which all networks of one replicate share.

    python benchmarks/shared_noise.py --data npz:cifar10.npz --image-size 16 --steps 250 --replicates 24 \\
        --network senet18:1,.125 --network senet18:.5,.125 --network resnet18:1,.125 --out FILE.jsonl

Trains every network with every replicate, as a search repeats trainings, and estimates the shared fraction
of the variance (rho of docs/confirmation.md) with the model of the verdicts. The same command goes on where
it was stopped.
"""

import argparse
import itertools
import json
import math
import sys
from pathlib import Path
from statistics import NormalDist, correlation, fmean, stdev
from typing import Any

from _setting import setting
from _training import trained

from orchestrator.spec.trial_config import Choices, TrialBudget, TrialTemplate
from results.analysis.difference import BASE, compare

DISTRIBUTIONS = ("nomad-nas", "torch", "numpy", "scipy")
Accuracies = dict[str, dict[int, float]]  # by network and replicate


def main() -> int:
    asked = _arguments()
    found = _on_file(asked.out)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    for replicate in range(asked.replicates):
        for network in asked.network:
            if replicate in found.get(network, {}):
                continue
            training = trained(_config(asked, network, replicate))
            final = training.last("final")
            if not final:
                print(f"{network}, replicate {replicate}: {training.complaint}", file=sys.stderr)
                return 2
            line = {"network": network, "replicate": replicate, "val_accuracy": final["val_accuracy"]}
            with asked.out.open("a") as file:
                file.write(json.dumps(line | {"seconds": training.wall_seconds}) + "\n")
            found.setdefault(network, {})[replicate] = final["val_accuracy"]
    summary = {**setting(DISTRIBUTIONS), **_summary(found, asked.validation)}
    asked.out.with_suffix(".summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", default="cifar10", help="as --data of nas-search")
    parser.add_argument("--network", action="append", required=True, help="NAME:DEPTH,WIDTH")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--steps", type=int, required=True, help="of a training")
    parser.add_argument("--train", type=int, default=4000, help="images of a training")
    parser.add_argument("--validation", type=int, default=1000, help="images of a training")
    parser.add_argument("--replicates", type=int, default=20)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def _config(asked: argparse.Namespace, network: str, replicate: int) -> dict[str, Any]:
    name, _, scale = network.partition(":")
    depth, width = map(float, scale.split(","))
    template = TrialTemplate(
        name,
        asked.data,
        asked.train,
        asked.validation,
        TrialBudget(steps=asked.steps),
        image_size=asked.image_size,
    )
    return template.config(Choices({"depth": depth, "width": width, "resolution": 1.0}), replicate)


def _on_file(path: Path) -> Accuracies:
    found: Accuracies = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        one = json.loads(line)
        found.setdefault(one["network"], {})[one["replicate"]] = one["val_accuracy"]
    return found


def _summary(found: Accuracies, validation: int) -> dict[str, Any]:
    """Return each network's accuracy, and rho of each pair of networks.

    correlation: of their accuracies over the replicates, with Fisher's 95% interval; shared: rho by the model
    of the verdicts; of_three: by the first three replicates alone, as a search has them at first
    """
    networks = {
        name: {"n": len(own), "mean": fmean(own.values()), "sd": stdev(own.values())}
        for name, own in found.items()
    }
    pairs = []
    for one, other in itertools.combinations(found, 2):
        both = sorted(found[one].keys() & found[other].keys())
        r = correlation([found[one][n] for n in both], [found[other][n] for n in both])
        reach = NormalDist().inv_cdf(0.975) / math.sqrt(len(both) - 3)
        trainings = {BASE: found[one], 1: found[other]}
        few = {network: {n: own[n] for n in both[:3]} for network, own in trainings.items()}
        near = fmean(found[one].values())
        pairs.append(
            {
                "networks": [one, other],
                "pairs": len(both),
                "correlation": r,
                "interval": [math.tanh(math.atanh(r) - reach), math.tanh(math.atanh(r) + reach)],
                "shared": compare(trainings, 1, BASE, validation, near).shared,
                "of_three": compare(few, 1, BASE, validation, near).shared,
            }
        )
    return {"validation_images": validation, "networks": networks, "pairs": pairs}


if __name__ == "__main__":
    sys.exit(main())
