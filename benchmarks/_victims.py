"""A study of the fake trainer as its command, the processes it is made of, and what its record says."""

from __future__ import annotations

import os
import shlex
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

ROOT = Path(__file__).resolve().parents[1]
FAKE, HOSTING = ROOT / "tests" / "fake_trainer.py", ROOT / "tests" / "hosting_trainer.py"
RUN = "import sys; from orchestrator.cli import commands; sys.argv = sys.argv[1:]; commands.{}()"
# what must be equal in two records of one question; times, attempts and places may differ
COMPARED = (
    *("number", "purpose", "state", "reason", "point", "replicate", "of_trial_number", "macs"),
    *("val_accuracy", "test_accuracy", "objective", "constraints", "seed", "subset_seed"),
)

Rows = list[tuple[Any, ...]]


def typed(folder: Path, program: str, *options: str, forks: bool = False) -> list[str]:
    """The command of a study with its record in `folder`."""
    trainer = shlex.join([sys.executable, str(HOSTING if forks else FAKE)])
    where = "--folder" if program == "nas_evaluate" else "--runs"
    places = [where, str(folder), "--trainer", trainer, "--device", "cpu", "--study", "s"]
    if server := server_of(folder):
        places += ["--db", server]
    return [sys.executable, "-P", "-c", RUN.format(program), program, *places, *options]


def begin(words: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def victims(kind: str, orchestrator: int, folder: Path) -> list[int]:
    """The study's processes of one kind; `any` is all of them."""
    below = [pid for pid in _pids() if orchestrator in _ancestors(pid)]
    words = {pid: _words(pid) for pid in below}
    guards = [pid for pid in below if "supervisor.py" in words[pid]]
    hosts = [
        pid for pid in below if words[pid].rstrip("\0").endswith("\0host") and _parent(pid) == orchestrator
    ]
    supervisors = [pid for pid in below if _parent(pid) in hosts]
    found = {
        "orchestrator": [orchestrator],
        "solver": [pid for pid in below if "orchestrator.solvers" in words[pid]],
        "guard": guards,
        "host": hosts,
        "trial supervisor": supervisors,
        "trainer": [pid for pid in below if _parent(pid) in (*guards, *supervisors)],
    }
    return [orchestrator, *below] if kind == "any" else found[kind]


def left_over(folder: Path, seconds: float = 5.0) -> int:
    """How many processes still name the folder, or work in it, when the time is over."""

    def naming() -> list[int]:
        return [pid for pid in _pids() if str(folder) in _words(pid) + _cwd(pid) and pid != os.getpid()]

    wait_until(lambda: not naming(), seconds)
    return len(naming())


def rows(folder: Path, columns: Sequence[str] = COMPARED) -> Rows:
    """The trials on record; none before there is a record."""
    if server := server_of(folder):
        return _rows_of(server, columns)
    with (
        suppress(sqlite3.OperationalError),
        closing(sqlite3.connect(folder / "results.db", timeout=60)) as db,
    ):
        return db.execute(f"SELECT {', '.join(columns)} FROM trials ORDER BY number").fetchall()
    return []


def server_of(folder: Path) -> str | None:
    """The URL of the study's database, where that is on a server and not in the folder."""
    kept = folder / _SERVER
    return kept.read_text() if kept.exists() else None


def put_on_server(folder: Path, url: str) -> None:
    """Have the study in the folder kept in this database."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _SERVER).write_text(url)


_SERVER = "server.url"


def _rows_of(url: str, columns: Sequence[str]) -> Rows:
    told = [f"{name}::text" if name in ("point", "constraints") else name for name in columns]
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    with suppress(DBAPIError), engine.connect() as connection:  # while the server is down as well
        found = connection.execute(text(f"SELECT {', '.join(told)} FROM trials ORDER BY number"))
        return [tuple(row) for row in found]
    return []


def ended(folder: Path) -> dict[int, str]:
    """When each finished trial had ended, by its number."""
    found = rows(folder, ("number", "finished_at", "state"))
    return {number: at for number, at, state in found if state in ("completed", "failed", "pruned")}


def wait_until(holds: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _pids() -> list[int]:
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            if Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                found.append(int(name))
    return found


def _parent(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _ancestors(pid: int) -> list[int]:
    above = _parent(pid)
    return [above, *_ancestors(above)] if above > 1 else []


def _words(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def _cwd(pid: int) -> str:
    with suppress(OSError):
        return os.readlink(f"/proc/{pid}/cwd")
    return ""
