"""The data sets: one file each, named on the command line by its file's name.

A file says `NEEDS_PATH` (`npz:PATH` does, `digits` does not), answers
`about(source)` quickly, without decoding images, `fingerprint(source)` from the
whole content, and `load(source, test)` with the images in memory. The test
images are not even decoded unless asked for.
"""

import importlib
import os
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from trainer.errors import InvalidConfig

Fit = Literal["crop", "pad", "squash"]  # how an image that is not square becomes one
BACKGROUND = (128, 128, 128)  # RGB beside a padded image and behind a transparent one: neither ink nor paper


@dataclass(frozen=True)
class Source:
    """Where images come from: a data set's name, its path, and how they are stored."""

    name: str
    path: Path | None = None
    image_size: int | None = None  # pixels a side; None: the data set's own
    data_dir: Path | None = None  # for downloads; None: the user's cache folder
    fit: Fit | None = None  # None: crop

    @property
    def fitting(self) -> Fit:
        return self.fit or "crop"

    def __str__(self) -> str:
        return self.name if self.path is None else f"{self.name}:{self.path}"


@dataclass(frozen=True)
class About:
    """What is known of a data set without decoding its images. None: not without a download."""

    classes: int
    image_size: int  # pixels a side
    train_images: int | None
    test_images: int | None
    fit: Fit | None = None  # how images that are not square become so; None: all are square
    note: str | None = None  # for people: what lies there and is not read


@dataclass(frozen=True)
class Images:
    """Decoded images: uint8 [N, H, W, 3], labels int64 [N] in 0..classes-1."""

    classes: int
    mirrored: bool  # a mirrored image is still one of its class
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8] | None = None
    test_labels: NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()  # of the classes, where they have some


class DataSet(Protocol):
    """What a file in this folder offers."""

    NEEDS_PATH: bool

    def about(self, source: Source) -> About:
        """Raises Refused where the data are missing or not as they must be."""

    def fingerprint(self, source: Source) -> str:
        """Another one when the data are others, or are decoded otherwise. Raises Refused."""

    def load(self, source: Source, test: bool) -> Images:
        """Raises Refused, also where `test` is asked for and there are no test images."""


def names() -> list[str]:
    """The data sets that can be named."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def source(
    text: str, image_size: int | None = None, data_dir: Path | None = None, fit: Fit | None = None
) -> Source:
    """`digits` or `npz:PATH` as a Source. Raises Refused."""
    name, colon, path = text.partition(":")
    if name not in names():
        raise InvalidConfig(f"dataset {text!r} is not known; known: {', '.join(names())}")
    if _module(name).NEEDS_PATH and not path:
        raise InvalidConfig(f"dataset {text!r} needs a path: {name}:PATH")
    if not _module(name).NEEDS_PATH and colon:
        raise InvalidConfig(f"dataset {text!r} takes no path: {name}")
    return Source(name, Path(os.path.expanduser(path)) if path else None, image_size, data_dir, fit)


def about(source: Source) -> About:
    """What is known of a data set without decoding it. Raises Refused."""
    return _module(source.name).about(source)


def fingerprint(source: Source) -> str:
    """What tells these data from others; reads them all. Raises Refused."""
    return _module(source.name).fingerprint(source)


def load(source: Source, test: bool = False) -> Images:
    """The images of a data set, at their stored size. Raises Refused."""
    return _module(source.name).load(source, test)


def _module(name: str) -> DataSet:
    return cast(DataSet, importlib.import_module(f"{__name__}.{name}"))
