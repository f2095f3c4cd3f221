"""Check a machine and a results database, and fix what can be fixed safely.

Each check is a function that yields findings. Checks of torch, NOMAD and the GPU run in processes of
their own, because a broken driver or library can hang or crash its process.
"""

import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from results import file_names, packages
from results.db import backup, connection, schema, study_files
from results.db.locks import gpu_lock_folder, holder, refusal, study_lock
from results.db.store import Store
from results.db.tables import Trial
from results.errors import StoreError, StudyLocked
from results.format import quantity, size_text

NEEDED = ("torch", "torchvision", "PyNomadBBO", "optuna", "sqlalchemy", "pandas")
LEAST_FREE_BYTES = 2**30
ABANDONED = "its process was killed; run its command again to go on"
_PATIENCE_SECONDS = 120.0
_NOT_OF_THE_FILE = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_BUSY,
)
_TORCH = (
    "import json, torch; print(json.dumps([torch.__version__, torch.version.cuda, "
    "[torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]]))"
)
_KERNELS = """
import torch
try:
    for gpu in range(torch.cuda.device_count()):
        torch.ones(1, device=gpu).add_(1).item()
except RuntimeError as error:
    raise SystemExit(str(error).splitlines()[0])
"""
_NOMAD = "import PyNomad"


@dataclass(frozen=True)
class Finding:
    """What one check found. `advice`: what to do, or what was done if `mended`."""

    subject: str
    level: Literal["good", "warning", "fault"]
    found: str
    advice: str = ""
    mended: bool = False


def machine(runs: Path) -> Iterator[Finding]:
    """Yield the findings about this machine. `runs`: the folder whose disk needs free space."""
    yield from _packages()
    yield from _gpus()
    yield from _torch()
    yield _solver()
    yield gpu_locks()
    yield disk(runs)


def record(db: str, repair: bool = False) -> Iterator[Finding]:
    """Yield the findings about the database at `db`. With `repair`, fix what can be fixed safely."""
    path = connection.sqlite_path(connection.address(db))
    if path is not None and path.is_dir():
        yield Finding("database", "fault", f"{path} is a folder", "give the database file in it as --db")
        return
    if path is not None and not path.is_file():
        yield Finding("database", "good", f"{path} does not exist yet; the first search creates it")
        return
    if path is not None:
        damaged = list(_damage(path))
        yield from damaged
        if any(finding.level == "fault" for finding in damaged):
            return
    yield from _studies(db, repair)


def leftovers(db: str, runs: Path) -> Iterator[Finding]:
    """Yield a finding for each folder with trials of a study that is not in the database at `db`.

    A deletion that was cut off leaves one, and so does a backup that is restored: it is not removed here.
    """
    path = connection.sqlite_path(connection.address(db))
    if not runs.is_dir() or (path is not None and not path.is_file()):
        return
    try:
        with Store(db, read_only=True) as store:
            names = {study.name for study in store.studies()}
    except StoreError:
        return  # as the finding about the schema says
    for folder in sorted(runs.iterdir()):
        if folder.name in names or not study_files.is_own(folder, store.url):
            continue
        if holder(store.url, folder.name) is None:  # otherwise it is about to start
            found = f"{folder} has trials of a study that is not in the results database"
            advice = f"nas-results delete {shlex.quote(folder.name)} removes it"
            yield Finding("files", "warning", found, advice)


def weights(db: str, repair: bool) -> Iterator[Finding]:
    """Yield the findings about the weights of the studies that do not run: their size, rows without files.

    Files without a row are left alone: somebody may have put them there.
    """
    path = connection.sqlite_path(connection.address(db))
    if path is not None and not path.is_file():
        return
    try:
        with Store(db, read_only=not repair) as store:
            ended = [study for study in store.studies() if study.state != "running"]
            rows = [(study.name, row) for study in ended for row in store.trials(study.id) if row.folder]
            kept = [(name, row) for name, row in rows if row.weights_bytes is not None]
            gone = [(name, row) for name, row in kept if not all(map(Path.is_file, _weights_files(row)))]
            for name, row in gone:
                found = f"{name}, trial {row.number}: its files are not in {row.folder} any more"
                advice = (
                    f"put them back, or use --repair; nas-results show {name} {row.number} has its settings"
                )
                if repair:
                    store.forget_weights(row.id)
                    advice = "the database does not say any more that they are kept"
                yield Finding("weights", "warning", found, advice, mended=repair)
    except StoreError:
        return  # as the finding about the schema says
    for name, row in rows:
        if row.weights_bytes is None and (left := [path for path in _weights_files(row) if path.is_file()]):
            found = f"{name}, trial {row.number}: the database does not know of {left[0]}"
            yield Finding("weights", "warning", found, "remove it if you do not need it")
    size = sum(row.weights_bytes or 0 for _, row in kept)
    yield Finding(
        "weights", "good", f"{quantity(len(kept) - len(gone), 'trained network')}, {size_text(size)}"
    )


def _weights_files(row: Trial) -> list[Path]:
    """Return the files without which there is no trained network."""
    return [Path(row.folder or "") / name for name in (file_names.WEIGHTS, file_names.MODEL)]


def disk(runs: Path) -> Finding:
    """Return how much space is free on the disk of `runs`."""
    place = next(folder for folder in (runs.absolute(), *runs.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    found = f"{free / 2**30:.1f} GiB free in {place}"
    if free < LEAST_FREE_BYTES:
        return Finding("disk", "warning", found, "free some space: a search stops when the disk is full")
    return Finding("disk", "good", found)


def gpu_locks() -> Finding:
    """Return whether the locks with which studies share this machine's GPUs are usable."""
    folder = gpu_lock_folder()
    if not folder.is_dir():
        return Finding(
            "GPU locks", "good", f"{folder} does not exist yet; the first search on a GPU creates it"
        )
    files = sorted(folder.glob("*.lock"))
    shut = [path for path in (folder, *files) if not os.access(path, os.R_OK | os.W_OK)]
    if shut:
        advice = "set NOMAD_NAS_LOCK_FOLDER to a folder that every user of the GPUs can write to"
        return Finding("GPU locks", "fault", f"{shut[0]} cannot be written to", advice)
    return Finding("GPU locks", "good", f"{len(files)} in {folder}, all of them usable")


def _packages() -> Iterator[Finding]:
    clash = packages.clash()
    if clash is not None:
        yield Finding("packages", "fault", "one of our packages is hidden by another", clash)
    found = packages.versions(NEEDED)
    missing = [name for name in NEEDED if name not in found]
    if missing:
        yield Finding("packages", "fault", f"not installed: {', '.join(missing)}", "install them with pip")
    else:
        yield Finding("packages", "good", ", ".join(f"{name} {version}" for name, version in found.items()))


def _gpus() -> Iterator[Finding]:
    program = shutil.which("nvidia-smi")
    if program is None:
        yield Finding("GPU driver", "good", "no NVIDIA driver: trials run on the CPU")
        return
    asked = "--query-gpu=name,driver_version,memory.used,memory.total"
    said, trouble = _answer([program, asked, "--format=csv,noheader"])
    if trouble:
        advice = "repair the driver, or run with --device cpu"
        yield Finding("GPU driver", "fault", f"nvidia-smi fails: {trouble}", advice)
    for index, line in enumerate(said.splitlines()):
        yield Finding("GPU driver", "good", f"GPU {index}: {line}")


def _torch() -> Iterator[Finding]:
    said, trouble = _answer([sys.executable, "-P", "-c", _TORCH])
    if trouble:
        yield Finding("torch", "fault", f"cannot be imported: {trouble}", "reinstall torch")
        return
    version, cuda, gpus = json.loads(said.splitlines()[-1])
    seen = f"sees {', '.join(gpus)}" if gpus else "sees no GPU"
    yield Finding("torch", "good", f"{version}, {'CUDA ' + cuda if cuda else 'no CUDA'}: {seen}")
    if shutil.which("nvidia-smi") and not gpus:
        advice = "install a torch built for this driver's CUDA, or run with --device cpu"
        yield Finding("torch", "warning", "there is a driver, but torch sees no GPU", advice)
    _, trouble = _answer([sys.executable, "-P", "-c", _KERNELS]) if gpus else ("", "")
    if trouble:
        advice = (
            "if it has no kernels for a GPU older than sm_75: pip install --force-reinstall torch "
            "torchvision --index-url https://download.pytorch.org/whl/cu126; or run with --device cpu"
        )
        yield Finding("torch", "fault", f"cannot use its GPUs: {trouble}", advice)


def _solver() -> Finding:
    _, trouble = _answer([sys.executable, "-P", "-c", _NOMAD])
    if trouble:
        advice = "pip install PyNomadBBO (not available for Linux on Arm), or choose another --solver"
        return Finding("NOMAD", "fault", f"PyNomad cannot be imported: {trouble}", advice)
    return Finding("NOMAD", "good", "PyNomad can be imported")


def _damage(path: Path) -> Iterator[Finding]:
    advice = f"restore a backup, or save what is left: sqlite3 {path} .recover | sqlite3 NEW.db"
    try:
        found = backup.damage(path)
    except sqlite3.Error as error:
        is_whole = getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_OF_THE_FILE
        yield Finding(
            "database", "fault", f"{path}: {error}", (is_whole and connection.advice(error)) or advice
        )
        return
    for line in found:
        yield Finding("database", "fault", f"{path}: {line}", advice)
    if not found:
        yield Finding("database", "good", f"{path} is intact, {path.stat().st_size / 2**20:.1f} MiB")


def _studies(db: str, repair: bool) -> Iterator[Finding]:
    """Yield the findings about the schema and the studies; a running study is left alone."""
    try:
        with Store(db, read_only=not repair) as store:
            yield Finding("schema", "good", schema.REVISION)
            for study in store.studies():
                if study.state == "running":
                    yield _running(store, study.id, study.name, repair)
    except StoreError as error:
        yield Finding("schema", "fault", str(error))  # which says what to do


def _running(store: Store, study_id: int, name: str, repair: bool) -> Finding:
    """Return the finding about a study in the state `running`.

    Without `repair` no lock is taken: a search that starts at that moment would be refused.
    """
    found = f"study {name} is marked as running, but no process runs it"
    if not repair:
        held = holder(store.url, name)
        if held is None:
            return Finding("studies", "warning", found, "run its command again, or use --repair")
        return Finding("studies", "good", refusal(name, held).partition(";")[0])
    try:
        with study_lock(store.url, name):
            store.end_study(study_id, "stopped", ABANDONED)
            return Finding("studies", "warning", found, "now marked as stopped", mended=True)
    except StudyLocked as locked:
        return Finding("studies", "good", str(locked).partition(";")[0])


def _answer(command: list[str]) -> tuple[str, str]:
    """Return what a program prints, and its error in one line; the error is empty if all went well."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        return "", f"no answer in {_PATIENCE_SECONDS:.0f} s"
    except OSError as error:
        return "", str(error.strerror)
    if done.returncode == 0:
        return done.stdout, ""
    last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
    return "", f"exit code {done.returncode}: {last}"
