"""Image files with their classes, and what a data set tells of them, whatever has listed them.

Images are decoded when they are asked for, at `image_size` (32 by default), as docs/data.md says, and then
kept in a cache.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median_low
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from trainer.data import About, Images, Source, _decoded, hash_file
from trainer.data._pictures import Unreadable, decode_square, read_shorter_side
from trainer.errors import InvalidConfig

_SIZE = 32  # pixels a side, without image_size
_SAMPLED = 100  # images whose sizes are read
_TEST_SHARE = 5  # of a class without test images, one in so many becomes one
_THREADS = 8  # decoding releases the interpreter's lock
_CHUNK = 16  # pictures per task of a thread: handing over a single one takes as long as reading it
_Result = TypeVar("_Result")


@dataclass(frozen=True, order=True)
class Picture:
    """name: what identifies it beside its content: the file's name, or its path within the data set"""

    label: int
    name: str
    path: Path


@dataclass(frozen=True)
class Listing:
    """The class names and the pictures in order, every class with training images.

    note: for people, on what is not read and how test images were chosen
    place_tests: how to add test images, for the message where there are none
    """

    classes: tuple[str, ...]
    train: list[Picture]
    test: list[Picture]
    note: str | None
    place_tests: str

    def about(self, source: Source) -> About:
        """Numbers of files, of which the sizes of a few are read."""
        labels = Counter(picture.label for picture in self.train)
        return About(
            classes=len(self.classes),
            image_size=source.image_size or _SIZE,
            train_images=len(self.train),
            test_images=len(self.test),
            fit=source.fitting,
            note=self.note,
            class_images={name: labels[label] for label, name in enumerate(self.classes)},
            storage="files",
            shorter_side=_median_shorter_side(self.train),
        )

    def fingerprint(self, source: Source) -> str:
        """Return `NAME-RULES-CLASSES+TRAIN+TEST-HASH`. Raises InvalidConfig.

        RULES is the version of the decoding rules. The numbers of classes, training and test images follow.
        The hash is of all names and contents, and of which images are test images.
        """
        digest = hashlib.sha256(os.fsencode("\0".join(self.classes)))
        for part in (self.train, self.test):
            for picture, content in zip(part, _map_files(_hash_content, part), strict=True):
                digest.update(b"\n%d\0%b\0%b" % (picture.label, os.fsencode(picture.name), content))
            digest.update(b"\n")
        counts = f"{len(self.classes)}+{len(self.train)}+{len(self.test)}"
        return f"{source.name}-{source.rules}-{counts}-{digest.hexdigest()}"

    def load(self, source: Source, test: bool) -> Images:
        """The images, of which those for training are decoded when they are asked for.

        Raises InvalidConfig, also then, which names all files that cannot be read.
        """
        if test and not self.test:
            raise InvalidConfig(f"{source.path} has no test images; {self.place_tests}")
        return Images(
            classes=len(self.classes),
            mirrored=True,
            train_images=_Decoded(self.train, source),
            train_labels=_labels(self.train),
            test_images=_Decoded(self.test, source)[:] if test else None,
            test_labels=_labels(self.test) if test else None,
            names=self.classes,
        )


def split_off_tests(pictures: Sequence[Picture]) -> tuple[list[Picture], list[Picture], str]:
    """Training and test pictures where nobody has split them, and a line for people on how that was done.

    A fifth of each class are test pictures: those whose names have the least hashes. So they are the same
    ones in every training and study, and few change when pictures are added.
    """
    by_class: dict[int, list[Picture]] = {}
    for picture in sorted(pictures, key=lambda picture: (_hash_name(picture), picture)):
        by_class.setdefault(picture.label, []).append(picture)
    test = {picture for own in by_class.values() for picture in own[: round(len(own) / _TEST_SHARE)]}
    note = (
        f"no test images are given: {len(test)} of {len(pictures)} images, a fifth of each class chosen by "
        "the hashes of their names, are kept apart as test images"
    )
    return sorted(set(pictures) - test), sorted(test), note


def _hash_name(picture: Picture) -> bytes:
    return hashlib.sha256(os.fsencode(picture.name)).digest()


def _median_shorter_side(pictures: Sequence[Picture]) -> int | None:
    """Pixels, of a sample spread over all pictures; None if none of them can be read."""
    paths = [picture.path for picture in pictures[:: -(-len(pictures) // _SAMPLED)]]
    sides = [side for side in try_files(read_shorter_side, paths) if isinstance(side, int)]
    return median_low(sides) if sides else None


def _labels(pictures: Sequence[Picture]) -> NDArray[np.int64]:
    return np.array([picture.label for picture in pictures], np.int64)


class _Decoded:
    """The pictures of one part as images, `ImageRows`."""

    def __init__(self, pictures: Sequence[Picture], source: Source) -> None:
        self._pictures, self._source = pictures, source

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        source, size = self._source, self._source.image_size or _SIZE
        chosen = np.arange(len(self))[rows].tolist()
        images = np.empty((len(chosen), size, size, 3), np.uint8)
        paths = [picture.path for picture in self._pictures]
        places = {paths[row]: (row, images[place]) for place, row in enumerate(chosen)}
        with _decoded.open_records(paths, source, size) as kept:

            def decode(path: Path) -> None:
                row, image = places[path]
                found = kept.read(row) if kept else None
                image[:] = decode_square(path, size, source.fitting, source.rules) if found is None else found
                if kept and found is None:
                    kept.write(row, image)

            _map_files(decode, [self._pictures[row] for row in chosen])
        return images


def _map_files(read: Callable[[Path], _Result], pictures: Sequence[Picture]) -> list[_Result]:
    """`read` of each file. Raises InvalidConfig that names all files for which it raises Unreadable."""
    paths = [picture.path for picture in pictures]
    results = try_files(read, paths)
    refuse_unreadable(
        {path: result for path, result in zip(paths, results, strict=True) if isinstance(result, Unreadable)}
    )
    return cast(list[_Result], results)


def try_files(read: Callable[[Path], _Result], paths: Sequence[Path]) -> list[_Result | Unreadable]:
    """`read` of each file in several threads, or the Unreadable that it raises."""

    def try_to_read(path: Path) -> _Result | Unreadable:
        try:
            return read(path)
        except Unreadable as error:
            return error

    chunks = [paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK)]
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(chain.from_iterable(pool.map(lambda chunk: list(map(try_to_read, chunk)), chunks)))


def refuse_unreadable(reasons: Mapping[Path, Unreadable]) -> None:
    """Raise InvalidConfig that names all these files; do nothing if there are none."""
    wrong = [f"{path}: {reason}" for path, reason in reasons.items()]
    if len(wrong) == 1:
        raise InvalidConfig(f"cannot read the image {wrong[0]}; replace or remove it")
    if wrong:
        raise InvalidConfig(f"cannot read {len(wrong)} images: {'; '.join(wrong)}; replace or remove them")


def _hash_content(path: Path) -> bytes:
    """Size and SHA-256 of a file. Raises Unreadable."""
    try:
        return b"%d\0%b" % hash_file(path)
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from error
