"""Names of studies, of saved models and of data sets."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from orchestrator.spec.command_options import check

LONGEST_NAME = 200  # bytes; a disk takes 255 in one name
PATHS = ("npz", "folder", "csv")  # data sets that are named by a path

_LONGEST_DATA = 80  # bytes of a data set's name in a study's
_ARCHIVE = re.compile(r"\.(zip|tar|tgz|tbz2|txz|tar\.(gz|bz2|xz))$", re.IGNORECASE)
_FILES = re.compile(r"(results|optuna)\.db([.-].*)?|.*\.lock", re.IGNORECASE)  # that we write to --runs


def check_name(name: str | None, option: str = "") -> None:
    """Raise BadOption for a name that cannot be a folder's, or that is one of our files in --runs.

    option: which option to give instead, if the name was made from other options
    """
    if not name:
        return
    remedy = f"; give another {option}" if option else ""
    check(
        re.fullmatch(r"\w([\w .+-]*[\w+-])?", name) is not None,
        f"the name {name!r} cannot be the name of a folder; use letters, digits, and . + - _ within{remedy}",
    )
    size = len(name.encode())
    check(
        size <= LONGEST_NAME,
        f"the name {name[:20]!r}... has {size} bytes, more than {LONGEST_NAME}{remedy}",
    )
    check(
        _FILES.fullmatch(name) is None,
        f"the name {name!r} is that of a file in the folder of runs{remedy or '; give another'}",
    )


def name_data(dataset: str) -> str:
    """Return a data set's part of a study's name: of a user's own the last folder's or file's name.

    `folder:/data/my photos` is `my-photos`, `npz:/data/plates.npz` is `plates`, `folder:/data/a.zip` is `a`,
    `torchvision:MNIST` is `MNIST`, `cifar10` is itself.
    """
    kind, _, path = dataset.partition(":")
    if kind not in (*PATHS, "torchvision") or not path:
        return kind
    last = _ARCHIVE.sub("", Path(path).name) if kind == "folder" else Path(path).stem
    safe = re.sub(r"[^\w+-]+", "-", last).encode()[:_LONGEST_DATA].decode(errors="ignore")
    return safe.strip("+-") or kind


def name_space(space: str) -> str:
    """Return a space's part of a study's name: of a file its own name."""
    return Path(space.partition(".py:")[0]).stem


def name_script(command: str) -> str:
    """Return what studies of a script are named after: its file. Raise ValueError for an open quote.

    That is the first word with a suffix, as `train.py` in `python train.py --data x.csv`, or the last one.
    """
    words = [word for word in shlex.split(command) if not word.startswith("-")] or ["script"]
    files = [word for word in words if re.search(r"\.[A-Za-z]\w*$", word)]
    return re.sub(r"\W", "_", Path((files or words[-1:])[0]).stem)


def name_data_by_kind(dataset: str) -> str:
    """Return the same as earlier versions had it, `folder` of every folder, to find their studies."""
    return dataset.partition(":")[0]
