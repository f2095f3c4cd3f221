"""`folder:PATH`: PATH/train/CLASS/*.png and PATH/test/CLASS/*.png (or jpg, tif, gif, …), made squares.

PATH may be a zip or tar file of that. `test` may be missing. Where `train` is missing too, the images are
PATH/CLASS/*.png, of which a fifth become test images. The classes are the folders' names in alphabetical
order. Files that systems leave behind, such as `.DS_Store`, are ignored. Others that are not read are counted
and reported.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from trainer.data import About, Images, Source
from trainer.data._archive import unpack
from trainer.data._listing import Listing, Picture, split_off_tests
from trainer.data._pictures import SUFFIXES
from trainer.errors import InvalidConfig, to_one_line

NEEDS_PATH = True

_KINDS_SHOWN = 3  # of the kinds of other files, before "…"
_CLASSES_SHOWN = 20
_LEFT_BY_SYSTEMS = ("__macosx", "@eadir", "thumbs.db", "desktop.ini")  # and names that begin with a dot


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
    return _list(source).about(source)


def fingerprint(source: Source) -> str:
    return _list(source).fingerprint(source)


def load(source: Source, test: bool) -> Images:
    return _list(source).load(source, test)


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


def _list(source: Source) -> Listing:
    unread = _Unread()
    try:
        root = _find_root(source)
        is_split = any((root / part).is_dir() for part in ("train", "test"))
        named = root / "train" if is_split else root
        train, test = _list_classes(named, unread), _list_classes(root / "test", unread)
        classes = tuple(sorted(train))
        if len(classes) < 2:
            raise InvalidConfig(f"{named} has {len(classes)} class folders; give two or more with images")
        if unknown := sorted(set(test) - set(classes)):
            where = test[unknown[0]][0]
            raise InvalidConfig(f"{where} is a class that train lacks; remove it or add training images")
        pictures, tests = (_list_pictures(part, classes, unread) for part in (train, test))
    except OSError as error:
        raise InvalidConfig(f"cannot open {error.filename}: {error.strerror}; make it readable") from error
    if empty := sorted(set(range(len(classes))) - {picture.label for picture in pictures}):
        folder, kinds = train[classes[empty[0]]][0], ", ".join(sorted(SUFFIXES))
        raise InvalidConfig(f"{folder} has no images ({kinds}); add some or remove it")
    notes = [unread.describe()]
    if not is_split:
        pictures, tests, note = split_off_tests(pictures)
        notes.insert(0, note)
    told = "; ".join(filter(None, notes)) or None
    return Listing(classes, pictures, tests, told, f"place them in {root}/test/CLASS")


def _find_root(source: Source) -> Path:
    """The folder of the data set: of an archive the outermost one that has more than a single folder."""
    root = source.path
    if root is not None and root.is_file():
        root = unpack(root, source)
        while len(inside := list(_list_entries(root))) == 1 and _is_folder(inside[0]):
            if inside[0].name == "train":
                break
            root = Path(inside[0].path)
    if root is None or not root.is_dir():
        where = f"{root}/train/CLASS/*.png or {root}/CLASS/*.png"
        raise InvalidConfig(f"no folder {root}, nor a zip or tar file of it; place the images as {where}")
    return root


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
) -> list[Picture]:
    """The pictures of one part, by class and name."""
    found = []
    for label, name in enumerate(classes):
        for entry in chain.from_iterable(map(_list_entries, folders.get(name, ()))):
            # a broken link counts as a picture, so that the user is told of it
            is_file = not os.path.exists(entry.path) or entry.is_file()
            if _is_folder(entry):
                unread.add_folder(entry)
            elif _suffix(entry.name) in SUFFIXES and is_file:
                found.append(Picture(label, _compose(entry.name), Path(entry.path)))
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
