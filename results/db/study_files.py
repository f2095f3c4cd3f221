"""The folders of studies in the folder of runs: whose they are, what they hold, and their removal."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from sqlalchemy import URL

from results import file_names
from results.db import connection, locks


def read_owner(folder: Path) -> str:
    """Return the database that a study's folder names; empty if it names none, or after a power cut."""
    path = folder / file_names.OWNER
    return path.read_text(errors="replace").strip("\0 \n") if path.is_file() else ""


def is_own(folder: Path, url: URL) -> bool:
    """Whether a study's folder holds the trials of this database and of no other."""
    named = read_owner(folder)
    path = connection.sqlite_file(url)
    if path is None or not named:
        return named == url.render_as_string(hide_password=True)
    # relative to where the folder is, or to where it was before a link took its place
    places = (str(folder / named), os.path.normpath(folder / named))
    return "://" not in named and any(os.path.realpath(place) == str(path) for place in places)


def measure(folder: Path) -> tuple[int, int]:
    """Return how many files a folder holds, and their bytes. Links are not followed."""
    sizes = [
        os.lstat(os.path.join(place, name)).st_size for place, _, names in os.walk(folder) for name in names
    ]
    return len(sizes), sum(sizes)


def remove(folder: Path) -> None:
    """Remove a study's folder, and the link that leads to it, if any. Raise OSError.

    The file that says whose it is goes last, so that a removal that was cut off can be repeated.
    """
    place = folder.resolve()
    for path in place.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != file_names.OWNER:
            path.unlink()
    shutil.rmtree(place)
    if folder.is_symlink():
        folder.unlink()


def service_file(runs: Path, study: str, suffix: str) -> Path:
    """Return a service's file of a search: the `log` of its output, or the `lock` of its process."""
    return runs / file_names.SERVICE / f"{locks.file_name(study)}.{suffix}"
