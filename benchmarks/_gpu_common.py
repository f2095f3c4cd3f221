"""What the steps of a session on a GPU share: sizes, networks in training, figures and surprises (gpu.py)."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from _training import NEWEST

Json = dict[str, Any]


class Surprise(Exception):
    """Something that stops the session, with what was seen."""


class Unfinished(Exception):
    """The time was too short; what was done is kept, and the next call goes on."""


@dataclass(frozen=True)
class Sizes:
    """What is trained, and for how long. folder: of files that steps make; seconds_left: for this step"""

    folder: Path
    device: str = "cuda"
    network: Json = field(default_factory=lambda: {"model": "senet18", "scale": {}})
    narrow: Json = field(default_factory=lambda: {"model": "senet18", "scale": {"width": 0.67}})
    resnet9: Json = field(default_factory=lambda: {"model": "resnet9", "scale": {}})
    small: Json = field(default_factory=lambda: {"model": "resnet9", "scale": {"width": 0.25}})
    batch: int = 128
    large_batch: int = 512
    train: int = 5000
    validation: int = 1000
    large_pixels: int = 128
    run_seconds: float = 2.0  # of one run of training, whose speed is measured
    budget_seconds: float = 10.0
    resumed_steps: int = 1200  # of a training that is killed and goes on
    photos: int = 600
    seconds_left: float = math.inf

    @property
    def cuda(self) -> bool:
        """Whether this is the session itself, and not its rehearsal on a CPU."""
        return self.device == "cuda"

    @property
    def pictures(self) -> Path:
        """The data set that is trained on."""
        return self.folder / "pictures.npz"

    def engine(self, name: str) -> str:
        """An engine; on a CPU the one without a graph that takes the same steps."""
        return name if self.cuda else {"graph": "eager", "compiled_graph": "compile"}.get(name, name)

    def config(self, **changes: Any) -> Json:
        """A trial.json by the newest rules."""
        usual = {
            "protocol": 1,
            **self.network,
            "dataset": f"npz:{self.pictures}",
            "subset": {"train": self.train, "validation": self.validation, "seed": 0},
            "recipe": "nomad_haet",
            "versions": NEWEST,
            "hyperparameters": {"batch_size": self.batch},
            "budget": {"steps": 200},
            "seed": 0,
            "device": self.device,
        }
        return usual | changes


def rehearsal(folder: Path) -> Sizes:
    """Sizes with which every step takes seconds on a CPU, and shows nothing but that it runs."""
    tiny = {"model": "resnet9", "scale": {"width": 0.125, "resolution": 0.25}}
    sizes = {"batch": 20, "large_batch": 40, "train": 200, "validation": 50, "large_pixels": 48}
    spent = {"run_seconds": 0.1, "budget_seconds": 3.0, "resumed_steps": 400, "photos": 40}
    networks = dict.fromkeys(("network", "narrow", "resnet9", "small"), tiny)
    return Sizes(folder, "cpu", **networks, **sizes, **spent)  # type: ignore[arg-type]


def write_pictures(sizes: Sizes) -> None:
    """An .npz file of made pictures of ten classes: waves of another length each, with noise."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:32, 0:32].astype(np.float32) / 32

    def make(count: int) -> tuple[Any, Any]:
        labels = np.arange(count) % 10
        angles, shifts = rng.uniform(0, 6, (2, count, 1, 1))
        places = rows * np.cos(angles) + columns * np.sin(angles)
        waves = np.sin((6 + 4 * labels[:, None, None]) * places + shifts)
        pixels = 128 + waves[..., None] * rng.uniform(30, 60, (count, 1, 1, 3))
        pixels += rng.integers(-40, 41, pixels.shape)
        return pixels.clip(0, 255).astype(np.uint8), labels

    images, labels = make(sizes.train + sizes.validation)
    test_images, test_labels = make(sizes.validation)
    arrays = {"train_images": images, "train_labels": labels}
    arrays |= {"test_images": test_images, "test_labels": test_labels}
    np.savez(sizes.pictures, **arrays)


def figure(name: str, runs: Sequence[float], unit: str = "") -> None:
    """Report a figure, run by run."""
    print(json.dumps({"figure": name, "unit": unit, "runs": list(runs)}), flush=True)


def fact(name: str, value: Any) -> None:
    """Report what is no number."""
    print(json.dumps({"fact": name, "value": value}), flush=True)


def check(holds: bool, seen: str) -> None:
    """Raise Surprise with what was seen unless something holds."""
    if not holds:
        raise Surprise(seen)


Measure = Callable[[Sizes], None]
