"""CIFAR-10 (Krizhevsky 2009), downloaded once by torchvision and kept as one .npz.

Several trials may start at once, so the download is made under a file lock;
who comes second finds the finished file. The .npz appears by renaming, never
half-written, and spares later trials torchvision's import.
"""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from trainer.data import About, Images, Source, npz
from trainer.errors import InvalidConfig

NEEDS_PATH = False

_SIZE = 32  # pixels a side
_CLASSES, _TRAIN, _TEST = 10, 50_000, 10_000
_FINGERPRINT = (
    "cifar10-python-c58f30108f718f92721af3b95e74349a"  # the MD5 of the archive, which torchvision checks
)
_SILENCE_SECONDS = 30  # of a server, before the download is given up


def about(source: Source) -> About:
    """The published sizes; nothing is downloaded."""
    return About(_CLASSES, source.image_size or _SIZE, _TRAIN, _TEST)


def fingerprint(source: Source) -> str:
    """Of the archive as published."""
    return _FINGERPRINT


def load(source: Source, test: bool) -> Images:
    """The images, downloaded if they are not there yet. Raises Refused where that fails."""
    folder = source.data_dir or cache_folder()
    kept = folder / "cifar10.npz"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder / "cifar10.lock"):
            if not kept.exists():
                _download(folder, kept)
    except (OSError, RuntimeError) as error:
        raise InvalidConfig(
            f"cannot get CIFAR-10 into {folder} ({error}); place cifar-10-python.tar.gz there, give "
            "data_dir with a folder that can be written, or take dataset npz:PATH with the images in a file"
        ) from error
    return npz.load(replace(source, path=kept), test)


def cache_folder() -> Path:
    """Where downloads are kept unless `data_dir` says otherwise."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nomad-nas"


def _download(folder: Path, kept: Path) -> None:
    from torchvision.datasets import CIFAR10  # here, for its import takes seconds

    silence = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SILENCE_SECONDS)
    try:
        parts = {name: CIFAR10(folder, train=name == "train", download=True) for name in ("train", "test")}
    finally:
        socket.setdefaulttimeout(silence)
    arrays: dict[str, Any] = {}
    for name, part in parts.items():
        arrays[f"{name}_images"] = part.data
        arrays[f"{name}_labels"] = np.array(part.targets, np.int64)
    unfinished = kept.with_suffix(".part")
    with unfinished.open("wb") as stream:
        np.savez(stream, **arrays)
    unfinished.replace(kept)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Held by one process at a time; the kernel lets go of it when that process ends."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
