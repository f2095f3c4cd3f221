"""`folder:PATH`: PATH/train/CLASS/*.png and PATH/test/CLASS/*.png (or jpg, tif, gif, …), made squares.

The classes are the folders' names in alphabetical order. `test` may be absent.
Images are decoded once, at `image_size` (32 where it is not given); docs/data.md
says how. What systems leave behind (`.DS_Store`, `@eaDir`) is not there for us;
whatever else is not read is counted, and the user is told.
"""

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from trainer.data import About, Images, Source
from trainer.data._pictures import RULES, SUFFIXES, Unreadable, square
from trainer.errors import InvalidConfig, one_line

NEEDS_PATH = True

_SIZE = 32  # pixels a side, where image_size is not given
_THREADS = 8  # decoding lets go of the interpreter's lock
_SHARE = 16  # pictures that a thread takes at once: handing over one alone takes as long as reading it
_TOLD = 3  # of many kinds of files, before "…"
_MOST_NAMED = 20  # of files that cannot be read, before "and 17 more"
_LEFT_BY_SYSTEMS = frozenset(
    {"__macosx", "@eadir", "thumbs.db", "desktop.ini"}
)  # and names that begin with a dot
_Found = TypeVar("_Found")


@dataclass(frozen=True, order=True)
class _Picture:
    label: int
    name: str  # the file's
    path: Path


@dataclass(frozen=True)
class _Held:
    """What a folder holds: names of classes, pictures in order, and for people what is not read."""

    classes: tuple[str, ...]
    train: list[_Picture]
    test: list[_Picture]
    note: str | None


@dataclass
class _Unread:
    """What lies in a folder and is not read."""

    kinds: Counter[str] = field(default_factory=Counter)  # files of other kinds in class folders, by suffix
    folders: int = 0  # in class folders
    images: int = 0  # in those
    outside: int = 0  # files beside the class folders

    def look_into(self, folder: os.DirEntry[str]) -> None:
        """Count the images in a folder within a class's folder."""
        self.folders += 1
        for _, _, names in os.walk(folder.path):
            self.images += sum(_suffix(name) in SUFFIXES and name[0] != "." for name in names)

    def told(self) -> str | None:
        """All of it in words."""
        common = [
            f"{count} {suffix or 'without a suffix'}" for suffix, count in self.kinds.most_common(_TOLD)
        ]
        others = ", ".join([*common, *(["…"] if len(self.kinds) > _TOLD else [])])
        files = _many(self.kinds.total(), "file of another kind", "files of other kinds")
        images, folders = _many(self.images, "image", "images"), _many(self.folders, "folder", "folders")
        found = [
            *([f"{files} ({others})"] if self.kinds else []),
            *([f"{images} in {folders} within class folders"] if self.folders else []),
            *([f"{_many(self.outside, 'file', 'files')} outside class folders"] if self.outside else []),
        ]
        return one_line(f"not read: {'; '.join(found)}") if found else None


def _many(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"


def about(source: Source) -> About:
    """Numbers of files; none is opened. Raises Refused."""
    held = _held(source)
    return About(
        classes=len(held.classes),
        image_size=source.image_size or _SIZE,
        train_images=len(held.train),
        test_images=len(held.test),
        fit=source.fitting,
        note=held.note,
    )


def fingerprint(source: Source) -> str:
    """Return `folder-RULES-CLASSES+TRAIN+TEST-HASH`. Raise InvalidConfig.

    RULES is the version of the rules by which pictures are decoded. The numbers of classes, training and test
    images follow. The hash is of all names and contents.
    """
    held = _held(source)
    digest = hashlib.sha256(os.fsencode("\0".join(held.classes)))
    for part in (held.train, held.test):
        for picture, content in zip(part, _each(_content, part), strict=True):
            digest.update(b"\n%d\0%b\0%b" % (picture.label, os.fsencode(picture.name), content))
        digest.update(b"\n")
    counts = f"{len(held.classes)}+{len(held.train)}+{len(held.test)}"
    return f"folder-{RULES}-{counts}-{digest.hexdigest()}"


def load(source: Source, test: bool) -> Images:
    """Decode the images. Raises Refused, which names the files that cannot be read."""
    held = _held(source)
    if test and not held.test:
        raise InvalidConfig(
            f"{source.path} has no test images; place them in {source.path}/test, a folder a class"
        )
    pictures = [*held.train, *(held.test if test else [])]
    images, labels = _decoded(pictures, source), np.array([picture.label for picture in pictures], np.int64)
    split = len(held.train)
    return Images(
        classes=len(held.classes),
        mirrored=True,
        train_images=images[:split],
        train_labels=labels[:split],
        test_images=images[split:] if test else None,
        test_labels=labels[split:] if test else None,
        names=held.classes,
    )


def _decoded(pictures: Sequence[_Picture], source: Source) -> NDArray[np.uint8]:
    """uint8 [N, size, size, 3]."""
    size = source.image_size or _SIZE
    images = np.empty((len(pictures), size, size, 3), np.uint8)
    places = {picture.path: images[row] for row, picture in enumerate(pictures)}

    def decode(path: Path) -> None:
        places[path][:] = square(path, size, source.fitting)

    _each(decode, pictures)
    return images


def _each(read: Callable[[Path], _Found], pictures: Sequence[_Picture]) -> list[_Found]:
    """What `read` makes of each file. Raises Refused, which names all at once that it cannot read."""
    found: list[_Found | Unreadable] = []

    def tried(picture: _Picture) -> _Found | Unreadable:
        try:
            return read(picture.path)
        except Unreadable as error:
            return error

    shares = [pictures[start : start + _SHARE] for start in range(0, len(pictures), _SHARE)]
    with ThreadPoolExecutor(_THREADS) as pool:
        for share in pool.map(lambda share: list(map(tried, share)), shares):
            found += share
    wrong = [
        f"{picture.path}: {its}"
        for picture, its in zip(pictures, found, strict=True)
        if isinstance(its, Unreadable)
    ]
    if len(wrong) == 1:
        raise InvalidConfig(f"cannot read the image {wrong[0]}; replace or remove it")
    if wrong:
        more = f"; and {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
        raise InvalidConfig(
            f"cannot read {len(wrong)} images: {'; '.join(wrong[:_MOST_NAMED])}{more}; replace or remove them"
        )
    return cast(list[_Found], found)


def _content(path: Path) -> bytes:
    """Size and SHA-256 of a file. Raises Unreadable."""
    try:
        status = path.stat()
        return _hashed(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from error


@lru_cache(maxsize=1 << 20)
def _hashed(path: Path, size: int, modified: int) -> bytes:
    """Size and time stand in the arguments so that a file that changes meanwhile is read again."""
    with path.open("rb", buffering=0) as stream:
        return b"%d\0" % size + hashlib.file_digest(stream, "sha256").digest()


def _held(source: Source) -> _Held:
    root, unread = source.path, _Unread()
    try:
        if root is None or not (root / "train").is_dir():
            raise InvalidConfig(
                f"there is no folder {root}/train; place the images as {root}/train/CLASS/*.png"
            )
        train, test = _folders(root / "train", unread), _folders(root / "test", unread)
        classes = tuple(sorted(train))
        if len(classes) < 2:
            raise InvalidConfig(
                f"{root}/train has {len(classes)} class folders; give at least two, with images in"
            )
        if strangers := sorted(set(test) - set(classes)):
            stranger = test[strangers[0]][0]
            raise InvalidConfig(f"{stranger} is a class that train lacks; remove it or add training images")
        pictures, tests = (_pictures(part, classes, unread) for part in (train, test))
    except OSError as error:
        raise InvalidConfig(
            f"cannot look into {error.filename}: {error.strerror}; make it readable"
        ) from error
    if empty := sorted(set(range(len(classes))) - {picture.label for picture in pictures}):
        folder, kinds = train[classes[empty[0]]][0], ", ".join(sorted(SUFFIXES))
        raise InvalidConfig(f"{folder} has no images ({kinds}); add some or remove it")
    return _Held(classes, pictures, tests, unread.told())


def _folders(part: Path, unread: _Unread) -> dict[str, list[Path]]:
    """The folders of each class: several where its name is there in several forms of Unicode."""
    folders: dict[str, list[Path]] = {}
    for entry in _entries(part) if part.is_dir() else ():
        if _is_folder(entry):
            folders.setdefault(_composed(entry.name), []).append(Path(entry.path))
        else:
            unread.outside += 1
    return folders


def _pictures(
    folders: Mapping[str, Sequence[Path]], classes: Sequence[str], unread: _Unread
) -> list[_Picture]:
    """Those of one part, class by class, in order of their names."""
    found = []
    for label, name in enumerate(classes):
        for entry in chain.from_iterable(map(_entries, folders.get(name, ()))):
            if _is_folder(entry):
                unread.look_into(entry)
            elif _suffix(entry.name) in SUFFIXES and _is_to_be_read(entry):
                found.append(_Picture(label, _composed(entry.name), Path(entry.path)))
            else:
                unread.kinds[_suffix(entry.name)] += 1
    return sorted(found)


def _entries(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """What people have put into a folder."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and entry.name.casefold() not in _LEFT_BY_SYSTEMS:
                yield entry


def _is_to_be_read(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file, or a link that leads nowhere, which the user must hear of."""
    return not os.path.exists(entry.path) or entry.is_file()


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return os.path.isdir(entry.path)  # which a link to itself is not; asking the entry would raise


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _composed(name: str) -> str:
    """A name in the form of Unicode that most systems write; a Mac's disk takes accents apart."""
    return unicodedata.normalize("NFC", name)
