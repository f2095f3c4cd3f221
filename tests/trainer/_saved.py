"""Trained networks in folders, for tests of what is done with them."""

import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.trainer.configs import trial
from trainer import config, saved_model
from trainer import trial as trials
from trainer.report import Report
from trainer.trial import Trained

TINY: dict[str, Any] = {
    "model": "resnet_budget",
    "architecture": {"layers": 1, "blocks": [1], "channels": 8},
}
CLASSES = ("circle", "square", "star")


def train_and_save(folder: Path, **changes: Any) -> Trained:
    """A training in this process, whose weights are kept in `folder`, beside its trial.json."""
    report, asked = Report(io.StringIO()), trial(**changes)
    (folder / "trial.json").write_text(json.dumps(asked))
    trained = trials.run(config.from_json(asked), report, time.monotonic())
    saved_model.save(trained, folder)
    return trained


def change_description(folder: Path, **changes: Any) -> None:
    """Change keys of model.json."""
    path = folder / saved_model.DESCRIPTION
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def make_photos(root: Path, images: int = 12) -> dict[str, Any]:
    """A folder of photos of three colours in three shapes of frame; the changes to a trial.json for it."""
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for label, name in enumerate(CLASSES):
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(images):
                height, width = ((30, 47), (45, 31), (40, 40))[number % 3]
                pixels = rng.integers(0, 100, (height, width, 3))
                pixels[..., label] += 120
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.jpg", quality=90)
    return {
        "dataset": f"folder:{root}",
        **TINY,
        "scale": {"resolution": 0.75},
        "subset": {"train": 24, "validation": 6, "seed": 0},
        "hyperparameters": {"batch_size": 8, "optimizer": "adam", "learning_rate": 0.01},
        "recipe": "resnet9_baseline",
        "budget": {"steps": 30},
        "image_size": 24,
    }
