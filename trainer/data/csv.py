"""`csv:PATH`: a table with the columns `path` and `label`, and `split` (train or test) if need be.

Paths are relative to the table's folder and stay in it, so that a table cannot name other files of the
machine. The labels are the classes' names, in alphabetical order. Without the column `split` a fifth of each
class become test images.
"""

import csv
import os
from collections.abc import Iterator
from pathlib import Path

from trainer.data import About, Images, Source
from trainer.data._listing import Listing, Picture, split_off_tests
from trainer.errors import InvalidConfig

NEEDS_PATH = True

_PARTS = ("train", "test")
_DELIMITERS = ",;\t"
_SHOWN = 60  # characters of what is wrong


def about(source: Source) -> About:
    return _list(source).about(source)


def fingerprint(source: Source) -> str:
    return _list(source).fingerprint(source)


def load(source: Source, test: bool) -> Images:
    return _list(source).load(source, test)


def _list(source: Source) -> Listing:
    table = source.path
    if table is None or not table.is_file():
        raise InvalidConfig(f"no file {table}; give dataset csv:PATH with the path of a table")
    rows, seen = list[tuple[str, str, str | None]](), dict[str, int]()
    try:
        for number, path, label, part in _read_rows(table):
            if path in seen:
                raise _wrong(table, number, f"{path!r} is in line {seen[path]} too; remove one")
            seen[path] = number
            rows.append((path, label, part))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidConfig(f"cannot read {table} as a table: {error}; save it as CSV in UTF-8") from error
    classes = tuple(sorted({label for _, label, _ in rows}))
    if len(classes) < 2:
        raise InvalidConfig(f"{table} has {len(classes)} labels; give two or more")
    labels = {name: label for label, name in enumerate(classes)}
    pictures = [(Picture(labels[name], path, table.parent / path), part) for path, name, part in rows]
    place_tests = f"give some in {table}, with the column split"
    if all(part is None for _, _, part in rows):
        train, test, note = split_off_tests([picture for picture, _ in pictures])
        return Listing(classes, train, test, note, place_tests)
    train, test = (sorted(picture for picture, part in pictures if part == wanted) for wanted in _PARTS)
    if unseen := sorted(set(range(len(classes))) - {picture.label for picture in train}):
        raise InvalidConfig(f"{table} has no training images of {classes[unseen[0]]:.{_SHOWN}}; add some")
    return Listing(classes, train, test, None, place_tests)


def _read_rows(table: Path) -> Iterator[tuple[int, str, str, str | None]]:
    """Line, path below the table's folder, label, and split if there is that column. Raises InvalidConfig."""
    with table.open(encoding="utf-8-sig", newline="") as file:
        header = file.readline()
        file.seek(0)
        reader = csv.DictReader(file, delimiter=max(_DELIMITERS, key=header.count), skipinitialspace=True)
        columns = reader.fieldnames or []
        for needed in ("path", "label"):
            if needed not in columns:
                held = ", ".join(columns) or "none"
                raise InvalidConfig(f"{table} lacks the column {needed}; it has: {held:.{_SHOWN}}")
        for row in reader:
            path, label, part = row["path"], row["label"], row.get("split")
            if not path or not label:
                raise _wrong(table, reader.line_num, f"has no {'label' if path else 'path'}; give one")
            if "split" in columns and part not in _PARTS:
                raise _wrong(table, reader.line_num, f"split is {part!r}; give train or test")
            yield reader.line_num, _below(table, reader.line_num, path), label, part


def _below(table: Path, line: int, path: str) -> str:
    """The path relative to the table's folder. Raises InvalidConfig if it leads out of it."""
    folder = os.path.abspath(table.parent)
    whole = os.path.normpath(os.path.join(folder, path))
    if not whole.startswith(os.path.join(folder, "")) or "\0" in path:
        raise _wrong(table, line, f"{path!r} is outside of {folder}; keep the table above its images")
    return os.path.relpath(whole, folder)


def _wrong(table: Path, line: int, what: str) -> InvalidConfig:
    return InvalidConfig(f"line {line} of {table}: {what}")
