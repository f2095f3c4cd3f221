"""Read the files of trials: only those inside the folder of runs, a piece at a time."""

from __future__ import annotations

import codecs
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from orchestrator.trial import metrics
from results import file_names
from results.model_facts import measure_files
from results.scores import Score

PIECE = 64 * 1024  # bytes of a log at most at a time


class Elsewhere(ValueError):
    """The file is outside the folder that the service serves."""


def resolve_inside(root: Path, path: str | Path) -> Path:
    """Return the path with every link followed. Raise Elsewhere if that is not inside `root`."""
    try:
        whole = (root / path).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise Elsewhere(f"{path} cannot be followed") from error
    if not whole.is_relative_to(root.resolve()):
        raise Elsewhere("its files are outside the folder that this service serves; read them where it ran")
    return whole


def read_piece(path: Path, offset: int, most: int = PIECE) -> dict[str, Any]:
    """Return the text of a log from a byte offset on, and where the next piece starts.

    Without a file it is empty and not `kept`.
    A negative offset counts from the end. A character that would be cut goes to the next piece.
    """
    if not path.is_file():
        return {"text": "", "offset": 0, "next_offset": 0, "size": 0, "kept": False}
    with path.open("rb") as file:
        size = file.seek(0, 2)
        begin = max(0, size + offset) if offset < 0 else min(offset, size)
        file.seek(begin)
        read = file.read(most)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(read, final=begin + len(read) == size)
    undecoded = len(decoder.getstate()[0])
    following = begin + len(read) - undecoded
    return {"text": text, "offset": begin, "next_offset": following, "size": size, "kept": True}


def zip_network(root: Path, folder: str, name: str) -> Iterator[bytes] | None:
    """Return a zip of a trained network, in pieces: its files in a folder `name`. None if it is not kept.

    It is made on the disk, and without compression, since weights hardly get smaller. Raise Elsewhere.
    """
    held = measure_files(resolve_inside(root, folder))
    paths = {f"{name}/{file}": resolve_inside(root, f"{folder}/{file}") for file in held}
    if not paths:
        return None
    whole = tempfile.TemporaryFile()  # noqa: SIM115, closed by what reads it
    with zipfile.ZipFile(whole, "w", strict_timestamps=False) as zipped:
        for inside, path in paths.items():
            zipped.write(path, inside)
    return _read_pieces(whole)


def _read_pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while piece := file.read(PIECE):
            yield piece


def read_curve(root: Path, folder: str, sought: Score) -> list[dict[str, Any]]:
    """Return the measurements of a trial that still runs, from its folder. Raise Elsewhere."""
    place = resolve_inside(root, folder)
    try:
        whole = resolve_inside(root, place / file_names.METRICS)
        if whole.stat().st_size > metrics.MOST_OF_CURVE_BYTES:  # a flood: not to be read again and again
            return []
        return metrics.read(whole, sought).measurements
    except (OSError, ValueError):  # half a line in mid-file, or gone meanwhile
        return []


def read_latest(root: Path, folder: str | None) -> dict[str, Any]:
    """Return the last measurement of a running trial; empty if there is none."""
    try:
        return metrics.latest_epoch(resolve_inside(root, f"{folder or ''}/{file_names.METRICS}")) or {}
    except (OSError, ValueError):
        return {}
