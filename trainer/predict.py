"""Predict the classes of image files with a trained network, and score it where the classes are known."""

import csv
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TextIO

import numpy as np
import torch
from numpy.typing import NDArray

from trainer import saved_model
from trainer.data._listing import refuse_unreadable, try_files
from trainer.data._pictures import Unreadable
from trainer.data.folder import list_images
from trainer.errors import InvalidConfig, to_one_line
from trainer.report import Report

Layout = Literal["table", "json", "csv"]

_BATCH = 500  # images that are decoded and predicted at once
_LARGEST_MATRIX = 20  # classes of which the whole confusion matrix is printed
_CONFUSIONS = 10  # that are printed of more classes
_Z = 1.959964  # of a 95% interval


@dataclass(frozen=True)
class Prediction:
    """probabilities: of all classes; label: the true class, where it is known"""

    path: Path
    probabilities: list[float]
    label: int | None


@dataclass(frozen=True)
class ClassScores:
    """Of one class. None: undefined, without images or without predictions."""

    name: str
    images: int
    recall: float | None
    precision: float | None
    f1: float | None


@dataclass(frozen=True)
class Scores:
    """confusion: [K, K], images by true class (rows) and predicted class (columns)

    interval: Wilson's, at 95%; balanced_accuracy, macro_f1: as in trainer/evaluate.py
    """

    images: int
    accuracy: float
    interval: tuple[float, float]
    balanced_accuracy: float
    macro_f1: float
    classes: tuple[ClassScores, ...]
    confusion: list[list[int]]


class Writer(Protocol):
    """Writes predictions in one layout."""

    def prediction(self, found: Prediction) -> None: ...
    def unreadable(self, path: Path, reason: Unreadable) -> None: ...
    def scores(self, found: Scores) -> None: ...


def predict(
    model: saved_model.SavedModel, paths: Sequence[Path], report: Report, layout: Layout, device: str
) -> None:
    """Predict files and folders of images, and write the results as they come.

    device: auto, cpu or cuda
    Raises InvalidConfig for bad input, and at the end if some image cannot be read.
    """
    network = model.network.to(_choose_device(device))
    classes = network.classes
    listed = _list_inputs(paths, classes)
    writer = _make_writer(layout, report, classes, listed)
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    unreadable: dict[Path, Unreadable] = {}
    for found in _predict_each(model, listed):
        if isinstance(found, tuple):
            path, reason = found
            unreadable[path] = reason
            writer.unreadable(path, reason)
            continue
        writer.prediction(found)
        if found.label is not None:
            confusion[found.label, _top(found)] += 1
    if confusion.any():
        writer.scores(compute_scores(confusion, classes))
    refuse_unreadable(unreadable)


def compute_scores(confusion: NDArray[np.int64], classes: Sequence[str]) -> Scores:
    """Scores from images counted by true class (rows) and predicted class (columns), at least one."""
    right, true, claimed = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    by_class = tuple(
        ClassScores(
            name,
            int(true[label]),
            _divide(right[label], true[label]),
            _divide(right[label], claimed[label]),
            _divide(2 * right[label], true[label] + claimed[label]) if true[label] else None,
        )
        for label, name in enumerate(classes)
    )
    images, accuracy = int(confusion.sum()), float(right.sum() / confusion.sum())
    return Scores(
        images,
        accuracy,
        _compute_interval(accuracy, images),
        balanced_accuracy=float(np.mean([one.recall for one in by_class if one.recall is not None])),
        macro_f1=float(np.mean([one.f1 for one in by_class if one.f1 is not None])),
        classes=by_class,
        confusion=confusion.tolist(),
    )


def _choose_device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise InvalidConfig("device cuda was asked for, but torch sees no GPU; give --device cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _list_inputs(paths: Sequence[Path], classes: Sequence[str]) -> list[tuple[Path, int | None]]:
    """All images with their labels. Says on stderr what is not read in folders."""
    listed: list[tuple[Path, int | None]] = []
    for path in paths:
        if not path.exists():
            raise InvalidConfig(f"no file or folder {path}; give images, or folders of images")
        if path.is_dir():
            found, note = list_images(path, classes)
            listed += found
            if note:
                print(to_one_line(note), file=sys.stderr)  # noqa: T201
        else:
            listed.append((path, None))
    return listed


def _predict_each(
    model: saved_model.SavedModel, listed: Sequence[tuple[Path, int | None]]
) -> Iterator[Prediction | tuple[Path, Unreadable]]:
    for start in range(0, len(listed), _BATCH):
        batch = listed[start : start + _BATCH]
        decoded = try_files(model.preprocess, [path for path, _ in batch])
        readable = [image for image in decoded if not isinstance(image, Unreadable)]
        rows: Iterator[list[float]] = iter(())
        if readable:
            with torch.inference_mode():
                pixels = torch.stack(readable).to(model.network.mean.device)
                rows = iter(model.network.predict(pixels).tolist())
        for (path, label), image in zip(batch, decoded, strict=True):
            yield (path, image) if isinstance(image, Unreadable) else Prediction(path, next(rows), label)


def _top(found: Prediction) -> int:
    return int(np.argmax(found.probabilities))


def _divide(part: np.int64, whole: np.int64) -> float | None:
    return float(part / whole) if whole else None


def _compute_interval(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share of `count` images (Wilson 1927)."""
    middle = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z / (1 + _Z**2 / count) * math.sqrt(share * (1 - share) / count + (_Z / (2 * count)) ** 2)
    return max(0.0, middle - half), min(1.0, middle + half)


def _make_writer(
    layout: Layout, report: Report, classes: Sequence[str], listed: Sequence[tuple[Path, int | None]]
) -> Writer:
    if layout == "json":
        return _JsonWriter(report, classes)
    labelled = any(label is not None for _, label in listed)
    if layout == "csv":
        return _CsvWriter(report.stream, classes, labelled)
    width = max(len(to_one_line(str(path))) for path, _ in listed)
    return _TableWriter(report.stream, classes, labelled, width)


class _JsonWriter:
    """Events as in the trainer's protocol."""

    def __init__(self, report: Report, classes: Sequence[str]) -> None:
        self._report, self._classes = report, classes

    def prediction(self, found: Prediction) -> None:
        top = _top(found)
        true = {} if found.label is None else {"true_class": self._classes[found.label]}
        self._report.event(
            "prediction",
            image=str(found.path),
            **{"class": self._classes[top], "probability": found.probabilities[top]},
            probabilities=dict(zip(self._classes, found.probabilities, strict=True)),
            **true,
        )

    def unreadable(self, path: Path, reason: Unreadable) -> None:
        self._report.event("unreadable", image=str(path), message=to_one_line(str(reason)))

    def scores(self, found: Scores) -> None:
        fields: dict[str, Any] = {**vars(found), "classes": [vars(one) for one in found.classes]}
        self._report.event("scores", **fields)


class _TextWriter:
    """What table and CSV have in common: `lines` takes what is not a prediction."""

    def __init__(self, lines: TextIO, classes: Sequence[str]) -> None:
        self._lines, self._classes = lines, [to_one_line(name) for name in classes]

    def unreadable(self, path: Path, reason: Unreadable) -> None:
        """All of them are named at the end."""

    def scores(self, found: Scores) -> None:
        low, high = found.interval
        self._lines.write(
            f"\n{found.images} images: accuracy {found.accuracy:.1%} [{low:.1%}, {high:.1%}], "
            f"balanced accuracy {found.balanced_accuracy:.1%}, macro F1 {found.macro_f1:.1%}\n\n"
        )
        head = ("class", "images", "recall", "precision", "F1")
        figures = [
            (name, str(one.images), *map(_percent, (one.recall, one.precision, one.f1)))
            for name, one in zip(self._classes, found.classes, strict=True)
        ]
        self._lines.writelines(_align([head, *figures]))
        if len(self._classes) > _LARGEST_MATRIX:
            self._lines.write("\nmost frequent confusions\n")
            self._lines.writelines(_align([("true", "predicted", "images"), *self._confusions(found)]))
        else:
            self._lines.write(
                "\nconfusion matrix: a row for each true class, a column for each predicted one\n"
            )
            rows = [(name, *map(str, row)) for name, row in zip(self._classes, found.confusion, strict=True)]
            self._lines.writelines(_align([("", *self._classes), *rows]))

    def _confusions(self, found: Scores) -> list[tuple[str, str, str]]:
        counted = np.array(found.confusion)
        np.fill_diagonal(counted, 0)
        order = np.argsort(-counted, axis=None, kind="stable")[:_CONFUSIONS]
        pairs = [divmod(int(place), len(self._classes)) for place in order]
        return [
            (self._classes[true], self._classes[predicted], str(counted[true, predicted]))
            for true, predicted in pairs
            if counted[true, predicted]
        ]


class _TableWriter(_TextWriter):
    """Aligned columns; after the predicted class the two that follow it."""

    def __init__(self, lines: TextIO, classes: Sequence[str], labelled: bool, width: int) -> None:
        super().__init__(lines, classes)
        self._labelled = labelled
        name = max(len("true class"), *map(len, self._classes))
        self._widths = (max(width, len("image")), *([name] if labelled else []), name, 11)
        self._row("image", *(["true class"] if labelled else []), "class", "probability", "then")

    def prediction(self, found: Prediction) -> None:
        order = np.argsort(-np.array(found.probabilities), kind="stable")[:3]
        top, *others = [(self._classes[label], f"{found.probabilities[label]:.1%}") for label in order]
        true = "" if found.label is None else self._classes[found.label]
        then = ", ".join(f"{name} {share}" for name, share in others)
        self._row(to_one_line(str(found.path)), *([true] if self._labelled else []), *top, then)

    def _row(self, *cells: str) -> None:
        padded = [f"{cell:<{width}}" for cell, width in zip(cells, self._widths, strict=False)]
        self._lines.write("  ".join([*padded, cells[-1]]) + "\n")


class _CsvWriter(_TextWriter):
    """One row an image, with a column for each class. Scores go to stderr."""

    def __init__(self, lines: TextIO, classes: Sequence[str], labelled: bool) -> None:
        super().__init__(sys.stderr, classes)
        self._labelled, self._rows = labelled, csv.writer(lines, lineterminator="\n")
        columns = ["image", *(["true_class"] if labelled else []), "class", "probability"]
        self._rows.writerow([*columns, *map(_printable, classes)])
        self._names = [_printable(name) for name in classes]

    def prediction(self, found: Prediction) -> None:
        top = _top(found)
        true = "" if found.label is None else self._names[found.label]
        first = [_printable(str(found.path)), *([true] if self._labelled else [])]
        self._rows.writerow([*first, self._names[top], found.probabilities[top], *found.probabilities])


def _printable(text: str) -> str:
    """The text with bytes that are not UTF-8 escaped. What a spreadsheet would run gets an apostrophe."""
    escaped = text.encode("utf-8", "backslashreplace").decode()
    return f"'{escaped}" if escaped.startswith(("=", "+", "-", "@", "\t", "\r")) else escaped


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows with aligned columns, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            f"{cell:<{width}}" if place == 0 else f"{cell:>{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        + "\n"
        for row in rows
    ]
