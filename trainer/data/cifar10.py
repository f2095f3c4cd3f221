"""CIFAR-10 (Krizhevsky 2009), downloaded once by torchvision and kept as one .npz.

Several trials may start at once, so a file lock guards the download, and later trials find the finished file.
Reading it avoids importing torchvision.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from trainer.data import About, Images, Source, cache_folder, npz
from trainer.data._once import limit_silence, make_once
from trainer.errors import InvalidConfig

NEEDS_PATH = False

_SIZE = 32  # pixels a side
_TRAIN, _TEST = 50_000, 10_000
_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_FINGERPRINT = "cifar10-python-c58f30108f718f92721af3b95e74349a"  # the archive's MD5; torchvision checks it


def about(source: Source) -> About:
    """The published sizes. Nothing is downloaded."""
    class_images = dict.fromkeys(_NAMES, _TRAIN // len(_NAMES))
    return About(len(_NAMES), source.image_size or _SIZE, _TRAIN, _TEST, class_images=class_images)


def fingerprint(source: Source) -> str:
    """That of the published archive."""
    return _FINGERPRINT


def load(source: Source, test: bool) -> Images:
    """The images, downloaded if necessary. Raises InvalidConfig if that fails."""
    folder = cache_folder(source)
    kept = folder / "cifar10.npz"
    try:
        make_once(kept, lambda unfinished: _download(folder, unfinished))
    except (OSError, RuntimeError) as error:
        raise InvalidConfig(
            f"cannot get CIFAR-10 into {folder} ({error}); place cifar-10-python.tar.gz there, give "
            "data_dir with a folder that can be written, or take dataset npz:PATH with the images in a file"
        ) from error
    return npz.load(replace(source, path=kept), test)


def _download(folder: Path, kept: Path) -> None:
    """Write the file `kept`. Raises OSError and RuntimeError."""
    from torchvision.datasets import CIFAR10  # importing it takes seconds

    with limit_silence():
        parts = {name: CIFAR10(folder, train=name == "train", download=True) for name in ("train", "test")}
    arrays: dict[str, Any] = {}
    for name, part in parts.items():
        arrays[f"{name}_images"] = part.data
        arrays[f"{name}_labels"] = np.array(part.targets, np.int64)
    with kept.open("wb") as stream:
        np.savez(stream, **arrays)
