"""Links to the files of the networks that the page shows, where they are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from results.format import megabytes
from results.model_facts import compare_with_base
from results.study_record import StudyRecord


@dataclass(frozen=True)
class Download:
    """A file of the weights of the network `role`. href: relative if it is below the page's folder."""

    role: str
    name: str
    href: str
    size: str


def downloads(study: StudyRecord, page_folder: Path) -> list[Download]:
    """Return the files that are there now."""
    return [
        Download(one.role, name, _href(Path(one.kept["folder"]) / name, page_folder), megabytes(size))
        for one in compare_with_base(study)
        if one.kept is not None
        for name, size in one.files.items()
    ]


def _href(file: Path, page_folder: Path) -> str:
    file, folder = file.absolute(), page_folder.absolute()
    return quote(os.path.relpath(file, folder)) if file.is_relative_to(folder) else file.as_uri()
