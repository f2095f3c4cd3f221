"""The data sets. The command line names each by its file's name.

A file has `NEEDS_PATH` (true for `npz:PATH`, false for `digits`); `about(source)`, which is fast and decodes
no images; `fingerprint(source)`, a hash of all content; and `load(source, test)`, whose training images are
in memory, or decoded when they are asked for. Test images are decoded only if asked for.
"""

import hashlib
import importlib
import os
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from trainer.errors import InvalidConfig

RULES, FIRST_RULES = 3, 2  # of decoding image files; increase it when any picture is decoded differently
Fit = Literal["crop", "pad", "squash"]  # how an image becomes a square
Storage = Literal["files", "arrays"]  # files of images, or arrays of pixels
BACKGROUND = (128, 128, 128)  # RGB beside a padded image and behind a transparent one: mid-grey


@dataclass(frozen=True)
class Source:
    """A data set's name and path, and how its images are stored.

    image_size: pixels a side; None: the data set's own
    data_dir: for downloads and decoded images; None: the user's cache folder
    fit: None: crop
    rules: by which image files are decoded
    """

    name: str
    path: Path | None = None
    image_size: int | None = None
    data_dir: Path | None = None
    fit: Fit | None = None
    rules: int = RULES

    @property
    def fitting(self) -> Fit:
        return self.fit or "crop"

    def __str__(self) -> str:
        return self.name if self.path is None else f"{self.name}:{self.path}"


@dataclass(frozen=True)
class About:
    """What is known of a data set without decoding its images. None: unknown before a download.

    image_size: pixels a side
    fit: how images become squares; None: all are squares
    note: for people, on files that are not read and on how test images were chosen
    class_images: training images of each class by its name, in the order of the labels
    shorter_side: pixels, the median of the images before they are resized; None: all are of `image_size`
    """

    classes: int
    image_size: int
    train_images: int | None
    test_images: int | None
    fit: Fit | None = None
    note: str | None = None
    class_images: Mapping[str, int] | None = None
    storage: Storage = "arrays"
    shorter_side: int | None = None


class ImageRows(Protocol):
    """Images uint8 [N, H, W, 3], in memory or decoded when they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> NDArray[np.uint8]:
        """Those of int64 indices or a slice. Raises InvalidConfig for images that cannot be read."""


@dataclass(frozen=True)
class Images:
    """Images: uint8 [N, H, W, 3], labels int64 [N] in 0..classes-1.

    mirrored: whether a mirrored image keeps its class
    names: of the classes, if they have names
    """

    classes: int
    mirrored: bool
    train_images: ImageRows
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8] | None = None
    test_labels: NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()


class DataSet(Protocol):
    """What a file in this folder has. All functions raise InvalidConfig for missing or invalid data."""

    NEEDS_PATH: bool

    def about(self, source: Source) -> About: ...

    def fingerprint(self, source: Source) -> str:
        """A text that changes with the data and with the rules for decoding them."""

    def load(self, source: Source, test: bool) -> Images:
        """Raises InvalidConfig, also if `test` is asked for and there are no test images."""


def names() -> list[str]:
    """The names of all data sets."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def source(
    text: str,
    image_size: int | None = None,
    data_dir: Path | None = None,
    fit: Fit | None = None,
    rules: int = RULES,
) -> Source:
    """`digits` or `npz:PATH` as a Source. Raises InvalidConfig."""
    name, colon, path = text.partition(":")
    if name not in names():
        raise InvalidConfig(f"dataset {text!r} is not known; known: {', '.join(names())}")
    if _module(name).NEEDS_PATH and not path:
        needed = "a name: torchvision:NAME" if name == "torchvision" else f"a path: {name}:PATH"
        raise InvalidConfig(f"dataset {text!r} needs {needed}")
    if not _module(name).NEEDS_PATH and colon:
        raise InvalidConfig(f"dataset {text!r} takes no path: {name}")
    return Source(name, Path(os.path.expanduser(path)) if path else None, image_size, data_dir, fit, rules)


def name_without_folders(dataset: str) -> str:
    """A data set's name without the folders of its path, which are this machine's: `folder:photos`."""
    name, colon, path = dataset.partition(":")
    return f"{name}{colon}{Path(path).name}"


def about(source: Source) -> About:
    """What is known of a data set without decoding it. Raises InvalidConfig."""
    return _module(source.name).about(source)


def fingerprint(source: Source) -> str:
    """A text that identifies the data. Reads all of them. Raises InvalidConfig."""
    return _module(source.name).fingerprint(source)


def load(source: Source, test: bool = False) -> Images:
    """The images of a data set at their stored size. Raises InvalidConfig."""
    return _module(source.name).load(source, test)


def cache_folder(source: Source) -> Path:
    """Where downloads and decoded images are kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return source.data_dir or cache / "nomad-nas"


def hash_file(path: Path) -> tuple[int, bytes]:
    """Size and SHA-256 of a file, which is read again if its size or time has changed. Raises OSError."""
    status = path.stat()
    return status.st_size, _hash(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1 << 20)
def _hash(path: Path, size: int, modified: int) -> bytes:
    with path.open("rb", buffering=0) as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _module(name: str) -> DataSet:
    return cast(DataSet, importlib.import_module(f"{__name__}.{name}"))
