"""`folder:PATH`: PATH/train/CLASS/*.png and PATH/test/CLASS/*.png (or jpg, tif, gif, …), made squares.

The classes are the folders' names in alphabetical order. `test` may be missing. Images are decoded when they
are asked for, at `image_size` (32 by default), as docs/data.md says, and then kept in a cache. Files that
systems leave behind, such as `.DS_Store`, are ignored. Others that are not read are counted and reported.
"""

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from trainer.data import About, Images, Source, _decoded, hash_file
from trainer.data._pictures import SUFFIXES, Unreadable, decode_square
from trainer.errors import InvalidConfig, to_one_line

NEEDS_PATH = True

_SIZE = 32  # pixels a side, without image_size
_THREADS = 8  # decoding releases the interpreter's lock
_CHUNK = 16  # pictures per task of a thread: handing over a single one takes as long as reading it
_KINDS_SHOWN = 3  # of the kinds of other files, before "…"
_CLASSES_SHOWN = 20
_LEFT_BY_SYSTEMS = ("__macosx", "@eadir", "thumbs.db", "desktop.ini")  # and names that begin with a dot
_Result = TypeVar("_Result")


@dataclass(frozen=True, order=True)
class _Picture:
    label: int
    name: str  # the file's
    path: Path


@dataclass(frozen=True)
class _Listing:
    """The class names and the pictures in order; note: for people, on what is not read."""

    classes: tuple[str, ...]
    train: list[_Picture]
    test: list[_Picture]
    note: str | None


@dataclass
class _Unread:
    """Counts what is in a folder and is not read."""

    kinds: Counter[str] = field(default_factory=Counter)  # other files in class folders, by suffix
    folders: int = 0  # in class folders
    images: int = 0  # in those
    outside: int = 0  # files beside the class folders

    def add_folder(self, folder: os.DirEntry[str]) -> None:
        """Count a folder within a class folder, and its images."""
        self.folders += 1
        for _, _, names in os.walk(folder.path):
            self.images += sum(_suffix(name) in SUFFIXES and name[0] != "." for name in names)

    def describe(self) -> str | None:
        """All counts in words; None if there are none."""
        kinds = [
            f"{count} {kind or 'without a suffix'}" for kind, count in self.kinds.most_common(_KINDS_SHOWN)
        ]
        if len(self.kinds) > _KINDS_SHOWN:
            kinds.append("…")
        parts = []
        if self.kinds:
            files = _count(self.kinds.total(), "file of another kind", "files of other kinds")
            parts.append(f"{files} ({', '.join(kinds)})")
        if self.folders:
            images, folders = (
                _count(self.images, "image", "images"),
                _count(self.folders, "folder", "folders"),
            )
            parts.append(f"{images} in {folders} within class folders")
        if self.outside:
            parts.append(f"{_count(self.outside, 'file', 'files')} outside class folders")
        return to_one_line(f"not read: {'; '.join(parts)}") if parts else None


def _count(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"


def about(source: Source) -> About:
    """Numbers of files, none of which is opened. Raises InvalidConfig."""
    listing = _list(source)
    labels = Counter(picture.label for picture in listing.train)
    return About(
        classes=len(listing.classes),
        image_size=source.image_size or _SIZE,
        train_images=len(listing.train),
        test_images=len(listing.test),
        fit=source.fitting,
        note=listing.note,
        class_images={name: labels[label] for label, name in enumerate(listing.classes)},
    )


def fingerprint(source: Source) -> str:
    """Return `folder-RULES-CLASSES+TRAIN+TEST-HASH`. Raises InvalidConfig.

    RULES is the version of the decoding rules. The numbers of classes, training and test images follow. The
    hash is of all names and contents.
    """
    listing = _list(source)
    digest = hashlib.sha256(os.fsencode("\0".join(listing.classes)))
    for part in (listing.train, listing.test):
        for picture, content in zip(part, _map_files(_hash_content, part), strict=True):
            digest.update(b"\n%d\0%b\0%b" % (picture.label, os.fsencode(picture.name), content))
        digest.update(b"\n")
    counts = f"{len(listing.classes)}+{len(listing.train)}+{len(listing.test)}"
    return f"folder-{source.rules}-{counts}-{digest.hexdigest()}"


def load(source: Source, test: bool) -> Images:
    """The images, of which those for training are decoded when they are asked for.

    Raises InvalidConfig, also then, which names all files that cannot be read.
    """
    listing = _list(source)
    if test and not listing.test:
        raise InvalidConfig(f"{source.path} has no test images; place them in {source.path}/test/CLASS")
    return Images(
        classes=len(listing.classes),
        mirrored=True,
        train_images=_Decoded(listing.train, source),
        train_labels=_labels(listing.train),
        test_images=_Decoded(listing.test, source)[:] if test else None,
        test_labels=_labels(listing.test) if test else None,
        names=listing.classes,
    )


def list_images(folder: Path, classes: Sequence[str]) -> tuple[list[tuple[Path, int | None]], str | None]:
    """The images in a folder; of one without any those in folders named after classes, with their labels.

    Also a line for people on what is not read. Raises InvalidConfig for no images and for other classes.
    """
    unread = _Unread()
    try:
        inside = {_compose(entry.name): entry for entry in _list_entries(folder)}
        images = [
            name for name, entry in inside.items() if _suffix(name) in SUFFIXES and not _is_folder(entry)
        ]
        if images:
            others = len(inside) - len(images)
            note = (
                f"not read: {_count(others, 'other entry', 'other entries')} of {folder}" if others else None
            )
            return [(Path(inside[name].path), None) for name in sorted(images)], note
        folders = _list_classes(folder, unread)
        if unknown := sorted(set(folders) - set(classes)):
            known = ", ".join(classes[:_CLASSES_SHOWN]) + (", …" if len(classes) > _CLASSES_SHOWN else "")
            raise InvalidConfig(
                f"{folder} has a folder {unknown[0]}, which is not one of the model's {len(classes)} classes "
                f"({known}); give a folder of images, or of folders named after classes"
            )
        found = [(picture.path, picture.label) for picture in _list_pictures(folders, classes, unread)]
    except OSError as error:
        raise InvalidConfig(f"cannot open {error.filename}: {error.strerror}; make it readable") from error
    if not found:
        raise InvalidConfig(f"{folder} has no images ({', '.join(sorted(SUFFIXES))}); give another folder")
    return list(found), unread.describe()


def _labels(pictures: Sequence[_Picture]) -> NDArray[np.int64]:
    return np.array([picture.label for picture in pictures], np.int64)


class _Decoded:
    """The pictures of one part as images, `ImageRows`."""

    def __init__(self, pictures: Sequence[_Picture], source: Source) -> None:
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


def _map_files(read: Callable[[Path], _Result], pictures: Sequence[_Picture]) -> list[_Result]:
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


def _list(source: Source) -> _Listing:
    root, unread = source.path, _Unread()
    try:
        if root is None or not (root / "train").is_dir():
            raise InvalidConfig(f"no folder {root}/train; place the images as {root}/train/CLASS/*.png")
        train, test = _list_classes(root / "train", unread), _list_classes(root / "test", unread)
        classes = tuple(sorted(train))
        if len(classes) < 2:
            raise InvalidConfig(
                f"{root}/train has {len(classes)} class folders; give two or more with images"
            )
        if unknown := sorted(set(test) - set(classes)):
            where = test[unknown[0]][0]
            raise InvalidConfig(f"{where} is a class that train lacks; remove it or add training images")
        pictures, tests = (_list_pictures(part, classes, unread) for part in (train, test))
    except OSError as error:
        raise InvalidConfig(f"cannot open {error.filename}: {error.strerror}; make it readable") from error
    if empty := sorted(set(range(len(classes))) - {picture.label for picture in pictures}):
        folder, kinds = train[classes[empty[0]]][0], ", ".join(sorted(SUFFIXES))
        raise InvalidConfig(f"{folder} has no images ({kinds}); add some or remove it")
    return _Listing(classes, pictures, tests, unread.describe())


def _list_classes(part: Path, unread: _Unread) -> dict[str, list[Path]]:
    """The folders of each class: several if its name exists in several Unicode forms."""
    folders: dict[str, list[Path]] = {}
    for entry in _list_entries(part) if part.is_dir() else ():
        if _is_folder(entry):
            folders.setdefault(_compose(entry.name), []).append(Path(entry.path))
        else:
            unread.outside += 1
    return folders


def _list_pictures(
    folders: Mapping[str, Sequence[Path]], classes: Sequence[str], unread: _Unread
) -> list[_Picture]:
    """The pictures of one part, by class and name."""
    found = []
    for label, name in enumerate(classes):
        for entry in chain.from_iterable(map(_list_entries, folders.get(name, ()))):
            # a broken link counts as a picture, so that the user is told of it
            is_file = not os.path.exists(entry.path) or entry.is_file()
            if _is_folder(entry):
                unread.add_folder(entry)
            elif _suffix(entry.name) in SUFFIXES and is_file:
                found.append(_Picture(label, _compose(entry.name), Path(entry.path)))
            else:
                unread.kinds[_suffix(entry.name)] += 1
    return sorted(found)


def _list_entries(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """The entries of a folder that people have made."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and entry.name.casefold() not in _LEFT_BY_SYSTEMS:
                yield entry


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return os.path.isdir(entry.path)  # false for a link to itself, where the entry's own method raises


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _compose(name: str) -> str:
    """The Unicode form that most systems write. macOS decomposes accents."""
    return unicodedata.normalize("NFC", name)
