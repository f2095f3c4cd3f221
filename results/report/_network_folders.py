"""Links to the folders with the weights of the networks that the page shows, where they are.

A folder and not its files: a browser saves the files of all networks under the same names.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from results.format import megabytes
from results.model_facts import compare_with_base
from results.study_record import StudyRecord


@dataclass(frozen=True)
class NetworkFolder:
    """The folder with the weights of the network `role`. href: relative if it is below the page's folder."""

    role: str
    path: Path
    href: str
    size: str


def network_folders(study: StudyRecord, page_folder: Path) -> list[NetworkFolder]:
    """Return the folders whose files are there now."""
    return [
        NetworkFolder(one.role, folder, _href(folder, page_folder), megabytes(sum(one.files.values())))
        for one in compare_with_base(study)
        if one.kept is not None and one.files
        for folder in [Path(one.kept["folder"]).absolute()]
    ]


def _href(path: Path, page_folder: Path) -> str:
    folder = page_folder.absolute()
    return f"{quote(os.path.relpath(path, folder)) if path.is_relative_to(folder) else path.as_uri()}/"
