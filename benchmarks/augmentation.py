"""How many images one core augments a second: the ingredients on tensors against torchvision on PIL images.

    python benchmarks/augmentation.py [--images 5000] [--repeats 5] [--out FILE.json]

Every repeat runs all arms once, in an order that moves on by one from repeat to repeat. Figures are medians
of the repeats, in images a second of the process's own CPU time, on one thread: what else the machine does
is not counted. The pipeline is the NOMAD paper's: AutoAugment, crop, flip, normalised floats, cutout.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _setting import setting
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torchvision import transforms

from trainer import ingredients
from trainer.images import compute_normalisation
from trainer.ingredients import BatchImages, BatchInputs, Draw, EpochImages

DISTRIBUTIONS = ("nomad-nas", "torch", "torchvision", "pillow", "numpy")
BATCH, SIZE, HOLE = 128, 32, 16
THEIRS = {
    "auto_augment": partial(transforms.AutoAugment, transforms.AutoAugmentPolicy.CIFAR10),
    "rand_augment": transforms.RandAugment,
    "trivial_augment": transforms.TrivialAugmentWide,
}
Pictures = NDArray[np.uint8]
Arm = Callable[[], object]


def main() -> None:
    asked = _arguments()
    torch.set_num_threads(1)
    console = Console(width=100)
    report: dict[str, Any] = setting(DISTRIBUTIONS) | {"images": asked.images, "repeats": asked.repeats}
    rates = _measured(_arms(_pictures(asked.images)), asked.images, asked.repeats)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    ratios = {name: medians[f"{name}, ours"] / medians[f"{name}, PIL"] for name in ("crop and flip", *THEIRS)}
    report |= {"images_per_cpu_second": {"median": medians, "values": rates}, "ratio_to_pil": ratios}
    report["load_average_after"] = list(os.getloadavg())
    console.print(_table(medians, asked.repeats))
    console.print({name: round(ratio, 1) for name, ratio in ratios.items()})
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(report, indent=1) + "\n")
    console.print(f"written to {asked.out}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "augmentation.json")
    return parser.parse_args()


def _pictures(count: int) -> Pictures:
    """Smooth images with some noise, [count, 32, 32, 3]: neither flat nor pure noise."""
    rng = np.random.default_rng(0)
    grid = np.linspace(0, 3, SIZE)
    waves = np.sin(grid[:, None, None] * rng.uniform(0.5, 2, (count, 1, 1, 3)) + grid[:, None])
    pixels: Pictures = (128 + 90 * waves + rng.normal(0, 12, waves.shape)).clip(0, 255).astype(np.uint8)
    return pixels


def _arms(pictures: Pictures) -> dict[str, Arm]:
    """The pipeline with each policy and with none, and each ingredient alone."""
    arms: dict[str, Arm] = {}
    for name, policy in {"crop and flip": None, **THEIRS}.items():
        ours = [name] * (name in THEIRS) + ["crop", "flip"] + ["cutout"] * (name in THEIRS)
        arms[f"{name}, ours"] = partial(_augmented, _tensors(pictures), ours)
        arms[f"{name}, PIL"] = partial(_augmented_by_pil, pictures, policy)
    for name in ingredients.names():
        if issubclass(ingredients.load(name), BatchImages | BatchInputs | EpochImages):
            arms[f"{name} alone"] = partial(_augmented, _tensors(pictures), [name], normalised=False)
    return arms


def _tensors(pictures: Pictures) -> Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2)


def _augmented(images: Tensor, names: list[str], normalised: bool = True) -> None:
    """One epoch as the trainer does it: policies on all images at once, the rest in batches."""
    changes = [ingredients.build(name, {}) for name in names]
    draw = Draw(torch.Generator().manual_seed(0), torch.tensor(0.0), mirrored=True)
    normalise = compute_normalisation(images[:BATCH])
    for change in changes:
        if isinstance(change, EpochImages):
            images = change(images, draw)
    for batch in torch.split(images, BATCH):
        for change in changes:
            batch = change(batch, draw) if isinstance(change, BatchImages) else batch
        inputs = normalise(batch) if normalised else batch
        for change in changes:
            inputs = change(inputs, draw) if isinstance(change, BatchInputs) else inputs


def _augmented_by_pil(pictures: Pictures, policy: Callable[[], Any] | None) -> None:
    """One epoch as a data loader's process does it: image by image, then stacked to batches."""
    steps = [transforms.RandomCrop(SIZE, padding=4), transforms.RandomHorizontalFlip()]
    steps += [policy()] if policy else []
    steps += [transforms.ToTensor(), transforms.Normalize((0.49, 0.48, 0.45), (0.25, 0.24, 0.26))]
    steps += [_cut_out] if policy else []
    change = transforms.Compose(steps)
    for start in range(0, len(pictures), BATCH):
        torch.stack([change(Image.fromarray(picture)) for picture in pictures[start : start + BATCH]])


def _cut_out(image: Tensor) -> Tensor:
    """Multiply by a mask with a hole, as cutout's first authors do."""
    row, column = np.random.randint(SIZE), np.random.randint(SIZE)
    mask = np.ones((SIZE, SIZE), np.float32)
    half = HOLE // 2
    mask[max(row - half, 0) : row + half, max(column - half, 0) : column + half] = 0
    return image * torch.from_numpy(mask).expand_as(image)


def _measured(arms: dict[str, Arm], images: int, repeats: int) -> dict[str, list[float]]:
    """Images a CPU second of each arm, one value a repeat, after a first run that is not counted."""
    rates: dict[str, list[float]] = {name: [] for name in arms}
    names = list(arms)
    for repeat in range(-1, repeats):
        turn = max(repeat, 0) % len(names)
        for name in names[turn:] + names[:turn]:
            began = time.process_time()
            arms[name]()
            seconds = time.process_time() - began
            if repeat >= 0:
                rates[name].append(images / seconds)
    return rates


def _table(medians: dict[str, float], repeats: int) -> Table:
    table = Table(title=f"images a CPU second of one core (medians of {repeats})")
    table.add_column("")
    table.add_column("images/s", justify="right")
    for name, rate in medians.items():
        table.add_row(name, f"{rate:,.0f}")
    return table


if __name__ == "__main__":
    main()
