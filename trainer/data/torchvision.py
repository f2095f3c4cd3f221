"""`torchvision:NAME`: torchvision's classification sets, such as `torchvision:CIFAR100`.

Each is downloaded once by torchvision, which checks it. Then `torchvision-NAME.npz` or, of a set of image
files, the table `torchvision-NAME.csv` is written beside it and read as `npz:` and `csv:` are. So a training
need not import torchvision.
"""

import contextlib
import csv
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np

from trainer.data import About, DataSet, Images, Source, cache_folder, npz
from trainer.data import csv as tables
from trainer.data._once import limit_silence, make_once
from trainer.errors import InvalidConfig

NEEDS_PATH = True

Files = Iterable[tuple[str | Path, int]]  # paths and labels


def _read_each(part: Any) -> Iterable[tuple[Any, int]]:
    """What a part has: images and labels, or paths and labels where its `loader` gives the path back."""
    return (part[index] for index in range(len(part)))


@dataclass(frozen=True)
class _Set:
    """How one of torchvision's classes is asked for. Of a set these numbers stay: studies rely on them.

    counts: classes, training and test images as published, which are told before a download
    size: pixels a side; of image files the default one
    argument: which takes each of the values `train` and `test`; None: there are no parts, and a fifth of each
        class becomes test images
    mirrored: whether a mirrored image keeps its class
    files: lists the image files; None: the images are arrays
    """

    counts: tuple[int, int, int]
    size: int
    argument: str | None = "split"
    train: tuple[str | bool, ...] = ("train",)
    test: tuple[str | bool, ...] = ("test",)
    more: Mapping[str, Any] = field(default_factory=dict)
    mirrored: bool = True
    files: Callable[[Any], Files] | None = None


def _flagged(classes: int, train: int, test: int, size: int = 28, **more: Any) -> _Set:
    """A set whose class takes `train=True` and `train=False`."""
    return _Set((classes, train, test), size, "train", (True,), (False,), **more)


def _emnist(split: str, *counts: int) -> dict[str, _Set]:
    return {f"EMNIST-{split}": _flagged(*counts, more={"split": split}, mirrored=False)}


_PATHS: Mapping[str, Any] = {"files": _read_each, "more": {"loader": str}}  # of classes that have a `loader`
_SETS = {
    "CIFAR10": _flagged(10, 50_000, 10_000, 32),
    "CIFAR100": _flagged(100, 50_000, 10_000, 32),
    "MNIST": _flagged(10, 60_000, 10_000, mirrored=False),
    "FashionMNIST": _flagged(10, 60_000, 10_000),
    "KMNIST": _flagged(10, 60_000, 10_000, mirrored=False),
    **_emnist("balanced", 47, 112_800, 18_800),
    **_emnist("byclass", 62, 697_932, 116_323),
    **_emnist("bymerge", 47, 697_932, 116_323),
    **_emnist("digits", 10, 240_000, 40_000),
    **_emnist("letters", 26, 124_800, 20_800),
    **_emnist("mnist", 10, 60_000, 10_000),
    "USPS": _flagged(10, 7291, 2007, 16, mirrored=False),
    "SVHN": _Set((10, 73_257, 26_032), 32, mirrored=False),
    "STL10": _Set((10, 5000, 8000), 96),
    "Country211": _Set((211, 42_200, 21_100), 64, train=("train", "valid"), **_PATHS),
    "DTD": _Set((47, 3760, 1880), 64, train=("train", "val"), **_PATHS),
    "EuroSAT": _Set((10, 21_600, 5400), 64, argument=None, **_PATHS),
    "FGVCAircraft": _Set((100, 6667, 3333), 64, train=("trainval",), **_PATHS),
    "Flowers102": _Set((102, 2040, 6149), 64, train=("train", "val"), **_PATHS),
    "Food101": _Set((101, 75_750, 25_250), 64, **_PATHS),
    "GTSRB": _Set((43, 26_640, 12_630), 32, mirrored=False, files=lambda part: part._samples),
    "Imagenette": _Set(
        (10, 9469, 3925), 64, test=("val",), files=_read_each, more={"loader": str, "size": "160px"}
    ),
    "OxfordIIITPet": _Set(
        (37, 3680, 3669),
        64,
        train=("trainval",),
        files=lambda part: zip(part._images, part._labels, strict=True),
    ),
    "PCAM": _Set((2, 294_912, 32_768), 96, train=("train", "val")),
    "RenderedSST2": _Set((2, 7792, 1821), 64, train=("train", "val"), mirrored=False, **_PATHS),
    "StanfordCars": _Set(
        (196, 8144, 8041), 64, files=_read_each, more={"loader": str, "download": False}
    ),  # its address is gone
}


def about(source: Source) -> About:
    """The published sizes before a download, and then what is there. Nothing is downloaded."""
    asked, kept = _find(source)
    classes, train, test = asked.counts
    if kept.path and kept.path.exists():
        found = _reader(asked).about(kept)
        notes = [found.note] if found.note else []
        if (found.classes, found.train_images, found.test_images) != asked.counts:
            notes.append(
                f"published with {classes} classes, {train} training and {test} test images; if its download "
                f"was interrupted, remove its files from {kept.path.parent}, and {kept.path.name}"
            )
        # the size is that of the table above
        return replace(found, shorter_side=None, note="; ".join(notes) or None)
    known = About(classes, kept.image_size or asked.size, train, test)
    return replace(known, fit=source.fitting, storage="files") if asked.files else known


def fingerprint(source: Source) -> str:
    """That of the files; before a download a text that no data have."""
    asked, kept = _find(source)
    if kept.path and kept.path.exists():
        return _reader(asked).fingerprint(kept)
    return f"{source.name}-{source.rules}-{'+'.join(map(str, asked.counts))}-absent"


def load(source: Source, test: bool) -> Images:
    """The images, downloaded if necessary. Raises InvalidConfig if that fails."""
    asked, kept = _find(source)
    folder, path = cache_folder(source), kept.path
    assert path is not None
    try:
        make_once(path, lambda unfinished: _write(str(source.path), folder, unfinished))
    except (InvalidConfig, MemoryError):
        raise
    except Exception as error:  # a damaged file may raise anything, such as KeyError
        raise InvalidConfig(
            f"cannot get {source} into {folder} ({type(error).__name__}: {error}); place its files there as "
            "torchvision does, or give data_dir with a folder that has them or can be written"
        ) from error
    return replace(_reader(asked).load(kept, test), mirrored=asked.mirrored)


def _find(source: Source) -> tuple[_Set, Source]:
    """The set, and what is kept of it as a data set of its own. Raises InvalidConfig."""
    name = str(source.path)
    if name not in _SETS:
        raise InvalidConfig(f"dataset {source} is not known; known: {', '.join(sorted(_SETS))}")
    asked = _SETS[name]
    path = cache_folder(source) / f"torchvision-{name}.{'csv' if asked.files else 'npz'}"
    return asked, replace(source, path=path, image_size=source.image_size or asked.size)


def _reader(asked: _Set) -> DataSet:
    return tables if asked.files else npz


def _write(name: str, folder: Path, path: Path) -> None:
    """Write what is kept. Raises what torchvision raises."""
    asked = _SETS[name]
    with limit_silence(), contextlib.redirect_stdout(sys.stderr):  # stdout is the trainer's protocol
        parts = {split: _open(name, split, folder) for split in ("train", "test")}
    if asked.files is None:
        _write_arrays(parts, path)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "split"][: 3 if asked.argument else 2])
        for split, part in ((split, part) for split, some in parts.items() for part in some):
            for image, label in asked.files(part):
                row = [os.path.relpath(image, folder), _name(part, label, asked.counts[0]), split]
                table.writerow(row[: 3 if asked.argument else 2])


def _open(name: str, split: Literal["train", "test"], folder: Path) -> list[Any]:
    from torchvision import datasets  # importing it takes seconds

    asked = _SETS[name]
    more = {"download": True, **asked.more}
    open_part = partial(getattr(datasets, name.partition("-")[0]), folder, **more)
    if asked.argument is None:
        return [open_part()] if split == "train" else []
    return [open_part(**{asked.argument: value}) for value in getattr(asked, split)]


def _write_arrays(parts: Mapping[str, list[Any]], path: Path) -> None:
    """Write an .npz, with the labels that occur in training numbered from 0."""
    arrays: dict[str, Any] = {}
    for split, some in parts.items():
        images = chain.from_iterable(map(_read_each, some))
        labels = np.empty(sum(map(len, some)), np.int64)
        for place, (image, label) in enumerate(images):
            pixels = np.asarray(image.convert("RGB"))
            if place == 0:
                arrays[f"{split}_images"] = np.empty((len(labels), *pixels.shape), np.uint8)
            arrays[f"{split}_images"][place], labels[place] = pixels, label
        arrays[f"{split}_labels"] = labels
    present = np.unique(arrays["train_labels"])
    for split in parts:
        arrays[f"{split}_labels"] = np.searchsorted(present, arrays[f"{split}_labels"])
    names = [_name(parts["train"][0], label, len(present)) for label in present.tolist()]
    arrays["class_names"] = np.array(names)
    with path.open("wb") as stream:
        np.savez(stream, **arrays)


def _name(part: Any, label: int, classes: int) -> str:
    """The name of a class of a part: the first of several, or its number with zeros in front."""
    named = getattr(part, "classes", None)
    if named is None:
        return f"{label:0{len(str(classes - 1))}d}"
    found = named[label]
    return str(found if isinstance(found, str) else found[0])
