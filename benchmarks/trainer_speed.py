"""Images a second of the trainer beside the way the papers' code does it: same network, machine and run.

    python benchmarks/trainer_speed.py [--model senet18] [--width 1] [--pixels 32] [--seconds 40] [--out FILE]

Short segments of both alternate, so that what else the machine does falls on both; figures are medians over
the segments. The bound is what the machine's own matrix products would allow: 6 FLOPs for each
multiply-accumulate of a training image. On a CPU that others use too, `--clock cpu --workers 0 --device cpu`
counts one core's own time, the loader's in it. Every run is one line of the file. Then a short training in
a process of its own says how long it takes to the first step, and how much memory the program holds.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from _ours import Clock, Ours, made_setting, matmul_flops
from _reference import Reference
from _setting import setting
from _training import NEWEST, trained

from trainer import config as configs
from trainer.describe import model_fields
from trainer.setup import TrialSetup

DISTRIBUTIONS = ("nomad-nas", "torch", "torchvision", "timm", "numpy", "pillow")
FLOPS_A_MAC = 6  # of a training image: 2 forward, 4 backward
CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "cpu": time.process_time}
_SHORT_STEPS = 20

Json = dict[str, Any]


def main() -> None:
    asked = _arguments()
    torch.set_num_threads(asked.threads)
    config = configs.from_json(_config(asked))
    chosen = made_setting(config, asked.images, asked.pixels)
    where = chosen.objective.device
    macs = model_fields(config, chosen.about)["macs"]
    report: Json = {**setting(DISTRIBUTIONS), "machine": where.describe(), "model": asked.model, "macs": macs}
    report |= {"width": asked.width, "pixels": chosen.objective.pixels, "batch_size": asked.batch}
    report |= {"recipe": asked.recipe, "workers": asked.workers, "clock": asked.clock}
    report |= _measured(asked, chosen, macs)
    report["program"] = _program(asked) if asked.processes else None
    report["load_average_after"] = list(os.getloadavg())
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    with open(asked.out, "a", encoding="utf-8") as file:
        file.write(json.dumps(report) + "\n")
    print(json.dumps({key: report[key] for key in _SHOWN}, indent=1))


_SHOWN = (
    "ours",
    "reference",
    "ratio",
    "bound_images_per_second",
    "share_of_bound",
    "program",
)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="senet18")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--pixels", type=int, default=32)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--recipe", default="nomad_haet", help="ours; the reference is always the paper's")
    parser.add_argument("--images", type=int, default=5000, help="made ones: speed does not depend on them")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--workers", type=int, default=2, help="the reference's loader's")
    parser.add_argument("--threads", type=int, default=1, help="torch's, on a CPU")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: this process's own, on a CPU")
    parser.add_argument("--segments", type=int, default=5, help="of each")
    parser.add_argument("--seconds", type=float, default=40.0, help="of all segments together")
    parser.add_argument("--processes", type=int, default=2, help="that start a training; the last is kept")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "trainer_speed.jsonl")
    asked = parser.parse_args()
    if asked.clock == "cpu" and (asked.workers or asked.threads > 1 or asked.device != "cpu"):
        parser.error("the cpu clock sees one process only: give --device cpu --workers 0 --threads 1")
    return asked


def _config(asked: argparse.Namespace) -> Json:
    """The trial.json, on digits: their images are replaced where they are not what is measured."""
    return {
        "protocol": 1,
        "model": asked.model,
        "scale": {"width": asked.width},
        "dataset": "digits",
        "image_size": asked.pixels,
        "subset": {"train": 1000, "validation": 100, "seed": 0},
        "recipe": asked.recipe,
        "versions": NEWEST,
        "hyperparameters": {"batch_size": asked.batch},
        "budget": {"steps": _SHORT_STEPS},
        "seed": 0,
        "device": asked.device,
        "precision": asked.precision,
    }


def _measured(asked: argparse.Namespace, chosen: TrialSetup, macs: int) -> Json:
    """Segments of all in turn. Ours begins: its steps are captured before the loader's processes start."""
    where, each = chosen.objective.device, asked.seconds / (2 * asked.segments)
    clock = CLOCKS[asked.clock]
    mine = Ours(chosen.new_state(), clock)
    mine.images_per_second(each / 2)
    our_peak = where.peak_memory_bytes()
    network = chosen.network().to(memory_format=torch.contiguous_format)
    pictures = chosen.decoded.train_images[:], chosen.decoded.train_labels
    reference = Reference(network, *pictures, where.torch_device, asked.batch, asked.workers, clock)
    found: list[tuple[float, float, float]] = []
    for _ in range(asked.segments):
        bound = matmul_flops(where, clock) / (FLOPS_A_MAC * macs)
        ours = mine.images_per_second(each)
        with _cudnn_benchmark(False):  # the papers' code never switches it on
            found.append((ours, reference.images_per_second(each), bound))
    loader = reference.loader_images_per_second(each)
    return {
        "ours": {
            "images_per_second": _spread([ours for ours, _, _ in found]),
            "engine": mine.engine,
            "peak_device_bytes": our_peak,
        },
        "reference": {
            "images_per_second": _spread([theirs for _, theirs, _ in found]),
            "loader_alone_images_per_second": loader,
        },
        "ratio": _spread([ours / theirs for ours, theirs, _ in found]),
        "bound_images_per_second": _spread([bound for _, _, bound in found]),
        "share_of_bound": _spread([ours / bound for ours, _, bound in found]),
    }


@contextmanager
def _cudnn_benchmark(wanted: bool) -> Iterator[None]:
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = wanted
    yield
    torch.backends.cudnn.benchmark = before


def _program(asked: argparse.Namespace) -> Json:
    """A few steps in processes of their own, the first of which fills the machine's caches.

    No host forked them: they import torch themselves. seconds_to_first_step holds the timing of steps.
    """
    runs = [trained(_config(asked), threads=asked.threads) for _ in range(asked.processes)]
    training = runs[-1]
    return {
        "exit_code": training.exit_code,
        "complaint": training.complaint if training.exit_code else "",
        "seconds_to_machine": training.seconds_to("machine"),
        "seconds_to_first_step": training.seconds_to("plan"),
        "host_bytes": training.host_bytes,
        "device_bytes": training.last("final").get("peak_memory_bytes"),
    }


def _spread(values: Sequence[float]) -> Json:
    found = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return {**found, "n": len(values)}


if __name__ == "__main__":
    main()
